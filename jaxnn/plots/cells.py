"""The cells of a heat map: a median each, with its number where there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.plots import scales, style
from jaxnn.plots.trials import Trials, best, failures, median_band, nothing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

__all__ = ["cells", "frame"]

_WRITTEN = 8
"""In so many columns and rows of cells there is room for numbers."""


def cells(
    axes: Axes, trials: Trials, points: NDArray[np.float64], norm: Normalize, colors: str
) -> dict[str, Any]:
    """Draws a cell for each pair of values of points [2, settings]; what each sign means."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    worst = np.where(trials.failed, trials.sign * np.inf, trials.mean)
    values, places = zip(*(np.unique(v, return_inverse=True) for v in points), strict=True)
    wide, tall = map(len, values)
    cell = places[1] * wide + places[0]
    shown = np.full(wide * tall, np.nan)
    for k in np.unique(cell):
        shown[k] = median_band(worst[None, cell == k])[0, 0]
    table = shown.reshape(tall, wide)
    edges = [np.arange(n + 1) - 0.5 for n in (wide, tall)]
    axes.pcolormesh(
        *edges,
        np.ma.masked_invalid(np.where(np.isinf(table), np.nan, table)),
        norm=norm,
        cmap=colors,
        edgecolor="white",
        linewidth=0.5,
    )
    _name_cells(axes, *values)
    marks: dict[str, Any] = {}
    if max(wide, tall) <= _WRITTEN:
        _write(axes, table, norm, colors)
    if len(trials.order):
        first = trials.order[0]
        corner = (places[0][first] - 0.5, places[1][first] - 0.5)
        for color, width in (("white", 5.0), (style.COLORS[1], 2.6)):
            look: dict[str, Any] = {"fill": False, "edgecolor": color, "linewidth": width}
            axes.add_patch(Rectangle(corner, 1, 1, clip_on=False, **look))
            marks[best(trials)] = Rectangle((0, 0), 1, 1, **look)
    row, column = np.nonzero(np.isinf(table))
    cross = Line2D([], [], marker="x", color=style.INK, linestyle="none")
    if trials.failed.any():
        axes.plot(column, row, "x", color=style.INK, markersize=7)
        several = len(trials.mean) > np.count_nonzero(~np.isnan(shown))
        if several and len(row):
            marks["failed: most settings of the cell"] = cross
        marks[failures(trials)] = nothing() if several else cross
    if np.isnan(table).any():
        empty = Rectangle((0, 0), 1, 1, facecolor="white", edgecolor="#BBBBBB")
        marks["not tried"] = empty
    return marks


def _name_cells(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """The values of columns and rows at as many of them as have room."""
    axes.tick_params(length=0)
    words = scales.texts(x, rounded=True)
    every = int(np.ceil(max(len(word) + 1 for word in words) * len(x) / 58))
    axes.set_xticks(np.arange(0, len(x), every), words[::every])
    every = -(-len(y) // 12)
    axes.set_yticks(np.arange(0, len(y), every), scales.texts(y, rounded=True)[::every])
    frame(axes)


def _write(axes: Axes, table: NDArray[np.float64], norm: Normalize, colors: str) -> None:
    """The numbers in the cells, white on dark."""
    from matplotlib import colormaps

    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            red, green, blue, _ = colormaps[colors](norm(value))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            text = f"{value:.3g}".replace("-", "−")
            axes.text(
                column, row, text, ha="center", va="center", color="white" if dark else "black"
            )


def frame(axes: Axes) -> None:
    """A thin line around the axes, so that what is white in them is seen to belong to them."""
    for side in axes.spines.values():
        side.set(visible=True, linewidth=0.6)
