"""Probability of improvement: how often a run of one contestant beats a run of another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics.checks import array, check_confidence, failed_last
from jaxnn.errors import bad_value, check_seed
from jaxnn.sweeps.intervals import Estimate

__all__ = [
    "Improvement",
    "mean_probability_of_improvement",
    "newcombe_interval",
    "probability_of_improvement",
]


class Improvement(NamedTuple):
    """How often a run of a is lower, that is better, than a run of b; ties count half."""

    probability: Estimate
    p_value: float  # Mann–Whitney's, two-sided, of no difference; 1 where all runs are alike


def probability_of_improvement(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Improvement:
    """P(a < b) + P(a = b)/2 for a run of each, drawn independently, with its interval and test.

    a, b: [runs], of any two lengths, less is better; negate figures of which more is better. A run
    that failed (NaN) is as bad as +∞; two that failed are even. Without runs all is NaN.
    The interval is Newcombe's method 5, which has a width even where every run of a beats every run
    of b. The p-value is exact for few runs without ties, else by the normal approximation.
    Raises TypeError and ValueError for what is not one axis of real numbers.
    Source: Mann and Whitney 1947, Annals of Mathematical Statistics 18; Newcombe 2006, Statistics
    in Medicine 25, pages 559–573; Agarwal et al. 2021, NeurIPS 34.

    >>> probability_of_improvement([1, 2, 3], [2, 4, 5]).probability.value  # (3 + 2.5 + 2) / 9
    0.8333333333333334
    """
    where = "probability_of_improvement"
    check_confidence(where, confidence)
    x = failed_last(array(where, "a", a, ("runs",)))
    y = failed_last(array(where, "b", b, ("runs",)))
    if not len(x) or not len(y):
        return Improvement(Estimate(math.nan, math.nan, math.nan), math.nan)
    share = np.array([_share(x, y)])
    low, high = newcombe_interval(share, len(x), len(y), confidence)
    return Improvement(Estimate(float(share[0]), float(low[0]), float(high[0])), _p_value(x, y))


def _share(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """By ranks: Mann and Whitney's U over the number of pairs."""
    ordered = np.sort(x)
    below = np.searchsorted(ordered, y, "left") + np.searchsorted(ordered, y, "right")
    return float(below.sum()) / (2 * len(x) * len(y))


def _p_value(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    from scipy.stats import mannwhitneyu, rankdata

    ranks = rankdata(np.concatenate([x, y]))  # of which ∞ is one
    if np.all(ranks == ranks[0]):
        return 1.0
    return float(mannwhitneyu(ranks[: len(x)], ranks[len(x) :]).pvalue)


def newcombe_interval(
    share: NDArray[np.float64], num_a: int, num_b: int, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of an interval for P(a < b) from a share of the pairs; both of the shape of `share`.

    An end is the θ whose distance from the share is z standard errors, those that runs of that θ
    would have (Hanley and McNeil 1982, Radiology 143, with the mean of both lengths); by bisection.
    num_a, num_b: runs of each. Source: Newcombe 2006, Statistics in Medicine 25, method 5.
    """
    from scipy.special import ndtri

    z, between = float(ndtri(0.5 + confidence / 2)), (num_a + num_b) / 2 - 1

    def covers(theta: NDArray[np.float64]) -> NDArray[np.bool_]:
        spread = 1 + between * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) * spread / (num_a * num_b)
        return np.abs(theta - share) <= z * np.sqrt(variance)

    ends = []
    for outside in (np.zeros_like(share), np.ones_like(share)):
        inside, out = share.copy(), outside
        for _ in range(50):
            middle = (inside + out) / 2
            covered = covers(middle)
            inside, out = np.where(covered, middle, inside), np.where(covered, out, middle)
        ends.append(np.where(share == outside, outside, inside))
    return ends[0], ends[1]


def mean_probability_of_improvement(
    a: ArrayLike, b: ArrayLike, confidence: float = 0.95, *, seed: int = 0
) -> Estimate:
    """The mean over problems of the probability that a run of a beats a run of b.

    a, b: [problems, runs], less is better, failures as for `probability_of_improvement`. The
    interval is a stratified bootstrap's, n − 1 of n runs drawn for each problem. Where resamples
    cannot tell (one problem, one run, all runs won), the intervals of the problems are joined: the
    squares of their arms add up. seed: in [0, 2³²), of the resamples.
    Raises TypeError and ValueError for what is not [problems, runs] of as many problems.
    Source: Agarwal et al. 2021, NeurIPS 34; McCarthy and Snowden 1985 (n − 1); Zou and Donner 2008,
    Statistics in Medicine 27 (arms).

    >>> mean_probability_of_improvement([[1, 2], [5, 6]], [[3, 4], [5, 7]]).value  # (1 + 0.625) / 2
    0.8125
    """
    where = "mean_probability_of_improvement"
    check_confidence(where, confidence)
    seed = check_seed(where, seed)
    x = failed_last(array(where, "a", a, ("problems", "runs")))
    y = failed_last(array(where, "b", b, ("problems", "runs")))
    if len(x) != len(y):
        raise bad_value(where, "b", f"of as many problems as `a`, {len(x)}", len(y))
    if not x.size or not y.size:
        return Estimate(math.nan, math.nan, math.nan)
    share = np.array([_share(*both) for both in zip(x, y, strict=True)])
    mean = float(share.mean())
    if len(x) > 1 and min(x.shape[1], y.shape[1]) > 1:
        low, high = _resampled(x, y, confidence, seed)
        if low < high:
            return Estimate(mean, low, high)
    low, high = newcombe_interval(share, x.shape[1], y.shape[1], confidence)
    below = math.sqrt(float(((share - low) ** 2).sum())) / len(share)
    above = math.sqrt(float(((high - share) ** 2).sum())) / len(share)
    return Estimate(mean, mean - below, mean + above)


NUM_RESAMPLES = 1_999


def _resampled(
    x: NDArray[np.float64], y: NDArray[np.float64], confidence: float, seed: int
) -> tuple[float, float]:
    """Percentiles of the mean share of pairs, runs drawn anew in each problem."""
    rng, total = np.random.default_rng(seed), np.zeros(NUM_RESAMPLES)
    for one, other in zip(x, y, strict=True):
        pairs = (one[:, None] < other) + 0.5 * (one[:, None] == other)
        of_one, of_other = (
            rng.multinomial(n - 1, np.full(n, 1 / n), NUM_RESAMPLES) / (n - 1) for n in pairs.shape
        )
        total += np.sum(of_one @ pairs * of_other, axis=1)
    ordered = np.sort(total / len(x))
    rank = max(int((NUM_RESAMPLES + 1) * (1 - confidence) / 2 + 1e-9), 1)
    return float(ordered[rank - 1]), float(ordered[NUM_RESAMPLES - rank])
