"""Pictures of what flows through a network: saturation, and both phases of backpropagation."""

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

__all__ = ["backprop", "saturation"]


@style.picture
def saturation(
    shares: ArrayLike,
    steps: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """The share of saturated units of each layer as training goes on.

    shares: [steps, layers], in [0, 1], as `jax.vmap` of `dissect.saturated_units` returns them.
    steps: where they were taken, 0, 1, … if not given. names: of the layers.
    Raises ValueError for shapes that do not fit.
    """
    rows = np.asarray(shares, np.float64)
    if rows.ndim != 2 or 0 in rows.shape:
        raise bad_value(
            "plots.saturation", "shares", "of shape (steps, layers)", f"shape {rows.shape}"
        )
    x = np.arange(len(rows)) if steps is None else np.asarray(steps)
    if x.shape != rows.shape[:1]:
        raise bad_value(
            "plots.saturation", "steps", f"of shape {rows.shape[:1]}", f"shape {x.shape}"
        )
    words = list(names) if names else [f"layer {k}" for k in range(1, rows.shape[1] + 1)]
    fig = style.figure(6.4, 3.8)
    axes = fig.subplots()
    colors, every = [], max(1, len(x) // 8)
    for index, (column, name) in enumerate(zip(rows.T, words, strict=True)):
        look = style.series(index)
        axes.plot(x, 100 * column, **look, markevery=(index % every, every), label=name)
        colors.append(look["color"])
    axes.set(ylim=(-2, 102), xlabel="step", ylabel="saturated units, %")
    axes.set_xlim(float(x[0]), float(x[-1]) if x[-1] > x[0] else float(x[0]) + 1)
    axes.locator_params(axis="x", integer=np.issubdtype(x.dtype, np.integer))
    axes.grid(axis="y")
    style.label_ends(axes, words, 100 * rows[-1], colors)
    style.title(fig, title)
    return fig


_MOST_UNITS = 7
_UNIT_WIDTH, _UNIT_HEIGHT, _ROW, _COLUMN = 1.15, 0.92, 1.25, 3.1  # inches


@style.picture
def backprop(trace: Any, *, example: int = 0, title: str = "Both phases") -> Figure:
    """The network, unit by unit: z, a, the error signal δ and ∂E/∂b in each box.

    A connection is the thicker the larger its gradient, and dashed where that is negative; between
    layers of at most three units, its weight and its gradient stand on it.
    trace: what `dissect.backprop` returns; `example` picks the row of the batch whose signals are
    shown. Raises ValueError for layers of more than 7 units: print `dissect.as_table` then.
    """
    layers = [
        [np.asarray(x, np.float64) for x in (s.inputs, s.pre_activation, s.activation, s.error)]
        for s in trace.layers
    ]
    sizes = [layers[0][0].shape[-1], *(layer[1].shape[-1] for layer in layers)]
    if max(sizes) > _MOST_UNITS:
        fix = "Print dissect.as_table(trace) instead."
        raise bad_value("plots.backprop", "trace", "of at most 7 units a layer", max(sizes), fix)
    width, height = _COLUMN * len(layers) + _UNIT_WIDTH + 0.4, _ROW * max(sizes) + 0.45
    fig = style.figure(width, height)
    fig.set_layout_engine("none")  # One unit of the axes is one inch.
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    places = [_places(column, size, height - 0.4) for column, size in enumerate(sizes)]
    steepest = max(float(np.abs(s.gradients.weight).max()) for s in trace.layers) or 1.0
    for number, signals in enumerate(trace.layers):
        _connections(axes, places[number], places[number + 1], signals, steepest)
    of_example = [[x.reshape(-1, x.shape[-1])[example] for x in layer] for layer in layers]
    for k, (place, value) in enumerate(zip(places[0], of_example[0][0], strict=True), start=1):
        _unit(axes, place, f"x{k}", [("x", value)])
    for number, ((_, z, a, delta), signals) in enumerate(
        zip(of_example, trace.layers, strict=True), start=1
    ):
        drift = np.asarray(signals.gradients.bias, np.float64)
        for k, place in enumerate(places[number]):
            lines = [("z", z[k]), ("a", a[k]), ("δ", delta[k]), ("∂E/∂b", drift[k])]
            _unit(axes, place, f"layer {number}, unit {k + 1}", lines)
    loss = style.number(float(trace.loss))
    axes.text(0.2, height - 0.1, f"{title}: E = {loss}", va="top", size=11, weight="bold")
    key = "lines: ∂E/∂w, thicker is larger, dashed is negative"
    axes.text(0.2, height - 0.34, key, va="top", size=8)
    return fig


def _places(column: int, size: int, height: float) -> list[tuple[float, float]]:
    """The middles of a layer's units, from the top."""
    x = 0.2 + _UNIT_WIDTH / 2 + column * _COLUMN
    return [(x, height / 2 + _ROW * ((size - 1) / 2 - k)) for k in range(size)]


def _unit(
    axes: Axes, place: tuple[float, float], name: str, lines: Sequence[tuple[str, float]]
) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = place
    corner = (x - _UNIT_WIDTH / 2, y - _UNIT_HEIGHT / 2)
    look = {"boxstyle": "round,pad=0,rounding_size=0.08", "facecolor": "white", "zorder": 2}
    axes.add_patch(FancyBboxPatch(corner, _UNIT_WIDTH, _UNIT_HEIGHT, edgecolor=style.INK, **look))
    axes.text(x, y + _UNIT_HEIGHT / 2 - 0.05, name, ha="center", va="top", size=7, weight="bold")
    for row, (symbol, value) in enumerate(lines):
        height = y + _UNIT_HEIGHT / 2 - 0.3 - 0.165 * row if len(lines) > 1 else y
        axes.text(corner[0] + 0.08, height, symbol, va="center", size=8)
        axes.text(
            corner[0] + _UNIT_WIDTH - 0.08,
            height,
            style.number(value),
            ha="right",
            va="center",
            size=8,
        )


def _connections(
    axes: Axes,
    sources: Sequence[tuple[float, float]],
    units: Sequence[tuple[float, float]],
    signals: Any,
    steepest: float,
) -> None:
    weights = np.asarray(signals.params.weight, np.float64)
    slopes = np.asarray(signals.gradients.weight, np.float64)
    # At this share of the way the labels of all connections lie evenly above each other.
    fewer = min(len(sources), len(units))
    share = 1 / (fewer + 1) if len(units) == fewer else fewer / (fewer + 1)
    for i, (x0, y0) in enumerate(sources):
        for j, (x1, y1) in enumerate(units):
            start, end = x0 + _UNIT_WIDTH / 2, x1 - _UNIT_WIDTH / 2
            slope = slopes[i, j]
            axes.plot(
                [start, end],
                [y0, y1],
                color=style.COLORS[1] if slope >= 0 else style.COLORS[0],
                linestyle="-" if slope >= 0 else (0, (4, 2)),
                linewidth=0.6 + 3.4 * abs(slope) / steepest,
                zorder=1,
            )
            if max(len(sources), len(units)) > 3:
                continue
            axes.text(
                start + share * (end - start),
                y0 + share * (y1 - y0),
                f"w {style.number(weights[i, j])}\n∂E/∂w {style.number(slope)}",
                ha="center",
                va="center",
                size=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
