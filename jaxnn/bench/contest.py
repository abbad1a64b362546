"""One contestant on one problem: tuned on validation rows, then run on fresh seeds."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.identity import identity, numbers_hash
from jaxnn.bench.protocol import Protocol
from jaxnn.optimizers import resolve
from jaxnn.optimizers.base import name_of
from jaxnn.sweeps import (
    EVALUATION,
    TUNING,
    Engine,
    Kept,
    Plan,
    Results,
    Store,
    Width,
    execute,
    propose,
)
from jaxnn.training import stages

__all__ = ["NotRun", "Outcome", "Progress", "contest", "steps_to_target"]

SHORT = 50_000
"""Steps of all runs together up to which compiling fast saves more than running fast."""

Progress = Callable[[str, int, int], None]
"""Called with the phase ("compiling", "tuning", "evaluating"), segments done and in all."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one contestant on one problem.

    tuning: all settings, validation metrics, tuning seeds. evaluation: the best settings, best
    first, test metrics, fresh seeds; only setting 0 is reported. setting: its numbers.
    steps: [evaluation seeds] updates to the problem's target, ∞ where it was not reached, None
    where the problem has none.
    microseconds: wall time of a network's step in the fastest block, NaN where that was too short
    to tell. compile_seconds, total_seconds: wall.
    """

    optimizer: str
    problem: str
    setting: dict[str, float]
    tuning: Results
    evaluation: Results
    steps: NDArray[np.float64] | None
    microseconds: float
    compile_seconds: float
    total_seconds: float

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
        fixed = {"setting", "replicate", "status", "status_step", *self.tuning.names}
        names = [n for n in self.evaluation.columns if n not in fixed]
        return tuple(sorted(names, key=lambda n: (n != "loss", n)))

    def values(self, metric: str) -> NDArray[np.float64]:
        """The test metric on each evaluation seed; NaN where the run failed."""
        values = self._chosen(metric).astype(np.float64)
        return np.where(self._chosen("status") == 0, values, np.nan)

    def _chosen(self, column: str) -> NDArray[Any]:
        return self.evaluation.columns[column][self.evaluation.columns["setting"] == 0]

    def curve(self, name: str) -> NDArray[np.float64]:
        """[evaluation seeds, steps] of a scalar of the chosen setting; NaN where not recorded."""
        chosen = self.evaluation.columns["setting"] == 0
        return self.evaluation.curves[name][chosen].astype(np.float64)


class NotRun(NamedTuple):
    """A contestant that could not be run on a problem, and what it raised."""

    optimizer: str
    problem: str
    reason: str


def contest(
    optimizer: Any,
    problem: Any,
    protocol: Protocol,
    *,
    fixed: Mapping[str, float] | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Tune, choose by mean validation loss, evaluate on fresh seeds; one program for both.

    store: where blocks are kept; those of this contest that are there are not run again.

    A block of tuning is all its seeds × as many settings as there are trials (up to 32 at once).
    The same program evaluates: beside the best setting the other lanes carry the runners-up, which
    costs nothing and shows the sensitivity on fresh seeds; they choose nothing. Where the last
    step is recorded, tuning reads that: a program that measures it once more would take a short
    comparison longer to compile than all its training.
    """
    started = time.perf_counter()
    tell = progress or _ignore
    rule, held = resolve(optimizer), dict(fixed or {})
    space = {n: x for n, x in rule.SEARCH_SPACE.items() if not _is_held(n, held)} | held
    shape = {"num_steps": protocol.num_steps, "record_every": protocol.record_every}
    rows = None if problem.train is None else min(protocol.batch_size, problem.num_rows)
    recorded = protocol.num_steps % protocol.record_every == 0
    split = None if recorded else "validation"
    staged = stages(problem, rule, batch_size=rows, split=split, **shape)
    on_test = stages(problem, rule, batch_size=rows, split="test", **shape).measure
    settings = propose(space, protocol.tuning_trials, protocol.seed).columns
    width = Width(protocol.tuning_seeds, min(protocol.tuning_trials, 32))
    short = protocol.size <= SHORT
    engine = Engine(staged, settings, width, short=short)
    keep: Callable[[str], Kept | None] = _nowhere
    if store is not None:
        own = identity(staged, on_test, space, settings, width, protocol, short=short)
        keep = functools.partial(_kept, store, f"{problem.name}/{name_of(rule)}/{own}")
    tell("compiling", 0, 1)
    if store is None:
        engine.compile(staged.measure, on_test)  # both at once, so that progress is even

    plan = Plan(settings, protocol.tuning_seeds, protocol.seed, TUNING, width)
    tuned = execute(
        engine, plan, kept=keep("tuning"), progress=lambda done, of: tell("tuning", done, of)
    )
    tuning = _with_last_validation(tuned) if recorded else tuned
    best = tuning.ranking("loss")[: width.settings]
    plan = Plan(
        {name: column[best] for name, column in settings.items()},
        protocol.evaluation_seeds,
        protocol.seed,
        EVALUATION,
        width,
    )
    evaluation = execute(
        engine,
        plan,
        measure=on_test,
        kept=keep(f"evaluation/{numbers_hash(plan.numbers)}"),
        progress=lambda done, of: tell("evaluating", done, of),
    )
    outcome = Outcome(
        name_of(rule),
        problem.name,
        evaluation.setting(0),
        tuning,
        evaluation,
        None,
        _microseconds(engine),
        engine.compile_seconds,
        time.perf_counter() - started,
    )
    return dataclasses.replace(outcome, steps=steps_to_target(outcome, problem.target))


def _nowhere(phase: str) -> None:
    del phase


def _kept(store: Store, contest: str, phase: str) -> Kept:
    return Kept(store, f"{contest}/{phase}/")


def _with_last_validation(results: Results) -> Results:
    """The validation that was recorded after the last step as the metrics of each row."""
    last = {
        name.removeprefix("validation_"): curve[:, -1]
        for name, curve in results.curves.items()
        if name.startswith("validation_")
    }
    return dataclasses.replace(results, columns=last | results.columns)


def _microseconds(engine: Engine) -> float:
    """Wall time of a network's step in the fastest block; NaN where that is too short to tell."""
    fastest = min(engine.run_seconds)
    net_steps = engine.width.lanes * engine.staged.num_steps
    return 1e6 * fastest / net_steps if fastest > 0.02 else math.nan


def _is_held(name: str, held: Mapping[str, float]) -> bool:
    """Whether a number of the space is fixed; one inside a wrapper may go by its own name."""
    return name in held or name.removeprefix("inner.") in held


def _ignore(phase: str, done: int, total: int) -> None:
    del phase, done, total


def steps_to_target(outcome: Outcome, target: Any) -> NDArray[np.float64] | None:
    """Updates until the validation metric first reached the target; ∞ if never, or if it failed."""
    name = f"validation_{target.metric}" if target else ""
    if name not in outcome.evaluation.curves:
        return None
    curve = outcome.curve(name)
    reached = np.isfinite(curve) & np.asarray(target.reached(np.nan_to_num(curve)))
    arrived = reached.any(axis=1) & np.isfinite(outcome.values("loss"))
    return np.where(arrived, reached.argmax(axis=1) + 1.0, np.inf)
