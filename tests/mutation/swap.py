"""A mutant in the place of its function, wherever the library and the tests have hold of it.

Only the code of the function is exchanged: tables, imports, partial applications and modules keep
the objects that they have.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

__all__ = ["swapped"]


@contextlib.contextmanager
def swapped(module: ModuleType, name: str, compiled: CodeType) -> Iterator[None]:
    """`name`, "update" or "Clipped.update", as it stands in the compiled file, until the end."""
    function, code = _function(module, name), compiled
    for part in name.split("."):
        code = next(x for x in _within(code) if x.co_name == part)
    before = function.__code__
    function.__code__ = code
    try:
        yield
    finally:
        function.__code__ = before


def _within(code: CodeType) -> list[CodeType]:
    return [x for x in code.co_consts if isinstance(x, CodeType)]


def _function(module: ModuleType, name: str) -> FunctionType:
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    while not isinstance(found, FunctionType):
        found = found.__wrapped__
    return inspect.unwrap(found)
