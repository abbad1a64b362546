"""One figure over many problems: the stratified bootstrap, and scores that can be averaged."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics.checks import array, check_confidence, mean_without_warning
from jaxnn.errors import bad_value, check_seed, look_up
from jaxnn.sweeps.intervals import Estimate

__all__ = [
    "AGGREGATES",
    "Band",
    "aggregate",
    "aggregate_difference",
    "normalized_scores",
    "stratified_bootstrap",
]

NUM_RESAMPLES = 1_999
AT_ONCE = 4_000_000
"""So many numbers of resamples are held at a time."""


class Band(NamedTuple):
    """Figures with an interval each; three arrays of one shape."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def stratified_bootstrap(
    runs: ArrayLike,
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    confidence: float = 0.95,
    *,
    seed: int = 0,
) -> Band:
    """A figure of runs on several problems, with percentile intervals from resampled runs.

    runs: [..., problems, runs]. figure: maps [resamples, ..., problems, m] to [resamples, ...], any
    shape it likes behind the first axis. Within each problem n − 1 of the n runs are drawn, with
    replacement, so that the variance of a mean is that of its estimate (n of n would make it too
    small by 1 − 1/n, which is much for 5 seeds). What comes before the problems, contestants for
    one, shares the draws: runs on common seeds stay together. Ends are NaN where n < 2 and where a
    resample gave NaN. seed: in [0, 2³²): same runs, same seed, same intervals.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Agarwal et al. 2021, NeurIPS 34 (strata are problems); McCarthy and Snowden 1985, Vital
    and Health Statistics 2:95 (n − 1).
    """
    where = "stratified_bootstrap"
    check_confidence(where, confidence)
    seed = check_seed(where, seed)
    x = array(where, "runs", runs, ("...", "problems", "runs"))
    if not x.size:
        raise bad_value(where, "runs", "at least one run of one problem", "none")
    *_, num_problems, n = x.shape
    value = figure(x[None])[0]
    if n < 2:
        return Band(value, np.full_like(value, math.nan), np.full_like(value, math.nan))
    rng, found = np.random.default_rng(seed), []
    drawn = rng.integers(0, n, (NUM_RESAMPLES, num_problems, n - 1))
    for chosen in np.array_split(drawn, math.ceil(x.size * NUM_RESAMPLES / AT_ONCE)):
        lifted = chosen.reshape(len(chosen), *[1] * (x.ndim - 2), num_problems, n - 1)
        found.append(figure(np.take_along_axis(x[None], lifted, axis=-1)))
    ordered = np.sort(np.concatenate(found), axis=0)  # NaN comes last
    rank = max(int((NUM_RESAMPLES + 1) * (1 - confidence) / 2 + 1e-9), 1)
    known = ~np.isnan(ordered[-1])
    low = np.where(known, ordered[rank - 1], math.nan)
    return Band(value, low, np.where(known, ordered[NUM_RESAMPLES - rank], math.nan))


