"""What a rule saw at its rungs, how far one rung told the next, and who came from whom.

Rank correlations are of those that reached both rungs. They have less of a range than all had, so
that the figure is a cautious one; where it is low, the first of the two stopped the wrong ones.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lineage", "Rungs"]

LOW_CORRELATION = 0.3
MIN_COMPARED = 8
"""Fewer ranks than these say nothing."""


@dataclasses.dataclass(frozen=True)
class Rungs:
    """A bracket's trials that competed, and the metric at each step where somebody looked.

    steps: [rungs + 1], the last of them the end. settings: [units]. replicates: [units], −1 where
    a unit is a setting with all of them. scores: [units, rungs + 1] in the units of `metric`, the
    mean over replicates; NaN where a unit had been stopped, ±infinity where it failed.
    """

    metric: str
    steps: NDArray[np.int64]
    settings: NDArray[np.int64]
    replicates: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def reached(self) -> NDArray[np.int64]:
        """How many units reached each step, [rungs + 1]."""
        return (~np.isnan(self.scores)).sum(axis=0)

    @property
    def correlations(self) -> NDArray[np.float64]:
        """Spearman's between each rung and the next step, [rungs]; NaN for fewer than 3 in both."""
        return np.asarray([self._correlation(k) for k in range(len(self.steps) - 1)])

    def _both(self, rung: int) -> NDArray[np.float64]:
        pair = self.scores[:, rung : rung + 2]
        return pair[np.isfinite(pair).all(axis=1)]

    def _correlation(self, rung: int) -> float:
        from scipy.stats import rankdata

        pair = self._both(rung)
        if len(pair) < 3:
            return np.nan
        ranks = rankdata(pair, axis=0)
        ranks -= ranks.mean(axis=0)
        spread = np.sqrt((ranks**2).sum(axis=0).prod())
        return float((ranks[:, 0] * ranks[:, 1]).sum() / spread) if spread else np.nan

    def advice(self) -> list[str]:
        """Where a rung misordered trials, a sentence."""
        found = []
        for rung, correlation in enumerate(self.correlations):
            count = len(self._both(rung))
            if count >= MIN_COMPARED and correlation < LOW_CORRELATION:
                step, after = self.steps[rung : rung + 2]
                later = rung + 2 < len(self.steps)
                fix = (
                    f"Begin later, for example with first={after}." if later else "Look less often."
                )
                found.append(
                    f"At step {step} the ranks by {self.metric!r} say little of those at step"
                    f" {after}: their correlation is {correlation:.2f} over the {count} that"
                    f" reached both, which are more alike than all were. {fix}"
                )
        return found


class Lineage(NamedTuple):
    """Where states and numbers of a population came from.

    steps: [rungs + 1], the last the end. parents: [rungs, settings], whose state each took after a
    rung, itself where it went on. numbers: by name [rungs + 1, settings], what each part ran with.
    """

    steps: NDArray[np.int64]
    parents: NDArray[np.int64]
    numbers: dict[str, NDArray[Any]]

    def is_constant(self, setting: int) -> bool:
        """Whether the numbers were the same all the way."""
        return all(len(set(x.tolist())) == 1 for x in self.schedule(setting).values())

    def schedule(self, setting: int) -> dict[str, NDArray[Any]]:
        """The numbers, [rungs + 1], with which the state that a setting ended with was trained."""
        path = [setting]
        for parents in self.parents[::-1]:
            path.append(int(parents[path[-1]]))
        at = np.arange(len(path)), np.asarray(path[::-1])
        return {name: x[at] for name, x in self.numbers.items()}
