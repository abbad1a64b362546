"""Pictures of many runs: learning curves with bands, and what a number does to a metric."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_value
from jaxnn.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["learning_curves", "sensitivity"]

GREY = "#BBBBBB"


@style.picture
def learning_curves(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str = "step",
    ylabel: str = "loss",
    title: str = "",
    log: bool = True,
) -> Figure:
    """A panel a name: its mean with a 95 % band over its runs, before those of all others in grey.

    curves: name → (steps [T], values [runs, T]). Steps at which no run has a value are left out; a
    line is the mean over runs, its band Student's interval (on a log axis, those of the logarithm,
    so the geometric mean). A run that failed drops out of its line where it fails; a panel without
    any value says so.
    Raises ValueError where shapes do not match.
    """
    lines = {name: _band(name, *curve, log=log) for name, curve in curves.items()}
    centres = np.concatenate([centre for _, centre, _, _ in lines.values()])
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    log = log and bool(len(centres)) and bool(np.all(centres > 0))
    figure, panels = _panels(len(lines), xlabel, sharex=True)
    for index, (axes, (name, (steps, centre, low, high))) in enumerate(
        zip(panels, lines.items(), strict=True)
    ):
        for other in lines.values():
            axes.plot(other[0], other[1], color=GREY, linewidth=0.8)
        look: dict[str, Any] = style.series(index) | {"linestyle": "-"}
        axes.fill_between(steps, low, high, color=look["color"], alpha=0.3, linewidth=0)
        axes.plot(steps, centre, markevery=max(len(steps) // 6, 1), markersize=5, **look)
        if not len(steps):
            runs = len(np.atleast_2d(curves[name][1]))
            text = f"failed on {runs} of {runs} seeds"
            white = {"facecolor": "white", "edgecolor": "none"}  # the others run behind it
            axes.text(
                0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", bbox=white
            )
        if log:
            axes.set_yscale("log")
        if not len(centres):
            axes.set(xticks=[], yticks=[])
        axes.minorticks_off()  # on eight panels they take most of the time of a picture
        axes.set_title(name, fontsize=10)
        axes.grid(True, axis="y")
        axes.margins(x=0.04)  # markers at the ends are whole
    if log:
        _readable_ticks(panels[0].yaxis)
    band = (Patch(color=style.INK, alpha=0.3, linewidth=0), Line2D([], [], color=style.INK))
    marks: dict[str, Any] = {f"{_mean(log)} and 95 % band": band}
    if len(lines) > 1:
        marks["the others"] = Line2D([], [], color=GREY, linewidth=0.8)
    return _titled(figure, title, ylabel, marks)


def _panels(number: int, xlabel: str, *, sharex: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of `number` panels with a common vertical axis, at most four a row.

    The lowest panel of each column says what its horizontal axis is.
    """
    columns = min(4, max(number, 1))
    rows = -(-max(number, 1) // columns)
    figure = style.figure(max(2.6 * columns + 0.6, 5.0), max(2.3 * rows + 0.7, 3.4))
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(wspace=0.06)  # pyright: ignore[reportCallIssue]  # labels of neighbours stay apart
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=True, squeeze=False)
    for axes in grid.flat[max(number, 1) :]:
        axes.set_visible(False)
    panels = list(grid.flat[: max(number, 1)])
    for axes in panels[-columns:]:
        axes.set_xlabel(xlabel)
        axes.tick_params(labelbottom=True)
    return figure, panels[:number]


def _readable_ticks(axis: Any) -> None:
    """Two labels or more on a logarithmic axis, whatever part of a decade it shows."""
    from matplotlib.ticker import FixedLocator, FormatStrFormatter, MaxNLocator

    low, high = axis.get_view_interval()
    if high < 1.0001 * low:  # a single value, to which matplotlib gives no room
        low, high = low / 4, high * 4
        getattr(axis.axes, f"set_{axis.axis_name}lim")(low, high)
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    if np.sum((powers >= low) & (powers <= high)) > 1:
        return
    few = (powers[:, None] * [1, 2, 5]).ravel()
    shown = few[(few >= low) & (few <= high)]
    axis.set_major_locator(FixedLocator(shown) if len(shown) > 1 else MaxNLocator(3))
    axis.set_major_formatter(FormatStrFormatter("%g"))


def _mean(log: bool) -> str:
    return "geometric mean" if log else "mean"


def _titled(figure: Figure, title: str, ylabel: str, marks: Mapping[str, Any]) -> Figure:
    """The figure with its words around it; marks: what each sign means → what it looks like."""
    width, height = figure.get_size_inches()
    figure.supylabel(textwrap.fill(ylabel, int(10 * height)), fontsize=10)
    style.title(figure, textwrap.fill(title, int(9 * width)))
    style.legend_below(figure, list(marks.values()), list(marks), columns=len(marks))
    return figure


