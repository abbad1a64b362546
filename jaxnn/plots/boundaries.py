"""Pictures of linear classifiers in 1-D, 2-D and 3-D: the two sides, the boundary, the points.

Each takes what `dissect.linear_boundary` returns, or anything with its fields.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxnn.errors import bad_value
from jaxnn.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["decision_boundary_1d", "decision_boundary_2d", "decision_boundary_3d"]

_SIDES = ("N", "P")


@style.picture
def decision_boundary_1d(
    boundary: Any,
    points: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    names: tuple[str, str] = _SIDES,
    label: str = "p",
    title: str = "",
) -> Figure:
    """A number line, cut at the boundary.

    points: [rows] or [rows, 1]; classes: [rows], 0 for the first of `names`, 1 for the second.
    Raises ValueError for a boundary of another dimension and points that do not fit.
    """
    _check("decision_boundary_1d", boundary, 1)
    fig = style.figure(6.4, 1.9)
    axes = fig.subplots()
    low, high = float(boundary.low[0]), float(boundary.high[0])
    cuts = [low, *np.ravel(boundary.vertices), high]
    for left, right in itertools.pairwise(cuts):
        side = int(boundary.weight[0] * (left + right) / 2 + boundary.theta >= 0)
        axes.axvspan(left, right, **_side(side))
    for cut in np.ravel(boundary.vertices):
        axes.axvline(cut, color=style.INK)
        axes.annotate(
            f"{label} = {style.number(cut)}",
            (cut, 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
        )
    for mark in _marks("decision_boundary_1d", points, classes, names, 1):
        rows = mark.pop("rows")
        axes.scatter(rows[:, 0], np.zeros(len(rows)), **mark)
    axes.set(xlim=(low, high), ylim=(-1, 1), yticks=[], xlabel=label)
    axes.spines["left"].set_visible(False)
    style.legend_below(fig, [*_side_handles(names), *axes.collections], columns=4)
    style.title(fig, title)
    return fig


@style.picture
def decision_boundary_2d(
    boundary: Any,
    points: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    names: tuple[str, str] = _SIDES,
    labels: tuple[str, str] = ("p", "q"),
    title: str = "",
) -> Figure:
    """The plane, cut along the boundary's line.

    points: [rows, 2]; classes: [rows], 0 for the first of `names`, 1 for the second.
    Raises ValueError for a boundary of another dimension and points that do not fit.
    """
    _check("decision_boundary_2d", boundary, 2)
    fig = style.figure(5.2, 4.9)
    axes = fig.subplots()
    (left, bottom), (right, top) = boundary.low, boundary.high
    for side in (0, 1):
        axes.fill(*_half_box(boundary, 2 * side - 1).T, **_side(side))
    handles = _side_handles(names)
    for mark in _marks("decision_boundary_2d", points, classes, names, 2):
        handles.append(axes.scatter(*mark.pop("rows").T, **mark))
    if len(boundary.vertices) == 2:
        x, y = np.asarray(boundary.vertices).T
        handles += axes.plot(x, y, color=style.INK, label=_equation(boundary, labels))
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel=labels[0], ylabel=labels[1])
    style.legend_below(fig, handles, columns=3)
    style.title(fig, title)
    return fig


@style.picture
def decision_boundary_3d(
    boundary: Any,
    points: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    names: tuple[str, str] = _SIDES,
    labels: tuple[str, str, str] = ("p", "q", "r"),
    title: str = "",
) -> Figure:
    """A box, cut by the boundary's plane.

    points: [rows, 3]; classes: [rows], 0 for the first of `names`, 1 for the second.
    Raises ValueError for a boundary of another dimension and points that do not fit.
    """
    from matplotlib.patches import Patch
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    _check("decision_boundary_3d", boundary, 3)
    fig = style.figure(5.2, 4.9)
    axes: Any = fig.add_subplot(projection="3d")
    handles: list[Any] = []
    if len(boundary.vertices) >= 3:
        look = {"facecolor": style.tint(style.COLORS[5], 0.5), "edgecolor": style.INK, "alpha": 0.6}
        axes.add_collection3d(Poly3DCollection([np.asarray(boundary.vertices)], **look))
        handles.append(Patch(**look, label=_equation(boundary, labels)))
    marks = _marks("decision_boundary_3d", points, classes, names, 3)
    handles += [axes.scatter(*mark.pop("rows").T, depthshade=False, **mark) for mark in marks]
    limits = zip("xyz", boundary.low, boundary.high, labels, strict=True)
    for name, low, high, label in limits:
        axes.set(**{f"{name}lim": (low, high), f"{name}label": label})
        axes.locator_params(axis=name, nbins=5, prune="both")
    axes.view_init(elev=22, azim=-60)
    axes.set_box_aspect((1, 1, 1), zoom=0.86)
    style.legend_below(fig, handles, columns=3)
    style.title(fig, title)
    return fig


def _check(where: str, boundary: Any, dimensions: int) -> None:
    got = len(boundary.weight)
    if got != dimensions:
        fix = f"Did you mean decision_boundary_{got}d?"
        raise bad_value(where, "boundary", f"of {dimensions} dimensions", got, fix)


def _side_handles(names: Sequence[str]) -> list[Any]:
    from matplotlib.patches import Patch

    return [Patch(**_side(side), label=f"answer {name}") for side, name in enumerate(names)]


def _side(side: int) -> dict[str, Any]:
    """The look of what is answered: a colour, and a hatch for print in grey."""
    color = style.COLORS[side]
    return {
        "facecolor": style.tint(color),
        "edgecolor": style.tint(color, 0.5),
        "hatch": style.HATCHES[side],
        "linewidth": 0,
    }


def _marks(
    where: str,
    points: ArrayLike | None,
    classes: ArrayLike | None,
    names: Sequence[str],
    dimensions: int,
) -> list[dict[str, Any]]:
    """What to scatter for each class: its rows, and its look."""
    if points is None:
        return []
    rows = np.asarray(points, np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.shape[1] != dimensions:
        raise bad_value(where, "points", f"of {dimensions} columns", f"shape {rows.shape}")
    of = np.zeros(len(rows), int) if classes is None else np.asarray(classes).astype(int)
    if of.shape != rows.shape[:1]:
        raise bad_value(where, "classes", f"of shape {rows.shape[:1]}", f"shape {of.shape}")
    return [
        {
            "rows": rows[of == k],
            "label": f"example {names[k]}",
            "color": style.COLORS[k],
            "marker": style.MARKERS[k],
            "edgecolor": "white",
            "linewidth": 0.8,
            "s": 55,
            "zorder": 3,
        }
        for k in np.unique(of).tolist()
    ]


def _half_box(boundary: Any, sign: int) -> NDArray[np.float64]:
    """The corners of the part of the rectangle on one side of the line, in order [corners, 2]."""
    (left, bottom), (right, top) = boundary.low, boundary.high
    corners = np.array([(left, bottom), (right, bottom), (right, top), (left, top)])
    score = corners @ boundary.weight + boundary.theta
    kept = np.concatenate([corners[sign * score > 0], boundary.vertices])
    around = kept - kept.mean(axis=0) if len(kept) else kept
    return kept[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]


def _equation(boundary: Any, labels: Sequence[str]) -> str:
    """The boundary in words: 2 p + 2 q − 2.5 = 0."""
    text = ""
    for factor, label in zip([*boundary.weight, boundary.theta], [*labels, ""], strict=True):
        size = "" if abs(factor) == 1 and label else style.number(abs(factor))
        if factor:
            text += f" {'−' if factor < 0 else '+'} {size} {label}".rstrip()
    return f"{' '.join(text.removeprefix(' +').split())} = 0"
