"""The contracts of an update rule, for the rules of this library and for anyone's own.

    from jaxnn.testing import check_optimizer
    check_optimizer(my_rule)            # a module, an object or a name; raises ContractError

Each contract is a function (rule, hyper=None) in CONTRACTS: a suite can run them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jaxnn.optimizers import base, resolve
from jaxnn.testing.complex_numbers import complex_numbers
from jaxnn.testing.declarations import declares, identity
from jaxnn.testing.tracing import (
    donatable,
    empty_trees,
    keeps_types,
    one_trace,
    stable_in_cond,
    strict_promotion,
)
from jaxnn.testing.values import (
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
    one_trace,
    donatable,
    scan_as_loop,
    lanes_alone,
    finite,
    descends,
    shows_non_finite,
    linear,
    differentiable,
    complex_numbers,
)

CONTRACTS: dict[str, Callable[..., None]] = {check.__name__: check for check in _IN_ORDER}
"""Name → check(rule, hyper=None), from the most basic to the most demanding."""


def check_optimizer(rule: Any, hyper: Any = None) -> None:
    """Run every contract on a rule: some seconds, most of them compilation.

    rule: a module or a frozen dataclass with `Hyper`, `init`, `update` and the declarations (any
    object that is hashable and equal to its unpickled copy), or a name.
    hyper: the numbers to run with, the rule's defaults where it is None.
    Raises ContractError at the first contract that does not hold.
    """
    for check in CONTRACTS.values():
        check(rule, hyper)


def variants(rule: Any) -> Iterator[Any]:
    """The rule as it is, then with each other value of its structural options, one at a time."""
    rule = resolve(rule)
    yield rule
    for option, values in rule.STRUCTURE.items():
        for value in list(values)[1:]:
            yield base.variant(rule, **{option: value})
