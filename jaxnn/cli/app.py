"""The commands and their exit codes: 0 done, 1 failed, 2 bad input, 130 stopped."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from jaxnn.cli import bench, doctor, listing, report, sweep
from jaxnn.cli.interrupts import STOPPED

__all__ = ["app", "run"]

app = typer.Typer(
    name="jaxnn",
    help="Train thousands of small networks in one program; say which optimizer is better.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jaxnn {version('jaxnn')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show it and end."),
    ] = False,
) -> None:
    del version


_OPTIONS = {
    "num_steps": "--steps",
    "tuning_trials": "--trials",
    "evaluation_seeds": "--seeds",
    "seed": "--seed",
    "studies": "--studies",
    "budget": "--budget",
    "schedule": "--schedule",
    "fixed": "--set",
    "set": "--set",
    "optimizers": "--optimizers",
    "problem": "--problem",
    "problems": "--problem",
    "campaign": "--campaign",
    "out": "--out",
}
_SPEAKERS = {"Protocol", "bench", "bench.run", "plan", "report"}
_TABLES = {"optimizers.get": "--optimizers", "problems.get": "--problem"}


def _in_options(sentence: str, *, fixing: bool) -> str:
    """The sentence with an argument of Python called what it is called in the shell."""
    found = re.match(r"([\w.]+): `(\w+)` must be ", sentence)
    if not found:
        return sentence
    (where, name), rest = found.groups(), sentence[found.end() :]
    if where in _TABLES and name == "name":  # too many to list them in a sentence
        got = rest.partition("; got ")[2]
        table = where.partition(".")[0]
        return f"`{_TABLES[where]}` must be a known name; got {got} See `jaxnn list {table}`."
    if name == "hyper" and not where.startswith("sweeps"):
        if not fixing:  # a name of a sweep's space
            return f"{where}: `space` must be {rest}"
        return f"`--set {where}` must be {rest}"
    if where in _SPEAKERS and name in _OPTIONS:
        return f"`{_OPTIONS[name]}` must be {rest}"
    return sentence


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        # A light import: errors knows nothing of jax.
        from jaxnn.errors import BadInput

        try:
            command(*args, **kwargs)
        except BadInput as error:
            fixing = command.__module__.endswith("bench")  # which alone has --set
            typer.echo(f"error: {_in_options(str(error), fixing=fixing)}", err=True)
            raise typer.Exit(2) from None
        except Exception as error:
            # A store that cannot be read or written: by name, since sweeps import jax.
            if type(error).__name__ not in ("StoreError", "DamagedError"):
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo(STOPPED, err=True)
            raise typer.Exit(130) from None

    return run


app.command("bench")(_guarded(bench.bench))
app.command("list")(_guarded(listing.list_tables))
app.command("doctor")(_guarded(doctor.doctor))
for _app, _name in ((sweep.app, "sweep"), (report.app, "report")):
    for _command in _app.registered_commands:
        _command.callback = _guarded(_command.callback)  # pyright: ignore[reportArgumentType]
    app.add_typer(_app, name=_name)


def run() -> None:
    """The command that the arguments name; ends with its exit code."""
    try:
        app()
    except SystemExit as end:
        if end.code == 130:
            _stop()
        raise


def _stop() -> None:
    # At once: the interpreter's own way out waits for threads in the middle of a program.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130)
