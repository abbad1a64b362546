"""Time to a target across problems: performance profiles, AlgoPerf's score, shares solved.

A time is a number >= 0 in any unit (steps, gradient evaluations, seconds); ∞ and NaN are runs that
never arrived. Every function takes further axes in front, and so fits `stratified_bootstrap`, which
puts an interval around each of its figures:

    stratified_bootstrap(times, lambda runs: algoperf_score(np.median(runs, axis=-1)))
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics.checks import array, failed_last
from jaxnn.errors import bad_value

__all__ = [
    "algoperf_score",
    "performance_profile",
    "performance_ratios",
    "share_solved",
    "spread_targets",
    "steps_to_targets",
]


def performance_ratios(times: ArrayLike) -> NDArray[np.float64]:
    """Each time over that of the fastest contestant on its problem; ∞ where it never arrived.

    times: [..., contestants, problems]. Where nobody arrived all are ∞; a time of 0 is 1 to itself.
    Raises TypeError and ValueError for negative times and fewer than two axes.
    Source: Dolan and Moré 2002, Mathematical Programming 91, "Benchmarking optimization software
    with performance profiles".

    >>> performance_ratios([[10, 30], [20, float("inf")]]).tolist()
    [[1.0, 1.0], [2.0, inf]]
    """
    t = _times("performance_ratios", times, ("contestants", "problems"))
    best = t.min(axis=-2, keepdims=True, initial=math.inf)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(np.isinf(t), math.inf, np.where(t == best, 1.0, t / best))


def performance_profile(times: ArrayLike, ratios: ArrayLike) -> NDArray[np.float64]:
    """The share of problems that a contestant solves within a ratio of the fastest's time.

    times: [..., contestants, problems]; ratios: [points], >= 1. Returns [..., contestants, points].
    At ratio 1 it is the share on which the contestant is fastest; a problem that nobody solves
    counts against all. NaN without problems.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Dolan and Moré 2002, Mathematical Programming 91.

    >>> performance_profile([[10, 30], [20, float("inf")]], [1, 2, 4]).tolist()
    [[1.0, 1.0, 1.0], [0.0, 0.5, 0.5]]
    """
    points = array("performance_profile", "ratios", ratios, ("points",))
    if not np.all(points >= 1):
        raise bad_value("performance_profile", "ratios", ">= 1", np.min(points), "Start at 1.")
    found = performance_ratios(times)[..., None]
    return _share((found <= points) & np.isfinite(found), axis=-2)


def algoperf_score(times: ArrayLike, max_ratio: float = 4.0) -> NDArray[np.float64]:
    """The area under the performance profile from ratio 1 to `max_ratio`, over that of the whole.

    times: [..., contestants, problems]. Returns [..., contestants], in [0, 1]: 1 for who is fastest
    everywhere, 0 for who is `max_ratio` times slower or more on all. A profile is a step for each
    problem, so that the area is exact: the mean over problems of
    (max_ratio − ratio) / (max_ratio − 1), no less than 0. NaN without problems.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Dahl et al. 2023, arXiv:2306.07179, "Benchmarking Neural Network Training Algorithms"
    (AlgoPerf), section 4.4, with r_max = 4.

    >>> algoperf_score([[10, 30], [20, float("inf")]]).round(3).tolist()  # ((4 − 2) / 3 + 0) / 2
    [1.0, 0.333]
    """
    if not 1 < max_ratio < math.inf:
        raise bad_value("algoperf_score", "max_ratio", "in (1, ∞)", max_ratio, "AlgoPerf takes 4.")
    ratios = np.minimum(performance_ratios(times), max_ratio)
    return _share((max_ratio - ratios) / (max_ratio - 1), axis=-1)


def share_solved(steps: ArrayLike, budgets: ArrayLike) -> NDArray[np.float64]:
    """The empirical distribution of steps to targets: the share reached within each budget.

    steps: [..., problems, targets], one entry for each target of each problem, ∞ where it was never
    reached; budgets: [points]. Returns [..., points]: what is reached at last, is the share of
    targets that are reached at all. NaN without targets.
    Raises TypeError and ValueError for negative steps and fewer than two axes.
    Source: Hansen, Auger, Brockhoff, Tušar, Tušar 2022, Annual Reviews in Control 53 (COCO's
    runtime distributions).

    >>> share_solved([[1, 5], [3, float("inf")]], [0, 1, 4, 100]).tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    x = _times("share_solved", steps, ("problems", "targets"))
    points = array("share_solved", "budgets", budgets, ("points",))
    flat = x.reshape(*x.shape[:-2], -1, 1)
    return _share((flat <= points) & np.isfinite(flat), axis=-2)


def spread_targets(start: float, best: float, num: int = 10) -> NDArray[np.float64]:
    """Targets for a loss between its start and the best known, in equal steps of its logarithm.

    Returns [num], falling, the best last and the start not among them. start > best > 0, both
    finite; num >= 1. A loss whose lowest value is 0 or below has no such targets: subtract it.
    Raises ValueError for numbers outside of these.

    >>> spread_targets(100.0, 0.1, 3).tolist()
    [10.0, 1.0, 0.1]
    """
    if not (0 < best < start < math.inf):
        got = f"{best} with start {start}"
        raise bad_value("spread_targets", "best", "in (0, start), start finite", got)
    if num < 1:
        raise bad_value("spread_targets", "num", ">= 1", num, "Try 10.")
    return np.geomspace(start, best, num + 1)[1:]


def steps_to_targets(
    curves: ArrayLike, targets: ArrayLike, steps: ArrayLike | None = None
) -> NDArray[np.float64]:
    """When each curve first was at or below each target; ∞ where it never was.

    curves: [runs, records], NaN where nothing was recorded; targets: [targets]; steps: [records],
    the step of each record, 1, 2, 3, … by default. Returns [runs, targets]. Negate curves and
    targets of which more is better.
    Raises TypeError and ValueError for axes that do not fit.

    >>> steps_to_targets([[4, 2, 3, 1]], [5, 2, 0]).tolist()
    [[1.0, 2.0, inf]]
    """
    where = "steps_to_targets"
    y = array(where, "curves", curves, ("runs", "records"))
    goals = array(where, "targets", targets, ("targets",))
    given = np.arange(1, y.shape[1] + 1) if steps is None else steps
    at = array(where, "steps", given, ("records",))
    if len(at) != y.shape[1]:
        raise bad_value(where, "steps", f"as many as there are records, {y.shape[1]}", len(at))
    if not y.shape[1]:
        return np.full((len(y), len(goals)), math.inf)
    # The lowest so far only falls: as many records lie above a target as come before its first.
    lowest = np.minimum.accumulate(failed_last(y), axis=1)
    first = (lowest[:, :, None] > goals).sum(axis=1)
    return np.where(first < len(at), at[np.minimum(first, len(at) - 1)], math.inf)


def _times(where: str, times: ArrayLike, axes: tuple[str, ...]) -> NDArray[np.float64]:
    name = "steps" if where == "share_solved" else "times"
    t = failed_last(array(where, name, times, ("...", *axes)))
    if np.any(t < 0):
        raise bad_value(where, name, ">= 0", float(t.min()), "∞ is a run that never arrived.")
    return t


def _share(of: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """The mean over an axis; of nothing it is NaN."""
    if not of.shape[axis]:
        return np.full(np.delete(of.shape, axis), math.nan)
    return np.asarray(np.mean(of, axis=axis, dtype=np.float64))
