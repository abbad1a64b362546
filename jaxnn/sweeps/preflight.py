"""Before anything compiles: one trial, traced, and what is wrong with it in a sentence.

Tracing a trial takes milliseconds and finds what would else surface as an error of JAX in the midst
of a compilation, or never: a number used as a shape, a key used twice, a name of the space that
nothing reads, metrics that fit into no table.
"""

from __future__ import annotations

import functools
import inspect
import re
import traceback
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.errors import (
    BadInput,
    BadType,
    BadValue,
    bad_type,
    bad_value,
    check_integer,
    shown,
    unknown_name,
)
from jaxnn.sweeps.checks import COLUMNS
from jaxnn.typing import Array, Staged

__all__ = ["Traced", "preflight"]

_STRUCTURE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
    TypeError,
)
"""What JAX raises where a traced number decides what is computed."""


class Traced(NamedTuple):
    """One trial, of two steps at most."""

    program: Any  # its jaxpr, closed
    metrics: dict[str, jax.ShapeDtypeStruct]
    reads_key: bool


def preflight(
    staged: Staged, dtypes: Mapping[str, Any], columns: Sequence[str], *, all_read: bool = True
) -> Traced:
    """One trial traced, and found to be one that a sweep can run; nothing is computed.

    dtypes: of the numbers, by name. columns: all names of the space. all_read: whether the trial
    must read each of them; a rule for matrices has numbers for these that no vector asks for.
    Raises ValueError and TypeError for what a sweep cannot run.
    """
    numbers = {name: jax.ShapeDtypeStruct((), dtype) for name, dtype in dtypes.items()}
    _check_staged(staged)
    trace = functools.partial(_trace, staged)
    program, metrics = _traced(trace, staged, numbers)
    _check_metrics(metrics, columns)
    (jitted,) = program.jaxpr.eqns
    inside = jitted.params["jaxpr"].jaxpr
    key, *read = inside.invars[: 1 + len(numbers)]
    used = {id(x) for equation in inside.eqns for x in equation.invars}
    used |= {id(x) for x in inside.outvars}
    # A dict is flattened by name.
    for name, variable in zip(sorted(numbers), read, strict=True):
        if all_read and id(variable) not in used:
            others = ", ".join(sorted(set(numbers) - {name})) or "no number"
            fix = (
                f"It reads {others}: take {name!r} out of the space, or see how it is spelt there."
            )
            raise bad_value("sweeps.run", "space", "of names that the trial reads", repr(name), fix)
    return Traced(program, metrics, id(key) in used)


def _traced(trace: Any, staged: Staged, numbers: dict[str, Any]) -> tuple[Any, Any]:
    arguments = jax.random.key(0), numbers, staged.data
    try:
        with jax.debug_key_reuse(True):
            return jax.make_jaxpr(jax.jit(trace), return_shape=True)(*arguments)
    except BadInput:
        raise
    except jax.errors.KeyReuseError as error:
        fix = "Give each draw a key of its own, by jax.random.split or fold_in of the step."
        got = f"one that uses a key twice ({_first_line(error)})"
        raise bad_value("sweeps.run", "trial", "one that uses each key once", got, fix) from error
    except _MissingError as error:
        raise unknown_name("sweeps.run", "hyper", error.args[0], error.args[1]) from error
    except Exception as error:
        if isinstance(error, _STRUCTURE):
            guilty = _deciding(trace, staged, numbers, error)
            if guilty:
                raise _wants_a_value(error, guilty) from error
        raise _raised(error) from error


def _wants_a_value(error: Exception, guilty: list[str]) -> BadType:
    """The sentence on numbers that the trial uses as if they were known while it is traced."""
    names, first = ", ".join(f"`{name}`" for name in guilty), guilty[0]
    if isinstance(error, jax.errors.TracerArrayConversionError):
        constraint = "used by functions of JAX"
        got, fix = "a call of NumPy", "Take that of jax.numpy."
    elif "`float` function" in str(error):
        constraint, got = "used as it is, an array of JAX", "float(...)"
        fix = "Leave float away, and take jax.numpy in the place of math."
    else:
        constraint = "structural, since the trial uses it for a shape or a branch of Python"
        got, fix = "a traced number", f'Declare it: space = {{"{first}": structural([...])}}.'
    return BadType(f"sweeps.run: {names} must be {constraint}; got {got} ({_place(error)}). {fix}")


