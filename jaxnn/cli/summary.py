"""What a sweep found, in a terminal: how many rows there are, and the best settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.console import Console

    from jaxnn.sweeps import Results

__all__ = ["SHOWN", "print_summary"]

SHOWN = 5
"""So many of the best settings."""


def print_summary(
    console: Console, found: Results, metric: str, mode: str, path: Path | None = None
) -> None:
    """Rows by what became of them, and a table of the best settings with 95 % intervals."""
    from rich.table import Table

    from jaxnn.bench.statistics import mean_interval
    from jaxnn.sweeps.results import UNRUN

    status = found.status
    waiting, failed = np.count_nonzero(status == UNRUN), np.count_nonzero(status > 0)
    settings = found.num_settings
    seeds = len(status) // settings
    where = f" in {path}" if path else ""
    text = f"{settings:,} settings × {seeds} seeds{where}: {np.count_nonzero(status == 0):,} done"
    for number, what in ((failed, "failed"), (waiting, "not run yet")):
        text += f", {number:,} {what}" if number else ""
    console.print(text, highlight=False)
    values = found.by_setting(metric, mode=mode)
    order = [k for k in found.ranking(metric, mode=mode) if np.all(np.isfinite(values[k]))]
    if not order:
        console.print(f"no setting has a {metric} on all of its seeds", highlight=False)
        return
    best = {k: found.setting(int(k)) for k in order[:SHOWN]}
    names = list(dict.fromkeys(name for setting in best.values() for name in setting))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("setting", metric, "95 %" if seeds > 1 else "", *names):
        table.add_column(name, justify="right", overflow="fold")
    for k, setting in best.items():
        mean, low, high = mean_interval(values[k]) if seeds > 1 else (values[k][0], None, None)
        interval = "" if low is None else f"{low:.4g} – {high:.4g}"
        shown = [_text(setting[name]) if name in setting else "" for name in names]
        table.add_row(str(k), f"{mean:.4g}", interval, *shown)
    console.print(table, highlight=False)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
