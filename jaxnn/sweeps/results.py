"""What a sweep gives back: a tidy table, a row a setting × replicate, and every row's curves."""

from __future__ import annotations

import dataclasses
import warnings
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn import tables
from jaxnn.errors import bad_type, bad_value, check_integer, note_mode, shown, unknown_name
from jaxnn.sweeps.intervals import mean_interval
from jaxnn.sweeps.rungs import Lineage, Rungs
from jaxnn.sweeps.settings import Kind, Settings

__all__ = ["STOPPED", "UNRUN", "Leader", "Results"]

UNRUN = -1
"""The status of a row that has not been run yet."""

STOPPED = 3
"""The status of a row that a rule of early stopping did not let go on."""

OUTCOMES = {
    0: "done",
    1: "not finite",
    2: "above the ceiling",
    STOPPED: "stopped early",
    UNRUN: "not run yet",
}
"""What became of a row, by its status."""


class Leader(NamedTuple):
    """A setting, and the mean of a metric over its seeds with Student's 95 % interval.

    The interval is that of a setting named beforehand. The first of many are the luckiest too: what
    they give on fresh seeds is worse than this on average.
    """

    number: int  # of the setting
    setting: dict[str, Any]
    mean: float
    low: float | None  # None where there is one seed
    high: float | None
    seeds: int


