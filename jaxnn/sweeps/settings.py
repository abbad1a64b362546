"""What is tried: the settings of a sweep, drawn from its space, by structure in groups.

A setting is a row of columns. Numbers are float64 or int64 columns, NaN where a number does not
exist for the choice that was made; what is structural is an object column, "" there. Settings of
equal structure and with the same numbers are a group: one compiled program.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, check_seed, shown
from jaxnn.space import Choice, Grid, Integers, Space, Structural, is_structural

__all__ = [
    "MAX_TRIALS",
    "Group",
    "Kind",
    "Method",
    "Settings",
    "at_points",
    "drawn_names",
    "propose",
]

MAX_TRIALS = 1_000_000
"""Settings of a sweep, and seeds: more would not fit into the tables that hold them."""

Method = Literal["sobol", "halton", "random"]
"""How points of a space are drawn."""

Kind = Literal["number", "integer", "structure"]
ABSENT = ""


class Group(NamedTuple):
    """Settings that one compiled program runs."""

    structure: dict[str, Any]  # the same for all of them
    numbers: dict[str, NDArray[Any]]  # columns, float64 or int64, an entry a member
    members: NDArray[np.int64]  # which settings they are, ascending


@dataclasses.dataclass(frozen=True)
class Settings:
    """Columns of `num_settings` entries by name, and of what kind each is."""

    columns: dict[str, NDArray[Any]]
    kinds: dict[str, Kind]
    num_settings: int

    def groups(self) -> list[Group]:
        """Settings by structure and by the numbers that they have, in the order of their first."""
        group = np.zeros(self.num_settings, np.int64)
        for name, column in self.columns.items():
            if self.kinds[name] == "structure":
                # With their types, since True == 1 and both may be options.
                known: dict[Any, int] = {}
                codes = np.array([known.setdefault((type(x), x), len(known)) for x in column])
            else:
                codes = np.isnan(column).astype(np.int64)
            if codes.any():
                _, group = np.unique(group * (codes.max() + 1) + codes, return_inverse=True)
        first = np.unique(group, return_index=True)[1]
        return [self._group(np.nonzero(group == group[row])[0]) for row in np.sort(first)]

    def _group(self, rows: NDArray[np.int64]) -> Group:
        first = self.setting(int(rows[0]))
        structure = {name: x for name, x in first.items() if self.kinds[name] == "structure"}
        dtypes = {"number": np.float64, "integer": np.int64}
        numbers = {
            name: self.columns[name][rows].astype(dtypes[self.kinds[name]])
            for name in first
            if name not in structure
        }
        return Group(structure, numbers, rows)

    def setting(self, number: int) -> dict[str, Any]:
        """A setting as Python values, without what does not exist in it."""
        found = {}
        for name, column in self.columns.items():
            value = column[number]
            if self.kinds[name] == "structure":
                absent = isinstance(value, str) and value == ABSENT
            else:
                absent = math.isnan(value)
                value = int(value) if self.kinds[name] == "integer" and not absent else float(value)
            if not absent:
                found[name] = value
        return found


def propose(
    space: Any,
    num_trials: int | None,
    seed: int,
    *,
    method: Method = "sobol",
) -> Settings:
    """Settings of a space, or those of a list of dicts.

    `num_trials` points are drawn, scrambled Sobol points by default, and each is combined with all
    values of all grids; it may be None where there is nothing to draw. The first k settings do not
    change when more are asked for, so that a sweep can be extended, and spaces with the same number
    of dimensions get the same points by rank. Names that occur for several options of a choice
    share a dimension. In a list each dict is a setting, and `structural(16)` stands for itself.
    Raises ValueError and TypeError for an entry that is neither a distribution nor a number, a
    string, a truth value or None, and for names that occur twice.
    Reference: Sobol 1967; Owen 1998 (scrambling); Halton 1960; all by scipy.stats.qmc.
    """
    check_seed("sweeps", seed)
    if method not in get_args(Method):
        constraint = f"one of {', '.join(sorted(get_args(Method)))}, or sweeps.Optuna(...)"
        fix = f"Pass sweeps.Optuna({method!r})." if method in ("tpe", "cmaes", "gp") else ""
        raise bad_value("sweeps.run", "method", constraint, shown(method), fix)
    if _is_listed(space):
        return _given(space)
    drawn = drawn_names(space)
    grids = {name: _unwrapped(x) for name, x in space.items() if isinstance(_unwrapped(x), Grid)}
    if num_trials is None and drawn:
        fix = f"Pass num_trials=64: {drawn[0]!r} is drawn from a distribution."
        raise bad_type("sweeps", "num_trials", "an integer", None, fix)
    count = 1 if num_trials is None else num_trials
    check_integer("sweeps", "num_trials", count, low=1, high=MAX_TRIALS)
    cells = math.prod(len(x.options) for x in grids.values())
    check_integer("sweeps", "num_trials", count * cells, low=1, high=MAX_TRIALS)
    points = np.repeat(_points(len(drawn), count, seed, method), cells, axis=0)
    table = _Table(dict(zip(drawn, points.T, strict=True)), _crossed(grids, count), count * cells)
    table.fill(space, np.arange(count * cells))
    return table.settings()


def _is_listed(space: Any) -> bool:
    return isinstance(space, Sequence) and not isinstance(space, str)


def drawn_names(space: Any) -> list[str]:
    """What is drawn in a space, each name once; raises as `propose` does."""
    if not isinstance(space, Mapping):
        fix = "Pass {'learning_rate': log_uniform(1e-4, 1e-1)}, for example."
        raise bad_type("sweeps.run", "space", "a dict of distributions", shown(space), fix)
    return list(dict.fromkeys(_drawn(space)))


def at_points(space: Space, points: Mapping[str, NDArray[np.float64]]) -> Settings:
    """The settings of a space without grids at these points of [0, 1), by name of what is drawn."""
    size = len(next(iter(points.values())))
    table = _Table(dict(points), {}, size)
    table.fill(space, np.arange(size))
    return table.settings()


def _unwrapped(entry: Any) -> Any:
    return entry.inner if isinstance(entry, Structural) else entry


def _drawn(space: Space, taken: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names of what is drawn, those of spaces inside choices after the choice."""
    for name, entry in space.items():
        if name in taken:
            fix = "Give one of them another name."
            raise bad_value("sweeps", name, "in the space once, or once in each option", "two", fix)
        inner = _unwrapped(entry)
        if isinstance(inner, Grid):
            if taken:
                fix = "Use choice, or put it beside the choice."
                raise bad_value("sweeps", name, "outside of the options of a choice", "a grid", fix)
        elif hasattr(inner, "quantile"):
            yield name
        elif not isinstance(inner, str | bool | int | float | None):
            fix = "Use log_uniform, uniform, integers, choice, grid or a constant."
            constraint = "a distribution, a number or a string"
            raise bad_type("sweeps", name, constraint, shown(entry), fix)
        if isinstance(inner, Choice):
            for option in inner.options:
                yield from _drawn(inner.space(option), taken | space.keys())


