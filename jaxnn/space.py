"""Search spaces: how a number of a trial is drawn from a point of the unit interval.

A space maps names to distributions; `quantile` turns low-discrepancy or random points in [0, 1)
into values on the host, in float64.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_value

__all__ = [
    "Distribution",
    "LogUniform",
    "OneMinus",
    "Space",
    "Uniform",
    "log_uniform",
    "one_minus",
    "uniform",
]


class Distribution(Protocol):
    """How one number is drawn: a quantile function and a word on how to draw its axis."""

    @property
    def scale(self) -> str:
        """The axis on which it is even: "log" or "linear"."""
        ...

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at the points of [0, 1), elementwise."""
        ...


Space: TypeAlias = Mapping[str, Distribution]


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Even on [low, high]."""

    low: float
    high: float
    scale: str = dataclasses.field(default="linear", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Low at 0, high at 1, linear between."""
        return self.low + (self.high - self.low) * np.asarray(points, np.float64)


@dataclasses.dataclass(frozen=True)
class LogUniform:
    """Even in the logarithm on [low, high], both positive."""

    low: float
    high: float
    scale: str = dataclasses.field(default="log", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Low at 0, high at 1, geometric between."""
        return self.low * (self.high / self.low) ** np.asarray(points, np.float64)


@dataclasses.dataclass(frozen=True)
class OneMinus:
    """1 − x with x drawn from `inner`: a decay near 1, even in the logarithm of its distance."""

    inner: LogUniform | Uniform
    scale: str = dataclasses.field(default="linear", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 − the inner quantile."""
        return 1.0 - self.inner.quantile(points)


def _ordered(where: str, low: float, high: float) -> tuple[float, float]:
    low, high = float(low), float(high)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        constraint = f"finite and > low = {low:g}"
        raise bad_value(where, "high", constraint, f"{high:g}", "Swap the bounds?")
    return low, high


def uniform(low: float, high: float) -> Uniform:
    """Even on [low, high]. Raises ValueError unless low < high, both finite."""
    return Uniform(*_ordered("uniform", low, high))


def log_uniform(low: float, high: float) -> LogUniform:
    """Even in the logarithm on [low, high]. Raises ValueError unless 0 < low < high.

    >>> [round(float(x), 4) for x in log_uniform(1e-4, 1e0).quantile(np.array([0.0, 0.5, 0.75]))]
    [0.0001, 0.01, 0.1]
    """
    low, high = _ordered("log_uniform", low, high)
    if low <= 0:
        raise bad_value("log_uniform", "low", "> 0", f"{low:g}", "Use uniform for ranges with 0.")
    return LogUniform(low, high)


def one_minus(inner: LogUniform | Uniform) -> OneMinus:
    """1 − x with x from `inner`: `one_minus(log_uniform(1e-3, 1e-1))` spans 0.9 … 0.999."""
    return OneMinus(inner)
