"""The rules of a comparison: the same for every optimizer, and figures from fresh seeds."""

from __future__ import annotations

import dataclasses

from jaxnn.errors import bad_value, check_integer, check_seed

__all__ = ["MAX_STEPS", "QUICK", "Protocol"]

MAX_STEPS = 10**9
"""Steps of all runs of a contestant together."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Equal budgets; tuning on validation rows; evaluation on test rows with seeds never tuned on.

    tuning_trials: settings of each optimizer's own search space (Sobol points), >= 1.
    tuning_seeds: replicates of each of them; the mean validation loss chooses.
    evaluation_seeds: fresh replicates at the chosen setting, >= 2: they make the intervals.
    num_steps: updates of a trial. batch_size: rows of a batch (all, where there are fewer).
    record_every: updates between validations, so the resolution of "steps to target".
    seed: in [0, 2³²), decides settings, initial parameters and batches.
    Raises ValueError and TypeError for numbers outside these ranges.
    """

    tuning_trials: int = 16
    tuning_seeds: int = 3
    evaluation_seeds: int = 10
    num_steps: int = 500
    batch_size: int = 32
    record_every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("tuning_trials", "tuning_seeds", "num_steps", "batch_size"):
            check_integer("Protocol", name, getattr(self, name), low=1)
        check_integer("Protocol", "evaluation_seeds", self.evaluation_seeds, low=2)
        # Every loss of every run is kept: more than this is a slip of the keyboard.
        if self.size > MAX_STEPS:
            constraint = f"at most {MAX_STEPS:,} over all trials of a contestant"
            fix = "Take fewer steps, trials or seeds."
            raise bad_value("Protocol", "num_steps", constraint, f"{self.size:,}", fix)
        check_integer("Protocol", "record_every", self.record_every, low=1, high=self.num_steps)
        check_seed("Protocol", self.seed)

    @property
    def size(self) -> int:
        """Steps of all runs of a contestant together."""
        return self.num_steps * (self.tuning_trials * self.tuning_seeds + self.evaluation_seeds)


QUICK = Protocol(tuning_trials=8, tuning_seeds=2, evaluation_seeds=5, num_steps=200)
"""A first look: fewer trials, seeds and steps."""
