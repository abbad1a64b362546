"""What one swept number, or one structural choice, does to a metric over all of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_value
from jaxnn.plots import scales, style
from jaxnn.plots.trials import (
    CLEAR,
    STAR,
    Names,
    Trials,
    best,
    failures,
    interval,
    labelled,
    median_band,
    nothing,
    read,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["effect"]

_WINDOWS = 200
_MOST_OPTIONS = 24


@style.picture
def effect(
    columns: Mapping[str, ArrayLike],
    name: str,
    metric: str,
    *,
    log: bool | None = None,
    mode: str = "min",
    labels: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """The metric of every setting of a sweep against one of its numbers, with a running median.

    columns: a sweep's table, a row a setting × replicate. A dot is a setting's mean over its
    replicates, with Student's 95 % interval. The line is the median of neighbours: of 0.4 n^0.8
    settings next to one another (at least 9), or of those with the same value where these are at
    most 12; its band is the exact 95 % interval of a median, between order statistics, where they
    are 6 or more. The settings differ in their other numbers as well, so that the band says where a
    typical setting lies, and the best dots what can be reached. Failed settings count as worse than
    all others there, and stand as ticks at the edge. A name has a row an option instead, best
    median on top.
    log: whether the number's axis is logarithmic, decided by its values if None: also by their
    distance from 1. mode: "min" or "max". labels: how columns are written, with their units.
    Raises ValueError and TypeError for columns that are not there or do not match.
    Source of the interval: Thompson 1936, Annals of Mathematical Statistics 7.
    """
    trials = read("plots.effect", columns, [name], metric, mode)
    values = trials.swept[name]
    there = values.codes >= 0 if isinstance(values, Names) else np.isfinite(values)
    left_out = int(np.count_nonzero(~there))
    if not there.any():
        raise bad_value("plots.effect", name, "given in some setting", "none")
    trials = trials.take(np.flatnonzero(there))
    values = trials.swept[name]
    if isinstance(values, Names):
        figure, marks = _rows(trials, values)
        height = figure.get_figheight()
        figure.axes[0].set_xlabel(labelled(metric, labels, 50))
        figure.axes[0].set_ylabel(labelled(name, labels, int(11 * height - 14), lines=3))
    else:
        if log and np.any(values <= 0):
            got = f"{style.number(float(values.min()))} in {name!r}"
            fix = "Pass log=None or log=False."
            raise bad_value("plots.effect", "log", "used with numbers > 0 only", got, fix)
        figure, marks = _curve(trials, values, scales.choose(values, log=log))
        figure.axes[0].set_xlabel(labelled(name, labels, 50))
        figure.axes[0].set_ylabel(labelled(metric, labels, 30))
    if left_out:
        marks[f"without it, left out: {left_out:,}"] = nothing()
    style.title(figure, scales.wrapped(title, 58))
    if marks:
        style.legend_below(figure, list(marks.values()), list(marks), columns=2)
    return figure


def _curve(
    trials: Trials, x: NDArray[np.float64], kind: scales.Kind
) -> tuple[Figure, dict[str, Any]]:
    figure = style.figure(6.4, 4.4)
    axes = figure.subplots()
    measure = scales.choose(trials.mean)
    ends = scales.limits(measure, trials.mean, margin=0.08)
    scales.put(axes, "x", kind, scales.limits(kind, x), places=scales.single(kind, x))
    scales.put(axes, "y", measure, ends)
    axes.grid(True)
    places = _sideways(kind, x)
    marks = _dots(axes, trials, places, measure, upright=True)
    found = _medians(trials, x)
    if found is not None and np.isfinite(found[1][0]).any():
        at, band, words = found
        centre, low, high = np.clip(band, *ends)
        color = style.COLORS[1]
        axes.fill_between(at, low, high, color=color, alpha=0.3, linewidth=0, zorder=3)
        axes.plot(at, np.where(np.isfinite(band[0]), centre, np.nan), color=color, zorder=4)
        marks[words] = _band_mark(color, bool(np.isfinite(band[1:]).any()))
    _best(axes, trials, places, marks, upright=True)
    _ticks_at_edge(axes, trials, x, marks)
    return figure, marks


def _sideways(kind: scales.Kind, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the dots stand: those of the same value a little apart, if the values are few."""
    values = np.unique(x)
    if not 2 <= len(values) <= scales.FEW or len(values) == len(x):
        return x
    u = scales.even(kind, x)
    step = min(np.diff(scales.even(kind, values)).min() / 3, 0.04 * (u.max() - u.min()))
    return scales.restored(kind, u + step * _spread(x))


def _spread(x: NDArray[Any]) -> NDArray[Any]:
    """Offsets in [−0.5, 0.5), even by the golden ratio."""
    return np.arange(len(x)) * 0.6180339887498949 % 1 - 0.5


def _dots(
    axes: Axes, trials: Trials, places: NDArray[Any], measure: scales.Kind, *, upright: bool
) -> dict[str, Any]:
    """A dot and a bar a setting that did not fail; upright: the metric is the vertical axis."""
    from matplotlib.lines import Line2D

    good = ~trials.failed
    count = int(np.count_nonzero(good))
    size = float(np.clip(60 / np.sqrt(max(count, 1)), 1.5, 5))
    look: dict[str, Any] = {"color": style.COLORS[0], "rasterized": count > CLEAR}
    alpha = float(np.clip(12 / np.sqrt(max(count, 1)), 0.15, 0.9))
    low, high = interval(trials, measure)
    bars = axes.vlines if upright else axes.hlines
    if trials.most > 1:
        barred = good & np.isfinite(low) & np.isfinite(high)
        bars(places[barred], low[barred], high[barred], linewidth=0.8, alpha=alpha / 2, **look)
    pair = (places[good], trials.mean[good])
    axes.plot(
        *(pair if upright else pair[::-1]),
        linestyle="none",
        marker="o",
        markersize=size,
        markeredgewidth=0,
        alpha=alpha,
        **look,
    )
    mark = Line2D([], [], color=style.COLORS[0], marker="o", markersize=5, linewidth=0.8)
    if trials.most > 1:
        return {"setting: mean and 95 % interval": mark} if count else {}
    mark.set_linestyle("none")
    return {"setting": mark} if count else {}


