"""`jaxnn list`: what there is, by name, a line each."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["list_tables", "tables"]


def list_tables(
    table: Annotated[
        str | None, typer.Argument(help="One of the tables, such as optimizers; all by default.")
    ] = None,
) -> None:
    """List optimizers, schedules, activations, initializers, losses, models and problems."""
    from rich.console import Console

    from jaxnn.errors import unknown_name

    every = tables()
    if table is not None and table not in every:
        raise unknown_name("list", "table", table, every)
    console = Console()
    for title, entries in every.items():
        if table in (None, title):
            console.print(f"[bold]{title}[/bold]", highlight=False)
            if title == "optimizers":
                _print_optimizers(console, entries)
                continue
            lines = {name: _first_line(entry) for name, entry in entries.items()}
            console.print(_grid(lines), highlight=False)


def _print_optimizers(console: Console, rules: Mapping[str, Any]) -> None:
    """Two lines a rule: family, year, size of the state and needs; what it is. Then the needs."""
    from rich.padding import Padding

    from jaxnn.optimizers import NEEDS, describe

    width = max(map(len, rules))
    console.print(f"  [dim]{'name':{width}}  {'family':14}  year   state  needs[/dim]")
    for name, rule in rules.items():
        found = describe(rule)
        state, needs = f"{found.state_multiple:.2g} ×", ", ".join(found.needs)
        head = f"  {name:{width}}  {found.family:14}  {found.year}  {state:>6}  "
        wide = max(console.width, len(head) + 20)
        line = textwrap.fill(head + needs, wide, subsequent_indent=" " * len(head))
        console.print(line.rstrip(), highlight=False)
        console.print(Padding(found.summary, (0, 0, 0, 6)), style="dim", highlight=False)
    console.print("[bold]needs[/bold] beyond gradients, which training makes from loss and batch")
    console.print(_grid(NEEDS), style="dim", highlight=False)


def _grid(lines: Mapping[str, str]) -> Table:
    from rich.table import Table

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for name, line in lines.items():
        grid.add_row(name, line)
    return grid


def tables() -> dict[str, Mapping[str, Any]]:
    """Every table of the library by name."""
    from jaxnn.activations import ACTIVATIONS
    from jaxnn.initializers import INITIALIZERS
    from jaxnn.losses import LOSSES
    from jaxnn.models import MODELS
    from jaxnn.optimizers import OPTIMIZERS
    from jaxnn.problems import PROBLEMS
    from jaxnn.schedules import SCHEDULES

    return {
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "activations": ACTIVATIONS,
        "initializers": INITIALIZERS,
        "losses": LOSSES,
        "models": MODELS,
        "problems": PROBLEMS,
    }


def _first_line(entry: Any) -> str:
    text = inspect.getdoc(entry) or ""
    return text.splitlines()[0] if text else ""
