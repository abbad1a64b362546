"""Names for what travels through the library: arrays, trees, numbers with a range.

A field of a `Hyper` that has a range says so in its type, `b1: Fraction = 0.9`: readers see it, and
`optimizers.check` and descriptions read it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, TypeAlias

from jaxtyping import Array, Bool, Float, Int, Key, PyTree, PRNGKeyArray, Shaped
from jax.typing import ArrayLike

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
    "Shaped",
    "UnitInterval",
]

Params: TypeAlias = PyTree
"""Parameters, gradients or updates of a model: any tree of inexact arrays, None where there is none."""


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
        if math.isinf(self.high):
            return f"{'>=' if self.ends[0] == '[' else '>'} {self.low:g}"
        return f"in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"


Positive: TypeAlias = Annotated[ArrayLike, Interval(0, math.inf, "()")]
NonNegative: TypeAlias = Annotated[ArrayLike, Interval(0, math.inf, "[)")]
Fraction: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "[)")]
UnitInterval: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "[]")]


def interval_of(annotation: Any) -> Interval | None:
    """The range that a field's annotation carries, or None."""
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Interval):
            return extra
    return None