def _medians(
    trials: Trials, x: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any], str] | None:
    """Where, the median with its interval [3, places], and words; None for too few settings."""
    worst = np.where(trials.failed, trials.sign * np.inf, trials.mean)
    values, group = np.unique(x, return_inverse=True)
    if 2 <= len(values) <= scales.FEW and len(x) >= 2 * len(values):
        bands = [median_band(worst[None, group == k])[:, 0] for k in range(len(values))]
        return values, np.array(bands).T, "median at a value, 95 % band"
    size = max(9, round(0.4 * len(x) ** 0.8))
    if len(x) < 2 * size:
        return None
    order = np.argsort(x, kind="stable")
    starts = np.unique(np.linspace(0, len(x) - size, _WINDOWS).round().astype(int))
    windows = order[starts[:, None] + np.arange(size)]
    at, first = np.unique(np.median(x[windows], axis=1), return_index=True)
    return at, median_band(worst[windows[first]]), f"median of {size:,} neighbours, 95 % band"


def _band_mark(color: str, band: bool) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    line = Line2D([], [], color=color)
    return (Patch(color=color, alpha=0.3, linewidth=0), line) if band else line


def _best(
    axes: Axes, trials: Trials, places: NDArray[Any], marks: dict[str, Any], *, upright: bool
) -> None:
    if not len(trials.order):
        return
    first = trials.order[0]
    pair = (places[first], trials.mean[first])
    (marks[best(trials)],) = axes.plot(*(pair if upright else pair[::-1]), **STAR)


def _ticks_at_edge(
    axes: Axes, trials: Trials, x: NDArray[np.float64], marks: dict[str, Any]
) -> None:
    """Failed settings at the edge where the metric is worst."""
    from matplotlib.lines import Line2D

    if not trials.failed.any():
        return
    ends = (0.955, 1.0) if trials.sign > 0 else (0.0, 0.045)
    at = x[trials.failed]
    many = len(at) > CLEAR
    axes.vlines(
        at,
        *ends,
        transform=axes.get_xaxis_transform(),
        color=style.INK,
        linewidth=1.2,
        alpha=float(np.clip(8 / np.sqrt(len(at)), 0.1, 0.9)),
        rasterized=many,
        zorder=5,
    )
    marks[failures(trials)] = Line2D([], [], color=style.INK, marker="|", linestyle="none")
    if trials.failed.all():
        axes.set_yticks([])


def _rows(trials: Trials, values: Names) -> tuple[Figure, dict[str, Any]]:
    """A row an option: a dot a setting, the median and its interval, how many failed."""
    worst = np.where(trials.failed, trials.sign * np.inf, trials.mean)
    bands = np.array(
        [median_band(worst[None, values.codes == k])[:, 0] for k in range(len(values.options))]
    ).reshape(-1, 3)
    order = np.argsort(trials.sign * bands[:, 0], kind="stable")[:_MOST_OPTIONS]
    place = np.full(len(values.options) + 1, np.nan)
    place[order] = np.arange(len(order), dtype=float)
    rows = place[values.codes]
    places = rows + 0.56 * _spread(rows)
    figure = style.figure(6.4, 2.1 + 0.42 * max(len(order), 2))
    axes = figure.subplots()
    measure = scales.choose(trials.mean)
    ends = scales.limits(measure, trials.mean)
    scales.put(axes, "x", measure, ends)
    axes.set_ylim(max(len(order), 1) - 0.4, -0.6)
    named = [scales.wrapped(values.options[k], 18, lines=2) for k in order]
    axes.set_yticks(np.arange(len(order)), named)
    axes.grid(True, axis="x")
    marks = _dots(axes, trials, places, measure, upright=False)
    color = style.COLORS[1]
    for row, (centre, low, high) in enumerate(bands[order]):
        if np.isfinite(centre):
            axes.vlines(centre, row - 0.32, row + 0.32, color=color, linewidth=2.2, zorder=4)
        if not np.isnan(low):
            span = np.clip([low, high], *ends)
            axes.fill_betweenx([row - 0.32, row + 0.32], *span, color=color, alpha=0.3, linewidth=0)
    has_band = bool(np.isfinite(bands[order, 1]).any())
    if np.isfinite(bands[order, 0]).any():
        marks["median and 95 % interval" if has_band else "median"] = _band_mark(color, has_band)
    _best(axes, trials, places, marks, upright=False)
    _counts(axes, rows, trials.failed, len(order))
    if len(values.options) > len(order):
        marks[f"options not shown: {len(values.options) - len(order):,}"] = nothing()
    if trials.failed.all():
        axes.set_xticks([])
    return figure, marks


def _counts(axes: Axes, rows: NDArray[np.float64], failed: NDArray[np.bool_], count: int) -> None:
    """How many settings each row has, and how many of them failed, right of it."""
    right = axes.secondary_yaxis("right")
    words = []
    for k in range(count):
        total, bad = np.count_nonzero(rows == k), np.count_nonzero(failed & (rows == k))
        words.append(f"{bad:,} of {total:,} failed" if bad else f"{total:,}")
    right.set_yticks(np.arange(count), words)
    right.spines["right"].set_visible(False)
    right.tick_params(length=0, labelsize=9)
