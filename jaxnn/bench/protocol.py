"""The rules of a comparison: the same for every optimizer, and figures from fresh seeds."""

from __future__ import annotations

import dataclasses

from jaxnn.errors import bad_value, check_integer, check_seed

__all__ = ["BATCH_SIZE", "MAX_STEPS", "NUM_STEPS", "QUICK", "WIDEST", "Protocol"]

NUM_STEPS, BATCH_SIZE = 500, 32
"""The budget on a problem that comes with none."""

WIDEST = 32
"""So many settings are run at once."""

RECORDS = 50
"""So often a run is validated, where nothing else is said."""

MAX_STEPS = 10**9
"""Steps of all runs of a contestant on a problem together."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Equal budgets; tuning on validation rows; evaluation on test rows with seeds never tuned on.

    tuning_trials: settings of each optimizer's own search space (Sobol points), >= 1; or 0: nobody
    is tuned, each has its default numbers.
    tuning_seeds: replicates of each of them; the mean validation loss chooses.
    evaluation_seeds: fresh replicates at the chosen setting, >= 2: they make the intervals.
    num_steps: the budget of a run in gradient evaluations, so updates of a rule that takes one
    each; None is the problem's own budget, 500 where it has none.
    batch_size: rows of a batch (all, where there are fewer); None is the problem's own, or 32.
    record_every: gradient evaluations between validations, so the resolution of "steps to target";
    None is a fiftieth of the budget.
    seed: in [0, 2³²), decides settings, initial parameters and batches.
    studies: so often everything is done, >= 1, with seeds `seed`, `seed` + 1, …; each with other
    settings, seeds and, where data are split by a seed, other splits. With 2 or more, a figure has
    one value for each study: intervals cover what tuning chose and which rows were held out.
    Raises ValueError and TypeError for numbers outside these ranges.
    """

    tuning_trials: int = 16
    tuning_seeds: int = 3
    evaluation_seeds: int = 10
    num_steps: int | None = None
    batch_size: int | None = None
    record_every: int | None = None
    seed: int = 0
    studies: int = 1

    def __post_init__(self) -> None:
        check_integer("Protocol", "tuning_trials", self.tuning_trials, low=0)
        check_integer("Protocol", "tuning_seeds", self.tuning_seeds, low=1)
        for name in ("num_steps", "batch_size", "record_every"):
            if getattr(self, name) is not None:
                check_integer("Protocol", name, getattr(self, name), low=1)
        check_integer("Protocol", "evaluation_seeds", self.evaluation_seeds, low=2)
        check_seed("Protocol", self.seed)
        check_integer("Protocol", "studies", self.studies, low=1)
        self.records(self.steps(NUM_STEPS if self.record_every is None else self.record_every))

    def steps(self, budget: int) -> int:
        """Gradient evaluations of a run on a problem with a budget of its own.

        Raises ValueError where those of all runs together are more than MAX_STEPS.
        """
        num_steps = budget if self.num_steps is None else self.num_steps
        # Every loss of every run is kept: more than this is a slip of the keyboard.
        if self.size(num_steps) > MAX_STEPS:
            constraint = f"at most {MAX_STEPS:,} over all trials of a contestant"
            fix = "Take fewer steps, trials or seeds."
            got = f"{self.size(num_steps):,}"
            raise bad_value("Protocol", "num_steps", constraint, got, fix)
        return num_steps

    def records(self, num_steps: int) -> int:
        """Gradient evaluations between validations of a run of so many."""
        if self.record_every is None:
            return max(num_steps // RECORDS, 1)
        return check_integer("Protocol", "record_every", self.record_every, low=1, high=num_steps)

    @property
    def replicates(self) -> int:
        """How many values an interval is over: seeds, or studies."""
        return self.evaluation_seeds if self.studies == 1 else self.studies

    def size(self, num_steps: int) -> int:
        """Gradient evaluations of all runs of a contestant on a problem."""
        runs = self.tuning_trials * self.tuning_seeds + self.evaluation_seeds
        return num_steps * runs * self.studies


QUICK = Protocol(tuning_trials=8, tuning_seeds=2, evaluation_seeds=5, num_steps=200)
"""A first look: fewer trials, seeds and steps."""
