"""A comparison as tables, the best in bold and its equals marked: cells, and LaTeX of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jaxnn.bench.comparison import HIGHER_IS_BETTER
from jaxnn.bench.latex import Cell, latex_table, mark_best
from jaxnn.bench.statistics import Estimate

if TYPE_CHECKING:
    from jaxnn.bench.comparison import Comparison

__all__ = ["latex", "overall_cells", "problem_cells"]


Table = tuple[list[str], list[list[Cell]]]
"""Headings and rows."""


def latex(comparison: Comparison) -> str:
    """A table for each problem, and one over all where there are several; `\\input` it."""
    found = [_of_problem(comparison, problem) for problem in comparison.problems]
    standings = comparison.standings()
    if standings is not None:
        headings, rows = overall_cells(comparison)
        caption = (
            f"Over {len(standings.problems)} problems. Score: interquartile mean of the share of "
            "the way from the first loss to the lowest mean of any contestant; 95 % intervals by a "
            "bootstrap stratified by problem."
        )
        found.append(latex_table(headings, rows, caption, "tab:overall"))
    return "\n".join(found)


def _of_problem(comparison: Comparison, problem: str) -> str:
    headings, rows = problem_cells(comparison, problem)
    values = comparison.protocol.replicates
    what = "seeds" if comparison.protocol.studies == 1 else "studies"
    timed = "steps" in comparison.metrics(problem)
    caption = (
        f"{problem}: means over {values} {what} with 95 % intervals by the "
        "studentised bootstrap."
        f"{' Steps to the target: medians.' if timed else ''} "
        "Pairs by Student's paired test, Holm's correction, 5 %."
    )
    return latex_table(headings, rows, caption, f"tab:{_label(problem)}")


def problem_cells(comparison: Comparison, problem: str) -> Table:
    """The figures of one problem, the best test loss first."""
    names, metrics = comparison.order("loss", problem), comparison.metrics(problem)
    columns = [_column(comparison, problem, metric, names) for metric in metrics]
    rows: list[list[Cell]] = [list(row) for row in zip(names, *columns, strict=True)]
    headings = ["optimizer"]
    for metric in metrics:
        unit = " (%)" if metric == "accuracy" else ""
        headings.append("steps" if metric == "steps" else f"test {metric.replace('_', ' ')}{unit}")
    return headings, rows


def _column(comparison: Comparison, problem: str, metric: str, names: list[str]) -> list[Cell]:
    best = comparison.order(metric, problem)[0]
    level = {
        number
        for number, name in enumerate(names)
        if name != best
        and comparison.verdict(best, name, problem, metric=metric).winner is None
        and not any(o.optimizer == name and o.num_failed for o in comparison.on(problem))
    }
    scale = 100.0 if metric == "accuracy" else 1.0
    figures = [
        Estimate(*(scale * x for x in comparison.estimate(name, metric, problem))) for name in names
    ]
    mode = "max" if metric in HIGHER_IS_BETTER else "min"
    return [*mark_best(figures, level, mode=mode)]


def overall_cells(comparison: Comparison) -> Table:
    """The scores over all problems, the best first; no rows for one problem."""
    standings = comparison.standings()
    if standings is None:
        return [], []
    order = sorted(range(len(standings.optimizers)), key=lambda i: -standings.score[i].value)
    level = {
        row
        for row, i in enumerate(order)
        if (ahead := standings.ahead.get(standings.optimizers[i])) and ahead.low <= 0
    }
    columns = [mark_best([standings.score[i] for i in order], level, mode="max")]
    headings = ["optimizer", "score"]
    for heading, figures in (("AlgoPerf", standings.soon), ("targets reached", standings.solved)):
        if figures is not None:
            headings.append(heading)
            columns.append(mark_best([figures[i] for i in order], mode="max"))
    rows: list[list[Cell]] = [
        [standings.optimizers[i], *(column[row] for column in columns)]
        for row, i in enumerate(order)
    ]
    if standings.ranks is not None:
        headings.append("mean rank")
        for row, i in zip(rows, order, strict=True):
            row.append(round(float(standings.ranks.mean_ranks[i]), 3))
    return headings, rows


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9:._/+-]+", "-", name)
