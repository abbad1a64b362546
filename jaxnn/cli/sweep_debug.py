"""`jaxnn sweep debug` and `check-width`: where a trial went wrong, what a width changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["check_width", "debug"]

STORE = Annotated[Path, typer.Argument(help="The file that keeps the sweep.")]
TRIAL = Annotated[str, typer.Argument(help="module:function, the trial of the sweep.")]


def debug(
    store: STORE,
    trial: TRIAL,
    row: Annotated[str, typer.Argument(help="A row of the table, or SETTING/REPLICATE.")],
) -> None:
    """Replay a trial that failed, and say where it first went wrong."""
    from jaxnn.cli.load import load_attribute
    from jaxnn.sweeps.replay import debug as replayed

    chosen = _numbers("sweep debug", "row", row, "/", (1, 2), "17, or 8/1")
    function = load_attribute("sweep debug", "trial", trial)
    found = replayed(function, row=chosen if len(chosen) == 2 else chosen[0], store=store)
    typer.echo(str(found))


def check_width(
    store: STORE,
    trial: TRIAL,
    width: Annotated[
        list[str] | None,
        typer.Option(help="REPLICATESxSETTINGS, once or more.", show_default="1x1"),
    ] = None,
    settings: Annotated[
        int | None, typer.Option(help="Of each program.", show_default="a block")
    ] = None,
) -> None:
    """Run some rows at the sweep's own width and at others, and show how their numbers differ."""
    from jaxnn.cli.devices import set_up

    set_up()
    from jaxnn.cli.load import load_attribute
    from jaxnn.sweeps.widths import check_width as checked

    asked = [_numbers("sweep check-width", "width", x, "x", (2,), "1x32") for x in width or ["1x1"]]
    function = load_attribute("sweep check-width", "trial", trial)
    typer.echo(str(checked(function, widths=asked, num_settings=settings, store=store)))


def _numbers(
    where: str, name: str, text: str, separator: str, sizes: tuple[int, ...], example: str
) -> Any:
    from jaxnn.errors import bad_value

    parts = text.split(separator)
    if len(parts) not in sizes or not all(part.isdecimal() for part in parts):
        raise bad_value(where, name, f"whole numbers, such as {example}", repr(text))
    return tuple(map(int, parts))
