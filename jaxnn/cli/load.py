"""Problems by name, or by `module:attribute` from the user's own code."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

from jaxnn.errors import BadValue, bad_value

__all__ = ["load_problem"]


def load_problem(name: str) -> Any:
    """The problem of that name; of module:attribute, called if it is a function.

    Raises ValueError where it is not to be found; what the user's own code raises passes through.
    """
    from jaxnn import problems

    module_name, colon, attribute = name.partition(":")
    if not colon:
        return problems.get(name)
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except (ModuleNotFoundError, ValueError, TypeError) as error:
        missing = getattr(error, "name", None) or module_name
        if not module_name.startswith(missing):
            raise
        fix = "Run the command in the folder that holds it, or set PYTHONPATH."
        raise _not_found(name, fix) from None
    if not hasattr(module, attribute):
        raise _not_found(name, f"{module_name} has no {attribute!r}.")
    found = getattr(module, attribute)
    made = found() if inspect.isfunction(found) else found
    if not hasattr(made, "loss") or not hasattr(made, "name"):
        raise _not_found(name, "It is neither a problem nor a function that returns one.")
    return made


def _not_found(name: str, fix: str) -> BadValue:
    return bad_value("bench", "problem", "an importable module:attribute", repr(name), fix)
