"""Problems by name, or by `module:attribute` from the user's own code."""

from __future__ import annotations

import importlib
import sys
from typing import Any

__all__ = ["load_problem"]


def load_problem(name: str) -> Any:
    """The problem of that name; of module:attribute, called if it is a function.

    Raises ValueError where it is not to be found; what the user's own code raises passes through.
    """
    from jaxnn import problems
    from jaxnn.errors import bad_value

    module_name, colon, attribute = name.partition(":")
    if not colon:
        return problems.get(name)
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.split(".", maxsplit=1)[0] and error.name != module_name:
            raise
        fix = "Run the command in the folder that holds it, or set PYTHONPATH."
        raise bad_value(
            "bench", "problem", "an importable module:attribute", repr(name), fix
        ) from None
    if not hasattr(module, attribute):
        fix = f"{module_name} has no {attribute!r}."
        raise bad_value("bench", "problem", "an importable module:attribute", repr(name), fix)
    found = getattr(module, attribute)
    return found if hasattr(found, "loss") else found()
