"""Contracts on what a rule declares, and on its being the same thing each time.

Tables, tuning, the training loop and the documentation read the declarations; `jit` and other
processes need the identity.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from jaxnn.errors import shown
from jaxnn.optimizers import base, hypers
from jaxnn.testing.contract import contract, require

__all__ = ["declares", "identity"]

_DECLARATIONS = {
    "Hyper": "class Hyper(NamedTuple): learning_rate: Positive = 1e-3",
    "init": "def init(params, hyper): ...",
    "update": "def update(grads, state, params, hyper): ...",
    "REFERENCE": 'REFERENCE = "optax.adam"  # or the paper',
    "__doc__": '"""Steps against the gradient."""',
    **base.DECLARATIONS,
}

_OBJECT = "Use a module or a frozen dataclass, or define __eq__ and __hash__."


@contract
def declares(rule: Any, hyper: Any) -> None:
    """Everything that tables, tuning, the training loop and the documentation read is there."""
    missing = [name for name in _DECLARATIONS if not hasattr(rule, name)]
    missing += ["__doc__"] if rule.__doc__ is None else []
    examples = "; ".join(_DECLARATIONS[name] for name in missing)
    fix = f"For example: {examples}"
    require(not missing, "`, `".join(missing), "declared", "nothing", fix)
    defaults = rule.Hyper()
    named = hasattr(defaults, "_fields")
    require(named, "Hyper", "a NamedTuple with a default for each field", type(defaults).__name__)
    for numbers in (defaults, hyper):
        hypers.check(rule, numbers)
    _require_ranges(defaults)
    unknown = ", ".join(sorted(rule.NEEDS - base.NEEDS.keys()))
    require(not unknown, "NEEDS", f"a subset of {', '.join(sorted(base.NEEDS))}", unknown)
    require(isinstance(rule.REFERENCE, str), "REFERENCE", "a string", repr(rule.REFERENCE))
    for name in ("REVERSE_DIFFERENTIABLE", "LINEAR", "SATURATES", "SKIPS_NON_FINITE", "COMPLEX"):
        flag = getattr(rule, name, False)
        require(isinstance(flag, bool), name, "True or False", repr(flag))
    times = getattr(rule, "EVALUATIONS", 1)
    positive = isinstance(times, int) and not isinstance(times, bool) and times >= 1
    fix = "It is the number of gradient evaluations that a step makes."
    require(positive, "EVALUATIONS", "a positive integer", shown(times), fix)
    power = getattr(rule, "GRADIENT_RANGE", 1.0)
    require(0 < power <= 1, "GRADIENT_RANGE", "in (0, 1]", power)
    for name, distribution in rule.SEARCH_SPACE.items():
        subject, fix = f"SEARCH_SPACE[{name!r}]", "For example log_uniform(1e-4, 1e-1)."
        is_one = hasattr(distribution, "quantile")
        require(is_one, subject, "a distribution of jaxnn.space", shown(distribution), fix)
        for value in distribution.quantile(np.asarray([0.0, 0.5, 1.0])):
            hypers.check(rule, {name: float(value)})
    for option, values in rule.STRUCTURE.items():
        for changed in values.values():
            hypers.check(rule, changed)
        if isinstance(rule, ModuleType):
            _takes_keyword(rule.init, option, next(iter(values)))
            _takes_keyword(rule.update, option, next(iter(values)))


def _require_ranges(hyper: Any) -> None:
    """Each number of a Hyper is a field, and its type says what it may be."""
    for name, value in vars(type(hyper)).items():
        forgotten = isinstance(value, int | float) and not name.startswith("_")
        fix = f"Give it its range: {name}: Positive = {value}."
        require(not forgotten, name, "a field of Hyper", "an attribute without a type", fix)
    for name, (_, interval) in hypers.numbers_of(hyper).items():
        fix = "Those of jaxnn.typing: Positive, NonNegative, Fraction, UnitInterval, Real."
        constraint = "annotated with its range, which tells a wrong number before anything compiles"
        require(interval is not None, name, constraint, "a type without one", fix)


def _takes_keyword(function: Callable[..., Any], option: str, default: Any) -> None:
    found = inspect.signature(function).parameters.get(option)
    wanted = inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default)
    same = found is not None and found.replace(annotation=wanted.annotation) == wanted
    constraint = f"a function with the keyword-only argument `{wanted}`, as STRUCTURE says"
    require(same, function.__name__, constraint, f"`{found}`")


@contract
def identity(rule: Any, hyper: Any) -> None:
    """The same each time: to `jit`, which caches on it, and in another process."""
    del hyper
    hashable = getattr(type(rule), "__hash__", None) is not None
    require(hashable, "rule", "hashable, since jit caches on it", "what is not", _OBJECT)
    hash(rule)
    for name in ("init", "update"):
        same = getattr(rule, name) == getattr(rule, name)
        fix = "Define it once, at the level of the module or class: jit compiles each new one."
        require(same, name, "the same function at each access", "a new one", fix)
    module = isinstance(rule, ModuleType)
    copy = import_module(rule.__name__) if module else pickle.loads(pickle.dumps(rule))
    require(
        copy == rule, "rule", "equal to its copy from another process", "one that differs", _OBJECT
    )
