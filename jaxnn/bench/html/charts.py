"""A chart as SVG that needs no script, and the data that a script needs to answer the pointer.

The picture is as wide as there is room for: curves stand in a plane of 4000 × 2000 that is
stretched, ticks and markers at shares of it, and no text is scaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.html.axes import Axis, Tick, axis
from jaxnn.bench.html.curves import runs, thin
from jaxnn.bench.html.look import MARKERS, Look, legend_key, look
from jaxnn.bench.html.parts import Lines, Series
from jaxnn.bench.html.text import escape

__all__ = ["ALL_POINTS", "FEWEST_POINTS", "MOST_POINTS", "chart", "most_points"]

Numbers = NDArray[np.float64]

MOST_POINTS = 200
"""A curve is thinned to about so many points,"""

ALL_POINTS = 75_000
"""and further where a page would have more than so many,"""

FEWEST_POINTS = 40
"""but not below so many."""

WIDTH, HEIGHT = 4000, 2000
"""Of the plane in which curves are drawn."""

MARKS = 6
"""Markers along a curve whose points are not all marked."""


def most_points(num_curves: int) -> int:
    """To how many points each curve of a page of so many is thinned.

    >>> most_points(100), most_points(1000), most_points(100_000)
    (200, 75, 40)
    """
    return max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // max(num_curves, 1)))


def chart(lines: Lines, looks: Look, name: str, most: int) -> tuple[str, dict[str, Any]]:
    """The figure with the id `name`, and its data: axes, and the points of each series.

    most: how many points a curve keeps.
    """
    x_axis, y_axis = _axes(lines)
    drawn, legend, points = [], [], []
    xs: list[list[float | None]] = []
    for one in lines.series:
        index = looks.index(one.identity)
        kept = thin(x_axis.share(one.array("x")), y_axis.share(one.array("y")), most)
        x, y, low, high = (one.array(n)[kept] for n in ("x", "y", "low", "high"))
        band = None if one.low is None else (low, high)
        across, up = x_axis.share(x), y_axis.share(y)
        tags = _tags(one)
        shapes = _series(one, index, (across, up), band, y_axis, step=lines.step)
        drawn.append(f'<g class="series"{tags} {look(index)}>{shapes}</g>')
        empty = "" if np.any(np.isfinite(across + up)) else " <small>(no value to show)</small>"
        key = legend_key(index)
        legend.append(f"<li{tags}>{key}<span>{escape(one.label)}</span>{empty}</li>")
        points.append(_points(one, x, np.where(np.isfinite(across), y, np.nan), band, xs))
    y_ticks = y_axis.ticks(room=96, narrow=96, most=6)
    margin = max(len(tick.label) for tick in y_ticks)
    frame = _frame(x_axis, x_axis.ticks(room=64, narrow=34), y_axis, y_ticks)
    notes = " ".join(filter(None, (lines.caption, _left_out(lines))))
    html = (
        f'<figure class="chart" id="{name}"><p class="y-label">{escape(lines.ylabel)}</p>'
        f'<div class="plot" style="--w:{margin}">'
        f'<svg role="img" aria-label="{escape(_description(lines))}">{frame}'
        f'<svg width="100%" height="100%">{"".join(drawn)}</svg></svg></div>'
        f'<p class="x-label">{escape(lines.xlabel)}</p><ul class="legend">{"".join(legend)}</ul>'
        f"{f'<figcaption>{escape(notes)}</figcaption>' if notes else ''}</figure>"
    )
    axes = {"x": _axis_data(x_axis, lines.xlabel), "y": _axis_data(y_axis, lines.ylabel)}
    return html, {"id": name, **axes, "xs": xs, "series": points}


def _axes(lines: Lines) -> tuple[Axis, Axis]:
    def every(*names: Any) -> Numbers:
        arrays = [one.array(name) for one in lines.series for name in names]
        return np.concatenate([*arrays, np.zeros(0)])

    return (
        axis(every("x"), lines.xscale),
        axis(every("y"), lines.yscale, also=every("low", "high"), from_zero=True),
    )


def _left_out(lines: Lines) -> str:
    count = 0
    for one in lines.series:
        x, y = one.array("x"), one.array("y")
        placeless = (x <= 0) & (lines.xscale == "log") | (y <= 0) & (lines.yscale == "log")
        count += int(np.sum(placeless & np.isfinite(x) & np.isfinite(y)))
    points = "1 point is" if count == 1 else f"{count:,} points are"
    return f"{points} not shown: a log axis has no place at or below 0." if count else ""


def _description(lines: Lines) -> str:
    names = ", ".join(one.label for one in lines.series) or "no series"
    return f"{lines.heading}: {lines.ylabel} against {lines.xlabel}, for {names}."


def _tags(one: Series) -> str:
    given = {"problem": one.problem, "optimizer": one.optimizer}
    return "".join(f' data-{name}="{escape(tag)}"' for name, tag in given.items() if tag)


def _frame(x_axis: Axis, x_ticks: list[Tick], y_axis: Axis, y_ticks: list[Tick]) -> str:
    """Grid, ticks and labels, at shares of the picture's width and height."""
    marks = ['<rect class="frame" width="100%" height="100%"/>']
    for value, label, always in x_ticks:
        at, kind = _percent(x_axis, value), "" if always else ' class="fine"'
        marks.append(
            f'<g{kind}><line class="grid" x1="{at}" x2="{at}" y2="100%"/>'
            f'<text class="x" x="{at}" y="100%" dy="1.5em">{label}</text></g>'
        )
    for value, label, _ in y_ticks:
        at = _percent(y_axis, value, downwards=True)
        marks.append(
            f'<g><line class="grid" y1="{at}" y2="{at}" x2="100%"/>'
            f'<text class="y" y="{at}" dx="-.6em" dy=".35em">{label}</text></g>'
        )
    return "".join(marks)


