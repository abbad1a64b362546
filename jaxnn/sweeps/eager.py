"""A function evaluated one primitive after another: where numbers first cease to be finite.

It is traced, and each equation of its jaxpr runs by itself, those of jitted functions, branches and
loops too. A loop runs compiled as a whole first, then pass by pass, and is looked into only where
it gives worse than it is given. What fails is often masked afterwards, by a `where` for example, so
that an infinity or a NaN counts where it reaches a result, or a test on what is finite.
"""

from __future__ import annotations

import itertools
import linecache
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun
from numpy.typing import NDArray

__all__ = ["Large", "Origin", "Range", "Seen", "look"]

FINITE, INFINITE, NAN = range(3)

NUM_LARGEST = 3

_CALLS = {
    *("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"),
    *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"),
}
"""Primitives that run the one jaxpr among their parameters on what they are given."""

_TESTS = {"is_finite": INFINITE} | dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), NAN)
"""Primitives that ask what a number is, and of which on the answer counts."""

MAX_CODE = 72
"""A line of code is shown up to so many characters."""

_JAX = str(Path(jax.__file__).parent)
_SWEEPS = Path(__file__).parent
_PYTHON = sysconfig.get_path("stdlib")


class Range(NamedTuple):
    """An array in a line: what of it is finite lies in [low, high]."""

    kind: str  # dtype and shape
    size: int
    num_bad: int  # infinite or NaN
    low: float
    high: float

    def __str__(self) -> str:
        if self.num_bad == self.size:
            return f"{self.kind}, none of it finite" if self.size else f"{self.kind}, empty"
        inside = f"in [{self.low:.6g}, {self.high:.6g}]" if self.low < self.high else ""
        text = f"{self.kind} {inside or f'of {self.low:.6g}'}"
        return f"{text}, but for {self.num_bad} of {self.size}" if self.num_bad else text


class Origin(NamedTuple):
    """A primitive that gave infinities of finite numbers, or a NaN of what was none."""

    number: int  # in the order in which they ran
    primitive: str
    gives: Range
    takes: tuple[Range, ...]  # the numbers among its arguments
    place: str  # "file.py, line 3: code", "" where that is not known


class Large(NamedTuple):
    """The largest finite number that a line made of smaller ones, and the primitive that did."""

    magnitude: float
    primitive: str
    place: str


_NOTHING = Large(0.0, "", "")


class Seen(NamedTuple):
    """What a function did."""

    origin: Origin | None  # None where all that counts is finite
    largest: tuple[Large, ...]  # finite magnitudes, one a place, the largest first


def look(fn: Callable[..., Any], *args: Any) -> Seen:
    """Evaluate fn(*args), any traceable function of arrays, on the default device."""
    walk = _Walk()
    program = jax.make_jaxpr(fn)(*args)
    values = [_value(jnp.asarray(x)) for x in jax.tree.leaves(args)]
    outputs = walk.closed(program, values, "")
    reached = walk.tested + [x.origin for x in outputs if x.origin is not None]
    largest = sorted((x for x in walk.largest.values() if x.place), reverse=True)
    return Seen(_first(reached), tuple(largest[:NUM_LARGEST]))


class _Value(NamedTuple):
    array: Any
    level: int = FINITE
    size: float = 0.0  # the largest magnitude of what is finite
    origin: Origin | None = None  # where its infinities and NaNs come from


class _Walk:
    """What was met on the way."""

    def __init__(self) -> None:
        self.num_origins = 0
        self.tested: list[Origin] = []  # those that a test met
        self.largest: dict[str, Large] = {}  # by place

    def closed(
        self, program: ClosedJaxpr | Jaxpr, values: Sequence[_Value], place: str
    ) -> list[_Value]:
        """Its results; place: that of the call, for what has no line of its own."""
        inside = program.jaxpr if isinstance(program, ClosedJaxpr) else program
        consts = program.consts if isinstance(program, ClosedJaxpr) else ()
        known = dict(zip(inside.constvars, map(_value, consts), strict=True))
        known |= dict(zip(inside.invars, values, strict=True))

        def read(x: Any) -> _Value:
            return _value(jnp.asarray(x.val)) if isinstance(x, Literal) else known[x]

        for equation, dead in _needed(inside):
            given = [read(x) for x in equation.invars]
            with equation.ctx.manager:
                found = self.equation(equation, given, _place(equation) or place)
            known |= dict(zip(equation.outvars, found, strict=True))
            for x in dead:
                del known[x]
        return [read(x) for x in inside.outvars]

    def equation(self, equation: JaxprEqn, given: list[_Value], place: str) -> list[_Value]:
        name, params = equation.primitive.name, equation.params
        if name == "cond":
            return self.closed(params["branches"][int(given[0].array)], given[1:], place)
        if name in _CALLS:
            kinds = ClosedJaxpr | Jaxpr
            inside = next(x for x in params.values() if isinstance(x, kinds))
            return self.closed(inside, given, place)
        found = _run(equation, given)
        if name in ("scan", "while"):
            by_pass = self.scan if name == "scan" else self.loop
            return by_pass(params, given, place) if _worse(found, given) else _like(found, given)
        found = _like(found, given)
        least = _TESTS.get(name, NAN + 1)
        self.tested += [x.origin for x in given if x.origin is not None and x.level >= least]
        if any(x.level and x.origin is None for x in found) and _worse(found, given):
            found = [self.begun(name, x, given, place) if x.level else x for x in found]
        size, before = (max((x.size for x in values), default=0.0) for values in (found, given))
        if size > before:  # what is only moved was large before
            self.largest[place] = max(Large(size, name, place), self.largest.get(place, _NOTHING))
        return found

    def begun(self, name: str, value: _Value, given: list[_Value], place: str) -> _Value:
        takes = tuple(_range(x.array) for x in given if _is_number(x.array))
        origin = Origin(self.num_origins, name, _range(value.array), takes, place)
        self.num_origins += 1
        return value._replace(origin=origin)

    def scan(self, params: Any, given: list[_Value], place: str) -> list[_Value]:
        first, last = params["num_consts"], params["num_consts"] + params["num_carry"]
        consts, carry, lists = given[:first], given[first:last], given[last:]
        numbers = range(params["length"])
        body, gathered = _Body(params["jaxpr"]), []
        for number in reversed(numbers) if params["reverse"] else numbers:
            entries = [_like([_value(x.array[number])], [x])[0] for x in lists]
            found = self.one_pass(body, [*consts, *carry, *entries], place)
            carry = found[: len(carry)]
            gathered.append(found[len(carry) :])
        if params["reverse"]:
            gathered.reverse()
        stacked = [
            _like([_value(jnp.stack([x.array for x in column]))], column)[0]
            for column in zip(*gathered, strict=True)
        ]
        return [*carry, *stacked]

    def loop(self, params: Any, given: list[_Value], place: str) -> list[_Value]:
        first = params["cond_nconsts"]
        last = first + params["body_nconsts"]
        asked, consts, carry = given[:first], given[first:last], given[last:]
        goes_on, body = _Body(params["cond_jaxpr"]), _Body(params["body_jaxpr"])
        while goes_on([*asked, *carry])[0].array:
            carry = self.one_pass(body, [*consts, *carry], place)
        return carry

    def one_pass(self, body: _Body, given: list[_Value], place: str) -> list[_Value]:
        found = body(given)
        again = _worse(found, given)
        return self.closed(body.program, given, place) if again else _like(found, given)


