"""Comparisons of one campaign put together, and what differs between two."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxnn.bench.comparison import Comparison
from jaxnn.bench.outcome import Outcome
from jaxnn.bench.statistics import Estimate
from jaxnn.errors import bad_value

__all__ = ["Change", "changes", "merge"]


def merge(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison of all contestants and problems of several.

    They must have the same protocol and, where they share a problem, the same budget there; what
    two of them ran must have come to the same figures. What one could not run and another could
    counts as run.
    Raises ValueError where they do not belong together.
    """
    if not comparisons:
        raise bad_value("bench.merge", "comparisons", "one or more", "none")
    first = comparisons[0]
    for other in comparisons[1:]:
        _check_same_protocol(first, other)
    tasks: dict[str, Any] = {}
    outcomes: dict[tuple[str, str], Outcome] = {}
    for comparison in comparisons:
        for about in comparison.tasks:
            known = tasks.setdefault(about.name, about)
            if _budget(known) != _budget(about):
                got = f"{_budget(known)} and {_budget(about)} for {about.name}"
                constraint = "of one budget on each problem"
                raise bad_value("bench.merge", "comparisons", constraint, got)
        for outcome in comparison.outcomes:
            at = outcome.problem, outcome.optimizer
            if at in outcomes and not _equal(outcomes[at], outcome):
                got = f"different ones for {outcome.optimizer} on {outcome.problem}"
                fix = "Leave it out of one of them, or see what differs: jaxnn report compare."
                constraint = "of one result for each contestant and problem"
                raise bad_value("bench.merge", "comparisons", constraint, got, fix)
            outcomes.setdefault(at, outcome)
    not_run = {(one.problem, one.optimizer): one for c in comparisons for one in c.not_run}
    ordered = sorted(outcomes.values(), key=lambda o: list(tasks).index(o.problem))
    missing = tuple(one for at, one in not_run.items() if at not in outcomes)
    return Comparison(first.protocol, tuple(ordered), tuple(tasks.values()), missing)


def _check_same_protocol(first: Comparison, other: Comparison) -> None:
    one, two = (dataclasses.asdict(comparison.protocol) for comparison in (first, other))
    different = [f"{name} {one[name]} and {two[name]}" for name in one if one[name] != two[name]]
    if different:
        got = ", ".join(different)
        raise bad_value("bench.merge", "comparisons", "of one protocol", got)


def _budget(about: Any) -> dict[str, Any]:
    names = ("num_steps", "batch_size", "record_every")
    return {name: getattr(about, name) for name in names}


def _equal(a: Outcome, b: Outcome) -> bool:
    """In every figure, times aside."""
    pairs = [(a.tuning.columns, b.tuning.columns), (a.evaluation.columns, b.evaluation.columns)]
    return a.setting == b.setting and all(
        mine.keys() == its.keys()
        and all(np.array_equal(mine[n], its[n], equal_nan=mine[n].dtype.kind == "f") for n in mine)
        for mine, its in pairs
    )


class Change(NamedTuple):
    """A figure in two comparisons; None where one does not have it."""

    problem: str
    optimizer: str
    metric: str
    before: Estimate | None
    after: Estimate | None
    same_setting: bool

    @property
    def is_same(self) -> bool:
        """Whether both have the figure, and it is the same."""
        return self.before is not None and self.before == self.after

    @property
    def overlaps(self) -> bool:
        """Whether the intervals have a point in common."""
        if self.before is None or self.after is None:
            return False
        return self.before.low <= self.after.high and self.after.low <= self.before.high


def changes(before: Comparison, after: Comparison) -> list[Change]:
    """Every figure that either has, by problem and contestant, in the order of the first."""
    found = []
    one, two = ({(o.problem, o.optimizer): o for o in c.outcomes} for c in (before, after))
    for problem, optimizer in dict.fromkeys((*one, *two)):
        mine, its = one.get((problem, optimizer)), two.get((problem, optimizer))
        same = mine is not None and its is not None and mine.setting == its.setting
        metrics = [c.metrics(problem) for c in (before, after) if problem in c.problems]
        for metric in dict.fromkeys(m for of_one in metrics for m in of_one):
            pair = (_figure(before, mine, metric), _figure(after, its, metric))
            found.append(Change(problem, optimizer, metric, *pair, same))
    return found


def _figure(comparison: Comparison, outcome: Outcome | None, metric: str) -> Estimate | None:
    if outcome is None or metric not in comparison.metrics(outcome.problem):
        return None
    return comparison.estimate(outcome.optimizer, metric, outcome.problem)
