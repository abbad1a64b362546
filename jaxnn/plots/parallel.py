"""All numbers of a sweep at once: an axis a number, a line a setting, dark where it is good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_value, check_integer
from jaxnn.plots import scales, style
from jaxnn.plots.trials import CLEAR, STAR, Names, failures, labelled, nothing, read, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["parallel_coordinates"]

_AXES = 12
_ABSENT = -0.13
"""Where a line goes that has no value on an axis."""


@style.picture
def parallel_coordinates(
    columns: Mapping[str, ArrayLike],
    names: Sequence[str],
    metric: str,
    *,
    num_best: int = 5,
    num_lines: int = 500,
    log: Mapping[str, bool] | None = None,
    mode: str = "min",
    labels: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """A line a setting across one axis for each of its numbers, and one for the metric at the end.

    columns: a sweep's table, a row a setting × replicate; a setting is its mean over replicates.
    names: 1 to 12 swept names; each axis has a scale of its own, and options stand in the order of
    the alphabet. A line is as dark as its rank among all settings is good, the `num_best` best are
    thick and in colour; those that failed are dashed and end before the metric. num_lines: so many
    are drawn besides the best, evenly by rank. A line goes below an axis for a number that its
    setting does not have.
    log: by name whether an axis is logarithmic, decided by its values if not given. mode: "min" or
    "max". labels: how columns are written, with their units.
    Raises ValueError and TypeError for columns that are not there or do not match.
    Source: Inselberg 1985, The Visual Computer 1.
    """
    where = "plots.parallel_coordinates"
    if not 1 <= len(names) <= _AXES or len(set(names)) < len(names):
        got, fix = f"{len(names)} of {', '.join(names)}", "Choose the most important ones."
        raise bad_value(where, "names", f"1 to {_AXES} different names", got, fix)
    check_integer(where, "num_best", num_best, low=0)
    check_integer(where, "num_lines", num_lines, low=0)
    trials = read(where, columns, names, metric, mode)
    figure = style.figure(max(6.4, 1.25 * (len(names) + 1)), 4.6)
    axes = figure.subplots()
    heights = [
        _axis(axes, place, trials.swept[name], _wanted(where, name, trials.swept[name], log))
        for place, name in enumerate(names)
    ]
    heights.append(_axis(axes, len(names), trials.mean, None))
    lines = np.stack(heights, axis=1)
    absent = np.isnan(lines)
    absent[:, -1] = False  # a line without a metric ends before it
    if absent.any():
        for place in np.flatnonzero(absent.any(axis=0)):
            _tick(axes, int(place), _ABSENT, "none")
    lines = np.where(absent, _ABSENT, lines)
    marks = _lines(axes, lines, trials.order, np.flatnonzero(trials.failed), num_best, num_lines)
    if trials.failed.any():
        marks = {failures(trials) if k == "failed" else k: v for k, v in marks.items()}
    width = int(min(14, 90 / (len(names) + 1)))
    words = [labelled(name, labels, max(width, 10), lines=3) for name in [*names, metric]]
    axes.set_xticks(range(len(words)), words)
    axes.set_xlim(-0.35, len(names) + 0.35)
    axes.set_ylim(_ABSENT - 0.07 if absent.any() else -0.05, 1.05)
    axes.set_yticks([])
    axes.tick_params(length=0, pad=6)
    for side in axes.spines.values():
        side.set_visible(False)
    style.title(figure, scales.wrapped(title, int(9 * figure.get_figwidth())))
    style.legend_below(figure, list(marks.values()), list(marks), columns=2)
    return figure


def _wanted(
    where: str, name: str, values: NDArray[np.float64] | Names, log: Mapping[str, bool] | None
) -> bool | None:
    wanted = (log or {}).get(name)
    if wanted and (isinstance(values, Names) or np.any(values <= 0)):
        fix = f"Leave {name!r} out."
        raise bad_value(where, "log", "used with numbers > 0 only", repr(name), fix)
    return wanted


def _axis(
    axes: Axes, place: int, values: NDArray[np.float64] | Names, log: bool | None
) -> NDArray[np.float64]:
    """An axis with its ticks; how high each setting stands on it, from 0 to 1, NaN for nowhere."""
    axes.axvline(place, color=style.INK, linewidth=1, zorder=3)
    if isinstance(values, Names):
        heights = (np.arange(len(values.options)) + 0.5) / max(len(values.options), 1)
        every = len(heights) // 16 + 1
        for height, option in list(zip(heights, values.options, strict=True))[::every]:
            _tick(axes, place, height, scales.wrapped(option, 13, lines=2 if every == 1 else 1))
        return np.append(heights, np.nan)[values.codes]
    kind = scales.choose(values, log=log)
    low, high = scales.limits(kind, values, margin=0)
    if not np.isfinite(values).any():
        return values
    start, end = scales.even(kind, [low, high])
    few = scales.single(kind, values[np.isfinite(values)])
    places = scales.ticks(kind, low, high) if few is None else few
    for value, text in zip(places, scales.texts(places, rounded=few is not None), strict=True):
        _tick(axes, place, float((scales.even(kind, value) - start) / (end - start)), text)
    return np.clip((scales.even(kind, values) - start) / (end - start), 0, 1)


def _tick(axes: Axes, place: float, height: float, text: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    look: dict[str, Any] = {"va": "center", "ha": "right", "fontsize": 9, "bbox": box}
    axes.annotate(text, (place, height), (-5, 0), textcoords="offset points", zorder=5, **look)
    axes.plot(place, height, "_", color=style.INK, markersize=5, zorder=5)


def _lines(
    axes: Axes,
    lines: NDArray[np.float64],
    order: NDArray[np.int64],
    failed: NDArray[np.int64],
    num_best: int,
    num_lines: int,
) -> dict[str, Any]:
    """The worst below, the best on top; what each kind of line means → what it looks like."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    shade = colormaps["cividis"]
    top, rest = order[:num_best], order[num_best:]
    others = np.concatenate([rest, failed])
    drawn = thinned(others, num_lines)
    alpha = float(np.clip(8 / np.sqrt(max(len(drawn), 1)), 0.25, 0.9))
    place = np.arange(lines.shape[1])
    rank = np.full(len(lines), 1.0)
    rank[order] = np.arange(len(order)) / max(len(order) - 1, 1)
    marks: dict[str, Any] = {}
    good = drawn[np.isin(drawn, rest)][::-1]
    bad = drawn[np.isin(drawn, failed)]
    look: dict[str, Any] = {"alpha": alpha, "rasterized": len(drawn) > CLEAR}
    ends = [np.stack([place[:-1], lines[k, :-1]], axis=1) for k in bad]
    axes.add_collection(
        LineCollection(ends, colors="#777777", linewidths=0.8, linestyles=(0, (3, 2)), **look)
    )
    colors = shade(0.9 * rank[good])
    paths = [np.stack([place, lines[k]], axis=1) for k in good]
    axes.add_collection(LineCollection(paths, colors=colors, linewidths=1.0, **look))
    for k in top[::-1]:
        # A light line with a dark edge stands out of dark and of light ones, in grey too.
        axes.plot(place, lines[k], color="black", linewidth=3.6, zorder=4)
        axes.plot(place, lines[k], color=STAR["color"], linewidth=2.2, zorder=4)
    if len(top):
        words = f"the best {len(top)}" if len(top) > 1 else "the best"
        widths = {"black": 3.6, STAR["color"]: 2.2}
        marks[words] = tuple(Line2D([], [], color=c, linewidth=w) for c, w in widths.items())
    for words, level in {"other settings, good": 0.05, "other settings, bad": 0.85}.items():
        if len(good):
            marks[words] = Line2D([], [], color=shade(level), linewidth=1.4)
    if len(failed):
        marks["failed"] = Line2D([], [], color="#777777", linewidth=0.9, linestyle=(0, (3, 2)))
    if len(drawn) < len(others):
        marks[f"drawn: {len(drawn) + len(top):,} of {len(lines):,}"] = nothing()
    return marks
