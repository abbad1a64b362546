"""All contestants on all problems: the table, and who beats whom."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench import words
from jaxnn.bench.outcome import NotRun, Outcome
from jaxnn.bench.protocol import Protocol
from jaxnn.bench.scores import Standings, standings
from jaxnn.bench.statistics import (
    Estimate,
    Paired,
    bootstrap_mean_interval,
    compare,
    holm,
    median_interval,
)
from jaxnn.bench.tasks import About
from jaxnn.errors import bad_value, unknown_name

__all__ = ["HIGHER_IS_BETTER", "Comparison", "Verdict"]

HIGHER_IS_BETTER = frozenset({"accuracy"})
"""Metrics of which more is better; of all others, less."""


_Pairs = dict[tuple[str, str], tuple[Paired, float]]


@functools.lru_cache(maxsize=10_000)
def _mean(values: tuple[float, ...]) -> Estimate:
    return bootstrap_mean_interval(values)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Two contestants on one metric of one problem; the difference is a − b on common seeds.

    p_value is Holm-corrected over all pairs of contestants. winner is None where they cannot be
    told apart at 5 %.
    """

    problem: str
    metric: str
    a: str
    b: str
    paired: Paired
    p_value: float
    winner: str | None

    def __str__(self) -> str:
        return words.verdict(self)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The outcome of every contestant on every problem, in the order given."""

    protocol: Protocol
    outcomes: tuple[Outcome, ...]
    tasks: tuple[About, ...] = ()  # of each problem, its budget and what is said of it
    not_run: tuple[NotRun, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems' names."""
        return tuple(dict.fromkeys(o.problem for o in self.outcomes))

    @property
    def optimizers(self) -> tuple[str, ...]:
        """The contestants' names, with those that were not run everywhere."""
        return tuple(dict.fromkeys(o.optimizer for o in (*self.outcomes, *self.not_run)))

    def __repr__(self) -> str:
        against = f"{', '.join(self.optimizers)} on {', '.join(self.problems)}"
        return f"Comparison({against}; see .table(), .summary(), .verdict(a, b), .save(folder))"

    def on(self, problem: str | None = None) -> tuple[Outcome, ...]:
        """The outcomes on one problem; on the only one by default."""
        name = self._problem(problem)
        return tuple(o for o in self.outcomes if o.problem == name)

    def about(self, problem: str | None = None) -> About:
        """A problem's budget and target; of the only one by default."""
        name = self._problem(problem)
        return next(about for about in self.tasks if about.name == name)

    def _problem(self, problem: str | None) -> str:
        if problem is None and len(self.problems) > 1:
            fix = "Name it: there are several."
            raise bad_value(
                "Comparison", "problem", f"one of {', '.join(self.problems)}", None, fix
            )
        name = next(iter(self.problems)) if problem is None else problem
        if name not in self.problems:
            raise unknown_name("Comparison", "problem", name, self.problems)
        return name

    def _outcome(self, optimizer: str, problem: str) -> Outcome:
        if optimizer not in self.optimizers:
            raise unknown_name("Comparison", "optimizer", optimizer, self.optimizers)
        for absent in self.not_run:
            if (absent.optimizer, absent.problem) == (optimizer, problem):
                constraint = f"one that was run on {problem}"
                got = f"{optimizer}, which was not: {absent.reason}"
                raise bad_value("Comparison", "optimizer", constraint, got)
        return next(o for o in self.on(problem) if o.optimizer == optimizer)

    def metrics(self, problem: str | None = None) -> tuple[str, ...]:
        """What can be compared: test metrics, the loss first; "steps" where there is a target."""
        outcomes = self.on(problem)
        names = outcomes[0].metrics()
        return names if outcomes[0].steps is None else (*names, "steps")

    def values(
        self, optimizer: str, metric: str, problem: str | None = None
    ) -> NDArray[np.float64]:
        """The metric on each evaluation seed; "steps" is ∞ where the target was not reached."""
        outcome = self._outcome(optimizer, self._problem(problem))
        if metric not in self.metrics(problem):
            raise unknown_name("Comparison", "metric", metric, self.metrics(problem))
        if metric == "steps" and outcome.steps is not None:
            return outcome.steps
        return outcome.values(metric)

    def estimate(self, optimizer: str, metric: str, problem: str | None = None) -> Estimate:
        """Mean with its 95 % interval; for "steps" the median with its exact interval.

        The interval of a mean is the studentised bootstrap's, since losses are skewed.
        """
        values = self.values(optimizer, metric, problem)
        return median_interval(values) if metric == "steps" else _mean(tuple(values.tolist()))

    def table(self) -> dict[str, NDArray[Any]]:
        """Columns, a row a contestant × problem: figures and the ends of their 95 % intervals."""
        rows = [self._row(outcome) for outcome in self.outcomes]
        names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
        return {name: np.array([row.get(name, math.nan) for row in rows]) for name in names}

    def trials(self) -> dict[str, list[Any]]:
        """Columns, a row a trial of tuning (on validation rows) or of evaluation (on test rows).

        None where a contestant or a problem has no such number.
        """
        from jaxnn.bench.trials import trials

        return trials(self)

    def pairs(self) -> dict[str, list[Any]]:
        """Columns, a row a problem × metric × contestant against the best one: every test."""
        from jaxnn.bench.pairs import columns

        return columns(self)

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        row: dict[str, Any] = {"problem": outcome.problem, "optimizer": outcome.optimizer}
        for metric in self.metrics(outcome.problem):
            name = "steps_to_target" if metric == "steps" else f"test_{metric}"
            figure = self.estimate(outcome.optimizer, metric, outcome.problem)
            row |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        return row | {
            "failed": outcome.num_failed,
            "failed_in_tuning": outcome.num_failed_tuning,
            "setting": words.setting(outcome.setting),
            "evaluations_a_step": outcome.cost.evaluations,
            "microseconds_a_step": outcome.cost.microseconds,
            "state_bytes": outcome.cost.state_bytes,
            "flops_a_step": outcome.cost.flops,
            "compile_seconds": outcome.cost.compile_seconds,
            "total_seconds": outcome.cost.total_seconds,
        }

    def verdict(
        self, a: str, b: str, problem: str | None = None, *, metric: str = "loss"
    ) -> Verdict:
        """Whether a and b can be told apart on `metric`, corrected for all pairs there are.

        Steps of a run that missed the target count as all its steps, which understates its
        distance. Raises ValueError for names that took no part.
        """
        name = self._problem(problem)
        for contestant in (a, b):
            self._outcome(contestant, name)
        if a == b:
            raise bad_value("Comparison.verdict", "b", f"another contestant than {a}", b)
        asked = self._all_pairs(name, metric)
        if (a, b) in asked:
            paired, p_value = asked[a, b]
        else:
            paired, p_value = asked[b, a]
            paired = paired.reversed()
        a_is_ahead = (paired.difference.value < 0) != (metric in HIGHER_IS_BETTER)
        winner = (a if a_is_ahead else b) if p_value < 0.05 else None
        return Verdict(name, metric, a, b, paired, p_value, winner)

    def _all_pairs(self, problem: str, metric: str) -> _Pairs:
        """Every pair with its corrected p-value, computed once: all belong to one correction."""
        if (problem, metric) not in self._asked:
            names = [outcome.optimizer for outcome in self.on(problem)]
            values = {name: self._comparable(name, metric, problem) for name in names}
            pairs = list(itertools.combinations(names, 2))
            paired = [compare(values[a], values[b], num_asked=len(pairs)) for a, b in pairs]
            corrected = holm([p.p_value for p in paired]).tolist()
            both = zip(paired, corrected, strict=True)
            self._asked[problem, metric] = dict(zip(pairs, both, strict=True))
        return self._asked[problem, metric]

    @functools.cached_property
    def _asked(self) -> dict[tuple[str, str], _Pairs]:
        return {}

    def _comparable(self, optimizer: str, metric: str, problem: str) -> NDArray[np.float64]:
        values = self.values(optimizer, metric, problem)
        return np.minimum(values, self.about(problem).num_steps) if metric == "steps" else values

    def order(self, metric: str = "loss", problem: str | None = None) -> list[str]:
        """The contestants from the best figure to the worst; those that failed on a seed last.

        Steps go by their median, then by their mean with the last step for runs that never arrived.
        """

        def score(outcome: Outcome) -> tuple[bool, float, float]:
            figure = self.estimate(outcome.optimizer, metric, outcome.problem).value
            mean = float(np.mean(self._comparable(outcome.optimizer, metric, outcome.problem)))
            sign = -1.0 if metric in HIGHER_IS_BETTER else 1.0
            first, second = (math.inf if math.isnan(x) else sign * x for x in (figure, mean))
            return outcome.num_failed > 0, first, second

        return [outcome.optimizer for outcome in sorted(self.on(problem), key=score)]

    def summary(self, problem: str | None = None) -> list[str]:
        """The verdict in words, a sentence or two a metric."""
        return words.summary(self, self._problem(problem))

    def standings(self) -> Standings | None:
        """All contestants over all problems; None where fewer than two of them have a scale."""
        return self._standings

    def overall(self) -> list[str]:
        """The verdict over all problems in words; empty where there are fewer than two."""
        if self._standings is None:
            return []
        return words.overall(self._standings) + words.setbacks(self)

    @functools.cached_property
    def _standings(self) -> Standings | None:
        return standings(self)

    def save(self, folder: str | Path) -> Path:
        """Write data, a report and pictures into `folder`, made where it does not exist.

        Raises ValueError where the folder cannot be written to.
        """
        from jaxnn.bench import report

        return report.save(self, Path(folder))
