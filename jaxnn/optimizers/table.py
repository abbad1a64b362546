"""The table of rules: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Hashable
from types import ModuleType
from typing import Any

from jaxnn.errors import bad_type, look_up
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

__all__ = ["OPTIMIZERS", "check_rule", "get", "resolve"]

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


def check_rule(where: str, rule_or_name: Any) -> Any:
    """`resolve`, and the rule found to be one.

    Raises TypeError for what has no Hyper, init and update, ValueError for an unknown name.
    """
    rule = resolve(rule_or_name)
    if not all(hasattr(rule, name) for name in ("Hyper", "init", "update")):
        fix = "Wrap Optax's with optimizers.from_optax(optax.adam)."
        constraint = "a rule with Hyper, init and update, or a name"
        raise bad_type(where, "optimizer", constraint, repr(rule), fix)
    return rule
