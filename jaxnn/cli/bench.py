"""`jaxnn bench`: compare optimizers, with an interval around every figure."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxnn.cli.interrupts import noted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from jaxnn.bench import Comparison, Protocol

__all__ = ["DEFAULT_OPTIMIZERS", "bench"]

DEFAULT_OPTIMIZERS = "sgd,momentum,nesterov,adagrad,rmsprop,adadelta,adam,adamw"


def bench(
    optimizers: Annotated[
        str,
        typer.Option(
            help="Contestants with commas between: adam, rmsprop(centered=True), clipped(adamw), "
            "scheduled(adam, learning_rate=cosine), optax:lion, my_module:my_rule.",
            show_default=DEFAULT_OPTIMIZERS.replace(",", ", "),
        ),
    ] = DEFAULT_OPTIMIZERS,
    problem: Annotated[
        str, typer.Option(help="A name of `jaxnn list problems`, or module:attribute of your own.")
    ] = "digits",
    steps: Annotated[
        int | None, typer.Option(help="Updates of a trial.", show_default="500")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Tuning trials for each optimizer.", show_default="16")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Fresh seeds for the figures, 2 or more.", show_default="10")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides everything random, in [0, 4294967296).")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Hold a number fixed: adam.b1=0.8. May be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results.", show_default="jaxnn-results/bench-TIME"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: 8 trials, 5 seeds, 200 steps.")
    ] = False,
) -> None:
    """Compare optimizers: each is tuned with the same budget, then run on fresh seeds.

    Ends with a table, a verdict in words, and a folder of data, a report and pictures.
    """
    from rich.console import Console

    from jaxnn.cli.devices import set_up

    set_up()
    from jaxnn.bench import QUICK, Protocol, report
    from jaxnn.bench.run import contestants
    from jaxnn.cli.contestants import load_contestants, parse_fixed
    from jaxnn.cli.load import load_problem
    from jaxnn.errors import bad_value
    from jaxnn.optimizers.base import name_of

    chosen = {"num_steps": steps, "tuning_trials": trials, "evaluation_seeds": seeds, "seed": seed}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    base = dataclasses.asdict(QUICK if quick else Protocol())
    base["record_every"] = min(base["record_every"], max(chosen.get("num_steps", 500), 1))
    protocol = Protocol(**{**base, **chosen})
    rules = load_contestants(optimizers, tell=_tell)
    fixed = parse_fixed(set_ or [], tuple(map(name_of, rules)))
    contestants(rules, fixed)
    the_problem = load_problem(problem)
    if out == Path():
        fix = "Name a new one, or leave --out away."
        raise bad_value("bench", "out", "a folder of its own", "the current one", fix)
    stamp = datetime.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder = Path("jaxnn-results") / f"bench-{stamp}" if out is None else out
    with noted() as ctrl_c:  # a comparison that is done is saved whole
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        report.prepare(folder)
        try:
            comparison = _compared(rules, the_problem, protocol, fixed)
        except BaseException:
            with contextlib.suppress(OSError):  # somebody has put something there
                for path in missing:
                    path.rmdir()
            raise
        console = Console()
        show(console, comparison)
        report.save(comparison, folder)
        console.print(f"Results: {folder}", soft_wrap=True, highlight=False)
    if ctrl_c.pressed:
        typer.echo("stopped: the results were saved", err=True)
        raise typer.Exit(130)


def _compared(
    rules: list[Any], problem: Any, protocol: Protocol, fixed: dict[str, dict[str, float]]
) -> Comparison:
    """The comparison, with its progress on the screen. Ctrl-C raises KeyboardInterrupt."""
    from rich.console import Console

    from jaxnn.bench import run
    from jaxnn.cli.background import in_background
    from jaxnn.cli.progress import ContestProgress
    from jaxnn.optimizers.base import name_of

    console = Console()
    plural = "" if len(rules) == 1 else "s"
    console.print(
        f"[bold]{problem.name}[/bold]: {len(rules)} optimizer{plural} × ({protocol.tuning_trials} "
        f"tuning trials × {protocol.tuning_seeds} seeds + {protocol.evaluation_seeds} fresh seeds)"
        f" × {protocol.num_steps} steps",
        highlight=False,
    )
    threading.Thread(target=_import_late, daemon=True).start()
    with ContestProgress(console, list(map(name_of, rules))) as progress:
        return in_background(
            functools.partial(run, rules, problem, protocol, fixed=fixed, progress=progress)
        )


def _import_late() -> None:
    """Import what the end needs while XLA compiles, which leaves the interpreter free."""
    import matplotlib.figure  # noqa: F401
    import scipy.stats  # noqa: F401


def _tell(name: str) -> None:
    typer.echo(f"checking that {name} keeps the contracts of a rule", err=True)


def show(console: Console, comparison: Comparison) -> None:
    """The table and the verdict of every problem."""
    from jaxnn.bench import report, words

    for problem in comparison.problems:
        heads, body = report.headings(comparison, problem), report.rows(comparison, problem)
        table = _grid(heads, body)
        wide = console.measure(table, options=console.options.update(width=1000)).maximum
        if wide > console.width:  # an interval goes under its figure
            table = _grid(heads, [[cell.replace(" [", "\n[") for cell in row] for row in body])
        console.print(table)
        console.print(f"[dim]{report.note(comparison, problem)}[/dim]\n", highlight=False)
        console.print(_grid(["", "best setting"], report.settings(comparison, problem)))
        console.print()
        for paragraph in comparison.summary(problem):
            console.print(f"• {paragraph}", highlight=False, markup=False)
        console.print()
    for paragraph in words.unplayed(comparison):
        console.print(f"• {paragraph}", highlight=False, markup=False)


def _grid(heads: list[str], body: list[list[str]]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in body:
        table.add_row(*row)
    return table
