"""The checks that builders of problems share: numbers, and whether a model fits its data."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value
from jaxnn.models import MLP

__all__ = ["check_finite", "check_model", "check_number", "count"]

_LARGEST = float(np.finfo(np.float32).max)


def check_number(where: str, name: str, got: Any, *, low: float) -> float:
    """`got` as a finite float >= `low`; raises TypeError for what is no number, ValueError else.

    >>> check_number("moons", "noise", 0.2, low=0)
    0.2
    """
    fix = f"Pass {low:g} or more."
    try:
        number = float(got)
    except (TypeError, ValueError):
        raise bad_type(where, name, "a real number", repr(got), fix) from None
    if not low <= number < math.inf:
        raise bad_value(where, name, f"finite and >= {low:g}", f"{number:g}", fix)
    return number


def check_finite(where: str, name: str, array: NDArray[np.float64]) -> None:
    """Raises ValueError for the first NaN or infinity, or number that float32 cannot hold."""
    # Beyond float32's range the device would hold infinities; a NaN fails the comparison.
    bad = np.argwhere(~(np.abs(array) <= _LARGEST))
    if len(bad):
        row, *column = (int(i) for i in bad[0])
        at = f"row {row}, column {column[0] if len(column) == 1 else tuple(column)}"
        value = f"{array[tuple(bad[0])]:g} in {at}"
        fix = "Drop such rows, or fill in the value."
        raise bad_value(where, name, f"finite and at most {_LARGEST:.3g}", value, fix)


def count(number: int, noun: str) -> str:
    """'1 input', '2 inputs'."""
    return f"{number} {noun}{'s' * (number != 1)}"


def check_model(where: str, model: Any, features: tuple[int, ...]) -> int:
    """The number of outputs that `model` gives for inputs [rows, *features]; nothing is compiled.

    Raises TypeError for what is no model, ValueError where it does not take such inputs.
    """
    methods = [getattr(model, name, None) for name in ("init", "apply")]
    if isinstance(model, type) or not all(callable(method) for method in methods):
        fix = "Pass one of jaxnn.models, or any frozen object with both."
        raise bad_type(where, "model", "a model with `init` and `apply`", repr(model), fix)
    try:
        hash(model)
    except TypeError:
        fix = "Make it a frozen dataclass."
        raise bad_type(where, "model", "hashable", repr(model), fix) from None
    if isinstance(model, MLP) and len(features) == 1 and model.sizes[0] != features[0]:
        wanted = f"for {count(features[0], 'input')}, one a column of the data"
        raise bad_value(where, "model", wanted, model.sizes[0], "Change the first of its sizes.")
    params = jax.eval_shape(model.init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((2, *features), jnp.result_type(float))
    try:
        outputs = jax.eval_shape(model.apply, params, inputs)
    except (TypeError, ValueError) as error:
        wanted = f"applicable to inputs of shape {('rows', *features)}"
        raise bad_value(where, "model", wanted, f"{type(error).__name__}", str(error)) from error
    if outputs.ndim != 2 or outputs.shape[0] != 2:
        wanted = "one whose outputs have the shape (rows, outputs)"
        raise bad_value(where, "model", wanted, outputs.shape, "Flatten them in `apply`.")
    return outputs.shape[1]
