"""Contestants over all problems: one score, how soon targets are reached, ranks, and who is ahead.

A score is the share of the way from the loss at the start to the lowest mean test loss of any
contestant: 0 at the start, 1 at that loss (`statistics.normalized_scores`), averaged over the
middle half of all runs of all problems. A contestant that was not run on a problem scores 0 there
and never reaches its target.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.statistics import (
    Band,
    Estimate,
    RankTable,
    aggregate_difference,
    algoperf_score,
    normalized_scores,
    performance_profile,
    rank_table,
    stratified_bootstrap,
)
from jaxnn.bench.statistics.aggregates import AGGREGATES

if TYPE_CHECKING:
    from jaxnn.bench.comparison import Comparison

__all__ = ["MAX_RATIO", "UNBOUNDED", "Profile", "Standings", "profile", "standings", "starts"]

UNBOUNDED = -1e6
"""No loss that has a lower bound falls so low."""

MAX_RATIO = 4.0
"""A contestant that takes so many times as long as the fastest gets no more credit: AlgoPerf's."""


@dataclasses.dataclass(frozen=True)
class Standings:
    """All contestants over the problems that have a scale; entries in the order of `optimizers`.

    problems: those that count. left_out: those whose losses have no scale, such as one without a
    lower bound. score: interquartile mean, stratified bootstrap. soon: AlgoPerf's score on the
    median of steps to the target. solved: share of all runs that reached it; both None without
    targets. ranks: by mean test loss. ahead: the leader's score less that of each other, with
    intervals that hold for all of them together.
    """

    optimizers: tuple[str, ...]
    problems: tuple[str, ...]
    left_out: tuple[str, ...]
    score: tuple[Estimate, ...]
    soon: tuple[Estimate, ...] | None
    solved: tuple[Estimate, ...] | None
    ranks: RankTable | None
    ahead: dict[str, Estimate]

    @property
    def leader(self) -> str:
        """Who has the highest score."""
        return self.optimizers[int(np.argmax([x.value for x in self.score]))]


def standings(comparison: Comparison, confidence: float = 0.95) -> Standings | None:
    """None where fewer than two problems have a scale."""
    losses, first = _losses(comparison), starts(comparison)
    names = np.array(comparison.problems)
    means = np.where(np.isnan(losses).any(axis=2), math.inf, losses.mean(axis=2))
    best = means.min(axis=0)
    has_scale = (best > UNBOUNDED) & np.isfinite(first) & (first > best) & np.isfinite(best)
    if np.count_nonzero(has_scale) < 2:
        return None
    scores = np.stack(
        [
            normalized_scores(of_one[has_scale], first[has_scale], best[has_scale])
            for of_one in losses
        ]
    )
    score = _estimates(stratified_bootstrap(scores, AGGREGATES["iqm"], confidence))
    times = _times(comparison)
    soon = solved = None
    if times is not None:
        soon = _estimates(stratified_bootstrap(times, _algoperf, confidence))
        solved = _estimates(stratified_bootstrap(times, _solved, confidence))
    optimizers = comparison.optimizers
    leader = int(np.argmax([x.value for x in score]))
    several = 1 - (1 - confidence) / max(len(optimizers) - 1, 1)
    ahead = {
        name: aggregate_difference(scores[leader], scores[other], confidence=several)
        for other, name in enumerate(optimizers)
        if other != leader
    }
    return Standings(
        optimizers,
        tuple(map(str, names[has_scale])),
        tuple(map(str, names[~has_scale])),
        score,
        soon,
        solved,
        rank_table(means) if len(optimizers) > 1 else None,
        ahead,
    )


@dataclasses.dataclass(frozen=True)
class Profile:
    """Shares of problems solved within a ratio of the fastest contestant's time.

    ratios: [points]; share: [contestants, points], with intervals.
    """

    optimizers: tuple[str, ...]
    ratios: NDArray[np.float64]
    share: Band


def profile(comparison: Comparison, confidence: float = 0.95) -> Profile | None:
    """Dolan and Moré's performance profile on the median of steps; None without targets."""
    times = _times(comparison)
    if times is None:
        return None
    ratios = np.geomspace(1.0, MAX_RATIO, 61)
    band = stratified_bootstrap(
        times, lambda runs: performance_profile(np.median(runs, axis=-1), ratios), confidence
    )
    return Profile(comparison.optimizers, ratios, band)


def _losses(comparison: Comparison) -> NDArray[np.float64]:
    """Test losses [contestants, problems, runs]; NaN where a run failed or there was none."""
    found = (_of_each(comparison, name, "loss", math.nan) for name in comparison.optimizers)
    return np.stack(list(found))


def _times(comparison: Comparison) -> NDArray[np.float64] | None:
    """Steps to targets [contestants, problems, runs], of the problems that have one."""
    having = [p for p in comparison.problems if "steps" in comparison.metrics(p)]
    if not having:
        return None
    found = (_of_each(comparison, x, "steps", math.inf, having) for x in comparison.optimizers)
    return np.stack(list(found))


def _of_each(
    comparison: Comparison,
    optimizer: str,
    metric: str,
    absent: float,
    problems: list[str] | None = None,
) -> NDArray[np.float64]:
    """[problems, runs], `absent` where it was not run."""
    found = []
    for problem in problems or comparison.problems:
        ran = any(o.optimizer == optimizer for o in comparison.on(problem))
        seeds = comparison.protocol.replicates
        values = comparison.values(optimizer, metric, problem) if ran else np.full(seeds, absent)
        found.append(values)
    return np.stack(found)


def starts(comparison: Comparison) -> NDArray[np.float64]:
    """The mean loss before the first update, by problem: the same for all contestants."""
    found = []
    for problem in comparison.problems:
        first = [outcome.updates["loss"][:, 0].mean() for outcome in comparison.on(problem)]
        finite = [float(x) for x in first if np.isfinite(x)]
        found.append(float(np.median(finite)) if finite else math.nan)
    return np.array(found)


def _algoperf(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return algoperf_score(np.median(times, axis=-1), MAX_RATIO)


def _solved(times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.isfinite(times).mean(axis=(-2, -1))


def _estimates(band: Band) -> tuple[Estimate, ...]:
    return tuple(Estimate(*map(float, ends)) for ends in zip(*band, strict=True))
