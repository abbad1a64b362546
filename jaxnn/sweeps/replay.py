"""`debug`: a trial that failed, replayed as the sweep ran it, and where it first went wrong.

Its block runs again in the program of the sweep's own width, so that the numbers are those of the
sweep to the bit, and once more up to the step that failed. That step is then evaluated for the one
trial alone, a primitive at a time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, shown
from jaxnn.space import Space
from jaxnn.sweeps.again import Arguments, again
from jaxnn.sweeps.build import Sweep
from jaxnn.sweeps.eager import Large, Origin
from jaxnn.sweeps.engine import BlockResult, Part, segment_length
from jaxnn.sweeps.lane import find
from jaxnn.sweeps.plan import Plan, Width
from jaxnn.sweeps.population import PopulationBased
from jaxnn.sweeps.results import STOPPED, UNRUN
from jaxnn.sweeps.run import load
from jaxnn.sweeps.trial import ABOVE, NON_FINITE, OK, Trial

__all__ = ["Replay", "debug"]

STATUSES = {
    UNRUN: "not run yet",
    OK: "ok",
    NON_FINITE: "non-finite",
    ABOVE: "above the ceiling",
    STOPPED: "stopped at a rung",
}

MAX_LISTED = 8
"""So many rows that failed are named where another is asked for."""


@dataclasses.dataclass(frozen=True)
class Replay:
    """What was found of a trial that failed; `print` it.

    numbers: its setting. key: what made it, and is that of jax.random. status: 1 non-finite, 2
    above the ceiling. step: at which it failed; `num_steps` where what is measured at the end did.
    looked_at: what was evaluated alone. differs: the metrics and curves that are not as in the
    store, bit for bit; None where there is no store. origin: what first gave an infinity or a NaN,
    None where nothing did, and above a ceiling. largest: the largest magnitudes on the way. loss:
    at the step that failed. norm: ("parameters", that of them before it), or ("state", that of all
    of it) where nothing in it is called "params". Both are None where there is none.
    """

    row: int
    setting: int
    replicate: int
    numbers: dict[str, Any]
    key: str
    status: int
    step: int
    num_steps: int
    width: Width
    looked_at: str
    differs: tuple[str, ...] | None
    origin: Origin | None
    largest: tuple[Large, ...]
    loss: float | None
    norm: tuple[str, float] | None

    def __str__(self) -> str:
        numbers = ", ".join(f"{name}={x!r}" for name, x in self.numbers.items())
        when = f" at step {self.step} of {self.num_steps}" if self.num_steps else ""
        lines = [
            f"row {self.row}: setting {self.setting}, replicate {self.replicate}",
            f"numbers: {numbers or 'none'}",
            f"key: {self.key}",
            f"status: {STATUSES[self.status]}{when}",
            f"replayed in its block of {self.width[0]} × {self.width[1]} lanes{self._compared()}",
        ]
        lines += [] if self.loss is None else [f"loss at that step: {self.loss:.6g}"]
        if self.norm is not None:
            lines.append("norm of the {} before it: {:.6g}".format(*self.norm))
        return "\n".join([*lines, *self._seen()])

    def _compared(self) -> str:
        if self.differs is None:
            return ""
        unlike = f"not as in the store: {', '.join(self.differs)}"
        return f", {unlike}" if self.differs else ", as in the store to the bit"

    def _seen(self) -> Iterator[str]:
        what, origin = f"{self.looked_at}, alone and a primitive at a time", self.origin
        if origin is not None:
            yield f"{what}: `{origin.primitive}` is the first to go wrong"
            yield f"    gives {origin.gives}"
            yield from (f"    takes {x}" for x in origin.takes)
            if origin.place:
                yield f"    {origin.place}"
            return
        if self.status == NON_FINITE:
            yield f"{what}: what comes of it is finite"
            yield "Its last bits alone are not those of the block: the failure may hang on them."
            what = "there"
        yield f"{what}, the largest numbers by line:"
        yield from (f"    {x.magnitude:.6g} by `{x.primitive}`, {x.place}" for x in self.largest)


def debug(
    trial: Trial,
    space: Space | Sequence[Mapping[str, Any]] | None = None,
    *,
    row: int | tuple[int, int],
    store: str | PathLike[str] | None = None,
    **given: Unpack[Arguments],
) -> Replay:
    """Where a trial of a sweep first went wrong.

    trial: as for `sweeps.run`. row: its number in the table, or (setting, replicate).
    store: that of the sweep, which keeps its arguments, and what the replay is compared with; or
    `space` and those arguments of `sweeps.run` that decide its numbers.
    Raises ValueError for a row that did not fail, for another trial than that of the store, and for
    a population, whose trials take over states of others; else what `sweeps.run` raises.

    >>> import jax.numpy as jnp
    >>> def trial(key, hyper):
    ...     return {"loss": jnp.log(hyper["x"])}
    >>> found = debug(trial, [{"x": 1.0}, {"x": -1.0}], row=1)
    >>> found.origin.primitive, found.origin.takes[0].low
    ('log', -1.0)
    """
    sweep = again("sweeps.debug", trial, space, store, given)
    if isinstance(sweep.rule, PopulationBased):
        fix = "Its trials take over states of others, so that none can be replayed by itself."
        raise bad_value("sweeps.debug", "stop", "no population", "PopulationBased", fix)
    setting, replicate = _checked(row, sweep)
    number = setting * sweep.num_seeds + replicate
    kept = None
    if store is not None:
        loaded = load(store)
        _check_failed(number, loaded.status[number], sweep, loaded.status)
        kept = (
            {name: x[number] for name, x in loaded.columns.items()},
            {name: x[number] for name, x in loaded.curves.items()},
        )
    lane = find(sweep, setting, replicate)
    engine = lane.engine()
    whole = lane.run(engine)
    found = kept[0] if kept else whole.metrics
    _check_failed(number, found["status"], sweep)
    step = _failing_step(found, lane.staged.num_steps)
    if step % engine.length:  # any other length gives the same bits
        engine = lane.engine(segment_length(step))
    before = lane.run(engine, Part(0, step))
    measured = step == lane.staged.num_steps or _at_rung(sweep, step, whole)
    differs = None
    if kept:
        replayed = before if measured else whole
        differs = tuple(_differing(*kept, replayed, step, measured=measured))
    seen, state = lane.look(engine, before, step, measured=measured)
    losses = None if measured else whole.curves.get("loss")
    return Replay(
        number,
        setting,
        replicate,
        sweep.settings.setting(setting),
        _key_text(lane.plan, setting, replicate),
        int(found["status"]),
        step,
        lane.staged.num_steps,
        lane.plan.width,
        _named(step, lane.staged.num_steps, measured=measured),
        differs,
        seen.origin if found["status"] == NON_FINITE else None,
        seen.largest,
        None if losses is None else float(losses[step]),
        _norm(state) if lane.staged.num_steps else None,
    )


def _checked(row: Any, sweep: Sweep) -> tuple[int, int]:
    """The setting and the replicate of a row."""
    settings, seeds = sweep.settings.num_settings, sweep.num_seeds
    if not isinstance(row, tuple):
        high = settings * seeds - 1
        return divmod(check_integer("sweeps.debug", "row", row, low=0, high=high), seeds)
    if len(row) != 2:
        raise bad_type("sweeps.debug", "row", "a number or (setting, replicate)", shown(row))
    setting, replicate = (
        check_integer("sweeps.debug", "row", x, low=0, high=size - 1)
        for x, size in zip(row, (settings, seeds), strict=True)
    )
    return setting, replicate


def _check_failed(
    number: int, status: Any, sweep: Sweep, statuses: NDArray[Any] | None = None
) -> None:
    """Raises ValueError for a row that did not fail, and names some that did."""
    if status in (NON_FINITE, ABOVE):
        return
    fix = ""
    if statuses is not None:
        failed = np.flatnonzero(np.isin(statuses, (NON_FINITE, ABOVE)))
        listed = ", ".join(map(str, failed[:MAX_LISTED]))
        fix = f"These did: {listed}{', …' * (len(failed) > MAX_LISTED)}." if len(failed) else ""
        fix = fix or "None did."
    setting, replicate = divmod(number, sweep.num_seeds)
    got = f"{number} (setting {setting}, replicate {replicate}), {STATUSES[int(status)]}"
    raise bad_value("sweeps.debug", "row", "one that failed", got, fix)


def _failing_step(metrics: Mapping[str, Any], num_steps: int) -> int:
    step = int(metrics.get("status_step", -1))
    if not 0 <= step <= num_steps:
        constraint = f"one that reports a status_step in [0, {num_steps}] where it fails"
        raise bad_value("sweeps.debug", "trial", constraint, step)
    return step


def _at_rung(sweep: Sweep, step: int, whole: BlockResult) -> bool:
    """Whether it was what is measured at a rung that failed, and not the step after it."""
    rungs = {x for bracket in sweep.ladder.steps for x in bracket} if sweep.ladder else set()
    return step in rungs and whole.metrics["status_step"] != step


def _differing(
    metrics: Mapping[str, Any],
    curves: Mapping[str, Any],
    replayed: BlockResult,
    step: int,
    *,
    measured: bool,
) -> Iterator[str]:
    """The names of what was stored of a trial, up to where it failed, with other bits."""
    for name, x in replayed.metrics.items():
        # At a rung the table says so, and not what a trial says that knows of no rung.
        if np.asarray(metrics[name]).tobytes() != x.tobytes() and not (
            measured and name == "status_step"
        ):
            yield name
    end = step if measured else step + 1
    for name, x in replayed.curves.items():
        if curves[name][:end].tobytes() != x[:end].tobytes():
            yield f"curve {name}"


def _key_text(plan: Plan, setting: int, replicate: int) -> str:
    text = f"fold_in(fold_in(key({plan.seed}), {plan.purpose}), {replicate})"
    return text if plan.common else f"fold_in({text}, {setting})"


def _named(step: int, num_steps: int, *, measured: bool) -> str:
    if not num_steps:
        return "the function"
    return f"what is measured after {step} steps" if measured else f"step {step}"


def _norm(state: Any) -> tuple[str, float]:
    found = jax.tree_util.tree_flatten_with_path(state)[0]
    own = [leaf for path, leaf in found if any(_name(x) == "params" for x in path)]
    leaves = [x for x in own or jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.inexact)]
    squares = (np.sum(np.abs(np.asarray(x, np.complex128)) ** 2) for x in leaves)
    return "parameters" if own else "state", float(np.sqrt(sum(squares)))


def _name(entry: Any) -> Any:
    return getattr(entry, "name", getattr(entry, "key", None))
