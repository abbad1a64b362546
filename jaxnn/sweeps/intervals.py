"""A mean and its interval; the comparisons built on it are those of `jaxnn.bench`."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Estimate", "mean_interval", "t_quantile"]


class Estimate(NamedTuple):
    """A figure and its interval."""

    value: float
    low: float
    high: float


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """The mean with Student's interval; all NaN but the mean where a value is not finite or n = 1.

    Exact for normal values; the interval of a constant is that constant.
    Source: Student 1908, Biometrika 6.

    >>> [round(x, 3) for x in mean_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    x = np.asarray(values, np.float64)
    mean = float(np.mean(x)) if len(x) else math.nan
    if len(x) < 2 or not np.all(np.isfinite(x)):
        return Estimate(mean, math.nan, math.nan)
    half = t_quantile(len(x) - 1, confidence) * float(np.std(x, ddof=1)) / math.sqrt(len(x))
    return Estimate(mean, mean - half, mean + half)


def t_quantile(degrees: int, confidence: float) -> float:
    """Student's, of that many degrees of freedom: so many deviations to either side."""
    from scipy.stats import t

    return float(t.ppf(0.5 + confidence / 2, degrees))
