"""A comparison in a terminal: the table and the verdict of every problem."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from jaxnn.bench import Comparison, report, words

__all__ = ["grid", "show"]


def show(console: Console, comparison: Comparison) -> None:
    """The table and the verdict of every problem, then that over all of them."""
    for problem in comparison.problems:
        if len(comparison.problems) > 1:
            console.print(f"[bold]{problem}[/bold]", highlight=False)
        heads, body = report.headings(comparison, problem), report.rows(comparison, problem)
        table = grid(heads, body)
        wide = console.measure(table, options=console.options.update(width=1000)).maximum
        if wide > console.width:  # an interval goes under its figure
            table = grid(heads, [[cell.replace(" [", "\n[") for cell in row] for row in body])
        console.print(table)
        console.print(f"[dim]{report.note(comparison, problem)}[/dim]\n", highlight=False)
        console.print(grid(["", "best setting"], report.settings(comparison, problem)))
        console.print()
        for paragraph in comparison.summary(problem):
            console.print(f"• {paragraph}", highlight=False, markup=False)
        console.print()
    _show_overall(console, comparison)
    for paragraph in words.unplayed(comparison):
        console.print(f"• {paragraph}", highlight=False, markup=False)


def _show_overall(console: Console, comparison: Comparison) -> None:
    heads, body = report.overall_table(comparison)
    if not body:
        return
    console.print("[bold]over all problems[/bold]", highlight=False)
    console.print(grid(heads, body))
    console.print()
    for paragraph in comparison.overall():
        console.print(f"• {paragraph}", highlight=False, markup=False)
    console.print()


def grid(heads: list[str], body: list[list[str]]) -> Table:
    """A table of text without lines."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in body:
        table.add_row(*row)
    return table
