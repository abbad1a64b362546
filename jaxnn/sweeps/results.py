"""What a sweep gives back: a tidy table, a row a setting × replicate, and every row's curves."""

from __future__ import annotations

import csv
import dataclasses
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_value, unknown_name
from jaxnn.sweeps.rungs import Lineage, Rungs
from jaxnn.sweeps.settings import Kind, Settings

__all__ = ["STOPPED", "UNRUN", "Results"]

UNRUN = -1
"""The status of a row that has not been run yet."""

STOPPED = 3
"""The status of a row that a rule of early stopping did not let go on."""


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
    lineage: of a population, whose columns of numbers are those at the end.
    """

    names: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    curves: dict[str, NDArray[Any]]
    kinds: dict[str, Kind]
    rungs: tuple[Rungs, ...] = ()
    lineage: Lineage | None = None

    def __repr__(self) -> str:
        rows = len(self.columns["setting"])
        failed = int(np.count_nonzero(self.status))
        return f"Results({rows} rows, {failed} failed, columns: {', '.join(self.columns)})"

    def table(self) -> dict[str, NDArray[Any]]:
        """The columns, one entry a row."""
        return dict(self.columns)

    @property
    def status(self) -> NDArray[Any]:
        """The status code of each row."""
        return self.columns["status"]

    @property
    def num_settings(self) -> int:
        """How many settings were tried."""
        return int(self.columns["setting"].max()) + 1

    def by_setting(self, metric: str, *, mode: str = "min") -> NDArray[np.float64]:
        """The metric as [settings, replicates]; failed rows count as the worst, ±infinity.

        Raises ValueError for a column that is not there, or a mode other than "min" and "max".
        """
        if metric not in self.columns:
            raise unknown_name("Results", "metric", metric, self.columns)
        if mode not in ("min", "max"):
            raise bad_value("Results", "mode", "'min' or 'max'", repr(mode))
        worst = np.inf if mode == "min" else -np.inf
        values = self.columns[metric].astype(np.float64)
        bad = (self.status != 0) | ~np.isfinite(values)
        return np.where(bad, worst, values).reshape(self.num_settings, -1)

    def ranking(self, metric: str, *, mode: str = "min") -> NDArray[np.int64]:
        """Settings from the best mean over replicates to the worst; ties and failures by number."""
        means = self.by_setting(metric, mode=mode).mean(axis=1)
        return np.argsort(means if mode == "min" else -means, kind="stable")

    def setting(self, number: int) -> dict[str, Any]:
        """A setting as Python values, without what does not exist in it."""
        first = self.columns["setting"].searchsorted(number)
        columns = {name: self.columns[name][first : first + 1] for name in self.names}
        return Settings(columns, self.kinds, 1).setting(0)

    def best(self, metric: str, *, mode: str = "min") -> dict[str, Any]:
        """The setting whose mean over replicates is best."""
        return self.setting(int(self.ranking(metric, mode=mode)[0]))

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame, a row a setting × replicate (the extra `table`).

        Metrics that are arrays are lists in their column.
        """
        import pandas  # pyright: ignore[reportMissingImports]

        flat = {k: x if x.ndim == 1 else list(x) for k, x in self.columns.items()}
        return pandas.DataFrame(flat)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the table as CSV, numbers with all their digits; metrics that are arrays as lists.

        A run that gives the same table gives the same bytes.
        """
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows(zip(*(x.tolist() for x in self.columns.values()), strict=True))

    def to_parquet(self, path: str | PathLike[str]) -> None:
        """Write the table as Parquet (the extra `table`)."""
        self.to_pandas().to_parquet(path, index=False)
