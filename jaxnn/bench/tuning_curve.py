"""What to expect after k trials of tuning, for all k, from the trials of one run.

Of the n settings that were tried, k are drawn at random without replacement, and the one whose
validation loss is least is chosen. With i = 0 for the best of all n, setting i is chosen with

    weight(i) = C(n − 1 − i, k − 1) / C(n, k) = k / (n − i) · Π_{j < i} (n − k − j) / (n − j)

so that the expectation over all draws is a weighted sum: no draw is made, nothing is run again.
It is the U-statistic, without bias for k fresh trials where trials are independent. Sobol points
spread more evenly than a random k of them do: they do at least as well as this, as a rule.

Sources: Dodge, Gururangan, Card, Schwartz, Smith 2019, EMNLP, "Show Your Work" (the curve; draws
with replacement, which is biased); Tang, Lee, Xin, Liu, Yu, Lin 2020, ACL, "Showing Your Work
Doesn't Always Work" (without replacement); Lourie, Cho, He 2024, NAACL, "Show Your Work with
Confidence" (medians, which exist where means do not).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics import Band, Estimate, bootstrap_mean_interval, stratified_bootstrap
from jaxnn.bench.statistics.checks import array, failed_last, mean_without_warning
from jaxnn.errors import bad_value, check_integer

__all__ = [
    "best_quantile",
    "chance_of_choice",
    "chance_of_failure",
    "doubling_sizes",
    "expected_best",
    "expected_best_of_runs",
]

ROUNDING = 1e-12
"""Weights of 10,000 settings add up to 1 within this."""


def doubling_sizes(num_trials: int) -> tuple[int, ...]:
    """1, 2, 4, … and `num_trials` itself, >= 1.

    >>> doubling_sizes(12), doubling_sizes(4)
    ((1, 2, 4, 8, 12), (1, 2, 4))
    """
    n = check_integer("doubling_sizes", "num_trials", num_trials, low=1)
    return (*(2**i for i in range((n - 1).bit_length())), n)


def chance_of_choice(
    validation: ArrayLike, sizes: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """How probable it is that each setting is the best of k drawn ones.

    validation: [trials], the mean validation loss of each setting, less is better; what is not
    finite failed, and is worst. Settings of one loss share their chance. sizes: the k, in
    [1, trials], by default `doubling_sizes`.
    Returns [sizes, trials]; rows add up to 1. Accurate for 10,000 trials to 12 digits.
    Raises TypeError and ValueError for numbers outside of these.

    >>> chance_of_choice([0.3, 0.1, 0.2], [1, 2, 3]).round(3).tolist()
    [[0.333, 0.333, 0.333], [0.0, 0.667, 0.333], [0.0, 1.0, 0.0]]
    """
    where = "chance_of_choice"
    x = _validation(where, validation)
    return np.stack([_weights(x, k) for k in _sizes(where, sizes, len(x))])


def _weights(losses: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    n = len(losses)
    rank = np.arange(n)
    # The chance that none of the best `rank` settings is drawn, then that the next one is.
    missed = np.cumprod(np.maximum(n - k - rank, 0) / (n - rank))
    in_order = k / (n - rank) * np.concatenate([[1.0], missed[:-1]])
    _, level, count = np.unique(losses, return_inverse=True, return_counts=True)
    first = np.cumsum(count) - count
    return (np.add.reduceat(in_order, first) / count)[level]


def expected_best_of_runs(
    validation: ArrayLike,
    reported: ArrayLike,
    sizes: Sequence[int] | None = None,
    *,
    failed: float = math.nan,
) -> NDArray[np.float64]:
    """The expected figure of the best of k settings, on each seed.

    It is linear in the figures, so that it can be compared like them: `statistics.compare` of two
    contestants' rows is their paired comparison after k trials.
    validation: [trials], as in `chance_of_choice`. reported: [trials, runs], any figure of each
    setting on the seeds that all of them share; NaN where it failed. sizes: as there. failed: what
    a failed run counts as, the loss of the initial parameters for one.
    Returns [sizes, runs]: NaN wherever a setting that failed on this seed may be chosen, unless
    `failed` says otherwise. Where n_failed settings failed in validation, those are chosen by none
    of k > n_failed.
    Raises TypeError and ValueError for numbers outside of these.

    >>> expected_best_of_runs([0.3, 0.1, 0.2], [[6, 9], [3, 0], [3, 3]], [1, 3]).tolist()
    [[4.0, 4.0], [3.0, 0.0]]
    """
    return _of_runs("expected_best_of_runs", validation, reported, sizes, failed)


def _of_runs(
    where: str,
    validation: ArrayLike,
    reported: ArrayLike,
    sizes: Sequence[int] | None,
    failed: float,
) -> NDArray[np.float64]:
    x, y = _both(where, validation, reported)
    y = np.where(np.isnan(y), failed, y)
    return np.stack([_weighted(_weights(x, k), y) for k in _sizes(where, sizes, len(x))])


def _weighted(weights: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    drawn = weights > 0  # 0 × NaN is NaN
    with np.errstate(invalid="ignore", over="ignore"):
        return weights[drawn] @ y[drawn]


def expected_best(
    validation: ArrayLike,
    reported: ArrayLike,
    sizes: Sequence[int] | None = None,
    confidence: float = 0.95,
    *,
    failed: float = math.nan,
    interval_fn: Callable[[NDArray[np.float64], float], Estimate] = bootstrap_mean_interval,
) -> Band:
    """The expected figure of the best of k settings, with its interval over seeds.

    The first three and `failed`: as in `expected_best_of_runs`, whose mean over runs this is. At
    k = 1 it is the mean over all settings, at k = n the figure of the best one.
    The interval is that of a mean over seeds: what a seed does to all settings stays together. It
    is the studentised bootstrap's, at k = n that of any table of means; `interval_fn` is another,
    such as `statistics.mean_interval`. It says what other seeds would give for these n settings and
    this choice among them; other settings or tuning seeds are not in it: repeat the study.
    Returns arrays [sizes]; ends are NaN with one run, and where a value is not finite.
    Raises TypeError and ValueError for numbers outside of these.

    >>> band = expected_best([0.3, 0.1, 0.2], [[6, 9], [3, 0], [3, 3]])
    >>> band.value.round(2).tolist(), band.low.round(2).tolist()
    ([4.0, 2.0, 1.5], [4.0, -10.71, -17.56])
    """
    of_runs = _of_runs("expected_best", validation, reported, sizes, failed)
    with np.errstate(invalid="ignore"):
        found = [interval_fn(row, confidence) for row in of_runs]
    return Band(*(np.array(column, np.float64) for column in zip(*found, strict=True)))


def chance_of_failure(
    validation: ArrayLike, reported: ArrayLike, sizes: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """How probable it is that a run of the best of k settings fails (NaN), by k.

    The arguments are those of `expected_best_of_runs`; ±∞ is a figure and no failure.
    Returns [sizes], in [0, 1].
    Raises TypeError and ValueError for numbers outside of these.

    >>> nan = float("nan")
    >>> chance_of_failure([nan, 0.1, 0.2], [[nan, nan], [1, 2], [nan, 2]], [1, 2, 3]).tolist()
    [0.5, 0.16666666666666666, 0.0]
    """
    where = "chance_of_failure"
    x, y = _both(where, validation, reported)
    share = np.isnan(y).mean(axis=1)
    found = [float(_weights(x, k) @ share) for k in _sizes(where, sizes, len(x))]
    return np.clip(np.array(found), 0.0, 1.0)


def best_quantile(
    validation: ArrayLike,
    reported: ArrayLike,
    sizes: Sequence[int] | None = None,
    probability: float = 0.5,
    confidence: float = 0.95,
    *,
    seed: int = 0,
) -> Band:
    """A quantile, over all draws of k settings, of the mean figure of the best: median by default.

    It exists where settings fail: a setting with a failed run counts as +∞, the worst, so negate
    figures of which more is better. The quantile is the least figure that at least `probability` of
    the draws do not exceed. Arguments: as in `expected_best`. probability: in (0, 1].
    The interval is a percentile bootstrap over seeds, common to all settings (as in
    `statistics.stratified_bootstrap`), `seed` that of its resamples.
    Returns arrays [sizes]; ends are NaN with one run.
    Raises TypeError and ValueError for numbers outside of these.

    >>> band = best_quantile([0.3, 0.1, 0.2], [[float("nan")] * 2, [1, 1], [2, 4]])
    >>> band.value.tolist(), band.high.tolist()
    ([3.0, 1.0, 1.0], [4.0, 1.0, 1.0])
    """
    where = "best_quantile"
    x, y = _both(where, validation, reported)
    if not 0 < probability <= 1:
        raise bad_value(where, "probability", "in (0, 1]", probability, "The median is 0.5.")
    weights = np.stack([_weights(x, k) for k in _sizes(where, sizes, len(x))])
    figure = functools.partial(_quantiles, weights, probability)
    return stratified_bootstrap(y[:, None, :], figure, confidence, seed=seed)


def _quantiles(
    weights: NDArray[np.float64], probability: float, runs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[resamples, trials, 1, runs] → [resamples, sizes]."""
    means = failed_last(mean_without_warning(runs)[..., 0])
    order = np.argsort(means, axis=1, kind="stable")
    ordered = np.take_along_axis(means, order, axis=1)
    found = np.empty((len(means), len(weights)))
    for number, row in enumerate(weights):
        reached = np.cumsum(row[order], axis=1) >= probability - ROUNDING
        found[:, number] = np.take_along_axis(ordered, reached.argmax(axis=1)[:, None], 1)[:, 0]
    return found


def _validation(where: str, validation: ArrayLike) -> NDArray[np.float64]:
    x = array(where, "validation", validation, ("trials",))
    if not len(x):
        raise bad_value(where, "validation", "the loss of at least one setting", "none")
    return np.where(np.isfinite(x), x, math.inf)


def _both(
    where: str, validation: ArrayLike, reported: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = _validation(where, validation)
    y = array(where, "reported", reported, ("trials", "runs"))
    if len(y) != len(x) or not y.shape[1]:
        constraint = f"of shape [{len(x)}, runs], a row for each of `validation`"
        raise bad_value(where, "reported", constraint, f"shape {y.shape}")
    return x, y


def _sizes(where: str, sizes: Sequence[int] | None, n: int) -> list[int]:
    given = doubling_sizes(n) if sizes is None else sizes
    if not len(given):
        raise bad_value(where, "sizes", "at least one number of trials", "none")
    return [check_integer(where, "sizes", k, low=1, high=n) for k in given]