def _band(
    name: str, steps: ArrayLike, values: ArrayLike, *, log: bool
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    x, y = np.asarray(steps), np.atleast_2d(np.asarray(values, np.float64))
    if x.shape != y.shape[1:]:
        constraint = f"of shape [runs, {len(x)}]"
        raise bad_value("learning_curves", name, constraint, y.shape, "Match steps and values.")
    seen = np.isfinite(y).any(axis=0)
    x, y = x[seen], np.where(np.isfinite(y), y, np.nan)[:, seen]
    use_log = log and bool(np.all(y[np.isfinite(y)] > 0))
    centre, low, high = _student(np.log(y) if use_log else y)
    return (x, np.exp(centre), np.exp(low), np.exp(high)) if use_log else (x, centre, low, high)


def _student(y: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean over axis 0 and Student's 95 % interval, NaN left out; no band for a single value."""
    from scipy.stats import t

    count = np.isfinite(y).sum(axis=0)
    mean = np.nansum(y, axis=0) / np.maximum(count, 1)
    squares = np.nansum((y - mean) ** 2, axis=0)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    quantile = np.where(count > 1, t.ppf(0.975, np.maximum(count - 1, 1)), 0.0)
    half = quantile * deviation / np.sqrt(np.maximum(count, 1))
    return mean, mean - half, mean + half


@style.picture
def sensitivity(
    points: Mapping[str, tuple[ArrayLike, ArrayLike, float | None]],
    *,
    xlabel: str = "learning rate",
    ylabel: str = "loss",
    title: str = "",
) -> Figure:
    """A panel a name: the metric at every value tried of one number, with 95 % intervals over runs.

    points: name → (value of the number for each run, metric of each run, the value chosen or None).
    Runs with the same value are one point. A value at which a run failed stands as a cross at the
    top. Both axes are logarithmic where everything is positive.
    """
    from matplotlib.lines import Line2D

    everything = [np.asarray(metric, np.float64) for _, metric, _ in points.values()]
    finite = np.concatenate([m[np.isfinite(m)] for m in everything]) if everything else np.ones(1)
    log = bool(len(finite)) and bool(np.all(finite > 0))
    top = float(finite.max()) if len(finite) else 1.0
    figure, panels = _panels(len(points), xlabel)
    for index, (axes, (name, runs)) in enumerate(zip(panels, points.items(), strict=True)):
        if log:
            axes.set_yscale("log")
        _panel(axes, *runs, look=style.series(index), log=log, top=top)
        axes.set_title(name, fontsize=10)
    if log:
        _readable_ticks(panels[0].yaxis)
    sign: dict[str, Any] = {"color": style.INK, "linestyle": "none"}
    hollow: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "markersize": 4.5}
    marks = {f"{_mean(log)} and 95 % interval": Line2D([], [], **sign, **hollow)}
    if any(chosen is not None for _, _, chosen in points.values()):
        marks["chosen"] = Line2D([], [], **sign, marker="o", markersize=8)
    if any(not np.all(np.isfinite(metric)) for metric in everything):
        marks["failed on a seed"] = Line2D([], [], **sign, marker="x")
    return _titled(figure, title, ylabel, marks)


def _panel(
    axes: Any,
    numbers: ArrayLike,
    metric: ArrayLike,
    chosen: float | None,
    *,
    look: dict[str, Any],
    log: bool,
    top: float,
) -> None:
    x, y = np.asarray(numbers, np.float64), np.asarray(metric, np.float64)
    values = np.unique(x)
    failed = np.array([not np.all(np.isfinite(y[x == v])) for v in values], bool)
    shown = values[~failed]
    runs = [np.log(y[x == v]) if log else y[x == v] for v in shown]
    bands = [[float(end[0]) for end in _student(r[:, None])] for r in runs]
    centre, low, high = np.array(bands).reshape(-1, 3).T
    if log:
        centre, low, high = np.exp(centre), np.exp(low), np.exp(high)
    axes.vlines(shown, low, high, color=look["color"], linewidth=1.2)
    mark = {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
    axes.plot(shown, centre, markerfacecolor="white", markersize=4.5, **mark)
    here = np.isclose(shown, np.nan if chosen is None else chosen, rtol=1e-6)
    axes.plot(shown[here], centre[here], markersize=8, **mark)
    axes.plot(values[failed], np.full(failed.sum(), top), "x", color=style.INK)
    if log and np.all(values > 0):
        axes.set_xscale("log")
        _readable_ticks(axes.xaxis)
    axes.minorticks_off()
    axes.grid(True)
