"""Figures with intervals, and whether two contestants can be told apart.

A mean has Student's interval; a median has the exact interval between order statistics, which holds
for runs that never arrived (+∞). Contestants meet the same seeds, so differences are paired.
Built on scipy.stats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.sweeps.intervals import Estimate, mean_interval

__all__ = [
    "Estimate",
    "Paired",
    "compare",
    "holm",
    "mean_interval",
    "median_cover",
    "median_interval",
    "seeds_needed",
]


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """The median between two order statistics, whose cover is at least `confidence`; +∞ allowed.

    The widest symmetric pair is taken where n is too small for that (n < 6 at 95 %).
    Source: Thompson 1936, Annals of Mathematical Statistics 7.

    >>> median_interval([1, 2, 3, 4, 5, 6, 7, 8, 9, math.inf])
    Estimate(value=5.5, low=2.0, high=9.0)
    """
    from scipy.stats import binom

    x = np.sort(np.asarray(values, np.float64))
    if not len(x):
        return Estimate(math.nan, math.nan, math.nan)
    # P(the k-th smallest is above the median) is the binomial probability of fewer than k below.
    rank = max(int(binom.ppf((1 - confidence) / 2, len(x), 0.5)), 1)
    return Estimate(_median(x), float(x[rank - 1]), float(x[len(x) - rank]))


def _median(ordered: NDArray[np.float64]) -> float:
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(low if low == high else (low + high) / 2)


def median_cover(n: int, confidence: float = 0.95) -> float:
    """The probability that the interval of a median of n values covers it.

    >>> round(median_cover(10), 3), round(median_cover(5), 4), median_cover(2)
    (0.979, 0.9375, 0.5)
    """
    from scipy.stats import binom

    rank = max(int(binom.ppf((1 - confidence) / 2, n, 0.5)), 1)
    return float(1 - 2 * binom.cdf(rank - 1, n, 0.5))


class Paired(NamedTuple):
    """a − b on common seeds."""

    difference: Estimate  # mean, Student's interval
    p_value: float  # of no difference, two-sided; 1 where both are identical
    seeds_needed: float  # to tell a difference of this size with 80 % power; ∞ for none

    def reversed(self) -> Paired:
        """b − a."""
        value, low, high = self.difference
        return self._replace(difference=Estimate(-value, -high, -low))


def compare(a: ArrayLike, b: ArrayLike, confidence: float = 0.95, num_asked: int = 1) -> Paired:
    """The paired comparison of two contestants, seed by seed: Student's paired test.

    num_asked: how many comparisons are made together; `seeds_needed` is for a verdict that stands
    up to all of them. Values that are equal throughout give p = 1; a difference that is the same on
    every seed gives the p-value of the sign test. Where a value is not finite a run
    failed, and the figures are NaN.
    """
    from scipy.stats import t

    differences = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    n, estimate = len(differences), mean_interval(differences, confidence)
    if not np.all(np.isfinite(differences)) or n < 2:
        return Paired(estimate, math.nan, math.nan)
    deviation = float(np.std(differences, ddof=1))
    if deviation == 0:
        # Student's test divides by 0. All differences alike: the sign test, which knows n.
        if estimate.value == 0:
            return Paired(estimate, 1.0, math.inf)
        level = (1 - confidence) / num_asked
        return Paired(estimate, 2.0 ** (1 - n), math.ceil(1 - math.log2(level)))
    statistic = abs(estimate.value) / (deviation / math.sqrt(n))
    p_value = float(2 * t.sf(statistic, n - 1))
    level = (1 - confidence) / num_asked
    return Paired(estimate, p_value, seeds_needed(estimate.value, deviation, level))


def seeds_needed(
    difference: float, deviation: float, significance: float = 0.05, power: float = 0.8
) -> float:
    """Pairs of runs that would tell a mean difference of that size; ∞ where it is 0.

    The fewest n whose paired Student test has the power, by the non-central t distribution. Size
    and deviation are themselves estimates, so that from few seeds this is rough.
    Source: Cohen 1988, "Statistical Power Analysis for the Behavioral Sciences".

    >>> seeds_needed(1.0, 1.0), seeds_needed(0.1, 1.0), seeds_needed(0.0, 1.0)
    (10, 787, inf)
    """
    from scipy.stats import nct, norm, t

    effect = abs(difference / deviation) if deviation else math.inf
    if difference == 0 or math.isinf(effect):
        return math.inf if difference == 0 else 2
    z = float(norm.ppf(1 - significance / 2))
    approximate = ((z + float(norm.ppf(power))) / effect) ** 2
    if approximate > 1000:
        return math.ceil(approximate + z**2 / 2)
    n = max(2, math.floor(approximate))
    while nct.sf(t.ppf(1 - significance / 2, n - 1), n - 1, effect * math.sqrt(n)) < power:
        n += 1
    return n


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """P-values corrected for having asked them all; NaN stays NaN and does not count.

    Source: Holm 1979, Scandinavian Journal of Statistics 6.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    corrected = np.full_like(p, np.nan)
    asked = np.flatnonzero(~np.isnan(p))
    order = asked[np.argsort(p[asked], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
