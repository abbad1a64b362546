"""What blocks gave, put in order as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.engine import BlockResult
from jaxnn.sweeps.results import STOPPED, UNRUN, Results
from jaxnn.sweeps.rungs import Rungs
from jaxnn.sweeps.settings import Settings

__all__ = ["Collector"]


class Collector:
    """Rows of a sweep as they fill: metrics, and curves of `num_steps` steps."""

    def __init__(
        self, settings: Settings, num_seeds: int, num_steps: int, space: Any = None
    ) -> None:
        self.settings, self.num_seeds, self.num_steps = settings, num_seeds, num_steps
        self.space = space
        self.metrics: dict[str, NDArray[Any]] = {}
        self.curves: dict[str, NDArray[Any]] = {}
        self.stopped = np.full((settings.num_settings, num_seeds), -1, np.int64)  # at which step

    @property
    def num_rows(self) -> int:
        """Settings × replicates."""
        return self.settings.num_settings * self.num_seeds

    def add(
        self,
        settings: NDArray[np.int64],
        replicates: NDArray[np.int64],
        result: BlockResult,
        first: int = 0,
    ) -> None:
        """What a block gave for these settings and replicates, [replicates, settings, ...].

        first: the step at which its curves begin.
        """
        at = settings[None, :] * self.num_seeds + replicates[:, None]
        _fill(self.metrics, result.metrics, at, self.num_rows)
        for name, values in result.curves.items():
            if values.dtype.kind == "V":
                values = values.astype(np.float32)
            if name not in self.curves:
                self.curves[name] = _empty(name, (self.num_rows, self.num_steps), values.dtype)
            self.curves[name][at, first : first + values.shape[-1]] = values

    def stop(self, rows: NDArray[np.bool_], step: int) -> None:
        """These rows [settings, replicates] do not go on after this many steps."""
        self.stopped[rows] = step

    def scores(self, metric: str, mode: str) -> NDArray[np.float64]:
        """A metric as [settings, replicates], less is better, +infinity where a row failed."""
        sign = 1.0 if mode == "min" else -1.0
        values = sign * self.metrics[metric].astype(np.float64)
        bad = (self.metrics["status"] != 0) | ~np.isfinite(values)
        return np.where(bad, np.inf, values).reshape(-1, self.num_seeds)

    def results(self, rungs: tuple[Rungs, ...] = ()) -> Results:
        """Everything that was added, by setting and then replicate."""
        setting, replicate = np.divmod(np.arange(self.num_rows), self.num_seeds)
        columns: dict[str, NDArray[Any]] = {"setting": setting, "replicate": replicate}
        columns |= {name: column[setting] for name, column in self.settings.columns.items()}
        metrics = dict(self.metrics)
        if "status" not in metrics:  # nothing was added
            metrics["status"] = np.full(self.num_rows, UNRUN, np.int32)
        elif (self.stopped >= 0).any():
            metrics |= self._with_stopped(metrics)
        kinds = self.settings.kinds
        given = columns | metrics, dict(self.curves), kinds, rungs
        return Results(tuple(kinds), *given, space=self.space)

    def _with_stopped(self, metrics: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        step, status = self.stopped.ravel(), metrics["status"]
        here = (step >= 0) & (status == 0)
        status = np.where(here, STOPPED, status).astype(status.dtype)
        # A trial whose metrics are not finite at a rung has failed there, not at its end.
        failed = metrics["status_step"]
        failed = np.where((step >= 0) & (status != STOPPED), np.minimum(failed, step), failed)
        return {"status": status, "status_step": np.where(here, step, failed).astype(np.int32)}


def _fill(
    table: dict[str, NDArray[Any]],
    found: Mapping[str, NDArray[Any]],
    at: NDArray[np.int64],
    num_rows: int,
) -> None:
    for name, values in found.items():
        if values.dtype.kind == "V":  # floats of few bits, with which NumPy does not count
            values = values.astype(np.float32)
        if name not in table:
            table[name] = _empty(name, (num_rows, *values.shape[2:]), values.dtype)
        table[name][at] = values


def _empty(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    missing = np.nan if dtype.kind == "f" else 0
    return np.full(shape, UNRUN if name == "status" else missing, dtype)
