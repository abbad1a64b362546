"""The table of rules: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Hashable
from types import ModuleType
from typing import Any

from jaxnn.errors import look_up
from jaxnn.optimizers import (
    adadelta,
    adagrad,
    adam,
    adamw,
    momentum,
    nesterov,
    rmsprop,
    sgd,
)
from jaxnn.optimizers.base import variant

__all__ = ["OPTIMIZERS", "get", "resolve"]

OPTIMIZERS: dict[str, ModuleType] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adamw,
}


def get(name: str, **structure: Hashable) -> Any:
    """The rule of that name, with other structure where asked: `get("rmsprop", centered=True)`.

    The answer is the same object for the same arguments, so that `jit` finds what it compiled.
    Raises ValueError for an unknown name, option or value.
    """
    return variant(look_up("optimizers.get", "name", name, OPTIMIZERS), **structure)


def resolve(rule_or_name: Any) -> Any:
    """A rule from a rule or from its name."""
    return get(rule_or_name) if isinstance(rule_or_name, str) else rule_or_name
