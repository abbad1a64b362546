"""Schedules, one a file: how a number of a rule changes over a run, as a factor on it."""

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
from jaxnn.schedules.base import Schedule
from jaxnn.schedules.from_optax import from_optax
from jaxnn.schedules.table import SCHEDULES, get

__all__ = [
    "SCHEDULES",
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "from_optax",
    "get",
    "inverse_sqrt",
    "linear",
    "one_cycle",
    "piecewise",
    "warmup_cosine",
    "wsd",
]
