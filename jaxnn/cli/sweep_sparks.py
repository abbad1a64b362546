"""Curves and distributions in a line of text each, by blocks of eight heights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.plots import scales

__all__ = ["Sparks", "curves", "histogram", "sparkline"]

BLOCKS = "▁▂▃▄▅▆▇█"
IN_WORDS = {"linear": "", "log": ", logarithmic", "one_minus": ", by the logarithm of 1 − x"}


class Sparks(NamedTuple):
    """Lines, and the scale that they share."""

    lines: list[str]
    low: float
    high: float
    kind: scales.Kind
    beyond: int = 0  # values that are worse than its end

    @property
    def scale(self) -> str:
        """Its ends in words."""
        return f"from {self.low:.3g} to {self.high:.3g}{IN_WORDS[self.kind]}"


def sparkline(values: ArrayLike, low: float, high: float, *, kind: scales.Kind = "linear") -> str:
    """A block a value, the lowest at `low`, the highest at `high`; a space for what is no number.

    >>> sparkline([1, 10, 100, float("nan"), 1000], 1, 1000, kind="log"), sparkline([3, 3], 3, 3)
    ('▁▃▆ █', '▁▁')
    """
    x = np.asarray(values, np.float64)
    first, last = scales.even(kind, [low, high])
    heights = (scales.even(kind, x) - first) / ((last - first) or 1.0) * (len(BLOCKS) - 1)
    heights = np.clip(heights, 0, len(BLOCKS) - 1)
    return "".join(
        BLOCKS[round(h)] if np.isfinite(y) else " " for h, y in zip(heights, x, strict=True)
    )


def curves(values: NDArray[np.float64], width: int) -> Sparks | None:
    """A line for each row of [curves, steps], all on one scale; None where there is no number.

    Steps at which nothing was recorded are left out, others brought together by their means.
    """
    finite = np.isfinite(values)
    there = finite.any(axis=0)
    if not there.any():
        return None
    values, finite = np.where(finite, values, 0.0)[:, there], finite[:, there]
    starts = np.unique(np.arange(width) * values.shape[1] // width)
    counts = np.add.reduceat(finite, starts, axis=1, dtype=np.int64)
    sums = np.add.reduceat(values, starts, axis=1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    kind = scales.choose(means)
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    return Sparks([sparkline(row, low, high, kind=kind) for row in means], low, high, kind)


def histogram(values: NDArray[np.float64], width: int, *, mode: str = "min") -> Sparks:
    """How many of the values lie where, a space for none; none or all of them are finite.

    Where a few are so much worse than the rest that this would fill a corner, the scale ends at
    nineteen twentieths of them, and those beyond are counted.
    """
    best, most = (0.0, 95.0) if mode == "min" else (100.0, 5.0)
    kind = scales.choose(values)
    u = scales.even(kind, values)
    first, last, end = np.percentile(u, [best, most, 100.0 - best])
    if abs(end - first) > 3 * abs(last - first) > 0:
        inside = values[np.abs(u - first) <= abs(last - first)]
    else:
        inside = values
    kind = scales.choose(inside)
    low, high = float(inside.min()), float(inside.max())
    counts, _ = np.histogram(scales.even(kind, inside), width if high > low else 1)
    text = sparkline(np.where(counts, counts, np.nan), 0, counts.max())
    return Sparks([text], low, high, kind, len(values) - len(inside))
