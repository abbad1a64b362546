"""`run`: settings from a space × replicates, in compiled programs of one fixed width."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import jax

from jaxnn.errors import bad_value, check_integer
from jaxnn.space import Space
from jaxnn.sweeps.build import Sweep, build, numbers_of, rows_of
from jaxnn.sweeps.engine import BlockResult, Engine, num_segments, segment_length
from jaxnn.sweeps.local import run_units
from jaxnn.sweeps.plan import Plan
from jaxnn.sweeps.results import Collector, Results
from jaxnn.sweeps.settings import Kind, Method, Settings, propose
from jaxnn.sweeps.store import Journal, Store
from jaxnn.sweeps.stored import arguments, attach, pack, stored_manifest, taken, unpack
from jaxnn.sweeps.trial import Trial

__all__ = ["execute", "load", "resume", "run"]


def run(
    trial: Trial,
    space: Space | Sequence[Mapping[str, Any]],
    *,
    num_trials: int | None = None,
    num_seeds: int = 1,
    seed: int = 0,
    method: Method = "sobol",
    width: tuple[int, int] | None = None,
    common: bool = True,
    ceiling: float | None = None,
    segment: int | None = None,
    store: str | PathLike[str] | None = None,
    journal: Journal | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Try settings of `space` on `num_seeds` replicates each.

    trial: any pure f(key, hyper) → metrics (a dict of real scalars or arrays), a `Staged`, such as
    `training.stages(...)`, or `by_structure(...)`. `hyper` is a dict of the values that `space`
    names: numbers are traced, what is structural is not.
    space: names to distributions of `jaxnn.space` or constants; or a list of settings, dicts.
    num_trials: points to draw, each met by all values of all grids; None where nothing is drawn.
    seed: in [0, 2³²); decides the settings and the keys of the replicates.
    method: "sobol", "halton" or "random" points.
    width: (replicates, settings) a block; by default about 64 lanes. Results are bit-equal for the
    same width only, whatever the order, the devices and the segments are.
    common: whether all settings meet the same keys, and so initial parameters and batches.
    ceiling: of |loss|, above which a trial is frozen, where it has no status of its own.
    segment: steps between two looks of the host; a divisor of the trial's steps.
    store: a file that keeps every block as soon as it is done. Where it exists, the sweep goes on
    from it, or grows where there are more trials or seeds; then the width is the stored one.
    journal: of a new store, "wal" or "rollback" (for network file systems), by default as needed.
    progress: called with the segments done and all of them; may raise to stop.
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
    before = stored_manifest(store)
    if before and width is None:
        width = tuple(before["width"])
    sweep = build(
        trial,
        space,
        num_trials=num_trials,
        num_seeds=num_seeds,
        seed=seed,
        method=method,
        width=width,
        common=common,
        ceiling=ceiling,
    )
    _check_segment(sweep, segment)
    for sentence in sweep.advice():
        warnings.warn(sentence, stacklevel=2)
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(attach(store, sweep, journal)) if store is not None else None
        return _run(sweep, segment, kept, progress)


def _run(
    sweep: Sweep,
    segment: int | None,
    store: Store | None,
    progress: Callable[[int, int], None] | None,
) -> Results:
    programs, collector = sweep.programs(segment), Collector(sweep.settings, sweep.num_seeds)
    named = dict(sweep.units())
    done_before = taken(store, named.keys()) if store is not None else {}
    for name, result in done_before.items():
        collector.add(*rows_of(named[name]), result)
    names = [name for name in named if name not in done_before]
    units = [named[name] for name in names]
    total = sum(num_segments(sweep.staged[unit.group].num_steps, segment) for unit in units)
    done = itertools.count(1)

    def on_result(number: int, result: BlockResult, seconds: float) -> None:
        if store is not None:
            store.put(names[number], pack(result), seconds)
        collector.add(*rows_of(units[number]), result)

    def on_segment(number: int) -> None:
        del number
        if progress:
            progress(next(done), total)

    devices = jax.local_devices()[: len(units)]
    run_units(programs, units, devices=devices, on_result=on_result, on_segment=on_segment)
    return collector.results()


def resume(
    store: str | PathLike[str],
    trial: Trial,
    *,
    segment: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Go on with the sweep of a store, whose arguments it keeps, but for the trial.

    Raises ValueError where there is none, or the trial computes something else than it did.
    """
    manifest = stored_manifest(store)
    if manifest is None:
        fix = "sweeps.run(..., store=path) begins one."
        raise bad_value("sweeps.resume", "store", "an existing store", repr(str(store)), fix)
    return run(trial, **arguments(manifest), store=store, segment=segment, progress=progress)


def load(store: str | PathLike[str]) -> Results:
    """What there is of a sweep in its store, also while it runs; nothing is computed.

    Rows that are not there yet have the status −1, and NaN or 0 as metrics. Raises ValueError where
    there is no store, DamagedError where a chunk of it is damaged.
    """
    with Store.open(store, read_only=True) as kept:
        given = arguments(kept.manifest)
        num_seeds = given["num_seeds"]
        names = ("space", "num_trials", "seed")
        settings = propose(*(given[name] for name in names), method=given["method"])
        collector = Collector(settings, num_seeds)
        for name in kept.names():
            rows = numbers_of(name)
            if rows is not None and max(rows[0]) < settings.num_settings:
                collector.add(*rows, unpack(kept.get(name)))
    return collector.results()


def _check_segment(sweep: Sweep, segment: int | None) -> None:
    if segment is None:
        return
    check_integer("sweeps.run", "segment", segment, low=1)
    for staged in sweep.staged:
        if staged.num_steps % segment:
            near = segment_length(staged.num_steps)
            constraint = f"a divisor of the trial's {staged.num_steps} steps"
            raise bad_value("sweeps.run", "segment", constraint, segment, f"Did you mean {near}?")


def execute(
    engine: Engine,
    plan: Plan,
    *,
    measure: Callable[..., Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Run all blocks of a plan on a compiled engine, one after another in this thread.

    progress: called after every segment with the segments done and all of them; may raise to stop.
    """
    if engine.staged.check:
        for row in range(plan.num_settings):
            engine.staged.check({name: column[row].item() for name, column in plan.numbers.items()})
    kinds: dict[str, Kind] = dict.fromkeys(plan.numbers, "number")
    collector = Collector(Settings(plan.numbers, kinds, plan.num_settings), plan.num_seeds)
    segments = max(engine.num_segments, 1)
    for number, block in enumerate(plan.blocks()):

        def tell(segment: int, before: int = number * segments) -> None:
            if progress:
                progress(before + segment, plan.num_blocks * segments)

        result = engine.run(plan, block, measure=measure, on_segment=tell)
        settings = block.settings[: block.num_settings]
        collector.add(settings, block.replicates[: block.num_replicates], result)
    return collector.results()
