"""What a sweep found, in a terminal: its rows, the best settings, their curves, what to widen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxnn.cli.sweep_preview import counted, in_blocks
from jaxnn.cli.sweep_sparks import Sparks, curves, histogram
from jaxnn.sweeps import TUNING, Plan, Results, Settings, Width
from jaxnn.sweeps.edges import edges
from jaxnn.sweeps.results import Leader
from jaxnn.sweeps.stored import arguments

__all__ = ["SHOWN", "print_summary"]

SHOWN = 5
"""So many of the best settings."""

CURVE, HISTOGRAM = 16, 40
"""Characters."""

FEW = 5
"""So few settings say nothing of how they are distributed."""


def print_summary(
    console: Console,
    found: Results,
    metric: str | None,
    mode: str,
    path: Path | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> None:
    """Rows by what became of them, the best settings with 95 % intervals, and what to look at next.

    metric: by default "loss", or the first that there is. manifest: of the store at `path`.
    Raises ValueError for a metric that is not there.
    """

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    where = f" in {path}" if path else ""
    size = f"{counted(found.num_settings, 'setting')} × {counted(found.num_seeds, 'seed')}"
    say(f"{size}{where}: {_outcomes(found)}")
    if manifest is not None and isinstance(manifest["method"], str):
        say(_programs(found, manifest))
    metric = metric or _first_metric(found)
    if metric is None:
        return
    leaders = found.leaders(metric, mode=mode, number=SHOWN)
    if not leaders:
        say(f"no setting has a {metric} on all of its seeds")
    else:
        console.print()
        _print_leaders(console, found, leaders, metric)
        for line in _distribution(found, metric, mode):
            say(line)
    for line in _rungs(found):
        say(line)
    space = arguments(manifest)["space"] if manifest is not None else found.space
    for sentence in edges(found, metric, mode=mode, space=space):
        say(f"\nat an edge: {sentence}")


def _outcomes(found: Results) -> str:
    """12 done, 3 failed (2 not finite, 1 above the ceiling), 1 stopped early."""
    counts = found.outcomes
    bad = {what: counts.pop(what) for what in ("not finite", "above the ceiling")}
    bad = {what: number for what, number in bad.items() if number}
    why = ", ".join(f"{number:,} {what}" if len(bad) > 1 else what for what, number in bad.items())
    parts = [f"{counts.pop('done'):,} done"]
    parts += [f"{sum(bad.values()):,} failed ({why})"] if bad else []
    return ", ".join(parts + [f"{number:,} {what}" for what, number in counts.items() if number])


def _programs(found: Results, manifest: Mapping[str, Any]) -> str:
    columns = {name: found.columns[name][:: found.num_seeds] for name in found.names}
    groups = Settings(columns, found.kinds, found.num_settings).groups()
    width, seed = Width(*manifest["width"]), manifest["seed"]
    plans = [Plan(x.numbers, found.num_seeds, seed, TUNING, width, x.members) for x in groups]
    return in_blocks(plans) + (", at first" if manifest["stop"] else "")


def _first_metric(found: Results) -> str | None:
    """The one called "loss", or the first of one number a row; None before anything is there."""
    others = ("setting", "replicate", "status", "status_step", *found.names)
    scalars = {
        name: column.ndim == 1 and column.dtype.kind in "fiu"
        for name, column in found.columns.items()
        if name not in others
    }
    return next((name for name in ("loss", *scalars) if scalars.get(name)), None)


def _print_leaders(
    console: Console, found: Results, leaders: Sequence[Leader], metric: str
) -> None:
    """A table of them; where it would be too wide, more tables for their numbers."""
    drawn = _curves(found, leaders, metric)
    setting = "setting", [str(x.number) for x in leaders]
    columns = [setting, (metric, [_text(x.mean) for x in leaders])]
    if found.num_seeds > 1:
        columns.append(("95 %", [f"{x.low:.4g} – {x.high:.4g}" for x in leaders]))
    if drawn:
        columns.append(("curve", drawn[1].lines))
    names = list(dict.fromkeys(name for x in leaders for name in x.setting))
    numbers = [(n, [_text(x.setting[n]) if n in x.setting else "" for x in leaders]) for n in names]
    tables = [columns + numbers]
    if _width(tables[0]) > console.width:
        tables = [columns]
        for column in numbers:
            if len(tables) == 1 or _width([*tables[-1], column]) > console.width:
                tables.append([setting])
            tables[-1].append(column)
    for each in tables:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, _ in each:
            table.add_column(Text(name), justify="left" if name == "curve" else "right")
        for row in zip(*(texts for _, texts in each), strict=True):
            table.add_row(*map(Text, row))
        console.print(table, highlight=False)
    if drawn:
        text = f"curves: {drawn[0]} by step, {drawn[1].scale}"
        console.print(text, highlight=False, markup=False)


def _width(columns: Sequence[tuple[str, list[str]]]) -> int:
    return sum(max(map(len, [name, *texts])) + 2 for name, texts in columns) - 2


def _curves(found: Results, leaders: Sequence[Leader], metric: str) -> tuple[str, Sparks] | None:
    """Of the metric, the loss or whatever has a value a step: its name, and a line for each.

    That on the validation rows comes first, since the metrics are measured there.
    """
    wanted = (f"validation_{metric}", metric, "validation_loss", "loss", *found.curves)
    name = next((x for x in wanted if x in found.curves), None)
    if name is None:
        return None
    of_settings = found.curves[name].reshape(found.num_settings, found.num_seeds, -1)
    rows = of_settings[[x.number for x in leaders]].astype(np.float64)
    # All replicates of a leader are done: where one has a value, all have.
    sparks = curves(rows.mean(axis=1), CURVE)
    return None if sparks is None else (name, sparks)


def _distribution(found: Results, metric: str, mode: str) -> list[str]:
    values = found.by_setting(metric, mode=mode).mean(axis=1)
    values = values[np.isfinite(values)]
    if len(values) <= FEW:
        return []
    drawn = histogram(values, min(HISTOGRAM, 2 * math.isqrt(len(values))), mode=mode)
    words = f"{metric} of {len(values):,} settings, {drawn.scale}"
    if drawn.beyond:
        worst = values.max() if mode == "min" else values.min()
        words += f"; {drawn.beyond:,} are worse, up to {worst:.3g}"
    return [f"{words}:", f"[{drawn.lines[0]}]"]


def _rungs(found: Results) -> list[str]:
    """How many reached each rung of each bracket, and how far a rung told the next."""
    lines = []
    for bracket in found.rungs:
        *steps, end = bracket.steps.tolist()
        reached = " → ".join(f"{number:,}" for number in bracket.reached)
        told = ", ".join("–" if math.isnan(x) else f"{x:.2f}" for x in bracket.correlations)
        at = ", ".join(f"{step:,}" for step in steps)
        if steps:
            lines.append(f"rungs at {at} of {end:,} steps: {reached}; rank correlations {told}")
    return lines


def _text(value: Any) -> str:
    """Four digits, of what is just below 1 two of the distance.

    >>> _text(0.123456), _text(0.99987654), _text(64)
    ('0.1235', '0.99988', '64')
    """
    if not isinstance(value, float):
        return str(value)
    if 0.99 < value < 1 - 1e-12:
        return f"{value:.{1 - math.floor(math.log10(1 - value))}f}"
    return f"{value:.4g}"
