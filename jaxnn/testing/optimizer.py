"""The contracts of an update rule, for the rules of this library and for anyone's own.

    from jaxnn.testing import check_optimizer
    check_optimizer(my_rule)            # a module, an object or a name; raises ContractError

Each contract is a function (rule, hyper=None) in CONTRACTS: a suite can run them one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from jaxnn.errors import BadValue
from jaxnn.optimizers import base, hypers, resolve
from jaxnn.testing import feed
from jaxnn.testing.complex_numbers import complex_numbers
from jaxnn.testing.declarations import declares, identity
from jaxnn.testing.reading import reads_all
from jaxnn.testing.reports import reports
from jaxnn.testing.tracing import (
    any_tree,
    donatable,
    empty_trees,
    keeps_types,
    one_trace,
    stable_in_cond,
    strict_promotion,
)
from jaxnn.testing.values import (
    counts_on,
    descends,
    differentiable,
    finite,
    lanes_alone,
    linear,
    scan_as_loop,
    shows_non_finite,
)

__all__ = ["CONTRACTS", "check_optimizer", "variants"]

_IN_ORDER = (
    declares,
    identity,
    keeps_types,
    strict_promotion,
    stable_in_cond,
    empty_trees,
    any_tree,
    one_trace,
    donatable,
    reads_all,
    scan_as_loop,
    lanes_alone,
    finite,
    counts_on,
    descends,
    reports,
    shows_non_finite,
    linear,
    differentiable,
    complex_numbers,
)

CONTRACTS: dict[str, Callable[..., None]] = {check.__name__: check for check in _IN_ORDER}
"""Name → check(rule, hyper=None), from the most basic to the most demanding."""


def check_optimizer(rule: Any, hyper: Any = None) -> None:
    """Run every contract on a rule and its variants: some seconds for each, mostly compilation.

    rule: a module or a frozen dataclass with `Hyper`, `init`, `update` and the declarations (any
    object that is hashable and equal to its unpickled copy), or a name.
    hyper: the numbers to run with, the defaults where it is None or a variant has others.
    A variant that refuses its options, since they contradict each other, by a ValueError of
    `jaxnn.errors`, is left out. Raises ContractError at the first contract that does not hold.
    """
    rule = resolve(rule)
    CONTRACTS["declares"](rule, hyper)
    ways = [(one, hyper if _fits(hyper, one) else None) for one in variants(rule)]
    ways = [way for way in ways if way[0] is rule or not _refuses(*way)]
    for check in CONTRACTS.values():
        for one, numbers in ways:
            check(one, numbers)


def _fits(hyper: Any, rule: Any) -> bool:
    same = jax.tree.structure(hyper) == jax.tree.structure(rule.Hyper())
    return isinstance(hyper, Mapping) or same


def _refuses(rule: Any, hyper: Any) -> bool:
    params = feed.parameters("float32")
    try:
        numbers = hypers.check(rule, rule.Hyper() if hyper is None else hyper)
        state = jax.eval_shape(rule.init, params, numbers)
        jax.eval_shape(functools.partial(feed.update, rule), params, state, params, numbers)
    except BadValue:
        return True
    except Exception:
        return False  # a contract will say so
    return False


def variants(rule: Any) -> Iterator[Any]:
    """The rule as it is, then with each other value of its structural options, one at a time."""
    rule = resolve(rule)
    yield rule
    for option, values in rule.STRUCTURE.items():
        for value in list(values)[1:]:
            yield base.variant(rule, **{option: value})
