"""The command line: `jaxnn bench`, `sweep`, `list`, `doctor`; a command imports what is heavy."""

__all__ = ["main"]


def main() -> None:
    """The entry point, of a process that ends with it.

    Before anything is imported it sees to it that Ctrl-C ends the process cleanly, at any moment;
    and that it does no harm on the way out.
    """
    from jaxnn.cli.interrupts import ignore, stop_at_once

    stop_at_once()
    try:
        from jaxnn.cli.app import run

        run()
    finally:
        ignore()
