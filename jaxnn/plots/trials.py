"""What a picture reads from the columns of a sweep: its settings, and how good each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_type, bad_value, shown, unknown_name
from jaxnn.plots import scales, style

__all__ = [
    "CLEAR",
    "STAR",
    "Names",
    "Trials",
    "best",
    "failures",
    "interval",
    "labelled",
    "median_band",
    "nothing",
    "read",
    "thinned",
]

UNRUN, STOPPED = -1, 3
"""Statuses of a sweep's rows that are neither done nor failed."""

CLEAR = 2000
"""More signs than that are drawn as pixels, in SVG too."""

STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 14,
    "linestyle": "none",
    "color": style.COLORS[4],
    "markeredgecolor": "black",
    "clip_on": False,
    "zorder": 6,
}
"""The look of the best setting."""


class Names(NamedTuple):
    """A column of names: the options in their order, and which of them each setting has."""

    options: tuple[str, ...]
    codes: NDArray[np.int64]  # −1 where the name does not exist in a setting


class Trials(NamedTuple):
    """The settings of a sweep, an entry each, by their numbers."""

    setting: NDArray[np.int64]  # their numbers
    swept: dict[str, NDArray[np.float64] | Names]  # NaN where a number does not exist
    mean: NDArray[np.float64]  # of the metric over replicates, NaN where one of them failed
    half: NDArray[np.float64]  # of Student's 95 % interval, NaN where there is one replicate
    most: int  # replicates
    sign: int  # 1 where less is better, −1 where more is
    stopped: NDArray[np.bool_]  # of which a replicate was stopped early

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Settings of which a replicate failed."""
        return np.isnan(self.mean)

    @property
    def order(self) -> NDArray[np.int64]:
        """Settings from the best mean to the worst, without those that failed.

        Those that were stopped early come after those that were not, as in `Results.ranking`: what
        they had then was measured after fewer steps.
        """
        order = np.lexsort((self.sign * self.mean, self.stopped, self.failed))
        return order[: np.count_nonzero(~self.failed)]

    def take(self, rows: NDArray[Any]) -> Trials:
        """These settings alone."""
        swept = {
            name: x._replace(codes=x.codes[rows]) if isinstance(x, Names) else x[rows]
            for name, x in self.swept.items()
        }
        return self._replace(
            setting=self.setting[rows],
            swept=swept,
            mean=self.mean[rows],
            half=self.half[rows],
            stopped=self.stopped[rows],
        )


def read(
    where: str, columns: Mapping[str, ArrayLike], names: Sequence[str], metric: str, mode: str
) -> Trials:
    """The settings, with the columns `names` and their means of `metric` over replicates.

    columns: an entry a row; "setting" says which rows are replicates of one setting (each row is a
    setting where there is none), and by "status" a row is done (0), was stopped early and shows
    what it had then (3), has not been run and is left out (−1), or failed, as did those whose
    metric is not finite. A setting fails with any of its rows, as in `Results.ranking`.
    Raises ValueError and TypeError for columns that are not there or do not match.
    """
    if not isinstance(columns, Mapping):
        fix = "Pass results.table()."
        raise bad_type(where, "columns", "a dict of columns", shown(columns), fix)
    if mode not in ("min", "max"):
        raise bad_value(where, "mode", "'min' or 'max'", repr(mode))
    if metric not in columns:
        raise unknown_name(where, "metric", metric, columns)
    for name in names:
        if name not in columns:
            raise unknown_name(where, "name", name, columns)
    values = np.asarray(columns[metric])
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        constraint = "of real numbers, one a row"
        raise bad_type(where, metric, constraint, shown(columns[metric]), "Choose a metric.")
    if not len(values):
        raise bad_value(where, "columns", "of at least one row that was run", "none")
    for name in [*names, *{"setting", "status"} & set(columns)]:
        if np.shape(columns[name]) != values.shape:
            constraint = f"of {len(values)} rows, as {metric!r}"
            raise bad_value(where, name, constraint, shown(columns[name]))
    status = np.asarray(columns.get("status", np.zeros(len(values))))
    if (status == UNRUN).any():
        all_of_them = {"setting": np.arange(len(values))} | dict(columns)
        columns = {name: np.asarray(x)[status != UNRUN] for name, x in all_of_them.items()}
        return read(where, columns, names, metric, mode)
    good = (status == 0) | (status == STOPPED)
    values = np.where(good, values.astype(np.float64), np.nan)
    setting, first, of_row, count = np.unique(
        np.asarray(columns.get("setting", np.arange(len(values)))),
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.bincount(of_row, values) / count
        squares = np.bincount(of_row, (values - mean[of_row]) ** 2)
        half = _quantile(count) * np.sqrt(squares / np.maximum(count - 1, 1) / count)
    usable = np.isfinite(mean)
    swept = {name: _column(np.asarray(columns[name])[first]) for name in names}
    mean = np.where(usable, np.clip(mean, -scales.LARGEST, scales.LARGEST), np.nan)
    stopped = np.bincount(of_row, status == STOPPED) > 0
    sign = 1 if mode == "min" else -1
    return Trials(setting, swept, mean, half, int(count.max()), sign, stopped)


def _quantile(count: NDArray[np.int64]) -> NDArray[np.float64]:
    from scipy.stats import t

    return np.where(count > 1, t.ppf(0.975, np.maximum(count - 1, 1)), np.nan)


def _column(x: NDArray[Any]) -> NDArray[np.float64] | Names:
    """Numbers, also those that are structural, or names; "" is what does not exist."""
    if x.dtype.kind in "fiu":
        x = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
        return np.clip(x, -scales.LARGEST, scales.LARGEST)
    there = [not (isinstance(v, str) and v == "") for v in x]
    found = [v for v, exists in zip(x, there, strict=True) if exists]
    if found and all(isinstance(v, int | float) and not isinstance(v, bool) for v in found):
        numbers = [float(v) if exists else np.nan for v, exists in zip(x, there, strict=True)]
        return _column(np.array(numbers))
    options = tuple(sorted({str(v) for v in found}))
    code = {name: k for k, name in enumerate(options)}
    codes = [code[str(v)] if exists else -1 for v, exists in zip(x, there, strict=True)]
    return Names(options, np.array(codes, np.int64))


def interval(trials: Trials, kind: scales.Kind) -> tuple[NDArray[Any], NDArray[Any]]:
    """The ends of the 95 % interval of each mean, on a metric's axis of this kind.

    On a logarithmic axis that of the mean's logarithm, by the delta method, which stays above 0.
    """
    if kind == "log":
        with np.errstate(over="ignore"):
            factor = np.exp(trials.half / trials.mean)
            return trials.mean / factor, trials.mean * factor
    return trials.mean - trials.half, trials.mean + trials.half


def median_band(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of each row and its 95 % interval between order statistics, [3, rows]; ∞ is allowed.

    NaN for ends where a row has fewer than 6 values, too few for such an interval.
    Source: Thompson 1936, Annals of Mathematical Statistics 7.
    """
    from scipy.stats import binom

    ordered = np.sort(rows, axis=1)
    n = ordered.shape[1]
    low, high = ordered[:, (n - 1) // 2], ordered[:, n // 2]
    median = np.where(low == high, low, low / 2 + high / 2)
    if n < 6:
        return np.stack([median, *np.full((2, len(rows)), np.nan)])
    rank = int(binom.ppf(0.025, n, 0.5))
    return np.stack([median, ordered[:, rank - 1], ordered[:, n - rank]])


def best(trials: Trials) -> str:
    """The best setting, in words."""
    k = trials.order[0]
    return f"best: {style.number(float(trials.mean[k]))}, setting {trials.setting[k]}"


def failures(trials: Trials) -> str:
    """How many settings failed, in words."""
    total, failed = len(trials.mean), int(np.count_nonzero(trials.failed))
    settings = f"of {total:,} setting" + "s" * (total != 1)
    return f"failed: {failed:,} {settings}" if failed < total else f"failed: all {settings}"


def labelled(name: str, labels: Mapping[str, str] | None, width: int, *, lines: int = 2) -> str:
    """How a column is written: its label where there is one, else its name, in lines."""
    return scales.wrapped((labels or {}).get(name, name), width, lines=lines)


def thinned(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` of them, evenly, from the first to the last."""
    kept = np.linspace(0, max(len(order) - 1, 0), min(count, len(order)))
    return order[kept.astype(int)]


def nothing() -> Any:
    """What stands before words of a legend that belong to no sign."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none")
