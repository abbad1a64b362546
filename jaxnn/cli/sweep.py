"""`jaxnn sweep`: run, watch, go on with, export and mend sweeps that are kept in a store."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from jaxnn.cli.interrupts import noted

if TYPE_CHECKING:
    from jaxnn.sweeps import Results

__all__ = ["app"]


class _Group(TyperGroup):
    """`jaxnn sweep module:function ...` is short for `jaxnn sweep run module:function ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        short = bool(args) and ":" in args[0]
        return super().parse_args(ctx, ["run", *args] if short else args)


app = typer.Typer(
    cls=_Group,
    help="Search a space of numbers and structures, thousands of trials in one program.",
    no_args_is_help=True,
)

STORE = Annotated[Path, typer.Argument(help="The file that keeps the sweep.")]
METRIC = Annotated[str, typer.Option(help="The metric that decides.")]
HIGH = Annotated[bool, typer.Option("--max", help="The largest is best, not the smallest.")]
TRIAL = Annotated[str, typer.Argument(help="module:function, f(key, hyper) → metrics.")]


@app.command("run")
def run(
    trial: TRIAL,
    space: Annotated[
        Path, typer.Option(help="TOML: a table [space], and any option of sweeps.run.")
    ],
    store: Annotated[
        Path | None, typer.Option(help="The file to keep it in.", show_default="SPACE.db")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Points of the space.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Replicates of each.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides everything random.")] = None,
    metric: METRIC = "loss",
    high: HIGH = False,
) -> None:
    """Run a sweep, or go on with it where its store is there already."""
    from jaxnn.cli.devices import use_all_cores

    use_all_cores()
    from jaxnn import sweeps
    from jaxnn.cli.load import load_attribute

    options = read_options(space)
    given = {"num_trials": trials, "num_seeds": seeds, "seed": seed}
    options |= {name: value for name, value in given.items() if value is not None}
    path = store or space.with_suffix(".db")
    function = load_attribute("sweep", "trial", trial)
    with _progress(f"jaxnn sweep resume {path} {trial}") as progress:
        found = sweeps.run(function, store=path, progress=progress, **options)
    _show(found, metric, high, path)


@app.command("resume")
def resume(store: STORE, trial: TRIAL, metric: METRIC = "loss", high: HIGH = False) -> None:
    """Go on with a sweep that was stopped."""
    from jaxnn.cli.devices import use_all_cores

    use_all_cores()
    from jaxnn import sweeps
    from jaxnn.cli.load import load_attribute

    function = load_attribute("sweep", "trial", trial)
    with _progress(f"jaxnn sweep resume {store} {trial}") as progress:
        found = sweeps.resume(store, function, progress=progress)
    _show(found, metric, high, store)


@app.command("status")
def status(store: STORE, metric: METRIC = "loss", high: HIGH = False) -> None:
    """What there is of a sweep, also while it runs."""
    from jaxnn import sweeps

    _show(sweeps.load(store), metric, high, store)


@app.command("export")
def export(
    store: STORE,
    out: Annotated[Path, typer.Argument(help="A file that ends in .csv or .parquet.")],
) -> None:
    """Write the table of a sweep to a file."""
    from jaxnn import sweeps
    from jaxnn.errors import bad_value

    if out.suffix not in (".csv", ".parquet"):
        raise bad_value("sweep", "out", "a file that ends in .csv or .parquet", repr(str(out)))
    found = sweeps.load(store)
    write = found.to_csv if out.suffix == ".csv" else found.to_parquet
    write(out)
    typer.echo(f"{len(found.status)} rows in {out}")


@app.command("doctor")
def doctor(store: STORE) -> None:
    """Find what is damaged in a store, and rebuild it from what is not."""
    from jaxnn.errors import BadInput
    from jaxnn.sweeps import DamagedError, Store
    from jaxnn.sweeps.damage import salvage

    try:
        with Store.open(store) as kept:
            damaged, faults = kept.check(), kept.faults()
            if not faults:
                kept.discard(damaged)
    except (DamagedError, BadInput) as error:
        # A file of another kind or version is left alone; one without its first bytes is a case.
        if isinstance(error, BadInput) and (not store.is_file() or _begins_as_sqlite(store)):
            raise
        damaged, faults = [], ["The file does not begin as a store does."]
        faults = [str(error)] if isinstance(error, DamagedError) else faults
    for name in damaged:
        typer.echo(f"damaged: {name}")
    for fault in faults:
        typer.echo(fault)
    if faults:
        mended = salvage(store)
        typer.echo(f"rebuilt with {len(mended.kept)} chunks; the old file is {mended.damaged}")
    if damaged or faults:
        typer.echo("Go on with the sweep: what is missing is computed again.")
        return
    typer.echo("nothing is damaged")


def _begins_as_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def read_options(path: Path) -> dict[str, Any]:
    """The arguments of `sweeps.run` in a TOML file: [space] in its plain form, and others beside.

    Raises ValueError for a file that cannot be read and for a name that is no argument.
    """
    import tomllib

    from jaxnn.errors import bad_value, unknown_name
    from jaxnn.sweeps.plain import from_plain

    known = ("num_trials", "num_seeds", "seed", "method", "width", "common", "ceiling")
    try:
        read = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise bad_value("sweep", "space", "a TOML file", f"{str(path)!r}", f"{error}.") from None
    if "space" not in read:
        fix = "For example [space] and learning_rate = { log_uniform = [1e-4, 1e-1] }."
        raise bad_value("sweep", "space", "a file with a table [space]", repr(str(path)), fix)
    for name in read:
        if name not in (*known, "space"):
            raise unknown_name("sweep", "space", name, [*known, "space"])
    options = {name: tuple(x) if isinstance(x, list) else x for name, x in read.items()}
    options["space"] = {name: from_plain(name, plain) for name, plain in read["space"].items()}
    return options


@contextlib.contextmanager
def _progress(command: str) -> Any:
    """A line with what is done while it runs; after Ctrl-C, how to go on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("compiling", total=1)

    try:
        with noted() as stop, bar:

            def tell(told: Any) -> None:
                done, total = told.segments, told.num_segments
                bar.update(task, completed=done, total=total, description="running")
                if stop.pressed:
                    raise KeyboardInterrupt

            yield tell
    except KeyboardInterrupt:
        typer.echo(f"stopped; go on with: {command}", err=True)
        raise typer.Exit(130) from None


def _show(found: Results, metric: str, high: bool, path: Path) -> None:
    from rich.console import Console

    from jaxnn.cli.summary import print_summary

    print_summary(Console(), found, metric, "max" if high else "min", path)
