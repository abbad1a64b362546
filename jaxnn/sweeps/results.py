"""What a sweep gives back: a tidy table, a row a setting × replicate, and every row's curves."""

from __future__ import annotations

import csv
import dataclasses
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_value, unknown_name
from jaxnn.sweeps.engine import BlockResult
from jaxnn.sweeps.settings import Kind, Settings

__all__ = ["UNRUN", "Collector", "Results"]

UNRUN = -1
"""The status of a row that has not been run yet."""


@dataclasses.dataclass(frozen=True)
class Results:
    """Rows ordered by setting, then replicate.

    names: what a setting is made of. columns: "setting", "replicate", those names (NaN, or "" for
    what is structural, where a name does not exist in a setting), the metrics, "status" (0 ok,
    1 non-finite, 2 above the ceiling, −1 not run yet) and "status_step" (−1 where ok).
    curves: [rows, steps] for each scalar of a step, NaN where nothing was recorded.
    kinds: by name "number", "integer" or "structure".
    """

    names: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    curves: dict[str, NDArray[Any]]
    kinds: dict[str, Kind]

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


class Collector:
    """Puts the results of blocks in order, as they come."""

    def __init__(self, settings: Settings, num_seeds: int) -> None:
        self.settings, self.num_seeds = settings, num_seeds
        self.metrics: dict[str, NDArray[Any]] = {}
        self.curves: dict[str, NDArray[Any]] = {}

    def add(
        self, settings: NDArray[np.int64], replicates: NDArray[np.int64], result: BlockResult
    ) -> None:
        """What a block gave for these settings and replicates, [replicates, settings, ...]."""
        at = settings[None, :] * self.num_seeds + replicates[:, None]
        for table, found in ((self.metrics, result.metrics), (self.curves, result.curves)):
            for name, values in found.items():
                if name not in table:
                    table[name] = self._empty(name, values)
                table[name][at] = values

    def _empty(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        rows = self.settings.num_settings * self.num_seeds
        missing = np.nan if values.dtype.kind == "f" else 0
        missing = UNRUN if name == "status" else missing
        return np.full((rows, *values.shape[2:]), missing, values.dtype)

    def results(self) -> Results:
        """Everything that was added, by setting and then replicate."""
        rows = self.settings.num_settings * self.num_seeds
        setting, replicate = np.divmod(np.arange(rows), self.num_seeds)
        columns: dict[str, NDArray[Any]] = {"setting": setting, "replicate": replicate}
        columns |= {name: column[setting] for name, column in self.settings.columns.items()}
        kinds = self.settings.kinds
        if "status" not in self.metrics:  # nothing was added
            self.metrics["status"] = np.full(rows, UNRUN, np.int32)
        return Results(tuple(kinds), columns | self.metrics, self.curves, kinds)
