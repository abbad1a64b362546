"""`run`: settings from a space × replicates, in one compiled program of fixed width."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from jaxnn.errors import bad_type, check_integer
from jaxnn.sweeps.engine import BlockResult, Engine
from jaxnn.sweeps.plan import TUNING, Block, Plan, Width, default_width, propose
from jaxnn.sweeps.results import Results, collect
from jaxnn.typing import Array, Staged

__all__ = ["execute", "run"]


def run(
    trial: Staged | Callable[..., Mapping[str, Any]],
    space: Mapping[str, Any],
    *,
    num_trials: int,
    num_seeds: int = 1,
    seed: int = 0,
    width: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Try `num_trials` settings of `space` on `num_seeds` replicates each.

    trial: any pure f(key, hyper) → metrics (a dict of scalars), or a `Staged`, such as
    `training.stages(...)`. `hyper` is a dict of the numbers that `space` names.
    space: names to `log_uniform`, `uniform`, `one_minus` or a constant.
    seed: in [0, 2³²); decides the settings and the keys of the replicates.
    width: (replicates, settings) a block; by default about 64 lanes. Results are bit-equal for the
    same width only.
    progress: called with the segments done and all of them; may raise to stop.
    Raises ValueError and TypeError for bad input before anything compiles.

    >>> import jax.numpy as jnp
    >>> from jaxnn.space import uniform
    >>> def trial(key, hyper):
    ...     return {"loss": (hyper["x"] - 0.3) ** 2}
    >>> results = run(trial, {"x": uniform(0.0, 1.0)}, num_trials=64)
    >>> abs(results.best("loss")["x"] - 0.3) < 0.02
    True
    """
    if not isinstance(trial, Staged) and not callable(trial):
        fix = "Pass f(key, hyper) -> metrics or a Staged."
        raise bad_type("sweeps.run", "trial", "callable", repr(trial), fix)
    check_integer("sweeps", "num_seeds", num_seeds, low=1)
    if not isinstance(space, Mapping):
        fix = "Pass {'learning_rate': log_uniform(1e-4, 1e-1)}, for example."
        raise bad_type("sweeps.run", "space", "a dict of distributions", repr(space), fix)
    whole = not isinstance(trial, Staged)
    staged = Staged(_Whole(trial).init, _no_step, _as_it_is, 0) if whole else trial
    settings = propose(space, num_trials, seed)
    if width is not None and (not isinstance(width, tuple) or len(width) != 2):
        fix = "Pass (replicates, settings), such as (4, 16)."
        raise bad_type("sweeps.run", "width", "a pair of integers", repr(width), fix)
    wide = Width(*width) if width else default_width(num_trials, num_seeds)
    plan = Plan(settings, num_seeds, seed, TUNING, wide)
    return execute(Engine(staged, tuple(settings), wide), plan, progress=progress)


def execute(
    engine: Engine,
    plan: Plan,
    *,
    measure: Callable[..., Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Run all blocks of a plan on a compiled engine.

    progress: called after every segment with the segments done and all of them; may raise to stop.
    """
    if engine.staged.check:
        for number in range(plan.num_settings):
            engine.staged.check({n: float(x[number]) for n, x in plan.settings.items()})
    segments = max(engine.num_segments, 1)
    done: list[tuple[Block, BlockResult]] = []
    for number, block in enumerate(plan.blocks()):

        def tell(segment: int, before: int = number * segments) -> None:
            if progress:
                progress(before + segment, plan.num_blocks * segments)

        done.append((block, engine.run(plan, block, measure=measure, on_segment=tell)))
    return collect(plan, done)


@dataclasses.dataclass(frozen=True)
class _Whole:
    """A trial of no steps, whose state is its metrics."""

    trial: Callable[..., Mapping[str, Any]]

    def init(self, key: Array, hyper: dict[str, Array], data: None) -> Any:
        del data
        return self.trial(key, hyper)


def _no_step(state: Any, hyper: Any, step: Any, data: Any) -> tuple[Any, dict[str, Any]]:
    del hyper, step, data
    return state, {}


def _as_it_is(state: Any, hyper: Any, data: Any) -> Any:
    del hyper, data
    return state
