"""`run`: settings from a space × replicates, in compiled programs of one fixed width."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from jaxnn.errors import bad_value, check_integer
from jaxnn.space import Space
from jaxnn.sweeps.asking import Optuna
from jaxnn.sweeps.batches import asked, run_batches
from jaxnn.sweeps.build import Sweep, build
from jaxnn.sweeps.checks import check_options, plain_space
from jaxnn.sweeps.collector import Collector
from jaxnn.sweeps.display import Display
from jaxnn.sweeps.engine import Engine, segment_length
from jaxnn.sweeps.kept import Kept
from jaxnn.sweeps.naming import rows_name
from jaxnn.sweeps.plan import Plan
from jaxnn.sweeps.progress import Progress
from jaxnn.sweeps.reading import read
from jaxnn.sweeps.results import Results
from jaxnn.sweeps.rules import AnyRule
from jaxnn.sweeps.settings import Kind, Method, Settings, propose
from jaxnn.sweeps.store import Journal, Store
from jaxnn.sweeps.stored import arguments, attach, stored_manifest
from jaxnn.sweeps.trial import Trial
from jaxnn.sweeps.waves import Waves

__all__ = ["execute", "load", "resume", "run"]


def run(
    trial: Trial,
    space: Space | Sequence[Mapping[str, Any]],
    *,
    num_trials: int | None = None,
    num_seeds: int = 1,
    seed: int = 0,
    method: Method | Optuna = "sobol",
    width: tuple[int, int] | None = None,
    common: bool = True,
    ceiling: float | None = None,
    segment: int | None = None,
    store: str | PathLike[str] | None = None,
    journal: Journal | None = None,
    stop: AnyRule | None = None,
    memory: float | str | None = None,
    progress: bool | Callable[[Progress], None] | None = True,
) -> Results:
    """Try settings of `space` on `num_seeds` replicates each.

    trial: any pure f(key, hyper) → metrics (a dict of real scalars or arrays), a `Staged`, such as
    `training.stages(...)`, or `by_structure(...)`. `hyper` is a dict of the values that `space`
    names: numbers are traced, what is structural is not.
    space: names to distributions of `jaxnn.space` or constants; or a list of settings, dicts.
    num_trials: points to draw, each met by all values of all grids; None where nothing is drawn.
    seed: in [0, 2³²); decides the settings and the keys of the replicates.
    method: "sobol", "halton" or "random" points, or what a sampler proposes: Optuna("tpe").
    width: (replicates, settings) a block; by default about 64 lanes, more for trials of no steps
    and on accelerators, fewer where memory demands it. Results are bit-equal for the same width
    only, whatever the order, the devices and the segments are.
    common: whether all settings meet the same keys, and so initial parameters and batches.
    ceiling: of |loss|, above which a trial is frozen, where it has no status of its own.
    segment: steps between two looks of the host; a divisor of the trial's steps.
    store: a file that keeps every block as soon as it is done. Where it exists, the sweep goes on
    from it, or grows where there are more trials or seeds; then the width is the stored one.
    journal: of a new store, "wal" or "rollback" (for network file systems), by default as needed.
    stop: for trials of steps, a rule that looks at rungs: SuccessiveHalving(), Hyperband(),
    MedianRule(), CurveThreshold(), or PopulationBased().
    memory: that a block may take, in bytes or as "2 GiB"; by default half of what there is.
    progress: a line on stderr where that is a terminal; or a function, called with a `Progress`
    after every segment and block, that may raise to stop.
    Settings of equal structure are a program; all local devices run them side by side.
    Raises ValueError and TypeError for bad input before anything compiles, among it the store of
    another sweep; StoreError where the store cannot be written. Ctrl-C, and whatever `progress`
    raises, ends the sweep after the blocks that run, which are kept.

    >>> import jax.numpy as jnp
    >>> from jaxnn.space import uniform
    >>> def trial(key, hyper):
    ...     return {"loss": (hyper["x"] - 0.3) ** 2}
    >>> results = run(trial, {"x": uniform(0.0, 1.0)}, num_trials=64)
    >>> abs(results.best("loss")["x"] - 0.3) < 0.02
    True
    """
    check_options(common, ceiling, store, progress)
    before = stored_manifest(store)
    if before and width is None:
        width = tuple(before["width"])
    given: dict[str, Any] = {
        "num_trials": num_trials,
        "num_seeds": num_seeds,
        "seed": seed,
        "method": method,
        "width": width,
        "common": common,
        "ceiling": ceiling,
        "stop": stop,
        "memory": memory,
    }
    check = functools.partial(_check_segment, segment)
    if isinstance(method, Optuna):
        given |= {"trial": trial, "space": plain_space(space)}
        with _told(progress, method) as tell, _noted(store):
            return run_batches(check, segment, store, journal, tell, **given)
    sweep = build(trial, space, **given)
    check(sweep)
    for sentence in sweep.advice():
        warnings.warn(sentence, stacklevel=2)
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(attach(store, sweep, journal)) if store is not None else None
        tell = stack.enter_context(_told(progress, stop))
        stack.enter_context(_noted(store))
        results = Waves(sweep, segment, kept, tell).run()
    for sentence in itertools.chain.from_iterable(rungs.advice() for rungs in results.rungs):
        warnings.warn(sentence, stacklevel=2)
    return results


@contextlib.contextmanager
def _noted(store: str | PathLike[str] | None) -> Iterator[None]:
    """Where the results are, under the traceback of who pressed Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt as error:
        if store is not None:
            error.add_note(f"What is done is in {store}: the same call goes on from there.")
        raise


