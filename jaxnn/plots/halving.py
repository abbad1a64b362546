"""Who was stopped where: the rungs of successive halving, or of any rule that stops early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, shown
from jaxnn.plots import scales, style
from jaxnn.plots.trials import CLEAR, STAR, nothing, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["rungs"]


@style.picture
def rungs(
    steps: ArrayLike,
    values: ArrayLike,
    *,
    ylabel: str = "loss",
    mode: str = "min",
    num_lines: int = 500,
    title: str = "",
) -> Figure:
    """Who was stopped where: the metric of each setting at the rungs that it reached.

    steps: [rungs], ascending, > 0. values: [settings, rungs], NaN from the first rung that was not
    reached, ±infinity where a setting failed. Over each rung stands how many settings reached it,
    and between two rungs Spearman's rank correlation of those that reached both: near 1 the first
    tells the order at the second, near 0 it kept the wrong ones. Those that were stopped have less
    of a range than all had, so that it is a cautious figure. num_lines: so many are drawn, all that
    reached the last rung first, the others evenly by their last value.
    Raises ValueError for shapes that do not match and for steps that do not ascend.
    Source: Jamieson, Talwalkar 2016 (successive halving); Spearman 1904.
    """
    x, y = _checked(steps, values, mode)
    check_integer("plots.rungs", "num_lines", num_lines, low=1)
    sign = 1 if mode == "min" else -1
    y = np.where(np.isinf(y), sign * np.inf, y)
    reached = (~np.isnan(y)).sum(axis=1)
    y, reached = y[reached > 0], reached[reached > 0]
    figure = style.figure(6.4, 4.6)
    axes = figure.subplots()
    kind = scales.choose(x)
    measure = scales.choose(y)
    ends = scales.limits(measure, y, margin=0.08)
    scales.put(axes, "y", measure, ends)
    _name_rungs(axes, kind, x, y)
    marks = _paths(axes, x, np.clip(y, *ends), y, reached, sign, num_lines)
    axes.set(xlabel="step of the rung", ylabel=scales.wrapped(ylabel, 30, lines=2))
    axes.grid(True)
    if not np.isfinite(y).any():
        axes.set_yticks([])
    style.title(figure, scales.wrapped(title, 58))
    style.legend_below(figure, list(marks.values()), list(marks), columns=2)
    return figure


def _checked(
    steps: ArrayLike, values: ArrayLike, mode: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    where = "plots.rungs"
    if mode not in ("min", "max"):
        raise bad_value(where, "mode", "'min' or 'max'", repr(mode))
    for name, given in {"steps": steps, "values": values}.items():
        if np.asarray(given).dtype.kind not in "fiu":
            raise bad_type(where, name, "an array of real numbers", shown(given))
    x, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    y = np.where(np.isfinite(y), np.clip(y, -scales.LARGEST, scales.LARGEST), y)
    if x.ndim != 1 or not len(x) or not np.all(np.isfinite(x)):
        raise bad_value(where, "steps", "finite, of shape [rungs]", shown(x))
    if x[0] <= 0 or np.any(np.diff(x) <= 0):
        raise bad_value(where, "steps", "> 0 and ascending", shown(x.tolist()))
    if y.ndim != 2 or y.shape[1] != len(x) or not np.any(~np.isnan(y)):
        constraint = f"of shape [settings, {len(x)}], with a value"
        raise bad_value(where, "values", constraint, shown(y))
    if np.any(np.isnan(y[:, :-1]) & ~np.isnan(y[:, 1:])):
        raise bad_value(where, "values", "NaN from the first rung not reached", "a value after NaN")
    return x, y


def _name_rungs(axes: Axes, kind: scales.Kind, x: NDArray[Any], y: NDArray[np.float64]) -> None:
    """The steps of the rungs, how many reached them, and correlations, where there is room."""
    low, high = scales.limits(kind, x, margin=0.1)
    scales.put(axes, "x", kind, (low, high), places=[])
    start, end = scales.even(kind, [low, high])
    shares = (scales.even(kind, x) - start) / (end - start)
    named = _roomy(shares, 0.085)
    whole = np.all(x == np.round(x)) and x[-1] < 1e5
    axes.set_xticks(x[named], scales.texts(x[named], rounded=not whole))
    over: dict[str, Any] = {
        "transform": axes.transAxes,
        "ha": "center",
        "va": "bottom",
        "fontsize": 9,
    }
    for k in named:
        axes.text(shares[k], 1.11, f"{np.count_nonzero(~np.isnan(y[:, k])):,}", **over)
    middles = (shares[1:] + shares[:-1]) / 2
    for k in _roomy(middles, 0.1):
        axes.text(middles[k], 1.03, _correlation(y[:, k], y[:, k + 1]), **over)
    left: dict[str, Any] = over | {"ha": "right"}
    axes.text(-0.01, 1.11, "settings", **left)
    if len(x) > 1:
        axes.text(-0.01, 1.03, "rank corr.", **left)


def _roomy(shares: NDArray[np.float64], gap: float) -> list[int]:
    """Which of the ascending places can be named, the last one among them."""
    kept: list[int] = []
    for k in reversed(range(len(shares))):
        if not kept or shares[kept[-1]] - shares[k] >= gap:
            kept.append(k)
    return kept[::-1]


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> str:
    from scipy.stats import rankdata

    both = ~np.isnan(second)
    ranks = np.array([rankdata(first[both]), rankdata(second[both])])
    if ranks.shape[1] < 3 or not np.all(np.ptp(ranks, axis=1)):
        return "–"
    return f"{np.corrcoef(ranks)[0, 1]:.2f}".replace("-", "−")


def _paths(
    axes: Axes,
    x: NDArray[np.float64],
    shown_at: NDArray[np.float64],
    y: NDArray[np.float64],
    reached: NDArray[np.int64],
    sign: int,
    num_lines: int,
) -> dict[str, Any]:
    """Lines of those that were stopped, over them those that were not; what each sign means."""
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    last = y[np.arange(len(y)), reached - 1]
    order = np.lexsort((sign * last, -reached))  # who came farthest, then the best of them
    through = order[reached[order] == len(x)]
    stopped = order[reached[order] < len(x)]
    through = thinned(through, num_lines)
    stopped = thinned(stopped, num_lines - len(through))
    marks: dict[str, Any] = {}
    look = (
        ("stopped", stopped, "#888888", 0.7, "o"),
        ("reached the last rung", through, style.COLORS[0], 1.3, "s"),
    )
    for words, rows, color, width, marker in look:
        if not len(rows):
            continue
        alpha = float(np.clip(10 / np.sqrt(len(rows)), 0.2, 0.9))
        paths = [np.stack([x[: reached[k]], shown_at[k, : reached[k]]], axis=1) for k in rows]
        axes.add_collection(
            LineCollection(paths, colors=color, linewidths=width, alpha=alpha, zorder=2)
        )
        kept = rows[np.isfinite(last[rows])]
        size = 3.0 if words == "stopped" else 4.5
        axes.plot(
            x[reached[kept] - 1],
            last[kept],
            marker,
            color=color,
            markersize=size,
            alpha=alpha,
            markeredgewidth=0,
            rasterized=len(kept) > CLEAR,
        )
        sign_of = Line2D([], [], color=color, linewidth=width, marker=marker, markersize=size + 1)
        marks[words] = sign_of
    bad = np.concatenate([stopped, through])
    bad = bad[np.isinf(last[bad])]
    if len(bad):
        edge = shown_at[bad, reached[bad] - 1]
        axes.plot(x[reached[bad] - 1], edge, "x", color=style.INK, clip_on=False, markersize=5)
        total = np.count_nonzero(np.isinf(last))
        marks[f"failed: {total:,} of {len(y):,} settings"] = Line2D(
            [], [], color=style.INK, marker="x", linestyle="none"
        )
    if len(through) and np.isfinite(last[through[0]]):
        (star,) = axes.plot(x[-1], last[through[0]], **STAR)
        marks[f"best: {style.number(float(last[through[0]]))}"] = star
    if len(stopped) + len(through) < len(y):
        marks[f"drawn: {len(stopped) + len(through):,} of {len(y):,}"] = nothing()
    return marks
