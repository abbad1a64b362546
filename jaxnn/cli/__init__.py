"""The command line: `jaxnn bench | list | doctor`; what is heavy is imported by a command."""

from jaxnn.cli.app import main

__all__ = ["main"]
