"""Names for what travels through the library: arrays, trees, numbers with a range.

A field of a `Hyper` that has a range says so in its type, `b1: Fraction = 0.9`: readers see it, and
`optimizers.check` and descriptions read it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeAlias

from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, PyTree, Shaped

__all__ = [
    "Array",
    "ArrayLike",
    "Bool",
    "Float",
    "Fraction",
    "Int",
    "Interval",
    "Key",
    "NonNegative",
    "PRNGKeyArray",
    "Params",
    "Positive",
    "PyTree",
    "Real",
    "Shaped",
    "Staged",
    "UnitInterval",
    "interval_of",
]

Params: TypeAlias = PyTree
"""Parameters, gradients or updates of a model: any tree of inexact arrays; None for no leaf."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A range of real numbers; `ends` says which bounds belong to it.

    >>> str(Interval(0, 1, "[)")), str(Interval(0, math.inf, "()"))
    ('in [0, 1)', '> 0')
    >>> 1.0 in Interval(0, 1, "[)")
    False
    """

    low: float
    high: float
    ends: str = "[]"

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.ends[0] == "[" else value > self.low
        below = value <= self.high if self.ends[1] == "]" else value < self.high
        return above and below

    def __str__(self) -> str:
        if math.isinf(self.high) and math.isinf(self.low):
            return "finite"
        if math.isinf(self.high):
            return f"{'>=' if self.ends[0] == '[' else '>'} {self.low:g}"
        return f"in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"


Positive: TypeAlias = Annotated[ArrayLike, Interval(0, math.inf, "()")]
NonNegative: TypeAlias = Annotated[ArrayLike, Interval(0, math.inf, "[)")]
Fraction: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "[)")]
UnitInterval: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "[]")]
Real: TypeAlias = Annotated[ArrayLike, Interval(-math.inf, math.inf, "()")]


def interval_of(annotation: Any) -> Interval | None:
    """The range that a field's annotation carries, or None."""
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Interval):
            return extra
    return None


class Staged(NamedTuple):
    """A trial that runs step by step, so that a host loop can watch, stop and resume it.

    init(key, hyper, data) → state; where there is `prepare`, init(prepared, hyper, data)
    advance(state, hyper, step, data) → (state, scalars): one step; `step` is int32, from 0, and the
        same for all trials; `scalars` is a dict of real scalars, kept for every step. Where there
        is `feed`, advance(state, hyper, step, data, fed).
    measure(state, hyper, data) → metrics: a dict of real scalars or arrays of fixed shape.
    num_steps: how many steps a whole trial has, >= 1.
    data: a pytree of arrays that all trials share; an argument, never a closure.
    prepare(key, data) → prepared: what a trial draws before its numbers matter.
    feed(prepared, steps i32[L], data) → fed[L, ...]: what its steps draw, such as batches; the key
        stands for `prepared` where there is no `prepare`. All settings of a replicate share what
        these two give, in one array, and all trials with equal functions their compiled programs.
    check(hyper): raises on the host for concrete numbers that a trial cannot run with.
    horizon: the steps for which a schedule of the trial is made, None where it has none: who stops
        stops trials early is told that they are compared before it has run its course.
    convex: whether `check` takes whatever lies between what it takes, as ranges do: then a sweep
        asks about the corners of its numbers, and about each setting only where one is refused.
    """

    init: Callable[[Any, Any, Any], Any]
    advance: Callable[..., tuple[Any, dict[str, Any]]]
    measure: Callable[[Any, Any, Any], dict[str, Any]]
    num_steps: int
    data: Any = None
    prepare: Callable[[Any, Any], Any] | None = None
    feed: Callable[[Any, Any, Any], Any] | None = None
    check: Callable[[dict[str, float]], Any] | None = None
    horizon: int | None = None
    convex: bool = False
