"""What a contract is: a check with a name that passes, or says what must hold and what was found.

    toy: contract `finite`: `updates['w']` must be finite for float16 gradients of 0; got nan.

In the words of `jaxnn.errors`, so that the author of a rule reads one language.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.optimizers import resolve
from jaxnn.optimizers.base import name_of
from jaxnn.optimizers.hypers import check
from jaxnn.typing import PyTree

__all__ = [
    "ContractError",
    "both_kinds",
    "contract",
    "leaves",
    "require",
    "require_close",
    "require_finite",
    "require_no_nan",
    "require_pure",
    "run",
    "running",
]


class ContractError(AssertionError):
    """Something breaks a contract of the library; the message names both and what was found."""


class _BrokenError(Exception):
    """The sentence of a broken contract, without the names that `contract` puts before it."""


def require(condition: bool, subject: str, constraint: str, got: Any, fix: str = "") -> None:
    """Inside a contract: `subject` must be `constraint`, or the contract is broken."""
    if not condition:
        text = f"`{subject}` must be {constraint}; got {got}."
        raise _BrokenError(f"{text} {fix}" if fix else text)


def leaves(name: str, tree: PyTree) -> list[tuple[str, Any]]:
    """The leaves of a tree, each with the expression that reaches it from `name`."""
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(name + jax.tree_util.keystr(path), leaf) for path, leaf in found]


def require_close(name: str, got: PyTree, wanted: PyTree, those: str, fix: str = "") -> None:
    """Equal to rounding, leaf by leaf, NaN and infinities too.

    Meant for float64: 1e-6 is far above the rounding of any rule and far below a wrong formula.
    """
    for (path, a), (_, b) in zip(leaves(name, got), leaves(name, wanted), strict=True):
        x, y = _numeric(a), _numeric(b)
        if not np.allclose(x, y, rtol=1e-6, atol=1e-12, equal_nan=True):
            with np.errstate(all="ignore"):
                gap = np.max(np.abs(x - y) / np.maximum(np.abs(y), np.finfo(np.float64).tiny))
            require(False, path, f"equal to {those}", f"a relative difference of {gap:.1e}", fix)


def _numeric(leaf: Any) -> np.ndarray[Any, Any]:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf).astype(np.float64)


def require_finite(subject: str, array: Any, constraint: str, fix: str = "") -> None:
    """Every element is finite; the first that is not is named."""
    bad = [x for x in np.ravel(array).tolist() if not math.isfinite(x)]
    require(not bad, subject, constraint, bad[0] if bad else None, fix)


def require_no_nan(state: PyTree, where: str, fix: str = "") -> None:
    """No leaf of the state holds a NaN."""
    for path, leaf in leaves("state", state):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            require(not bool(jnp.isnan(leaf).any()), path, f"a number {where}", "nan", fix)


def require_pure(function: Callable[..., Any], **given: Any) -> Any:
    """What the function returns for the values of `given`, having written into none of them."""
    before = jax.tree.map(lambda x: x, given)
    answer = function(*given.values())
    for name, tree in given.items():
        (now, structure), (then, was) = jax.tree.flatten(tree), jax.tree.flatten(before[name])
        same = structure == was and all(a is b for a, b in zip(now, then, strict=True))
        fix = "Make new trees, as jaxnn.tree.map does."
        require(same, name, "left as it was given", "one that was written into", fix)
    return answer


def both_kinds(rule: Any, hyper: Any) -> tuple[Any, Any]:
    """The numbers as arrays and as numbers of Python."""
    arrays = check(rule, hyper)
    return arrays, jax.tree.map(float, arrays)


def contract(holds: Callable[[Any, Any], None]) -> Callable[..., None]:
    """A check as a contract: called with (rule or its name, hyper=None), None being the defaults.

    Raises ContractError where it does not hold, and also where the rule itself raises.
    """

    @functools.wraps(holds)
    def checked(rule: Any, hyper: Any = None) -> None:
        rule = resolve(rule)
        name = name_of(rule)
        run(name, holds.__name__, lambda: holds(rule, rule.Hyper() if hyper is None else hyper))

    return checked


_TRACED = (
    "A number that decides what is computed is structure: declare it in STRUCTURE, or choose with "
    "jnp.where."
)


def run(name: str, contract_name: str, check: Callable[[], None]) -> None:
    """The check, and ContractError with both names where it does not hold or raises."""
    try:
        check()
    except Exception as error:
        text = str(error)
        if not isinstance(error, _BrokenError):
            text = _raised(error, "it must run")
            if isinstance(error, jax.errors.ConcretizationTypeError):
                text += f" {_TRACED}"
        raise ContractError(f"{name}: contract `{contract_name}`: {text}") from error


@contextlib.contextmanager
def running(when: str, fix: str) -> Iterator[None]:
    """Inside a contract: what raises in here breaks it, in a sentence with `when` and `fix`."""
    try:
        yield
    except _BrokenError:
        raise
    except Exception as error:
        text = _raised(error, f"it must run {when}").removesuffix(".")
        raise _BrokenError(f"{text}. {fix}") from error


def _raised(error: Exception, must: str) -> str:
    summary = str(error).partition("\n")[0]
    return f"{must}; it raised {type(error).__name__}: {summary}"
