"""What became of one contestant on one problem."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps import Results

__all__ = ["Cost", "NotRun", "Outcome", "on_evaluations", "steps_to_target"]


class Cost(NamedTuple):
    """What an optimizer costs on a problem.

    evaluations: gradients of an update, the mean over evaluation runs. microseconds: wall time of a
    network's update in the fastest block, NaN where that was too short to tell. state_bytes: of
    the rule's state. flops: of an update, as XLA counts them, the bodies of loops once; NaN where
    it does not say. compile_seconds, total_seconds: wall.
    """

    evaluations: float
    microseconds: float
    state_bytes: int
    flops: float
    compile_seconds: float
    total_seconds: float


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one contestant on one problem.

    setting: its best numbers. tuning: all settings, validation metrics, tuning seeds; no rows where
    nothing was tuned. evaluation: the best settings, best first, test metrics, fresh seeds; only
    setting 0 is reported. Both without curves. points: [settings of tuning] where on the axis of
    its space, [0, 1], each number that was searched lay. updates: [evaluation seeds, updates] of
    each scalar of a step at setting 0. steps: [evaluation seeds] gradient evaluations to the
    problem's target, ∞ where it was not reached, None where the problem has none. num_steps:
    gradient evaluations of a run. per_update: those of an update, None where they differ.
    """

    optimizer: str
    problem: str
    setting: dict[str, float]
    tuning: Results
    evaluation: Results
    points: dict[str, NDArray[np.float64]]
    updates: dict[str, NDArray[Any]]
    steps: NDArray[np.float64] | None
    num_steps: int
    per_update: int | None
    cost: Cost

    @property
    def num_failed(self) -> int:
        """Evaluation seeds on which the chosen setting failed."""
        return int(np.count_nonzero(self._chosen("status")))

    @property
    def num_failed_tuning(self) -> int:
        """Tuning trials that failed."""
        return int(np.count_nonzero(self.tuning.status))

    def metrics(self) -> tuple[str, ...]:
        """The names of the test metrics, the loss first."""
        fixed = {"setting", "replicate", "status", "status_step", *self.evaluation.names}
        names = [n for n in self.evaluation.columns if n not in fixed]
        return tuple(sorted(names, key=lambda n: (n != "loss", n)))

    def values(self, metric: str) -> NDArray[np.float64]:
        """The test metric on each evaluation seed; NaN where the run failed."""
        values = self._chosen(metric).astype(np.float64)
        return np.where(self._chosen("status") == 0, values, np.nan)

    def _chosen(self, column: str) -> NDArray[Any]:
        return self.evaluation.columns[column][self.evaluation.columns["setting"] == 0]

    def curve(self, name: str) -> NDArray[np.float64]:
        """[evaluation seeds, num_steps] of a scalar of the chosen setting by gradient evaluations.

        NaN where nothing was recorded. What an update gave stands at its last evaluation.
        """
        values = self.updates[name].astype(np.float64)
        if self.per_update is None:
            spent = self.updates["evaluations"].astype(np.float64)
        else:
            made = self.per_update * np.arange(1.0, values.shape[1] + 1)
            spent = np.broadcast_to(made, values.shape)
        return on_evaluations(values, spent, self.num_steps)


class NotRun(NamedTuple):
    """A contestant that could not be run on a problem, and what it raised."""

    optimizer: str
    problem: str
    reason: str


def on_evaluations(
    updates: NDArray[np.float64], spent: NDArray[np.float64], num_steps: int
) -> NDArray[np.float64]:
    """What updates gave, by gradient evaluations: [runs, updates] → [runs, num_steps].

    spent: [runs, updates] gradient evaluations up to the end of each, ascending, NaN for updates
    that were not made. The last one may go over `num_steps`; it stands there.

    >>> on_evaluations(np.array([[5.0, 4.0]]), np.array([[2.0, 5.0]]), 4)
    array([[nan,  5., nan,  4.]])
    """
    found = np.full((len(updates), num_steps), np.nan)
    run, update = np.nonzero(np.isfinite(spent))
    at = np.minimum(spent[run, update].astype(int), num_steps) - 1
    found[run, at] = updates[run, update]
    return found


def steps_to_target(outcome: Outcome, target: Any) -> NDArray[np.float64] | None:
    """Gradient evaluations until the validation metric first reached the target.

    ∞ where it never did, and where the run failed.
    """
    name = f"validation_{target.metric}" if target else ""
    if name not in outcome.updates:
        return None
    curve = outcome.curve(name)
    reached = np.isfinite(curve) & np.asarray(target.reached(np.nan_to_num(curve)))
    arrived = reached.any(axis=1) & np.isfinite(outcome.values("loss"))
    return np.where(arrived, reached.argmax(axis=1) + 1.0, np.inf)
