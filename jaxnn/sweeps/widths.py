"""`check_width`: by how much the numbers of a sweep hang on the width of its program.

XLA compiles another program for another width, and rounds otherwise in it. What is claimed is that
the same width gives the same bits, in whatever order, segments and on whichever device of a kind;
here both are measured on some rows of the sweep.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple, Unpack

import jax
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, check_integer, shown
from jaxnn.space import Space
from jaxnn.sweeps.again import Arguments, again
from jaxnn.sweeps.build import Sweep
from jaxnn.sweeps.engine import Engine
from jaxnn.sweeps.plan import Plan, Width
from jaxnn.sweeps.results import Results
from jaxnn.sweeps.run import execute
from jaxnn.sweeps.trial import Trial

__all__ = ["Compared", "Curve", "Metric", "Widths", "check_width"]


MAX_NAME = 24
"""A name is shown up to so many characters."""


class Metric(NamedTuple):
    """A metric at another width, over all rows.

    relative: the largest |a − b| / max(|a|, |b|), infinite where one of them alone is finite.
    absolute: the largest |a − b|. setting, replicate: where the relative one is, −1 where all rows
    are equal to the bit.
    """

    name: str
    num_equal: int
    num_rows: int
    absolute: float
    relative: float
    setting: int
    replicate: int


class Curve(NamedTuple):
    """A curve at another width; steps are −1 and differences 0 where all rows are equal.

    first: the step at which the first row parts. relative: the largest relative difference over
    rows there. last: the last step at which anything was recorded. grown: the difference there.
    """

    name: str
    num_equal: int
    num_rows: int
    first: int
    relative: float
    last: int
    grown: float


class Compared(NamedTuple):
    """One way to run the rows, beside that of the sweep."""

    width: Width
    how: str
    metrics: tuple[Metric, ...]
    curves: tuple[Curve, ...]


@dataclasses.dataclass(frozen=True)
class Widths:
    """Rows of a sweep at its own width and at others; `print` it.

    compared: first the own width, in another order, in other segments and on another device where
    there is one; then the others.
    """

    width: Width
    num_settings: int
    num_seeds: int
    compared: tuple[Compared, ...]

    def __str__(self) -> str:
        rows = f"{_count(self.num_settings, 'setting')} × {_count(self.num_seeds, 'seed')}"
        lines = [f"{rows}, compared with {_lanes(self.width)}, the width of the sweep"]
        for one in self.compared:
            lines += ["", f"{_lanes(one.width)}{one.how}"]
            lines += _columns(_metric_lines(one.metrics))
            lines += _columns(_curve_lines(one.curves)) if one.curves else []
        return "\n".join(lines)


def check_width(
    trial: Trial,
    space: Space | Sequence[Mapping[str, Any]] | None = None,
    *,
    widths: Sequence[tuple[int, int]] = ((1, 1),),
    num_settings: int | None = None,
    store: str | PathLike[str] | None = None,
    **given: Unpack[Arguments],
) -> Widths:
    """Run some rows of a sweep at its own width and at others, and compare them bit by bit.

    trial: as for `sweeps.run`. widths: (replicates, settings) of each. num_settings: how many of
    each program's settings, by default a block of the sweep. store: that of the sweep, which keeps
    its arguments; or `space` and those arguments of `sweeps.run` that decide its numbers. Whole
    trials run: none is stopped early, and nobody takes over a state.
    Raises what `sweeps.run` does, before anything compiles.
    """
    others = [_checked(width) for width in widths]
    if num_settings is not None:
        check_integer("sweeps.check_width", "num_settings", num_settings, low=1)
    sweep = again("sweeps.check_width", trial, space, store, given)
    own = sweep.plans[0].width
    plans = [_first_rows(plan, num_settings or own.settings) for plan in sweep.plans]
    before = [_run(sweep, k, plan) for k, plan in enumerate(plans)]
    ways = [(own, True), *((width, False) for width in others)]
    compared = []
    for width, turned in ways:
        after = [
            _run(sweep, k, dataclasses.replace(plan, width=width), turned=turned)
            for k, plan in enumerate(plans)
        ]
        compared.append(_compared(before, after, plans, width, _how(sweep) if turned else ""))
    chosen = sum(plan.num_settings for plan in plans)
    return Widths(own, chosen, plans[0].num_seeds, tuple(compared))


def _checked(width: Any) -> Width:
    if not isinstance(width, tuple) or len(width) != 2:
        fix = "Pass (replicates, settings), such as (1, 32)."
        constraint = "pairs of integers"
        raise bad_type("sweeps.check_width", "widths", constraint, shown(width), fix)
    return Width(*(check_integer("sweeps.check_width", "widths", x, low=1) for x in width))


def _first_rows(plan: Plan, num_settings: int) -> Plan:
    """The first settings of a plan, and the replicates that the first block has."""
    size = min(num_settings, plan.num_settings)
    members = np.arange(size) if plan.members is None else plan.members[:size]
    return dataclasses.replace(
        plan,
        numbers={name: x[:size] for name, x in plan.numbers.items()},
        num_seeds=min(plan.num_seeds, plan.width.replicates),
        members=members,
    )


def _run(sweep: Sweep, group: int, plan: Plan, *, turned: bool = False) -> Results:
    """The rows of a plan; turned: the last setting first, in one segment, on the last device."""
    staged, (*_, device) = sweep.staged[group], jax.local_devices()
    if not turned:
        return execute(Engine(staged, plan.numbers, plan.width, common=plan.common), plan)
    numbers = {name: x[::-1] for name, x in plan.numbers.items()}
    members = plan.members if plan.members is None else plan.members[::-1]
    plan = dataclasses.replace(plan, numbers=numbers, members=members)
    with jax.default_device(device):
        length = staged.num_steps or None
        return execute(Engine(staged, numbers, plan.width, length=length, common=plan.common), plan)


def _how(sweep: Sweep) -> str:
    device = jax.local_devices()[-1]
    segment = ", in one segment" if sweep.num_steps else ""
    place = f", on {device.platform}:{device.id}" if jax.local_device_count() > 1 else ""
    return f", from last to first{segment}{place}"


class _Pair(NamedTuple):
    """An array of rows twice, [rows, entries]."""

    one: NDArray[Any]
    other: NDArray[Any]

    @property
    def equal(self) -> NDArray[np.bool_]:
        """Which entries have the same bits, or are NaN in both."""
        a, b = (np.ascontiguousarray(x).view(np.uint8) for x in self)
        same = (a == b).reshape(*self.one.shape, self.one.dtype.itemsize)
        return np.asarray(same.all(axis=-1) | self.missing)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which are NaN in both."""
        return (self.one != self.one) & (self.other != self.other)

    def differences(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Absolute and relative ones, infinite where one of the two alone is finite."""
        a, b = (x.astype(np.float64) for x in self)
        with np.errstate(all="ignore"):
            absolute = np.where((a == b) | self.missing, 0.0, np.abs(a - b))
            relative = absolute / np.maximum(np.abs(a), np.abs(b))
        relative = np.where(absolute == 0, 0.0, relative)
        finite = np.isfinite(absolute) & np.isfinite(relative)
        return np.where(finite, absolute, np.inf), np.where(finite, relative, np.inf)


def _compared(
    before: Sequence[Results],
    after: Sequence[Results],
    plans: Sequence[Plan],
    width: Width,
    how: str,
) -> Compared:
    """All programs together; with a `how`, `after` has its settings the other way round."""
    metrics: dict[str, list[_Pair]] = {}
    curves: dict[str, list[_Pair]] = {}
    for one, other, plan in zip(before, after, plans, strict=True):
        order = _rows(plan, turned=bool(how))
        known = {"setting", "replicate", *one.names}
        for name in (x for x in one.columns if x not in known):
            pair = _pair(one.columns[name], other.columns[name][order])
            metrics.setdefault(name, []).append(pair)
        for name, x in one.curves.items():
            curves.setdefault(name, []).append(_pair(x, other.curves[name][order]))
    at = [
        (int(i), r)
        for plan in plans
        for i in (range(plan.num_settings) if plan.members is None else plan.members)
        for r in range(plan.num_seeds)
    ]
    return Compared(
        width,
        how,
        tuple(_metric(name, pairs, at) for name, pairs in metrics.items()),
        tuple(_curve(name, pairs) for name, pairs in curves.items()),
    )


def _rows(plan: Plan, *, turned: bool) -> NDArray[np.int64]:
    rows = np.arange(plan.num_settings * plan.num_seeds).reshape(plan.num_settings, -1)
    return (rows[::-1] if turned else rows).ravel()


def _pair(one: NDArray[Any], other: NDArray[Any]) -> _Pair:
    return _Pair(one.reshape(len(one), -1), other.reshape(len(other), -1))


def _metric(name: str, pairs: Sequence[_Pair], at: Sequence[tuple[int, int]]) -> Metric:
    both = _Pair(*map(np.concatenate, zip(*pairs, strict=True)))
    equal = np.asarray(both.equal.all(axis=1))
    absolute, relative = (x.max(axis=1, initial=0.0) for x in both.differences())
    worst = int(np.argmax(np.where(equal, -1.0, relative)))
    where = (-1, -1) if equal.all() else at[worst]
    sizes = float(absolute.max()), float(relative.max())
    return Metric(name, int(equal.sum()), len(equal), *sizes, *where)


def _curve(name: str, pairs: Sequence[_Pair]) -> Curve:
    """Programs whose trials are shorter have nothing recorded at the steps that follow."""
    size = max(pair.one.shape[1] for pair in pairs)
    equal, recorded, relative = (
        np.concatenate([_extended(x, size, fill) for x in arrays])
        for arrays, fill in (
            ([pair.equal for pair in pairs], True),
            ([~pair.missing for pair in pairs], False),
            ([pair.differences()[1] for pair in pairs], 0.0),
        )
    )
    rows = np.asarray(equal.all(axis=1))
    if rows.all():
        return Curve(name, len(rows), len(rows), -1, 0.0, -1, 0.0)
    first = int(np.flatnonzero(~equal.all(axis=0))[0])
    last = int(np.flatnonzero(recorded.any(axis=0))[-1])
    by, grown = (float(relative[:, step].max()) for step in (first, last))
    return Curve(name, int(rows.sum()), len(rows), first, by, last, grown)


def _extended(x: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    return np.pad(x, ((0, 0), (0, size - x.shape[1])), constant_values=fill)


def _metric_lines(metrics: Sequence[Metric]) -> Iterator[tuple[str, ...]]:
    yield "metric", "equal", "largest", "relative", "setting/replicate"
    for x in metrics:
        where = "" if x.setting < 0 else f"{x.setting}/{x.replicate}"
        equal = f"{x.num_equal} of {x.num_rows}"
        yield _short(x.name), equal, f"{x.absolute:.2g}", f"{x.relative:.2g}", where


def _curve_lines(curves: Sequence[Curve]) -> Iterator[tuple[str, ...]]:
    yield "curve", "equal", "from step", "relative", "to step", "relative"
    for x in curves:
        equal, parts = f"{x.num_equal} of {x.num_rows}", x.first >= 0
        steps = (f"{x.first}", f"{x.relative:.2g}", f"{x.last}", f"{x.grown:.2g}")
        yield _short(x.name), equal, *(steps if parts else [""] * 4)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _columns(lines: Iterator[tuple[str, ...]]) -> list[str]:
    table = list(lines)
    sizes = [max(map(len, column)) for column in zip(*table, strict=True)]
    padded = (map(str.ljust, line, sizes) for line in table)
    return ["  ".join(line).rstrip() for line in padded]


def _lanes(width: Width) -> str:
    return f"{width.replicates} × {width.settings} lanes"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
