"""One contestant on one problem: tuned on validation rows, then run on fresh seeds."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn import tree
from jaxnn.bench.cost import flops_of_update, state_bytes
from jaxnn.bench.estimates import REFERENCE, duration
from jaxnn.bench.identity import identity, numbers_hash
from jaxnn.bench.outcome import Cost, Outcome, steps_to_target
from jaxnn.bench.planning import evaluates_alone
from jaxnn.bench.protocol import WIDEST, Protocol
from jaxnn.bench.tasks import About, Task, task
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
from jaxnn.training.evaluations import per_update

__all__ = ["Progress", "contest"]

SHORT = 50_000
"""Steps of all runs together up to which compiling fast saves more than running fast."""

Progress = Callable[[str, int, int], None]
"""Called with the phase ("compiling", "tuning", "evaluating"), segments done and in all."""


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

    problem: a problem, the name of one, a workload or a task. protocol: of one study: several are a
    matter of `run`. store: where blocks are kept; those
    of this contest that are there are not run again.

    A block of tuning is all its seeds × as many settings as there are trials (up to 32 at once).
    The same program evaluates: beside the best setting the other lanes carry the runners-up, which
    show the sensitivity on fresh seeds and choose nothing. Where that costs more than it saves
    (`planning.evaluates_alone`), they get as many fresh seeds as tuning had, and the best setting
    has a program of its own, as wide as there are evaluation seeds. Where the last
    step is recorded, tuning reads that: a program that measures it once more would take a short
    comparison longer to compile than all its training.
    """
    started = time.perf_counter()
    tell = progress or _ignore
    rule, held = resolve(optimizer), dict(fixed or {})
    entry = problem if isinstance(problem, Task) else task(problem, protocol)
    problem, about = entry.problem, entry.about
    space = _space(rule, held, protocol)
    run = _run_of(rule, about)
    recorded = run["num_steps"] % run["record_every"] == 0 and "max_evaluations" not in run
    staged = stages(problem, rule, split=None if recorded else "validation", **run)
    on_test = stages(problem, rule, split="test", **run).measure
    num_settings = max(protocol.tuning_trials, 1)
    settings = propose(space, num_settings, protocol.seed).columns
    width = Width(protocol.tuning_seeds, min(num_settings, WIDEST))
    short = protocol.size(about.num_steps) <= SHORT
    engine = Engine(staged, settings, width, short=short)
    alone = None
    # By the problem alone: whether contestants are identical shows only in programs of one width.
    if evaluates_alone(duration(resolve("sgd"), entry, REFERENCE), protocol):
        alone = Engine(staged, settings, Width(protocol.evaluation_seeds, 1), short=short)
    keep: Callable[[str], Kept | None] = _nowhere
    if store is not None:
        own = identity(staged, on_test, space, settings, width, protocol, short=short)
        keep = functools.partial(_kept, store, f"{about.name}/{name_of(rule)}/{own}")
    tell("compiling", 0, 1)
    if store is None:
        engine.compile(staged.measure, on_test)  # both at once, so that progress is even
        if alone:
            alone.compile(on_test)

    tuning = None
    if protocol.tuning_trials:
        plan = Plan(settings, protocol.tuning_seeds, protocol.seed, TUNING, width)
        tuned = execute(
            engine, plan, kept=keep("tuning"), progress=lambda done, of: tell("tuning", done, of)
        )
        tuning = _with_last_validation(tuned) if recorded else tuned
        best = tuning.ranking("loss")[: None if alone else width.settings]
        settings = {name: column[best] for name, column in settings.items()}

    def evaluated(by: Engine, part: str, numbers: dict[str, NDArray[Any]], seeds: int) -> Results:
        return execute(
            by,
            Plan(numbers, seeds, protocol.seed, EVALUATION, by.width),
            measure=on_test,
            kept=keep(f"{part}/{numbers_hash(numbers)}"),
            progress=lambda done, of: tell("evaluating", done, of),
        )

    if alone is None:
        evaluation = evaluated(engine, "evaluation", settings, protocol.evaluation_seeds)
    else:
        others = evaluated(engine, "runners-up", settings, protocol.tuning_seeds)
        best_one = {name: column[:1] for name, column in settings.items()}
        seeds = protocol.evaluation_seeds
        evaluation = _joined(evaluated(alone, f"alone-{seeds}", best_one, seeds), others)
    updates = {
        name: curve[: protocol.evaluation_seeds] for name, curve in evaluation.curves.items()
    }
    outcome = Outcome(
        name_of(rule),
        about.name,
        evaluation.setting(0),
        _none(evaluation) if tuning is None else dataclasses.replace(tuning, curves={}),
        dataclasses.replace(evaluation, curves={}),
        _points(space, tuning),
        updates,
        None,
        about.num_steps,
        per_update(rule),
        _cost(rule, problem, about, [engine, *([alone] if alone else [])], updates, started),
    )
    return dataclasses.replace(outcome, steps=steps_to_target(outcome, about.target))


def _space(rule: Any, held: Mapping[str, float], protocol: Protocol) -> dict[str, Any]:
    """What is searched and what is held: without tuning all numbers, at their defaults."""
    free = {n: x for n, x in rule.SEARCH_SPACE.items() if not _is_held(n, held)}
    if not protocol.tuning_trials:
        defaults = rule.Hyper()
        free = {name: float(tree.get_field(defaults, name)) for name in free}
    return free | dict(held)


def _run_of(rule: Any, about: About) -> dict[str, Any]:
    """The arguments of `stages`: updates and records, from a budget of gradient evaluations."""
    every = per_update(rule)
    if every is None:  # a search takes two gradients at least, other rules one
        records = max(about.record_every // 2, 1)
        shape = {"num_steps": about.num_steps, "max_evaluations": about.num_steps}
    else:
        records = max(about.record_every // every, 1)
        shape = {"num_steps": max(about.num_steps // every, 1)}
    return shape | {"record_every": records, "batch_size": about.batch_size}


def _cost(
    rule: Any,
    problem: Any,
    about: About,
    engines: list[Engine],
    updates: Mapping[str, NDArray[Any]],
    started: float,
) -> Cost:
    every = per_update(rule)
    if every is None:
        spent = np.nan_to_num(updates["evaluations"])
        every = float(spent.max(axis=1).sum() / max(np.count_nonzero(spent), 1))
    return Cost(
        float(every),
        _microseconds(engines[0]),
        state_bytes(problem, rule),
        flops_of_update(problem, rule, about.batch_size),
        sum(engine.compile_seconds for engine in engines),
        time.perf_counter() - started,
    )


def _points(space: Mapping[str, Any], tuning: Results | None) -> dict[str, NDArray[np.float64]]:
    """Where on its axis each number of each setting of tuning lay."""
    if tuning is None:
        return {}
    first = tuning.columns["replicate"] == 0
    axes = {name: x for name, x in space.items() if hasattr(x, "point")}
    return {name: axis.point(tuning.columns[name][first]) for name, axis in axes.items()}


def _none(results: Results) -> Results:
    """Of these columns no rows."""
    columns = {name: column[:0] for name, column in results.columns.items()}
    return dataclasses.replace(results, columns=columns, curves={})


def _joined(chosen: Results, others: Results) -> Results:
    """All rows of the best setting, then those of the others; curves of the best alone."""
    rest = others.columns["setting"] > 0
    columns = {n: np.concatenate([x, others.columns[n][rest]]) for n, x in chosen.columns.items()}
    return dataclasses.replace(chosen, columns=columns)


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
