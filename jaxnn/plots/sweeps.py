"""What a sweep came to: curves of its best settings, and which of its numbers matter."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_value, check_integer, shown
from jaxnn.plots import scales, style
from jaxnn.plots.curves import learning_curves
from jaxnn.plots.trials import Names, nothing, read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["best_curves", "importance"]


def best_curves(
    columns: Mapping[str, ArrayLike],
    curve: ArrayLike,
    metric: str,
    names: Sequence[str] = (),
    *,
    num_best: int = 4,
    steps: ArrayLike | None = None,
    ylabel: str = "loss",
    mode: str = "min",
    log: bool = True,
    title: str = "",
) -> Figure:
    """`learning_curves` of the settings with the best mean of a metric: a panel each, best first.

    columns: a sweep's table, a row a setting × replicate. curve: [rows, steps], one of a sweep's
    curves, on whose scale a band is Student's 95 % interval over replicates. names: of the numbers
    that are written over each panel. steps: [steps], 0, 1, … if not given. Settings that failed
    come last.
    Raises ValueError and TypeError for columns that are not there or do not match.
    """
    where = "plots.best_curves"
    trials = read(where, columns, names, metric, mode)
    check_integer(where, "num_best", num_best, low=1)
    values = np.asarray(curve, np.float64)
    rows = np.shape(columns[metric])[0]
    if values.ndim != 2 or len(values) != rows or not values.shape[1]:
        raise bad_value(where, "curve", f"of shape [{rows}, steps]", f"shape {values.shape}")
    x = np.arange(values.shape[1]) if steps is None else np.asarray(steps)
    if x.shape != values.shape[1:]:
        raise bad_value(where, "steps", f"of shape {values.shape[1:]}", f"shape {x.shape}")
    of_row = np.asarray(columns.get("setting", np.arange(rows)))
    panels = {}
    for k in [*trials.order, *np.flatnonzero(trials.failed)][:num_best]:
        what = "failed" if trials.failed[k] else style.number(float(trials.mean[k]))
        lines = [f"setting {trials.setting[k]}: {what}"]
        lines += [f"{name} {_written(trials.swept[name], k)}" for name in names]
        panels["\n".join(scales.wrapped(line, 27, lines=1) for line in lines)] = (
            x,
            values[of_row == trials.setting[k]],
        )
    return learning_curves(panels, ylabel=ylabel, title=title, log=log)


def _written(values: NDArray[np.float64] | Names, k: int) -> str:
    if isinstance(values, Names):
        return values.options[values.codes[k]] if values.codes[k] >= 0 else "–"
    return style.number(float(values[k])) if np.isfinite(values[k]) else "–"


@style.picture
def importance(
    values: Mapping[str, Sequence[float]],
    *,
    caveat: str = "",
    xlabel: str = "share of the variance of ranks",
    title: str = "",
) -> Figure:
    """Bars with intervals, the longest on top, and the caveat under them.

    values: name → (mean, low, high), as `sweeps.importance` returns them.
    Raises ValueError for no names and for numbers that are not finite.
    """
    where = "plots.importance"
    if not values:
        raise bad_value(where, "values", "of at least one name", "none")
    for name, numbers in values.items():
        if np.shape(numbers) != (3,) or not np.all(np.isfinite(numbers)):
            raise bad_value(where, name, "a finite mean, low and high", shown(tuple(numbers)))
    names = sorted(values, key=lambda name: (-values[name][0], name))
    mean, low, high = np.array([values[name] for name in names], np.float64).T
    note = textwrap.fill(caveat, 96)
    figure = style.figure(6.4, 1.1 + 0.36 * max(len(names), 2) + 0.16 * len(note.splitlines()))
    axes = figure.subplots()
    rows = np.arange(len(names))
    axes.barh(rows, mean, height=0.62, color=style.tint(style.COLORS[0], 0.55))
    axes.hlines(rows, low, high, color=style.INK, linewidth=1.6)
    axes.plot(mean, rows, "o", color=style.INK, markersize=4.5)
    axes.axvline(0, color=style.INK, linewidth=0.9)
    scales.put(axes, "x", "linear", scales.limits("linear", [0, *low, *high]))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(rows, [scales.wrapped(name, 26, lines=2) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    axes.set_xlabel(xlabel)
    style.title(figure, scales.wrapped(title, 58))
    if note:
        label = note.replace("$", r"\$")
        figure.legend(
            handles=[nothing()],
            labels=[label],
            loc="outside lower left",
            handlelength=0,
            fontsize=8,
        )
    return figure
