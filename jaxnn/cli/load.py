"""Problems by name, or by `module:attribute` from the user's own code."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

from jaxnn.errors import BadInput, BadValue, bad_value

__all__ = ["load_problem"]

_NOT_THEIRS = {__file__, importlib.__file__}


def load_problem(name: str) -> Any:
    """The problem of that name; of module:attribute, called if it is a function.

    Raises ValueError where it is not to be found, and where the user's own code raises.
    """
    from jaxnn import problems

    module_name, colon, attribute = name.partition(":")
    if not colon:
        return problems.get(name)
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        nameless = isinstance(error, ValueError | TypeError) and not _line_of(error)  # ":x", ".:x"
        missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
        if nameless or (missing and module_name.startswith(missing)):
            fix = "Run the command in the folder that holds it, or set PYTHONPATH."
            raise _not_found(name, fix) from None
        raise _failed(name, f"Importing {module_name}", error) from None
    if not hasattr(module, attribute):
        raise _not_found(name, f"{module_name} has no {attribute!r}.")
    found = getattr(module, attribute)
    made = _called(name, found) if inspect.isfunction(found) else found
    if not hasattr(made, "loss") or not hasattr(made, "name"):
        raise _not_found(name, "It is neither a problem nor a function that returns one.")
    return made


def _called(name: str, function: Any) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        fix = f"It must be callable without arguments: {error}."
        raise _not_found(name, fix) from None
    try:
        return function()
    except BadInput:
        raise  # says it all
    except Exception as error:
        raise _failed(name, "Calling it", error) from None


def _failed(name: str, doing: str, error: Exception) -> BadValue:
    """The error for the user's own code that raised, with the line of it that did."""
    line = _line_of(error)
    where = f" ({line})" if line else ""
    return _not_found(name, f"{doing} failed: {type(error).__name__}: {error}{where}.")


def _line_of(error: Exception) -> str:
    """File and line of the user's code where it was raised; "" if none of that ran."""
    if isinstance(error, SyntaxError):
        return ""  # its own text says where
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith("<") and f.filename not in _NOT_THEIRS]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""


def _not_found(name: str, fix: str) -> BadValue:
    return bad_value("bench", "problem", "an importable module:attribute", repr(name), fix)
