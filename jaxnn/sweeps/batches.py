"""A sweep whose settings a sampler proposes batch after batch, each after the scores before it.

What was asked for is committed with the blocks: a sweep that was stopped asks anew, is told what
the store holds, and so comes to the same proposals. A structure is compiled when it first occurs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np

from jaxnn.errors import bad_type, bad_value, check_integer, check_seed
from jaxnn.sweeps.asking import Asker, Optuna, Points
from jaxnn.sweeps.build import Sweep, build
from jaxnn.sweeps.engine import num_segments
from jaxnn.sweeps.local import Program
from jaxnn.sweeps.progress import Progress
from jaxnn.sweeps.results import Results
from jaxnn.sweeps.settings import MAX_TRIALS, Settings, at_points
from jaxnn.sweeps.store import Journal, Store
from jaxnn.sweeps.stored import attach, extend
from jaxnn.sweeps.waves import Waves

__all__ = ["asked", "run_batches"]


def run_batches(
    check: Callable[[Sweep], None],
    segment: int | None,
    store: str | PathLike[str] | None,
    journal: Journal | None,
    progress: Callable[[Progress], None] | None,
    **given: Any,
) -> Results:
    """What `sweeps.run` does for a method that asks; given: the arguments of `build`.

    check: raises for a segment that does not fit.
    """
    method: Optuna = given["method"]
    space, num_trials, num_seeds = (given[x] for x in ("space", "num_trials", "num_seeds"))
    if given["stop"] is not None:
        fix = "Pass method='sobol' with it."
        got = "one beside a sampler that must see every trial's end"
        raise bad_value("sweeps.run", "stop", "None", got, fix)
    if num_trials is None:
        raise bad_type("sweeps.run", "num_trials", "an integer", None, "Pass num_trials=256.")
    check_integer("sweeps", "num_trials", num_trials, low=1, high=MAX_TRIALS)
    check_integer("sweeps", "num_seeds", num_seeds, low=1)
    check_seed("sweeps", given["seed"])
    if given["width"] is None:
        # Of a sweep whose settings all had the structure of the first ones asked for.
        given["width"] = tuple(build(**given).plans[0].width)
    size = method.batch or given["width"][1]
    asker = Asker(method, space, given["seed"])
    points: list[Points] = []
    waves, kept, programs = None, None, dict[str, Program]()
    try:
        for first in range(0, num_trials, size):
            count = min(size, num_trials - first)
            points.append(asker.ask(count))
            sweep = build(**given, batch=(first, at_points(space, points[-1])))
            if waves is None:
                check(sweep)
                for sentence in sweep.advice():
                    warnings.warn(sentence, stacklevel=3)
                kept = attach(store, sweep, journal) if store is not None else None
                waves = Waves(sweep, segment, kept, progress)
                waves.begin(Settings({}, {}, num_trials))
                programs |= zip(sweep.manifest["programs"], waves.programs, strict=True)
            else:
                if kept is not None:
                    extend(kept, sweep)
                new = zip(sweep.manifest["programs"], sweep.programs(waves.length), strict=True)
                programs = dict(new) | programs
                waves.programs = [programs[name] for name in sweep.manifest["programs"]]
                waves.sweep = sweep
            waves.commit(f"asked@{first}-{first + count}", points[-1])
            segments = num_segments(sweep.num_steps, waves.length)
            blocks = -(-num_seeds // given["width"][0]) * -(-size // given["width"][1])
            batches_left = -(-(num_trials - first - count) // size)
            waves.wave(sweep.units(), later=batches_left * blocks * segments)
            scores = waves.collector.scores(method.metric, method.mode)
            asker.tell(scores[first : first + count].mean(axis=1))
        if waves is None:
            raise AssertionError
        waves.collector.settings = at_points(space, _joined(points))
        return waves.collector.results()
    finally:
        if kept is not None:
            kept.close()


def _joined(points: list[Points]) -> Points:
    return {name: np.concatenate([x[name] for x in points]) for name in points[0]}


def asked(store: Store, space: Any) -> Settings:
    """The settings that were asked for so far."""
    found: dict[int, tuple[int, str]] = {}
    for name in store.names("asked@"):
        first, end = map(int, name.partition("@")[2].split("-"))
        found[first] = max(found.get(first, (0, "")), (end, name))
    points = [store.get(found[first][1]) for first in sorted(found)]
    return at_points(space, _joined(points)) if points else Settings({}, {}, 0)