def _percent(on: Axis, value: float, *, downwards: bool = False) -> str:
    share = float(on.share(np.asarray(value)))
    return _share(1 - share if downwards else share)


def _share(share: float) -> str:
    return f"{round(100 * float(share), 2):g}%"


def _series(
    one: Series,
    index: int,
    at: tuple[Numbers, Numbers],
    band: tuple[Numbers, Numbers] | None,
    y_axis: Axis,
    *,
    step: bool,
) -> str:
    """Band or whiskers, line, markers; `at` are the shares of the axes."""
    across, up = at
    pieces = runs(np.isfinite(across + up))
    planes, strokes = [], []
    if band is not None:
        ends = [y_axis.share(_within(end, y_axis)) for end in band]
        if one.line:
            for start, stop in runs(np.isfinite(across + ends[0] + ends[1])):
                low, high = (_corners(across[start:stop], e[start:stop], step) for e in ends)
                planes.append(f"M{_path(high)}L{_path(low[::-1])}Z")
        else:
            tall = np.isfinite(across + up + ends[0] + ends[1])
            for i in np.flatnonzero(tall):
                whisker = np.array([[across[i], ends[0][i]], [across[i], ends[1][i]]])
                strokes.append(f"M{_path(whisker)}")
    alone, marked = [], set()
    for start, stop in pieces:
        if one.line and stop - start > 1:
            strokes.append(f"M{_path(_corners(across[start:stop], up[start:stop], step))}")
        else:
            alone += range(start, stop)
    if one.marker:
        marked = {i for start, stop in pieces for i in range(start, stop)}
    elif pieces:
        marked = set(_spread(across, np.flatnonzero(np.isfinite(across + up)), index))
    marks = [_marker(index, across[i], up[i]) for i in sorted(marked | set(alone))]
    layer = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">'
    kind = "line" if one.line else "whisker"
    shapes = (f'<path class="band" d="{"".join(planes)}"/>' if planes else "") + (
        f'<path class="{kind}" d="{"".join(strokes)}"/>' if strokes else ""
    )
    return (f"{layer}{shapes}</svg>" if shapes else "") + "".join(marks)


def _within(end: Numbers, y_axis: Axis) -> Numbers:
    """An end of a band, where it leaves the axis moved just outside of it."""
    size = y_axis.high - y_axis.low
    below = y_axis.low / 1.1 if y_axis.scale == "log" else y_axis.low - 0.1 * size
    above = y_axis.high * 1.1 if y_axis.scale == "log" else y_axis.high + 0.1 * size
    return np.clip(end, below, above)


def _spread(across: Numbers, drawn: NDArray[np.intp], index: int) -> list[int]:
    """The points nearest to even places along x; those of the next index stand beside them."""
    places = (np.arange(MARKS) + 0.15 + 0.7 * (index * 0.382 % 1)) / MARKS
    low, high = across[drawn].min(), across[drawn].max()
    return [int(drawn[np.argmin(np.abs(across[drawn] - p))]) for p in low + places * (high - low)]


def _marker(index: int, across: float, up: float) -> str:
    return f'<use href="#_m{index % len(MARKERS)}" x="{_share(across)}" y="{_share(1 - up)}"/>'


def _corners(across: Numbers, up: Numbers, step: bool) -> Numbers:
    """The points [n, 2] of a line; of a step line its corners too."""
    if not step:
        return np.stack([across, up], 1)
    return np.stack([np.repeat(across, 2)[1:], np.repeat(up, 2)[:-1]], 1)


def _path(points: Numbers) -> str:
    """Whole numbers in the plane: the first from its corner, each other from the one before."""
    plane = np.stack([points[:, 0] * WIDTH, (1 - points[:, 1]) * HEIGHT], 1).round().astype(int)
    first, moves = plane[0], np.diff(plane, axis=0)
    steps = "".join(f"{x} {y} " if y >= 0 else f"{x}{y} " for x, y in moves.tolist())
    return f"{first[0]} {first[1]}" + (f"l{steps.rstrip()}" if steps else "")


def _axis_data(on: Axis, label: str) -> dict[str, Any]:
    return {"label": label, "log": on.scale == "log", "low": on.low, "high": on.high}


def _points(
    one: Series,
    x: Numbers,
    y: Numbers,
    band: tuple[Numbers, Numbers] | None,
    xs: list[list[float | None]],
) -> dict[str, Any]:
    """The points of a series for the script; equal x are stored once, in `xs`."""
    mine = _digits(x, 9)
    if mine not in xs:
        xs.append(mine)
    data: dict[str, Any] = {"label": one.label, "problem": one.problem, "x": xs.index(mine)}
    data["y"] = _digits(y, 5)
    if band is not None:
        data |= {"low": _digits(band[0], 5), "high": _digits(band[1], 5)}
    return data


def _digits(values: Sequence[float] | Numbers, digits: int) -> list[float | None]:
    """So many digits of each, whole numbers as such; None for what is not finite."""
    rounded = [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in values]
    return [v if v is None or v != int(v) or abs(v) > 1e15 else int(v) for v in rounded]
