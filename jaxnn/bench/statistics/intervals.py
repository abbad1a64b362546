"""Means, interquartile means and medians of runs, each with the interval that its values allow.

How often each interval covers, and why these: `docs/statistics.md`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics.checks import array, check_confidence, mean_without_warning
from jaxnn.bench.statistics.studentized import studentized
from jaxnn.errors import check_seed
from jaxnn.sweeps.intervals import Estimate, mean_interval

__all__ = [
    "Estimate",
    "bootstrap_mean_interval",
    "iqm",
    "iqm_interval",
    "mean_interval",
    "median_cover",
    "median_interval",
]


def iqm(values: ArrayLike) -> float:
    """The interquartile mean: the mean without the lowest and highest quarter, ⌊n/4⌋ values each.

    values: [runs]; ±∞ may be cut off; NaN gives NaN, and so does nothing. With n < 4 nothing is cut
    off. It is `scipy.stats.trim_mean(values, 0.25)`.
    Raises TypeError and ValueError for what is not one axis of real numbers.
    Source: Agarwal et al. 2021, NeurIPS 34, "Deep Reinforcement Learning at the Edge of the
    Statistical Precipice".

    >>> iqm([1, 2, 3, 4, 5, 6, 7, math.inf])  # (3 + 4 + 5 + 6) / 4
    4.5
    """
    x = np.sort(array("iqm", "values", values, ("runs",)))
    if np.isnan(x).any():
        return math.nan
    cut = len(x) // 4
    return float(mean_without_warning(x[cut : len(x) - cut]))


def iqm_interval(values: ArrayLike, confidence: float = 0.95, *, seed: int = 0) -> Estimate:
    """The interquartile mean with its interval by the studentised bootstrap.

    values: [runs]; ±∞ may be cut off. Ends are NaN where n < 2, where a value is NaN, or where the
    middle half is not finite. With n < 6 the interval is Tukey and McLaughlin's: resamples of so
    few have no spread too often. seed: in [0, 2³²), of the resamples: the same values and seed give
    the same interval.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Wilcox 2022, "Introduction to Robust Estimation and Hypothesis Testing", section 4.4.

    >>> [round(x, 2) for x in iqm_interval([3, 1, 4, 1, 5, 9, 2, 6, 5, math.inf])]
    [4.17, 1.78, 6.51]
    """
    return _bootstrap("iqm_interval", values, 4, confidence, seed)


def bootstrap_mean_interval(
    values: ArrayLike, confidence: float = 0.95, *, seed: int = 0
) -> Estimate:
    """The mean with its interval by the studentised bootstrap (bootstrap-t).

    For values that may be skewed, as losses and times are: the interval reaches further to the side
    of the long tail. Differences of two contestants are nearly symmetric: `mean_interval`.
    values: [runs]. Ends are NaN where n < 2 or a value is not finite. With n < 4 the interval is
    Student's. seed: as for `iqm_interval`.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Efron 1981, Canadian Journal of Statistics 9.

    >>> [round(x, 2) for x in bootstrap_mean_interval([1, 1, 2, 2, 3, 4, 6, 14])]
    [4.12, 1.77, 14.05]
    """
    return _bootstrap("bootstrap_mean_interval", values, None, confidence, seed)


def _bootstrap(
    where: str, values: ArrayLike, cut_off: int | None, confidence: float, seed: int
) -> Estimate:
    """cut_off: which part is cut off on each side, 4 for a quarter."""
    x = np.sort(array(where, "values", values, ("runs",)))
    check_confidence(where, confidence)
    seed = check_seed(where, seed)
    n, cut = len(x), 0 if cut_off is None else len(x) // cut_off
    middle = x[cut : n - cut]
    if np.isnan(x).any():
        return Estimate(math.nan, math.nan, math.nan)
    if n < 2 or not np.isfinite(middle).all():
        return Estimate(float(mean_without_warning(middle)), math.nan, math.nan)
    if middle[0] == middle[-1]:
        return Estimate(float(middle[0]), float(middle[0]), float(middle[0]))
    value, low, high = studentized(x, cut, confidence, seed)
    return Estimate(float(value), float(low), float(high))


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """The median between two order statistics, whose cover is at least `confidence`; +∞ allowed.

    The widest symmetric pair is taken where n is too small for that (n < 6 at 95 %).
    Source: Thompson 1936, Annals of Mathematical Statistics 7.

    >>> median_interval([1, 2, 3, 4, 5, 6, 7, 8, 9, math.inf])
    Estimate(value=5.5, low=2.0, high=9.0)
    """
    x = np.sort(np.asarray(values, np.float64))
    if not len(x):
        return Estimate(math.nan, math.nan, math.nan)
    rank = _rank(len(x), confidence)
    return Estimate(_median(x), float(x[rank - 1]), float(x[len(x) - rank]))


def _rank(n: int, confidence: float) -> int:
    """The interval lies between this order statistic and its counterpart from above."""
    from scipy.stats import binom

    # P(the k-th smallest is above the median) is the binomial probability of fewer than k below.
    return max(int(binom.ppf((1 - confidence) / 2, n, 0.5)), 1)


def _median(ordered: NDArray[np.float64]) -> float:
    low, high = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    return low if low == high else (low + high) / 2


def median_cover(n: int, confidence: float = 0.95) -> float:
    """The probability that the interval of a median of n values covers it.

    >>> round(median_cover(10), 3), round(median_cover(5), 4), median_cover(2)
    (0.979, 0.9375, 0.5)
    """
    from scipy.stats import binom

    return float(1 - 2 * binom.cdf(_rank(n, confidence) - 1, n, 0.5))