def _iqm(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    pooled = scores.reshape(*scores.shape[:-2], -1)
    n, cut = pooled.shape[-1], pooled.shape[-1] // 4
    # NaN comes last in any order, and would be cut off unseen.
    ordered = np.partition(pooled, (cut, n - cut - 1, n - 1), axis=-1)
    middle = mean_without_warning(ordered[..., cut : n - cut])
    return np.where(np.isnan(ordered[..., -1]), math.nan, middle)


def _mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return mean_without_warning(mean_without_warning(scores))


def _median(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        ordered = np.sort(mean_without_warning(scores), axis=-1)
        low = ordered[..., (ordered.shape[-1] - 1) // 2]
        high = ordered[..., ordered.shape[-1] // 2]
        middle = np.where(low == high, low, (low + high) / 2)
    return np.where(np.isnan(ordered[..., -1]), math.nan, middle)


AGGREGATES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "iqm": _iqm,
    "mean": _mean,
    "median": _median,
}
"""[..., problems, runs] → [...]: the mean of the middle half of all runs of all problems; the mean
over problems; the median over problems of their means over runs."""


def aggregate(
    scores: ArrayLike, statistic: str = "iqm", confidence: float = 0.95, *, seed: int = 0
) -> Estimate:
    """A contestant's score over all problems, with a stratified bootstrap interval over its runs.

    scores: [problems, runs], on one scale for all problems, as of `normalized_scores`. statistic:
    "iqm", "mean" or "median" (AGGREGATES). The interval is for these problems, not for others like
    them. NaN gives NaN; ±∞ is allowed. seed: in [0, 2³²), of the resamples.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Agarwal et al. 2021, NeurIPS 34.

    >>> aggregate([[0.0, 0.25], [0.5, 0.75]]).value  # (0.25 + 0.5) / 2
    0.375
    """
    figure = look_up("aggregate", "statistic", statistic, AGGREGATES)
    return _estimate("aggregate", scores, ("problems", "runs"), figure, confidence, seed)


def aggregate_difference(
    a: ArrayLike,
    b: ArrayLike,
    statistic: str = "iqm",
    confidence: float = 0.95,
    *,
    seed: int = 0,
) -> Estimate:
    """The score of a less that of b over all problems, runs resampled together on common seeds.

    a, b: [problems, runs], of one shape. The rest is as in `aggregate`. An interval without 0 tells
    the two apart on these problems.
    Raises TypeError and ValueError for numbers outside of these.

    >>> found = aggregate_difference([[1.0, 2.0, 4.0]], [[0.0, 1.0, 3.0]], "mean")
    >>> [round(x, 9) for x in found]
    [1.0, 1.0, 1.0]
    """
    where = "aggregate_difference"
    figure = look_up(where, "statistic", statistic, AGGREGATES)
    x, y = (array(where, n, v, ("problems", "runs")) for n, v in (("a", a), ("b", b)))
    if x.shape != y.shape:
        raise bad_value(where, "b", f"of the shape of `a`, {x.shape}", y.shape)
    difference = functools.partial(_difference, figure)
    return _estimate(
        where, np.stack([x, y]), ("", "problems", "runs"), difference, confidence, seed
    )


def _difference(figure: Callable[[Any], Any], both: NDArray[np.float64]) -> NDArray[np.float64]:
    of_each = figure(both)
    with np.errstate(invalid="ignore"):
        return of_each[..., 0] - of_each[..., 1]


def _estimate(
    where: str,
    scores: ArrayLike,
    axes: tuple[str, ...],
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    confidence: float,
    seed: int,
) -> Estimate:
    x = array(where, "scores", scores, axes)
    if not x.size:
        return Estimate(math.nan, math.nan, math.nan)
    return Estimate(*map(float, stratified_bootstrap(x, figure, confidence, seed=seed)))


def normalized_scores(losses: ArrayLike, start: ArrayLike, best: ArrayLike) -> NDArray[np.float64]:
    """Losses as shares of the way from a start to a reference: 0 at the start, 1 at the reference.

    losses: [problems, runs]. start, best: [problems], start > best, for example the loss of the
    initial parameters and the lowest mean of any contestant. A run that ended above its start, or
    failed (NaN or +∞), scores 0, for it has not got anywhere; better than the reference is above 1.
    Raises TypeError and ValueError for numbers outside of these.

    >>> normalized_scores([[3.0, 1.0, 0.0, float("nan")]], [2.0], [1.0]).tolist()
    [[0.0, 1.0, 2.0, 0.0]]
    """
    where = "normalized_scores"
    x = array(where, "losses", losses, ("problems", "runs"))
    first, last = (array(where, n, v, ("problems",)) for n, v in (("start", start), ("best", best)))
    if not len(first) == len(last) == len(x):
        got = f"{len(x)}, {len(first)} and {len(last)}"
        raise bad_value(where, "losses", "of as many problems as `start` and `best`", got)
    if not np.all((first > last) & np.isfinite(first) & np.isfinite(last)):
        row = int(np.argmin((first > last) & np.isfinite(first) & np.isfinite(last)))
        got = f"{first[row]:g}, not above {last[row]:g}"
        raise bad_value(where, f"start[{row}]", f"finite and above `best[{row}]`", got)
    score = (first[:, None] - np.where(np.isnan(x), math.inf, x)) / (first - last)[:, None]
    return np.maximum(score, 0.0)
