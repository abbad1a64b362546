"""What the tables of all frameworks share: rules with numbers, wrapped in rules, and refusals."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from jax.core import Tracer

from jaxnn.errors import BadValue, bad_type, bad_value, unknown_name
from jaxnn.optimizers.table import get
from jaxnn.optimizers.wrappers import decayed, regularized

__all__ = [
    "Recipe",
    "called",
    "check_arguments",
    "decoupled",
    "is_off",
    "made",
    "or_zero",
    "penalized",
    "require",
    "require_number",
    "with_own",
]

Recipe: TypeAlias = tuple[Any, Any]
"""A rule and its numbers."""
NUMERALS = {2: "two", 3: "three"}


def made(name: str, /, *, flavor: str = "optax", **numbers: Any) -> Recipe:
    """The rule of this library in a flavour, and its `Hyper` with these numbers."""
    rule = get(name, flavor=flavor) if flavor != "optax" else get(name)
    return rule, rule.Hyper(**numbers)


def with_own(recipe: Recipe, wrap: Callable[[Any], Any], **numbers: Any) -> Recipe:
    """The recipe inside a wrapper with numbers of its own."""
    rule, hyper = recipe
    outer = wrap(rule)
    return outer, outer.Hyper(hyper, **numbers)


def penalized(recipe: Recipe, weight_decay: Any, mask: Any = None) -> Recipe:
    """With decay that enters the gradients, where there is any."""
    if is_off(weight_decay):
        return recipe
    return with_own(recipe, lambda rule: regularized(rule, mask), weight_decay=weight_decay)


def decoupled(recipe: Recipe, weight_decay: Any, mask: Any = None) -> Recipe:
    """With decay beside the steps, where there is any."""
    if is_off(weight_decay):
        return recipe
    return with_own(recipe, lambda rule: decayed(rule, mask), weight_decay=weight_decay)


def is_off(value: Any) -> bool:
    """None, or a number that is known to be 0."""
    if isinstance(value, Tracer) or np.ndim(value):
        return False
    return value is None or not value


def or_zero(value: Any) -> Any:
    """The number, 0 for None."""
    return 0.0 if value is None else value


def require(where: str, arguments: Mapping[str, Any], only: Mapping[str, tuple[Any, str]]) -> None:
    """Raises ValueError for an argument that has another value than the one it can have here.

    only: argument → (its value, what to do instead).
    """
    for name, (value, fix) in only.items():
        got = arguments.get(name, value)
        got = tuple(got) if isinstance(got, list) else got
        if isinstance(got, Tracer) or got != value:
            raise bad_value(where, name, repr(value), repr(got), fix)


def require_number(where: str, name: str, value: Any) -> None:
    """Raises TypeError for a schedule in the place of a number."""
    if callable(value):
        raise bad_type(where, name, "a number", f"a {type(value).__name__}", SCHEDULE)


def check_arguments(
    where: str,
    entry: Callable[..., Recipe],
    beside: Iterable[str],
    arguments: Mapping[str, Any],
) -> None:
    """Raises ValueError for a name that is no argument of the entry, nor one of those beside them.

    Raises TypeError for what is not as many numbers as the default.
    """
    parameters = inspect.signature(entry).parameters
    known = [*parameters, *beside]
    for name, value in arguments.items():
        if name not in known:
            raise _unknown_argument(where, name, known)
        default = parameters[name].default if name in parameters else None
        if not isinstance(default, tuple):
            continue
        if not hasattr(value, "__len__") or len(value) != len(default):
            raise bad_type(where, name, f"{NUMERALS[len(default)]} numbers", repr(value))


SCHEDULE = (
    "Pass its first number, then optimizers.scheduled(rule, learning_rate=schedules.cosine), or "
    "schedules.from_optax(fn) for one of Optax's."
)

_ALIASES = {"learning_rate": "lr", "lr": "learning_rate"}
_CLIPPING = ("clip_norm", "max_norm", "max_grad_norm", "grad_clip", "clip_grad_norm", "clipnorm")


def _unknown_argument(where: str, name: str, known: Iterable[str]) -> BadValue:
    if name.lower() in _CLIPPING:
        constraint, fix = "the optimizer's own", "Wrap the rule: optimizers.clipped(rule)."
        return bad_value(where, "arguments", constraint, repr(name), fix)
    return unknown_name(where, "arguments", name, known, _ALIASES)


def called(entry: Callable[..., Recipe], arguments: Mapping[str, Any]) -> Recipe:
    """What the entry makes of those of the arguments that it takes."""
    taken = inspect.signature(entry).parameters
    return entry(**{name: value for name, value in arguments.items() if name in taken})
