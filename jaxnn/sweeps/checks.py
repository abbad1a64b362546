"""What is wrong with the arguments of a sweep, before any trial is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from jaxnn.errors import bad_type, bad_value, shown
from jaxnn.sweeps.settings import Settings

__all__ = ["COLUMNS", "check_columns", "check_options", "plain_space"]

COLUMNS = ("setting", "replicate", "stopped", "status", "status_step")
"""Columns of a table that are neither numbers of a setting nor metrics."""

INT32 = np.iinfo(np.int32)


def plain_space(space: Any) -> Any:
    """The space with its constants as numbers of Python.

    Raises TypeError for names that are no strings, ValueError for those of columns and for NaN.
    """
    if isinstance(space, Mapping):
        return {name: _plain(name, entry) for name, entry in space.items()}
    if isinstance(space, Sequence) and not isinstance(space, str):
        return [plain_space(row) if isinstance(row, Mapping) else row for row in space]
    return space


def _plain(name: Any, entry: Any) -> Any:
    if not isinstance(name, str):
        raise bad_type("sweeps.run", "space", "named by strings", shown(name))
    if name in COLUMNS:
        fix = "That is a column of the table already: rename it."
        raise bad_value("sweeps.run", "space", "named unlike columns", repr(name), fix)
    value = entry.item() if isinstance(entry, np.generic) else entry
    if isinstance(value, float) and math.isnan(value):
        fix = "Leave out what does not exist in a setting."
        raise bad_value("sweeps.run", "space", "of numbers", f"nan for {name!r}", fix)
    return value


def check_columns(settings: Settings) -> None:
    """Raises ValueError for whole numbers that a trial would not be given as they are."""
    for name, column in settings.columns.items():
        if settings.kinds[name] != "integer":
            continue
        there = column[~np.isnan(column)]
        beyond = there[(there < INT32.min) | (there > INT32.max)]
        if beyond.size:
            fix = "Scale it, or draw its logarithm."
            got = f"{int(beyond[0]):,} for {name!r}"
            raise bad_value("sweeps.run", "space", "of whole numbers in [−2³¹, 2³¹)", got, fix)


def check_options(
    common: Any,
    ceiling: Any,
    store: str | PathLike[str] | None,
    progress: bool | Callable[..., Any] | None,
) -> None:
    """Raises TypeError and ValueError for what these arguments cannot be."""
    if not isinstance(common, bool | np.bool_):
        raise bad_type("sweeps.run", "common", "True or False", shown(common))
    if ceiling is not None:
        if isinstance(ceiling, bool) or not isinstance(ceiling, int | float | np.number):
            raise bad_type("sweeps.run", "ceiling", "a number", shown(ceiling))
        if not ceiling > 0:
            raise bad_value("sweeps.run", "ceiling", "> 0", f"{ceiling:g}")
    if store is not None and not isinstance(store, str | PathLike):
        raise bad_type("sweeps.run", "store", "a path", shown(store))
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise bad_type("sweeps.run", "progress", "True, False or a function", shown(progress))