class _MissingError(KeyError):
    """The trial asks for a number that it is not given: its name, and those that there are."""


@jax.tree_util.register_pytree_node_class
class _Numbers(dict[str, Any]):
    """The numbers of a setting, which know what they were asked for and have not."""

    def __missing__(self, name: str) -> Any:
        raise _MissingError(name, list(self))

    def tree_flatten(self) -> tuple[list[Any], tuple[str, ...]]:
        names = tuple(sorted(self))
        return [self[name] for name in names], names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], values: Any) -> _Numbers:
        return cls(zip(names, values, strict=True))


def _trace(staged: Staged, key: Array, hyper: dict[str, Any], data: Any) -> Any:
    """A whole trial of two steps at most, as the engine would run it without `vmap`."""
    hyper = _Numbers(hyper)
    prepared = staged.prepare(key, data) if staged.prepare else key
    state = staged.init(prepared, hyper, data)
    steps = jnp.arange(min(staged.num_steps, 2), dtype=jnp.int32)
    if staged.num_steps:
        fed = (staged.feed(prepared, steps, data),) if staged.feed else ()
        _check_fed(fed, len(steps))

        def body(state: Any, passed: Any) -> Any:
            step, fed = passed
            given = staged.advance(state, hyper, step, data, *fed)
            _check_step(given)
            return given

        state, _ = jax.lax.scan(body, jax.tree.map(jnp.asarray, state), (steps, fed))
    metrics = staged.measure(state, hyper, data)
    for name, metric in metrics.items() if isinstance(metrics, Mapping) else ():
        if metric is None or isinstance(metric, str | bytes):
            constraint = "a scalar or an array"
            raise bad_type("sweeps", f"metrics[{name!r}]", constraint, shown(metric))
    return metrics


def _deciding(trace: Any, staged: Staged, numbers: dict[str, Any], error: Exception) -> list[str]:
    """The numbers that the trial wants to know: those by whose values another thing happens.

    Each is tried alone as a known number; where that does not help, all of them together.
    """
    for chosen in [[name] for name in numbers] + [list(numbers)]:
        for kind in (np.float32, np.int32):
            value = {n: np.int32(1) if _is_whole(numbers[n]) else kind(1) for n in chosen}
            left = {name: x for name, x in numbers.items() if name not in chosen}
            try:
                jax.eval_shape(
                    lambda key, hyper, data, value=value: trace(key, {**hyper, **value}, data),
                    jax.random.key(0),
                    left,
                    staged.data,
                )
            except Exception:
                continue
            return chosen
    return []


def _is_whole(number: Any) -> bool:
    return jnp.issubdtype(number.dtype, jnp.integer)


def _raised(error: Exception) -> BadInput:
    """The sentence on what the trial raises, with the line of the caller's code."""
    kind = BadType if isinstance(error, TypeError) else BadValue
    place = _place(error)
    text = f"sweeps.run: `trial` must run; it raised {type(error).__name__}: {_first_line(error)}"
    return kind(f"{text} ({place})" if place else text)