class _Body:
    """What a loop runs, compiled."""

    def __init__(self, program: ClosedJaxpr) -> None:
        self.program, self.compiled = program, jax.jit(jaxpr_as_fun(program))

    def __call__(self, given: Sequence[_Value]) -> list[_Value]:
        return [_value(x) for x in self.compiled(*(x.array for x in given))]


def _needed(program: Jaxpr) -> Iterator[tuple[JaxprEqn, list[Any]]]:
    """The equations that a result hangs on, each with what nobody reads after it."""
    live = {x for x in program.outvars if not isinstance(x, Literal)}
    kept = []
    for equation in reversed(program.eqns):
        if equation.effects or not live.isdisjoint(equation.outvars):
            read = {x for x in equation.invars if not isinstance(x, Literal)}
            kept.append((equation, list(read - live)))
            live |= read
    return reversed(kept)


def _run(equation: JaxprEqn, given: Sequence[_Value]) -> list[_Value]:
    found = equation.primitive.bind(*(x.array for x in given), **equation.params)
    return [_value(x) for x in (found if equation.primitive.multiple_results else [found])]


def _worse(found: Sequence[_Value], given: Sequence[_Value]) -> bool:
    return max((x.level for x in found), default=FINITE) > max(
        (x.level for x in given), default=FINITE
    )


def _like(found: Sequence[_Value], given: Sequence[_Value]) -> list[_Value]:
    """What is not finite comes from where the earliest of what was given comes from."""
    origin = _first([x.origin for x in given if x.origin is not None])
    return [x._replace(origin=origin) if x.level else x for x in found]


def _first(origins: Sequence[Origin]) -> Origin | None:
    return min(origins, key=lambda x: x.number, default=None)


def _is_number(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _value(array: Any) -> _Value:
    if not _is_number(array):
        return _Value(array)
    numbers = _finite(array)
    size = float(np.abs(numbers).max(initial=0.0))
    if len(numbers) == array.size:
        return _Value(array, FINITE, size)
    return _Value(array, NAN if np.isnan(np.asarray(array)).any() else INFINITE, size)


def _finite(array: Any) -> NDArray[np.float64]:
    """What of it is finite, in a row; complex numbers by their size."""
    numbers = np.asarray(array).ravel()
    numbers = np.abs(numbers) if numbers.dtype.kind == "c" else numbers
    return numbers[np.isfinite(numbers)].astype(np.float64)


def _range(array: Any) -> Range:
    numbers = _finite(array)
    kind = f"{array.dtype}{list(array.shape)}"
    low, high = (numbers.min(), numbers.max()) if len(numbers) else (np.nan, np.nan)
    return Range(kind, array.size, array.size - len(numbers), float(low), float(high))


def _place(equation: JaxprEqn) -> str:
    """The innermost line of the user's code; of a library's, this one's too, where there is none.

    JAX cuts what was traced inside of a jitted function off from what called it: there is no such
    line in it where the function is one of JAX's.
    """
    frames = getattr(getattr(equation.source_info, "traceback", None), "frames", ())
    below = itertools.takewhile(lambda x: x.file_name != __file__, frames)
    lines = [x for x in below if not _is_machinery(x.file_name)]
    own = [x for x in lines if not _is_library(x.file_name)]
    for frame in [*own, *lines][:1]:
        code = linecache.getline(frame.file_name, frame.line_num).strip()
        code = code if len(code) <= MAX_CODE else f"{code[:MAX_CODE]}…"
        return f"{Path(frame.file_name).name}, line {frame.line_num}: {code}"
    return ""


def _is_machinery(file: str) -> bool:
    python = file.startswith(_PYTHON) and "-packages" not in file
    return python or file.startswith((_JAX, str(_SWEEPS), "<"))


def _is_library(file: str) -> bool:
    return "-packages" in file or file.startswith(str(_SWEEPS.parent))
