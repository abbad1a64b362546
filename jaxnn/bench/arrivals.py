"""Steps to targets, many of them: how much of what can be reached is reached, by budget spent.

Ten targets for each problem lie between the loss at the start and the lowest that any run of any
contestant came to, in equal steps of the logarithm. One target says who arrives there first; these
say who is ahead at every stage.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.scores import starts
from jaxnn.bench.statistics import share_solved, spread_targets, steps_to_targets

if TYPE_CHECKING:
    from jaxnn.bench.comparison import Comparison
    from jaxnn.bench.outcome import Outcome

__all__ = ["NUM_TARGETS", "Arrivals", "arrivals"]

NUM_TARGETS = 10

FLOOR = 1e-8
"""Of the loss at the start: below it lies rounding. COCO's last target."""


@dataclasses.dataclass(frozen=True)
class Arrivals:
    """Shares of targets reached, of all runs on all problems that count alike.

    spent: [points] shares of the budget, rising to 1. share: [contestants, points]. left_out:
    problems without such targets, as their losses fall to 0 or below, or do not fall.
    """

    optimizers: tuple[str, ...]
    problems: tuple[str, ...]
    left_out: tuple[str, ...]
    spent: NDArray[np.float64]
    share: NDArray[np.float64]


def arrivals(comparison: Comparison, num_points: int = 61) -> Arrivals | None:
    """None where no problem has such targets. A contestant that was not run never arrives."""
    spent = np.geomspace(0.01, 1.0, num_points)
    shares, counting = [], []
    for problem, start in zip(comparison.problems, starts(comparison), strict=True):
        curves = {o.optimizer: _curve(o) for o in comparison.on(problem)}
        lowest = min((x.min() for c in curves.values() if (x := c[np.isfinite(c)]).size), default=0)
        if not 0 < lowest < start < math.inf:
            continue
        targets = spread_targets(start, max(lowest, FLOOR * start), NUM_TARGETS)
        budget = comparison.about(problem).num_steps
        never = np.full((1, NUM_TARGETS), math.inf)
        steps = (
            steps_to_targets(curves[name], targets) if name in curves else never
            for name in comparison.optimizers
        )
        shares.append([share_solved(one / budget, spent) for one in steps])
        counting.append(problem)
    if not shares:
        return None
    left_out = tuple(p for p in comparison.problems if p not in counting)
    share = np.mean(shares, axis=0)
    return Arrivals(comparison.optimizers, tuple(counting), left_out, spent, share)


def _curve(outcome: Outcome) -> NDArray[np.float64]:
    name = "validation_loss" if "validation_loss" in outcome.updates else "loss"
    return outcome.curve(name)