def _points(dimensions: int, count: int, seed: int, method: Method) -> NDArray[np.float64]:
    if not dimensions:
        return np.zeros((count, 0))
    if method == "random":
        # A generator for each point, so that the first ones stay when more are asked for.
        return np.random.default_rng(seed).random((count, dimensions))
    from scipy.stats import qmc

    if method == "halton":
        return qmc.Halton(dimensions, scramble=True, rng=seed).random(count)
    exponent = max(count - 1, 0).bit_length()
    return qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(exponent)[:count]


def _crossed(grids: Mapping[str, Grid], count: int) -> dict[str, NDArray[np.int64]]:
    """For each grid the number of its value in each setting; the last grid changes fastest."""
    sizes = [len(x.options) for x in grids.values()]
    cells = np.indices(sizes).reshape(len(sizes), -1) if sizes else np.zeros((0, 1), np.int64)
    return {name: np.tile(row, count) for name, row in zip(grids, cells, strict=True)}


@dataclasses.dataclass
class _Table:
    """Columns as they fill: by name the points of what is drawn, and the cells of grids."""

    points: dict[str, NDArray[np.float64]]
    cells: dict[str, NDArray[np.int64]]
    size: int
    columns: dict[str, NDArray[Any]] = dataclasses.field(default_factory=dict)
    kinds: dict[str, Kind] = dataclasses.field(default_factory=dict)

    def fill(self, space: Space, rows: NDArray[np.int64]) -> None:
        """What the space says of these rows, and the spaces of options of those that have them."""
        for name, entry in space.items():
            inner = _unwrapped(entry)
            if isinstance(inner, Grid):
                values = entry.values[self.cells[name][rows]]
            elif hasattr(inner, "quantile"):
                values = entry.quantile(self.points[name][rows])
            else:
                values = np.full(len(rows), inner, object if is_structural(entry) else np.float64)
            self.put(name, _kind(entry), rows, values)
            if isinstance(inner, Choice):
                for option in inner.options:
                    chosen = [k for k, value in enumerate(values) if value == option]
                    self.fill(inner.space(option), rows[chosen])

    def put(self, name: str, kind: Kind, rows: Any, values: Any) -> None:
        """These values of the rows of a column."""
        if self.kinds.setdefault(name, kind) != kind:
            fix = "Give one of them another name."
            got = f"a {self.kinds[name]} and a {kind}"
            raise bad_value("sweeps", name, "of one kind in all settings", got, fix)
        if name not in self.columns:
            structure = kind == "structure"
            self.columns[name] = (
                np.full(self.size, ABSENT, object) if structure else (np.full(self.size, np.nan))
            )
        self.columns[name][rows] = values

    def settings(self) -> Settings:
        """The columns, those of integers as integers where each setting has one."""
        columns = {
            name: x.astype(np.int64)
            if self.kinds[name] == "integer" and not np.isnan(x).any()
            else x
            for name, x in self.columns.items()
        }
        return Settings(columns, self.kinds, self.size)


def _kind(entry: Any) -> Kind:
    if is_structural(entry):
        return "structure"
    options: Iterable[Any] = getattr(entry, "options", (0.0,))
    whole = isinstance(entry, Integers) or all(isinstance(x, int) for x in options)
    return "integer" if whole else "number"


def _given(rows: Sequence[Mapping[str, Any]]) -> Settings:
    check_integer("sweeps", "space", len(rows), low=1, high=MAX_TRIALS)
    table = _Table({}, {}, len(rows))
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            fix = "Pass a list of dicts, a setting each."
            raise bad_type("sweeps", f"space[{number}]", "a dict", shown(row), fix)
        for name, entry in row.items():
            value = _unwrapped(entry.item() if isinstance(entry, np.generic) else entry)
            if not isinstance(value, str | bool | int | float | None):
                constraint = "a number, a string, True, False or None"
                raise bad_type("sweeps", f"space[{number}][{name!r}]", constraint, shown(value))
            table.put(name, "structure" if is_structural(entry) else "number", number, value)
    return table.settings()