@contextlib.contextmanager
def _told(progress: Any, judge: Any) -> Iterator[Callable[[Progress], None] | None]:
    """Who is told how far it is. judge: the rule or sampler, for whose metric the best is shown."""
    if not isinstance(progress, bool):
        yield progress
    elif not progress or not sys.stderr.isatty():
        yield None
    else:
        metric = {} if judge is None else {"metric": judge.metric, "mode": judge.mode}
        with Display(**metric) as display:
            yield display


def resume(
    store: str | PathLike[str],
    trial: Trial,
    *,
    segment: int | None = None,
    stop: AnyRule | None = None,
    memory: float | str | None = None,
    progress: bool | Callable[[Progress], None] | None = True,
) -> Results:
    """Go on with the sweep of a store, whose arguments it keeps, but for the trial.

    stop: the rule of early stopping, where it is one of your own.
    Raises ValueError where there is none, or the trial computes something else than it did.
    """
    manifest = stored_manifest(store)
    if manifest is None:
        fix = "sweeps.run(..., store=path) begins one."
        raise bad_value("sweeps.resume", "store", "an existing store", repr(str(store)), fix)
    given = arguments(manifest) | {"segment": segment, "memory": memory, "progress": progress}
    given["stop"] = stop if stop is not None else given["stop"]
    if manifest["stop"] and given["stop"] is None:
        got = f"nothing, and the store has {manifest['stop']['rule']}"
        fix = "Pass the same rule as before."
        raise bad_value("sweeps.resume", "stop", "given for a rule of your own", got, fix)
    return run(trial, **given, store=store)


def load(store: str | PathLike[str]) -> Results:
    """What there is of a sweep in its store, also while it runs; nothing is computed.

    Rows that are not there yet have the status −1, and NaN or 0 as metrics. Raises ValueError where
    there is no store, DamagedError where a chunk of it is damaged.
    """
    with Store.open(store, read_only=True) as kept:
        given = arguments(kept.manifest)
        num_seeds = given["num_seeds"]
        if isinstance(given["method"], Optuna):
            settings = asked(kept, given["space"])
        else:
            names = ("space", "num_trials", "seed")
            settings = propose(*(given[name] for name in names), method=given["method"])
        num_steps = kept.manifest["num_steps"]
        collector = Collector(settings, num_seeds, num_steps, given["space"])
        return read(kept, collector, given["stop"])


def _check_segment(segment: int | None, sweep: Sweep) -> None:
    if segment is None:
        return
    check_integer("sweeps.run", "segment", segment, low=1)
    parts = [staged.num_steps for staged in sweep.staged]
    for steps in [sweep.ladder.length] if sweep.ladder else parts:
        if steps % segment:
            what = f"the rungs, of {steps}" if sweep.ladder else f"the trial's {steps}"
            constraint = f"a divisor of {what} steps"
            fix = f"Did you mean {segment_length(steps)}?"
            raise bad_value("sweeps.run", "segment", constraint, segment, fix)


def execute(
    engine: Engine,
    plan: Plan,
    *,
    measure: Callable[..., Any] | None = None,
    kept: Kept | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Run all blocks of a plan on an engine, one after another in this thread.

    measure: another than the trial's own. kept: where blocks are put as they are done; those that
    are there are not run again, and count among the engine's `run_seconds` with what they took.
    progress: called after every segment with the segments done and all of them; may raise to stop.
    """
    if engine.staged.check:
        for row in range(plan.num_settings):
            engine.staged.check({name: column[row].item() for name, column in plan.numbers.items()})
    kinds: dict[str, Kind] = dict.fromkeys(plan.numbers, "number")
    settings = Settings(plan.numbers, kinds, plan.num_settings)
    collector = Collector(settings, plan.num_seeds, engine.staged.num_steps)
    segments = max(engine.num_segments, 1)
    for number, block in enumerate(plan.blocks()):

        def tell(segment: int, before: int = number * segments) -> None:
            if progress:
                progress(before + segment, plan.num_blocks * segments)

        rows = block.settings[: block.num_settings], block.replicates[: block.num_replicates]
        found = kept.get(rows_name(rows)) if kept else None
        if found:
            result, seconds = found
            engine.run_seconds.append(seconds)
            tell(segments)
        else:
            result = engine.run(plan, block, measure=measure, on_segment=tell)
            if kept:
                kept.put(rows_name(rows), result, engine.run_seconds[-1])
        collector.add(*rows, result)
    return collector.results()
