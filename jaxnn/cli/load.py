"""Problems by name, and whatever else by `module:attribute` from the user's own code."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from jaxnn.errors import BadInput, BadValue, bad_value

__all__ = ["load_attribute", "load_problem", "load_problems"]

_NOT_THEIRS = {__file__, importlib.__file__}


class Asked(NamedTuple):
    """Which option of which command names something of the user's own."""

    command: str
    option: str
    name: str  # what was given


def load_problems(names: Iterable[str]) -> list[Any]:
    """Problems as `bench.run` takes them: names of suites and problems as they are, or objects.

    Raises ValueError for a name that is not known, and as `load_problem` does.
    """
    from jaxnn.problems.suites import SUITES, WORKLOADS

    known = SUITES.keys() | WORKLOADS.keys()
    return [name if name in known else load_problem(name) for name in names]


def load_problem(name: str) -> Any:
    """The problem of that name; of module:attribute, called if it is a function.

    Raises ValueError where it is not to be found, and where the user's own code raises.
    """
    from jaxnn import problems

    asked = Asked("bench", "problem", name)
    if ":" not in name:
        return problems.get(name)
    found = load_attribute(*asked)
    made = _called(asked, found) if inspect.isfunction(found) else found
    if not hasattr(made, "loss") or not hasattr(made, "name"):
        raise _not_found(asked, "It is neither a problem nor a function that returns one.")
    return made


def load_attribute(command: str, option: str, name: str) -> Any:
    """What module:attribute names; a module of the working folder is found too.

    Raises ValueError where it is not to be found, and where importing it raises.
    """
    asked = Asked(command, option, name)
    module_name, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        nameless = isinstance(error, ValueError | TypeError) and not _line_of(error)  # ":x", ".:x"
        missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
        if nameless or (missing and module_name.startswith(missing)):
            fix = "Run the command in the folder that holds it, or set PYTHONPATH."
            raise _not_found(asked, fix) from None
        raise _failed(asked, f"Importing {module_name}", error) from None
    if not attribute or not hasattr(module, attribute):
        raise _not_found(asked, f"{module_name} has no {attribute!r}.")
    return getattr(module, attribute)


def _called(asked: Asked, function: Any) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        fix = f"It must be callable without arguments: {error}."
        raise _not_found(asked, fix) from None
    try:
        return function()
    except BadInput:
        raise  # says it all
    except Exception as error:
        raise _failed(asked, "Calling it", error) from None


def _failed(asked: Asked, doing: str, error: Exception) -> BadValue:
    """The error for the user's own code that raised, with the line of it that did."""
    line = _line_of(error)
    where = f" ({line})" if line else ""
    return _not_found(asked, f"{doing} failed: {type(error).__name__}: {error}{where}.")


def _line_of(error: Exception) -> str:
    """File and line of the user's code where it was raised; "" if none of that ran."""
    if isinstance(error, SyntaxError):
        return ""  # its own text says where
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith("<") and f.filename not in _NOT_THEIRS]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""


def _not_found(asked: Asked, fix: str) -> BadValue:
    constraint = "an importable module:attribute"
    return bad_value(asked.command, asked.option, constraint, repr(asked.name), fix)
