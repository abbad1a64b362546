"""`jaxnn sweep`: run, watch, go on with, export and mend sweeps that are kept in a store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from jaxnn.cli import sweep_debug
from jaxnn.cli.interrupts import noted

if TYPE_CHECKING:
    from jaxnn.sweeps import Results

__all__ = ["app"]


class _Group(TyperGroup):
    """`jaxnn sweep module:function ...` is short for `jaxnn sweep run module:function ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        short = bool(args) and ":" in args[0]
        if args and not (short or args[0].startswith("-") or args[0] in self.commands):
            ctx.fail(f"No such command {args[0]!r}. A trial is module:function.")
        return super().parse_args(ctx, ["run", *args] if short else args)


app = typer.Typer(
    cls=_Group,
    help="Search a space of numbers and structures, thousands of trials in one program.",
    no_args_is_help=True,
)

STORE = Annotated[Path, typer.Argument(help="The file that keeps the sweep.")]
METRIC = Annotated[
    str | None,
    typer.Option(help="The metric that decides.", show_default="that of a rule, or loss"),
]
HIGH = Annotated[
    bool | None,
    typer.Option(
        "--max/--min",
        help="The largest or the smallest is best.",
        show_default="that of a rule, or --min",
    ),
]
TRIAL = Annotated[str, typer.Argument(help="module:function, f(key, hyper) → metrics.")]


@app.command("run")
def run(
    trial: TRIAL,
    space: Annotated[
        Path, typer.Option(help="TOML: a table of that name, and any argument of sweeps.run.")
    ],
    store: Annotated[
        Path | None, typer.Option(help="The file to keep it in.", show_default="SPACE.db")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Points of the space.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Replicates of each.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides everything random.")] = None,
    metric: METRIC = None,
    high: HIGH = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and compile nothing.")
    ] = False,
) -> None:
    """Run a sweep, or go on with it where its store is there already."""
    from jaxnn.cli.devices import set_up

    set_up()
    from rich.console import Console

    from jaxnn import sweeps
    from jaxnn.cli.load import load_attribute
    from jaxnn.cli.sweep_options import judged, read_options
    from jaxnn.cli.sweep_preview import print_preview

    options = read_options(space)
    given = {"num_trials": trials, "num_seeds": seeds, "seed": seed}
    options |= {name: value for name, value in given.items() if value is not None}
    path = Path(store or options.pop("store", space.with_suffix(".db")))
    function = load_attribute("sweep", "trial", trial)
    if dry_run:
        print_preview(Console(), function, options, path)
        return
    judge = judged(options, metric, high)
    with _progress(f"jaxnn sweep resume {path} {trial}", *judge) as progress:
        found = sweeps.run(function, **options | {"store": path, "progress": progress})
    _show(found, *judge, path)


@app.command("resume")
def resume(store: STORE, trial: TRIAL, metric: METRIC = None, high: HIGH = None) -> None:
    """Go on with a sweep that was stopped."""
    from jaxnn.cli.devices import set_up

    set_up()
    from jaxnn import sweeps
    from jaxnn.cli.load import load_attribute

    function = load_attribute("sweep", "trial", trial)
    judge = _judged(store, metric, high)
    with _progress(f"jaxnn sweep resume {store} {trial}", *judge) as progress:
        found = sweeps.resume(store, function, progress=progress)
    _show(found, *judge, store)


@app.command("status")
def status(store: STORE, metric: METRIC = None, high: HIGH = None) -> None:
    """What there is of a sweep, also while it runs."""
    from jaxnn import sweeps

    found = sweeps.load(store)
    _show(found, *_judged(store, metric, high), store)


app.command("debug")(sweep_debug.debug)
app.command("check-width")(sweep_debug.check_width)


@app.command("export")
def export(
    store: STORE,
    out: Annotated[Path, typer.Argument(help="A file that ends in .csv or .parquet.")],
) -> None:
    """Write the table of a sweep to a file."""
    from jaxnn import sweeps, tables

    tables.check_format("sweep.export", out)
    found = sweeps.load(store)
    tables.write("sweep.export", found.table(), out)
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


@contextlib.contextmanager
def _progress(command: str, metric: str | None, mode: Any) -> Any:
    """A line with what is done while it runs; after Ctrl-C, how to go on."""
    from jaxnn.errors import look_up
    from jaxnn.sweeps.display import Display

    display = Display(metric or "loss", mode)
    try:
        with noted() as stop, display, _notes():

            def tell(told: Any) -> None:
                display(told)
                if metric is not None and told.block is not None:
                    look_up("sweep", "metric", metric, told.block.metrics)
                if stop.pressed:
                    raise KeyboardInterrupt

            yield tell
    except KeyboardInterrupt:
        typer.echo(f"stopped; go on with: {command}", err=True)
        raise typer.Exit(130) from None


@contextlib.contextmanager
def _notes() -> Iterator[None]:
    """Warnings of a sweep as lines of their own, without where in the library they come from."""
    import warnings

    def note(message: Any, category: Any, *where: Any) -> None:
        del where
        if issubclass(category, UserWarning):
            typer.echo(f"note: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = note
        yield


def _judged(path: Path, metric: str | None, high: bool | None) -> tuple[str | None, str]:
    from jaxnn.cli.sweep_options import judged
    from jaxnn.sweeps.stored import arguments, stored_manifest

    manifest = stored_manifest(path)
    return judged(arguments(manifest) if manifest else {}, metric, high)


def _show(found: Results, metric: str | None, mode: str, path: Path) -> None:
    from rich.console import Console

    from jaxnn.cli.summary import print_summary
    from jaxnn.sweeps.stored import stored_manifest

    print_summary(Console(), found, metric, mode, path, stored_manifest(path))
