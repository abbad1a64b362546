"""Each contestant against a problem's leader: difference, test, size, and what would settle it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxnn.bench.comparison import HIGHER_IS_BETTER
from jaxnn.bench.statistics import Effect, Estimate, Improvement, effect, probability_of_improvement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jaxnn.bench.comparison import Comparison, Verdict

__all__ = ["Pair", "columns", "pairs"]


class Pair(NamedTuple):
    """The leader a and another contestant b, on a metric of a problem."""

    verdict: Verdict  # the difference is a − b; p-value after Holm over all pairs
    effect: Effect  # its size; `better` is the share of common seeds on which a is better
    improvement: Improvement  # how often a run of a is better than any run of b


def pairs(comparison: Comparison, problem: str, metric: str = "loss") -> list[Pair]:
    """The best contestant on a problem against each other one, in the order of their figures."""
    leader, *others = comparison.order(metric, problem)
    found = []
    for other in others:
        verdict = comparison.verdict(leader, other, problem, metric=metric)
        a, b = (_less_is_better(comparison, name, metric, problem) for name in (leader, other))
        found.append(Pair(verdict, effect(a, b), probability_of_improvement(a, b)))
    return found


def _less_is_better(
    comparison: Comparison, name: str, metric: str, problem: str
) -> NDArray[np.float64]:
    values = comparison.values(name, metric, problem)
    return -values if metric in HIGHER_IS_BETTER else values


def columns(comparison: Comparison) -> dict[str, list[Any]]:
    """All pairs of all problems and metrics as columns of a table."""
    rows = [
        _row(pair)
        for problem in comparison.problems
        for metric in comparison.metrics(problem)
        for pair in pairs(comparison, problem, metric)
    ]
    names = list(rows[0]) if rows else ["problem", "metric", "a", "b"]
    return {name: [row[name] for row in rows] for name in names}


def _row(pair: Pair) -> dict[str, Any]:
    verdict, size, improvement = pair
    return {
        "problem": verdict.problem,
        "metric": verdict.metric,
        "a": verdict.a,
        "b": verdict.b,
        **_ends("difference", verdict.paired.difference),
        "p_value_holm": verdict.p_value,
        "winner": verdict.winner or "",
        "d_z": size.d_z,
        "size": size.size,
        **_ends("probability_of_improvement", improvement.probability),
        "p_value_mann_whitney": improvement.p_value,
        "seeds_needed": verdict.paired.seeds_needed,
    }


def _ends(name: str, figure: Estimate) -> dict[str, float]:
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