@dataclasses.dataclass(frozen=True)
class Results:
    """Rows ordered by setting, then replicate.

    names: what a setting is made of. columns: "setting", "replicate", those names (NaN, or "" for
    what is structural, where a name does not exist in a setting), the metrics, "status" (0 ok,
    1 non-finite, 2 above the ceiling, 3 stopped at a rung, −1 not run yet) and "status_step", the
    step of that (−1 where ok).
    curves: [rows, steps] for each scalar of a step, NaN where nothing was recorded.
    kinds: by name "number", "integer" or "structure".
    rungs: what a rule of early stopping saw, by bracket.
    space: that of the sweep, or None where it was given a list of settings.
    lineage: of a population, whose columns of numbers are those at the end.
    """

    names: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    curves: dict[str, NDArray[Any]]
    kinds: dict[str, Kind]
    rungs: tuple[Rungs, ...] = ()
    lineage: Lineage | None = None
    space: Any = None

    def __repr__(self) -> str:
        rows = ", ".join(f"{number} {what}" for what, number in self.outcomes.items() if number)
        return f"Results({rows or 'no rows'}; columns: {', '.join(self.columns)})"

    def table(self) -> dict[str, NDArray[Any]]:
        """The columns, one entry a row."""
        return dict(self.columns)

    @property
    def status(self) -> NDArray[Any]:
        """The status code of each row."""
        return self.columns["status"]

    @property
    def outcomes(self) -> dict[str, int]:
        """How many rows are "done", "not finite", "above the ceiling", "stopped early", ..."""
        return {what: int(np.count_nonzero(self.status == code)) for code, what in OUTCOMES.items()}

    @property
    def num_settings(self) -> int:
        """How many settings were tried."""
        return int(self.columns["setting"].max(initial=-1)) + 1

    @property
    def num_seeds(self) -> int:
        """Replicates of each setting."""
        return int(self.columns["replicate"].max(initial=0)) + 1

    def by_setting(self, metric: str, *, mode: str = "min") -> NDArray[np.float64]:
        """The metric as [settings, replicates]; whatever is not done is the worst, ±infinity.

        Raises ValueError for a column that is not there, or a mode other than "min" and "max", and
        TypeError for a column that does not hold a real number a row.
        """
        return self._scores(metric, mode, (0,)) * (1 if mode == "min" else -1)

    def _scores(self, metric: str, mode: str, counting: tuple[int, ...]) -> NDArray[np.float64]:
        """[settings, replicates], less is better, infinity for rows of a status that is not in."""
        if metric not in self.columns:
            aliases = {f"validation_{name}": name for name in self.columns}
            raise unknown_name("Results", "metric", metric, self.columns, aliases)
        if mode not in ("min", "max"):
            raise bad_value("Results", "mode", "'min' or 'max'", repr(mode))
        column = self.columns[metric]
        if column.ndim != 1 or column.dtype.kind not in "fiub":
            got = f"{metric!r}, {shown(column)}"
            raise bad_type("Results", "metric", "a column with a real number a row", got)
        values = column.astype(np.float64) * (1 if mode == "min" else -1)
        good = np.isin(self.status, counting) & np.isfinite(values)
        return np.where(good, values, np.inf).reshape(self.num_settings, self.num_seeds)

    def ranking(self, metric: str, *, mode: str = "min", failed: bool = True) -> NDArray[np.int64]:
        """Settings from the best mean over replicates to the worst; ties by number.

        Those that were stopped early come after those that were not, the later the better; then
        those of which a replicate failed or has not been run, unless failed=False leaves them out.
        """
        scores = self._scores(metric, mode, (0, STOPPED)).mean(axis=1)
        ends = np.where(self.status == STOPPED, self.columns.get("status_step", 0), np.inf)
        reached = ends.reshape(self.num_settings, self.num_seeds).min(axis=1)
        good = np.isfinite(scores)
        order = np.lexsort((scores, np.where(good, -reached, np.inf)))
        return order if failed else order[: np.count_nonzero(good)]

    def setting(self, number: int) -> dict[str, Any]:
        """A setting as Python values, without what does not exist in it.

        Raises ValueError for a number that no setting has.
        """
        check_integer("Results.setting", "number", number, low=0, high=self.num_settings - 1)
        first = self.columns["setting"].searchsorted(number)
        columns = {name: self.columns[name][first : first + 1] for name in self.names}
        return Settings(columns, self.kinds, 1).setting(0)

    def best(self, metric: str, *, mode: str = "min") -> dict[str, Any]:
        """The setting whose mean over replicates is best.

        Of a population it is what the best one ended with; a warning says where it had other
        numbers on the way, which are in `lineage.schedule`. Raises ValueError where no setting is
        done on all of its seeds.
        """
        leaders = self.leaders(metric, mode=mode, number=1)
        if not leaders:
            got = f"{metric!r}, of {self!r}"
            constraint = "finite on all seeds of a setting"
            raise bad_value("Results.best", "metric", constraint, got)
        number, setting, *_ = leaders[0]
        if self.lineage is not None and not self.lineage.is_constant(number):
            text = f"Setting {number} was trained with other numbers on the way: see"
            warnings.warn(f"{text} results.lineage.schedule({number}).", stacklevel=2)
        return setting

    def leaders(self, metric: str, *, mode: str = "min", number: int = 5) -> tuple[Leader, ...]:
        """The `number` settings whose means over replicates are best, with 95 % intervals.

        Only settings that are done on all of their seeds; fewer where there are not so many.
        Source of the interval: Student 1908, Biometrika 6.
        """
        check_integer("Results.leaders", "number", number, low=1)
        note_mode("Results", metric, mode)
        values = self.by_setting(metric, mode=mode)
        order = self.ranking(metric, mode=mode)
        first = order[np.all(np.isfinite(values), axis=1)[order]][:number].tolist()
        return tuple(_leader(k, self.setting(k), values[k]) for k in first)

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame, a row a setting × replicate (the extra `table`).

        Metrics that are arrays are lists in their column. Raises ValueError where pandas is not
        there.
        """
        return tables.to_frame("Results.to_pandas", self.columns)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the table as CSV, numbers with all their digits; metrics that are arrays as lists.

        A run that gives the same table gives the same bytes.
        """
        tables.write_csv(self.columns, path)

    def to_parquet(self, path: str | PathLike[str]) -> None:
        """Write the table as Parquet (the extra `table`).

        Raises ValueError where pyarrow is not there.
        """
        tables.write_parquet("Results.to_parquet", self.columns, path)


def _leader(number: int, setting: dict[str, Any], values: NDArray[np.float64]) -> Leader:
    mean, low, high = mean_interval(values)
    seeds = len(values)
    return Leader(number, setting, mean, *((low, high) if seeds > 1 else (None, None)), seeds)
