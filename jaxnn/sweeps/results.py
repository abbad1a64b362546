"""What a sweep gives back: a tidy table, a row a setting × replicate, and every row's curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_value, unknown_name
from jaxnn.sweeps.engine import BlockResult
from jaxnn.sweeps.plan import Block, Plan

__all__ = ["Results", "collect"]


@dataclasses.dataclass(frozen=True)
class Results:
    """Rows ordered by setting, then replicate.

    names: the numbers of a setting. columns: "setting", "replicate", those numbers, the metrics,
    "status" (0 ok, 1 non-finite, 2 above the ceiling) and "status_step" (−1 where ok).
    curves: [rows, steps] for each scalar of a step, NaN where nothing was recorded.
    """

    names: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    curves: dict[str, NDArray[Any]]

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

    def setting(self, number: int) -> dict[str, float]:
        """The numbers of a setting."""
        row = int(np.argmax(self.columns["setting"] == number))
        return {name: float(self.columns[name][row]) for name in self.names}

    def best(self, metric: str, *, mode: str = "min") -> dict[str, float]:
        """The numbers of the setting whose mean over replicates is best."""
        return self.setting(int(self.ranking(metric, mode=mode)[0]))


def collect(plan: Plan, blocks: Sequence[tuple[Block, BlockResult]]) -> Results:
    """The results of all blocks of a plan, put in order."""
    rows = plan.num_settings * plan.num_seeds
    setting, replicate = np.divmod(np.arange(rows), plan.num_seeds)
    columns: dict[str, NDArray[Any]] = {"setting": setting, "replicate": replicate}
    columns |= {name: column[setting] for name, column in plan.settings.items()}
    first = blocks[0][1]
    metrics = {k: np.empty((rows, *x.shape[2:]), x.dtype) for k, x in first.metrics.items()}
    curves = {k: np.empty((rows, *x.shape[2:]), x.dtype) for k, x in first.curves.items()}
    for block, result in blocks:
        settings = block.settings[: block.num_settings]
        replicates = block.replicates[: block.num_replicates]
        at = settings[None, :] * plan.num_seeds + replicates[:, None]
        for target, source in ((metrics, result.metrics), (curves, result.curves)):
            for name, values in source.items():
                target[name][at] = values
    columns |= metrics
    if "status" not in columns:
        finite = np.ones(rows, bool)
        for values in metrics.values():
            finite &= np.isfinite(values).reshape(rows, -1).all(axis=1)
        columns["status"] = np.where(finite, 0, 1)
        columns["status_step"] = np.full(rows, -1)
    return Results(tuple(plan.settings), columns, curves)
