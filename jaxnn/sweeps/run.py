"""`run`: settings from a space × replicates, in compiled programs of one fixed width."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from jaxnn.errors import bad_value, check_integer
from jaxnn.space import Space
from jaxnn.sweeps.build import Sweep, build
from jaxnn.sweeps.engine import BlockResult, Engine, num_segments, segment_length
from jaxnn.sweeps.local import run_units
from jaxnn.sweeps.plan import Plan
from jaxnn.sweeps.results import Collector, Results
from jaxnn.sweeps.settings import Kind, Method, Settings
from jaxnn.sweeps.trial import Trial

__all__ = ["execute", "run"]


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
    progress: called with the segments done and all of them; may raise to stop.
    Settings of equal structure are a program; all local devices run them side by side.
    Raises ValueError and TypeError for bad input before anything compiles.

    >>> import jax.numpy as jnp
    >>> from jaxnn.space import uniform
    >>> def trial(key, hyper):
    ...     return {"loss": (hyper["x"] - 0.3) ** 2}
    >>> results = run(trial, {"x": uniform(0.0, 1.0)}, num_trials=64)
    >>> abs(results.best("loss")["x"] - 0.3) < 0.02
    True
    """
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
    programs, collector = sweep.programs(segment), Collector(sweep.settings, num_seeds)
    units = [unit for _, unit in sweep.units()]
    total = sum(num_segments(sweep.staged[unit.group].num_steps, segment) for unit in units)
    done = itertools.count(1)

    def on_result(number: int, result: BlockResult, seconds: float) -> None:
        del seconds
        _, block, plan, *_ = units[number]
        settings = plan.global_settings(block)[: block.num_settings]
        collector.add(settings, block.replicates[: block.num_replicates], result)

    def on_segment(number: int) -> None:
        del number
        if progress:
            progress(next(done), total)

    devices = jax.local_devices()[: len(units)]
    run_units(programs, units, devices=devices, on_result=on_result, on_segment=on_segment)
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
