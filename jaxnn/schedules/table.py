"""The table of schedules: a new one is a file beside this and a line here."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from jaxnn.errors import look_up
from jaxnn.schedules import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    linear,
    one_cycle,
    piecewise,
    warmup_cosine,
    wsd,
)

__all__ = ["SCHEDULES", "get"]

SCHEDULES: dict[str, ModuleType] = {
    "constant": constant,
    "linear": linear,
    "exponential": exponential,
    "cosine": cosine,
    "warmup_cosine": warmup_cosine,
    "piecewise": piecewise,
    "one_cycle": one_cycle,
    "inverse_sqrt": inverse_sqrt,
    "wsd": wsd,
}


def get(schedule: Any) -> Any:
    """The schedule of that name; a schedule itself comes back as it is.

    Raises ValueError for an unknown name, with the nearest known one.
    """
    if not isinstance(schedule, str):
        return schedule
    return look_up("schedules.get", "schedule", schedule, SCHEDULES)
