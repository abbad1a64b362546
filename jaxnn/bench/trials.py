"""Every trial of every contestant as rows of one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxnn.bench.comparison import Comparison
    from jaxnn.bench.outcome import Outcome

__all__ = ["trials"]

_MEASURED = {"tuning": "validation", "evaluation": "test"}


def trials(comparison: Comparison) -> dict[str, list[Any]]:
    """Columns, a row a trial; None where a contestant or a problem has no such number."""
    parts = [
        part
        for outcome in comparison.outcomes
        for part in (_part(outcome, phase) for phase in _MEASURED)
        if part["setting"]
    ]
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: [value for part in parts for value in part.get(name, [None] * len(part["setting"]))]
        for name in names
    }


def _part(outcome: Outcome, phase: str) -> dict[str, list[Any]]:
    columns = {name: x.tolist() for name, x in getattr(outcome, phase).table().items()}
    what = {"problem": outcome.problem, "optimizer": outcome.optimizer}
    what |= {"phase": phase, "rows_measured": _MEASURED[phase]}
    return {name: [x] * len(columns["setting"]) for name, x in what.items()} | columns