def _place(error: Exception) -> str:
    """The innermost line that is neither of JAX nor of the sweeps; "" where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not re.search("/(jax|jaxnn/sweeps)/", f.filename)]
    if not own:
        return ""
    return f"{own[-1].filename.rpartition('/')[2]}, line {own[-1].lineno}: {own[-1].line}"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _check_metrics(metrics: Any, columns: Sequence[str]) -> None:
    """Metrics become columns of a table: a dict of real arrays, under names that are free."""
    if not isinstance(metrics, Mapping):
        fix = "Return {'loss': loss}, for example."
        raise bad_type("sweeps", "metrics", "a dict of scalars", type(metrics).__name__, fix)
    if not metrics:
        fix = "Return {'loss': loss}, for example."
        raise bad_value("sweeps", "metrics", "a dict with one metric or more", "none", fix)
    own = [name for name in _STATUS if name in metrics]
    if len(own) == 1:
        fix = "Rename it, or report both: see sweeps.Results."
        constraint = "named unlike the status that a sweep keeps, or both of its columns"
        raise bad_value("sweeps", "metrics", constraint, repr(own[0]), fix)
    for name, metric in metrics.items():
        if not isinstance(name, str):
            raise bad_type("sweeps", "metrics", "named by strings", repr(name))
        if name in _TAKEN or name in columns:
            fix = "That is a column of the table already: rename the metric."
            raise bad_value("sweeps", "metrics", "named unlike the settings", repr(name), fix)
        if not isinstance(metric, jax.ShapeDtypeStruct):
            constraint = "a scalar or an array, or one for each name"
            raise bad_type("sweeps", f"metrics[{name!r}]", constraint, type(metric).__name__)
        if name in _STATUS and (metric.shape, metric.dtype) != ((), jnp.int32):
            fix = "Rename it, or report 0 where all is well: see sweeps.Results."
            constraint = "an int32 scalar, the code of what became of the trial"
            raise bad_type("sweeps", f"metrics[{name!r}]", constraint, str(metric.dtype), fix)
        if not any(jnp.issubdtype(metric.dtype, kind) for kind in _REAL):
            fix = "Return its real part or its absolute value."
            raise bad_type("sweeps", f"metrics[{name!r}]", "real", str(metric.dtype), fix)


_STATUS = ("status", "status_step")
_TAKEN = tuple(name for name in COLUMNS if name not in _STATUS)

_REAL = (jnp.floating, jnp.integer, jnp.bool_)


def _check_staged(staged: Staged) -> None:
    """`advance` takes what it is given, and what is compiled for all trials can be told apart."""
    check_integer("sweeps", "num_steps", staged.num_steps, low=0)
    given = ("state", "hyper", "step", "data", "fed")[: 5 if staged.feed else 4]
    signature = inspect.signature(staged.advance)
    try:
        signature.bind(*given)
    except TypeError:
        why = "there is a feed" if staged.feed else "there is no feed"
        constraint = f"called as advance({', '.join(given)}), since {why}"
        raise bad_type("sweeps", "advance", constraint, f"advance{signature}") from None
    for name in ("prepare", "feed"):
        if not isinstance(getattr(staged, name), Hashable):
            fix = "Pass a function, or an object of a frozen dataclass."
            raise bad_type("sweeps", name, "hashable", repr(getattr(staged, name)), fix)


def _check_step(given: Any) -> None:
    """A step gives (state, scalars), a dict of real scalars: they become curves."""
    if not isinstance(given, tuple) or len(given) != 2:
        fix = "Return state, {'loss': loss}, for example, or state, {}."
        raise bad_type("sweeps", "advance", "one that returns (state, scalars)", shown(given), fix)
    if not isinstance(given[1], Mapping):
        raise bad_type("sweeps", "scalars", "a dict of scalars", shown(given[1]), "Return {}.")
    for name, scalar in given[1].items():
        if not isinstance(name, str):
            raise bad_type("sweeps", "scalars", "named by strings", shown(name))
        shape, dtype = jnp.shape(scalar), jnp.result_type(scalar)
        if shape != () or not any(jnp.issubdtype(dtype, kind) for kind in _REAL):
            fix = "What is measured once, at the end, may be an array."
            got = f"{dtype} of shape {shape}"
            raise bad_type("sweeps", f"scalars[{name!r}]", "a real scalar", got, fix)


def _check_fed(fed: Any, length: int) -> None:
    for leaf in jax.tree.leaves(fed):
        if leaf.shape[:1] != (length,):
            constraint = f"arrays with an entry for each of the {length} steps it is given"
            raise bad_type("sweeps", "feed", constraint, f"shape {leaf.shape}")
