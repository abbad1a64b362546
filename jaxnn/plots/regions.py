"""Pictures of regions in the plane: the classes of any classifier, and what each layer draws.

They take what `dissect.region_map` and `dissect.layer_regions` return, or the like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike

from jaxnn.errors import bad_value
from jaxnn.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["decision_regions", "layer_regions"]


@style.picture
def decision_regions(
    regions: Any,
    points: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    labels: tuple[str, str] = ("x₁", "x₂"),
    title: str = "",
) -> Figure:
    """The plane in the colours and hatches of the classes, with examples on it.

    regions: x, y and the class of each point of the grid. points: [rows, 2]; classes: [rows].
    names: what to call class 0, 1, …; at most eight. Raises ValueError for more, and for points
    that do not fit.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    found = np.asarray(regions.classes)
    examples, of = _examples("decision_regions", points, classes)
    present = np.union1d(found, of)
    _check_classes("decision_regions", present, names)
    fig = style.figure(5.4, 4.9)
    axes = fig.subplots()
    tints = [style.tint(color) for color in style.COLORS]
    axes.imshow(
        found,
        cmap=ListedColormap(tints),
        vmin=-0.5,
        vmax=len(tints) - 0.5,
        extent=_extent(regions),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    handles: list[Any] = []
    for k in present.tolist():
        _region(axes, regions, found == k, k)
        faint = style.tint(style.COLORS[k], 0.6)
        patch = Patch(facecolor=tints[k], edgecolor=faint, hatch=style.HATCHES[k], linewidth=0)
        look = {"color": style.COLORS[k], "marker": style.MARKERS[k], "edgecolor": "white"}
        rows = examples[of == k]
        marks = axes.scatter(*rows.T, **look, linewidth=0.6, s=32, zorder=3)
        handles.append((patch, marks) if len(rows) else (patch,))
    _frame(axes, regions, labels)
    words = [str(names[k]) if names else f"class {k}" for k in present.tolist()]
    style.legend_below(fig, handles, words, columns=4)
    style.title(fig, title)
    return fig


@style.picture
def layer_regions(
    regions: Any,
    points: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    labels: tuple[str, str] = ("x₁", "x₂"),
    title: str = "Where each layer's units switch; darker: more of them on",
) -> Figure:
    """A panel a layer: the border of each unit's region; the darker, the more units are on.

    regions: x, y and, for each layer, which units are on. points: [rows, 2]; classes: [rows].
    Raises ValueError for points that do not fit.
    """
    examples, of = _examples("layer_regions", points, classes)
    count = len(regions.on)
    fig = style.figure(3.1 * count + 0.5, 3.6)
    panels = fig.subplots(1, count, squeeze=False, sharex=True, sharey=True)[0]
    for number, (axes, layer) in enumerate(zip(panels, regions.on, strict=True), start=1):
        on = np.asarray(layer)
        units = on.shape[-1]
        axes.imshow(
            on.sum(axis=-1),
            cmap="Greys",
            vmin=0,
            vmax=max(2 * units, 3),
            extent=_extent(regions),
            origin="lower",
            aspect="auto",
            interpolation="nearest",
        )
        for unit in range(units):
            dash = style.DASHES[unit % len(style.DASHES)]
            _contour(axes, regions, on[..., unit], style.COLORS[unit % 7], dash, width=1.4)
        for k in np.unique(of).tolist():
            look = {"facecolor": ("white", "black")[k % 2], "marker": style.MARKERS[k % 8]}
            axes.scatter(
                *examples[of == k].T, edgecolor="black", linewidth=0.7, s=20, zorder=3, **look
            )
        axes.set_title(f"layer {number}: {units} unit{'s' * (units != 1)}")
        _frame(axes, regions, (labels[0], labels[1] if number == 1 else ""))
    style.title(fig, title)
    return fig


def _examples(
    where: str, points: ArrayLike | None, classes: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.zeros((0, 2)) if points is None else np.asarray(points, np.float64)
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise bad_value(where, "points", "of shape (rows, 2)", f"shape {rows.shape}")
    of = np.zeros(len(rows), int) if classes is None else np.asarray(classes).astype(int)
    if of.shape != rows.shape[:1]:
        raise bad_value(where, "classes", f"of shape {rows.shape[:1]}", f"shape {of.shape}")
    return rows, of


def _check_classes(where: str, present: np.ndarray, names: Sequence[str] | None) -> None:
    most = min(len(style.COLORS), len(names or style.COLORS))
    if present.min() < 0 or present.max() >= most:
        fix = "Name every class." if names and len(names) < len(style.COLORS) else ""
        got = f"{present.min()} to {present.max()}"
        raise bad_value(where, "classes", f"in [0, {most - 1}]", got, fix)


def _extent(regions: Any) -> tuple[float, float, float, float]:
    """The outer edges of the pixels, whose centres are the points of the grid."""
    x, y = np.asarray(regions.x, np.float64), np.asarray(regions.y, np.float64)
    half = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    return x[0] - half[0], x[-1] + half[0], y[0] - half[1], y[-1] + half[1]


def _region(axes: Axes, regions: Any, inside: np.ndarray, k: int) -> None:
    """The hatch of class k and the border of its region."""
    hatch = style.HATCHES[k]
    if hatch and inside.any():
        filled = axes.contourf(
            regions.x, regions.y, inside, levels=[0.5, 1.5], colors="none", hatches=[hatch]
        )
        filled.set(edgecolor=style.tint(style.COLORS[k], 0.6), linewidth=0)
    _contour(axes, regions, inside, style.INK, "-", width=0.9)


def _contour(
    axes: Axes, regions: Any, inside: np.ndarray, color: str, dash: Any, width: float
) -> None:
    if inside.all() or not inside.any():
        return  # A contour that is nowhere is a warning of matplotlib.
    lines = axes.contour(regions.x, regions.y, inside, levels=[0.5], colors=color, linewidths=width)
    lines.set_linestyle(dash)


def _frame(axes: Axes, regions: Any, labels: tuple[str, str]) -> None:
    axes.set(
        xlim=(float(regions.x[0]), float(regions.x[-1])),
        ylim=(float(regions.y[0]), float(regions.y[-1])),
        xlabel=labels[0],
        ylabel=labels[1],
    )
