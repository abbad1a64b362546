"""A metric over two swept numbers: cells for a grid, else dots over their smoothed neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_type, bad_value
from jaxnn.plots import scales, style
from jaxnn.plots.cells import cells, frame
from jaxnn.plots.trials import (
    CLEAR,
    STAR,
    Names,
    Trials,
    best,
    failures,
    labelled,
    nothing,
    read,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

__all__ = ["heat_map"]

_CELLS = 40
"""A grid has at most so many columns and rows."""

_PIXELS = 80


@style.picture
def heat_map(
    columns: Mapping[str, ArrayLike],
    x: str,
    y: str,
    metric: str,
    *,
    log: Mapping[str, bool] | None = None,
    mode: str = "min",
    labels: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """The metric of a sweep's settings over two of its numbers, dark where it is good.

    columns: a sweep's table, a row a setting × replicate; a setting is its mean over replicates,
    and failed with any of them. Where the numbers form a grid, a cell, all of one size, is the
    median of its settings (several where other numbers are swept too), failed ones counting as
    worst. Else a dot is a setting, and the ground is the mean of the settings around, weighted by a
    Gaussian whose width is n^(−1/6)/5 of each axis; it is white where failed ones weigh more.
    log: by name whether an axis is logarithmic, decided by its values if not given. mode: "min" or
    "max". labels: how columns are written, with their units.
    Raises ValueError and TypeError for columns that are not there, do not match or hold names.
    Source of the ground: Nadaraya 1964; Watson 1964 (kernel regression).
    """
    where = "plots.heat_map"
    trials = read(where, columns, [x, y], metric, mode)
    if x == y:
        raise bad_value(where, "y", "another number than `x`", repr(y))
    points = np.stack([_numbers(where, trials, name, metric) for name in (x, y)])
    there = np.all(np.isfinite(points), axis=0)
    if not there.any():
        raise bad_value(where, f"{x}, {y}", "given together in some setting", "none")
    trials, points = trials.take(np.flatnonzero(there)), points[:, there]
    wanted = [_wanted(where, name, v, log) for name, v in zip((x, y), points, strict=True)]
    figure = style.figure(6.4, 4.9)
    axes = figure.subplots()
    measure = scales.choose(trials.mean)
    ends = scales.limits(measure, trials.mean, margin=0)
    norm = _norm(measure, ends)
    colors = "cividis" if mode == "min" else "cividis_r"
    if _is_grid(points):
        marks = cells(axes, trials, points, norm, colors)
    else:
        kinds: list[scales.Kind] = [
            scales.choose(v, log=flag) for v, flag in zip(points, wanted, strict=True)
        ]
        marks = _dots(axes, trials, points, kinds, norm, colors)
    axes.set(xlabel=labelled(x, labels, 40), ylabel=labelled(y, labels, 36))
    if len(trials.order):
        _bar(figure, axes, norm, colors, measure, labelled(metric, labels, 36))
    if not np.all(there):
        marks[f"left out: {np.count_nonzero(~there):,} without both"] = nothing()
    style.title(figure, scales.wrapped(title, 58))
    style.legend_below(figure, list(marks.values()), list(marks), columns=2)
    return figure


def _numbers(where: str, trials: Trials, name: str, metric: str) -> NDArray[np.float64]:
    values = trials.swept[name]
    if isinstance(values, Names):
        fix = f"Use plots.effect(columns, {name!r}, {metric!r})."
        raise bad_type(where, name, "a column of numbers", "names", fix)
    return values


def _wanted(
    where: str, name: str, values: NDArray[np.float64], log: Mapping[str, bool] | None
) -> bool | None:
    wanted = (log or {}).get(name)
    if wanted and np.any(values <= 0):
        got = f"{style.number(float(values.min()))} in {name!r}"
        raise bad_value(where, "log", "used with numbers > 0 only", got, f"Leave {name!r} out.")
    return wanted


def _is_grid(points: NDArray[np.float64]) -> bool:
    """Most combinations of few values were tried."""
    wide, tall = (len(np.unique(values)) for values in points)
    return min(wide, tall) > 1 and max(wide, tall) <= _CELLS and wide * tall <= 1.5 * len(points[0])


def _norm(measure: scales.Kind, ends: tuple[float, float]) -> Normalize:
    from matplotlib.colors import FuncNorm, LogNorm, Normalize

    if measure == "one_minus":
        functions = (lambda x: scales.even(measure, x), lambda u: scales.restored(measure, u))
        return FuncNorm(functions, *ends)
    return LogNorm(*ends) if measure == "log" else Normalize(*ends)


def _bar(
    figure: Figure, axes: Axes, norm: Normalize, colors: str, measure: scales.Kind, label: str
) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(norm, colors), ax=axes, pad=0.02)
    places = scales.ticks(measure, float(norm.vmin or 0), float(norm.vmax or 0))
    bar.set_ticks(places, labels=scales.texts(places))
    bar.ax.minorticks_off()
    bar.set_label(label)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]


def _dots(
    axes: Axes,
    trials: Trials,
    points: NDArray[np.float64],
    kinds: list[scales.Kind],
    norm: Normalize,
    colors: str,
) -> dict[str, Any]:
    from matplotlib import colormaps
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shade = colormaps["cividis"]
    ends = [scales.limits(kind, v) for kind, v in zip(kinds, points, strict=True)]
    for which, kind, span in zip("xy", kinds, ends, strict=True):
        scales.put(axes, which, kind, span)
    frame(axes)
    many = len(trials.mean) > CLEAR
    marks: dict[str, Any] = {}
    if len(trials.order) > 9:
        edges, ground = _ground(trials, points, kinds, ends, norm)
        axes.pcolormesh(*edges, ground, norm=norm, cmap=colors, rasterized=True, alpha=0.5)
        marks["mean of the settings around"] = Patch(color=shade(0.25), alpha=0.5, linewidth=0)
    size = float(np.clip(7000 / len(trials.mean), 3, 45))
    good = ~trials.failed
    if trials.failed.any():
        for color, width in (("white", 2.6), (style.INK, 1.1)):
            look: dict[str, Any] = {"color": color, "rasterized": many}
            look["linewidths"] = width / 3 if many else width
            axes.scatter(*points[:, ~good], marker="x", s=min(size, 26), **look)
        marks[failures(trials)] = Line2D([], [], marker="x", color=style.INK, linestyle="none")
    if good.any():
        axes.scatter(
            *points[:, good],
            c=trials.mean[good],
            norm=norm,
            cmap=colors,
            s=size,
            edgecolor="white",
            linewidth=0 if many else 0.7,
            rasterized=many,
        )
        dot = Line2D([], [], marker="o", color=shade(0.25), linestyle="none")
        (star,) = axes.plot(*points[:, trials.order[:1]], **STAR)
        marks |= {"setting": dot, best(trials): star}
    return dict(reversed(marks.items()))  # what lies on top is named first


def _ground(
    trials: Trials,
    points: NDArray[np.float64],
    kinds: list[scales.Kind],
    ends: list[tuple[float, float]],
    norm: Normalize,
) -> tuple[list[NDArray[np.float64]], Any]:
    """Edges of pixels and the metric smoothed onto them, masked where failures weigh more."""
    from scipy.ndimage import gaussian_filter

    spans = [scales.even(kind, span) for kind, span in zip(kinds, ends, strict=True)]
    shares = [
        (scales.even(kind, v) - low) / (high - low)
        for kind, v, (low, high) in zip(kinds, points, spans, strict=True)
    ]
    good = ~trials.failed
    level = np.zeros(len(good))
    level[good] = np.asarray(norm(trials.mean[good]))

    def smooth(weights: NDArray[Any]) -> NDArray[np.float64]:
        box = ((0, 1), (0, 1))
        sums, *_ = np.histogram2d(*shares, bins=_PIXELS, range=box, weights=weights)
        width = 0.2 * _PIXELS * len(good) ** (-1 / 6)
        return gaussian_filter(sums.T, width, mode="constant")

    weight, failed = smooth(good.astype(float)), smooth(1.0 * ~good)
    value = np.clip(smooth(level) / np.maximum(weight, 1e-300), 0, 1)
    bare = (weight <= failed) | (weight <= 1e-6 * weight.max())
    ground = np.ma.masked_invalid(np.where(bare, np.nan, norm.inverse(value)))
    edges = [
        scales.restored(kind, np.linspace(low, high, _PIXELS + 1))
        for kind, (low, high) in zip(kinds, spans, strict=True)
    ]
    return edges, ground
