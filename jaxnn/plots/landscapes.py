"""Pictures of functions of two numbers, with the paths of optimizers on them.

They take what `dissect.landscape` and `dissect.slice_landscape` return, or the like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike

from jaxnn.errors import bad_value
from jaxnn.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["landscape"]

_BANDS = 14


@style.picture
def landscape(
    surface: Any,
    path: ArrayLike | Mapping[str, ArrayLike] | None = None,
    *,
    labels: tuple[str, str] = ("x", "y"),
    value_label: str = "f",
    title: str = "",
) -> Figure:
    """Bands of equal area, from the lowest values (dark) to the highest, and paths over them.

    surface: x, y and the values [rows, columns]. path: the points of one path [steps, 2], or
    several by name; an open marker at the start, a filled one at the end, if within the picture.
    Raises ValueError for paths of another shape and for values of which none is finite.
    """
    from matplotlib.colors import BoundaryNorm

    values = np.ma.masked_invalid(np.asarray(surface.values, np.float64))
    if not values.count():
        raise bad_value("plots.landscape", "surface", "finite somewhere", "no finite value")
    paths = path if isinstance(path, Mapping) else {} if path is None else {"path": path}
    fig = style.figure(6.0, 4.9)
    axes = fig.subplots()
    # Equal areas, not equal steps: a valley stays visible beside walls a million times as high.
    levels = np.unique(np.quantile(values.compressed(), np.linspace(0, 1, _BANDS + 1)))
    if len(levels) < 2:
        levels = levels[0] + np.array([-0.5, 0.5])
    norm = BoundaryNorm(levels, 256)
    bands = axes.contourf(surface.x, surface.y, values, levels=levels, norm=norm, cmap="cividis")
    ticks = levels[::2]
    bar = fig.colorbar(bands, ax=axes, spacing="uniform", ticks=ticks)
    bar.ax.set_yticks(ticks, [style.number(value) for value in ticks])
    bar.ax.set_title(value_label, weight="normal")
    handles = []
    for index, (name, points) in enumerate(paths.items()):
        steps = np.asarray(points, np.float64)
        if steps.ndim != 2 or steps.shape[1] != 2 or not len(steps):
            raise bad_value(
                "plots.landscape", "path", "of shape (steps, 2)", f"shape {steps.shape}"
            )
        look: dict[str, Any] = style.series(index)
        look["color"] = _PATH_COLORS[index % len(_PATH_COLORS)]
        marker = look.pop("marker")
        axes.plot(*steps.T, color="white", linewidth=3.4)
        (line,) = axes.plot(*steps.T, **look, label=name, marker=marker, markevery=[len(steps) - 1])
        line.set(markeredgecolor="white", markersize=7)
        axes.plot(*steps[0], marker, markersize=7, markerfacecolor="white", color=look["color"])
        handles.append(line)
    axes.set(
        xlim=(float(surface.x[0]), float(surface.x[-1])),
        ylim=(float(surface.y[0]), float(surface.y[-1])),
        xlabel=labels[0],
        ylabel=labels[1],
    )
    if isinstance(path, Mapping):
        style.legend_below(fig, handles, columns=4)
    style.title(fig, title)
    return fig


_PATH_COLORS = ("#D55E00", "#000000", "#CC79A7", "#009E73", "#56B4E9", "#E69F00")
