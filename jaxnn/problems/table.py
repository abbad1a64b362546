"""The table of problems: a new one is a function beside this and a line here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable
from typing import Any

from jaxnn.errors import bad_type, look_up, unknown_name
from jaxnn.problems import lecture, points, real, valleys
from jaxnn.problems.base import Function, Supervised

__all__ = ["PROBLEMS", "get", "resolve"]

PROBLEMS: dict[str, Callable[..., Supervised | Function]] = {
    "gate": lecture.gate,
    "xor": lecture.xor_gate,
    "and": lecture.and_gate,
    "saddle": lecture.saddle,
    "quadratic": valleys.quadratic,
    "rosenbrock": valleys.rosenbrock,
    "beale": valleys.beale,
    "himmelblau": valleys.himmelblau,
    "rastrigin": valleys.rastrigin,
    "moons": points.moons,
    "circles": points.circles,
    "spirals": points.spirals,
    "blobs": points.blobs,
    "digits": real.digits,
    "breast_cancer": real.breast_cancer,
    "wine": real.wine,
    "iris": real.iris,
    "diabetes": real.diabetes,
}
"""Names to builders; the options of a builder are keyword-only."""


def get(name: str, /, **structure: Hashable) -> Any:
    """The problem of that name, with other structure where asked: `get("quadratic", dim=2)`.

    Problems are built once a process; the answer is the same object for the same arguments.
    Raises ValueError for an unknown name, option or value.

    >>> get("gate", name="nand").train.targets.tolist()
    [1, 1, 1, 0]
    """
    builder = look_up("problems.get", "name", name, PROBLEMS)
    options = inspect.signature(builder).parameters
    for option in structure:
        if option not in options:
            raise unknown_name(name, "structure", option, options)
    defaults = {option: parameter.default for option, parameter in options.items()}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in structure.items()}
    for option, value in values.items():
        try:
            hash(value)
        except TypeError:
            fix = "Pass a number, a string or a tuple."
            raise bad_type(name, option, "hashable", repr(value), fix) from None
    return _build(name, **(defaults | values))


@functools.lru_cache(maxsize=64, typed=True)
def _build(name: str, /, **structure: Hashable) -> Any:
    return PROBLEMS[name](**structure)


def resolve(problem_or_name: Any) -> Any:
    """A problem from a problem or from its name."""
    return get(problem_or_name) if isinstance(problem_or_name, str) else problem_or_name
