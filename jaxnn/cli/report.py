"""`jaxnn report`: results that are there put together, compared, and written again."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jaxnn.bench.merge import Change

__all__ = ["app"]

app = typer.Typer(
    help="Results of `jaxnn bench`: put together, compared.",
    no_args_is_help=True,
    add_completion=False,
)

Folder = Annotated[Path, typer.Argument(help="A folder of results.")]


@app.command("merge")
def merge_(
    folders: Annotated[list[Path], typer.Argument(help="Folders of results of one protocol.")],
    out: Annotated[Path, typer.Option(help="Folder for the results of all.")],
) -> None:
    """Put results of one protocol together: later contestants, other problems."""
    from jaxnn.bench import load, report
    from jaxnn.bench.merge import merge

    found = merge([load(folder) for folder in folders])
    report.save(found, out)
    for sentence in found.overall():
        typer.echo(f"• {sentence}")
    typer.echo(f"Results: {out}")


class What(enum.StrEnum):
    """The tables of a comparison."""

    TRIALS = "trials"
    FIGURES = "figures"
    PAIRS = "pairs"


@app.command("export")
def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="A file that ends in .csv or .parquet.")],
    table: Annotated[
        What, typer.Option(help="Every trial, the figures with intervals, or every test of a pair.")
    ] = What.TRIALS,
) -> None:
    """Write a table of a comparison to a file, with all digits."""
    from jaxnn import tables
    from jaxnn.bench import load

    tables.check_format("report.export", out)
    found = load(folder)
    columns = {What.TRIALS: found.trials, What.FIGURES: found.table, What.PAIRS: found.pairs}
    chosen = columns[table]()
    tables.write("report.export", chosen, out)
    typer.echo(f"{len(chosen['problem'])} rows in {out}")


@app.command("compare")
def compare(before: Folder, after: Folder) -> None:
    """Show which figures differ between two folders of results."""
    from rich.console import Console

    from jaxnn.bench import load
    from jaxnn.bench.merge import changes
    from jaxnn.cli.bench_tables import grid

    one, two = load(before), load(after)
    found = changes(one, two)
    same = [change for change in found if change.is_same]
    typer.echo(f"{len(same)} of {len(found)} figures are the same")
    body = [_row(change) for change in found if not change.is_same]
    if body:
        heads = ["problem", "optimizer", "figure", str(before), str(after), ""]
        Console().print(grid(heads, body))


def _row(change: Change) -> list[str]:
    from jaxnn.bench import words

    figures = (
        "–" if figure is None else words.estimate(figure, change.metric)
        for figure in (change.before, change.after)
    )
    if change.before is None or change.after is None:
        remark = "only in one"
    else:
        remark = "intervals overlap" if change.overlaps else "intervals apart"
        remark += "" if change.same_setting else ", another setting"
    return [change.problem, change.optimizer, change.metric, *figures, remark]
