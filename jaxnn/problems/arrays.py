"""Problems from a user's own arrays, checked on the host before anything compiles.

JAX answers bad data silently: a label out of range gives NaN or a clamped index, (n,) − (n, 1)
becomes n × n, the mean of nothing is NaN, 2⁴⁰ becomes 0. Here each is an error that names the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_type, bad_value, check_seed
from jaxnn.models import MLP
from jaxnn.problems.base import Supervised, Target
from jaxnn.problems.check import check_finite
from jaxnn.problems.data import SPLIT, assemble, split_rows
from jaxnn.typing import Array

__all__ = ["classification", "regression"]

_RECODE = "Recode with np.unique(y, return_inverse=True)[1]."


def classification(
    x: ArrayLike,
    y: ArrayLike,
    *,
    model: Any = None,
    split: Sequence[float] = SPLIT,
    seed: int = 0,
    standardize: bool = True,
    name: str = "classification",
    loss_name: str | Callable[..., Array] | None = None,
    target: Target | None = None,
) -> Supervised:
    """A problem from rows `x` [rows, *features] and their labels `y` [rows].

    x: finite numbers; NumPy arrays, lists, data frames.
    y: integers from 0 (whole floats and booleans too), or strings, which become integers in sorted
    order and are kept in `classes`.
    model: MLP((features, 32, classes)) unless given; one output means the logit of label 1.
    split: shares of training, validation and test rows, taken class by class in an order that
    `seed` shuffles.
    standardize: columns, with the training rows' statistics; a constant column becomes 0.
    loss_name: cross-entropy from logits unless given; one of `base.LOSSES_OF_TASK` or a function.

    Raises ValueError and TypeError for data that cannot be learned from, naming the first bad row.

    >>> problem = classification([[0.0], [1.0], [5.0]] * 4, ["low", "low", "high"] * 4)
    >>> problem.classes, problem.model.sizes, problem.num_rows
    (('high', 'low'), (1, 32, 2), 8)
    """
    where = "classification"
    inputs = _numbers(where, "x", x)
    labels, classes = _labels(where, y)
    _check_rows(where, inputs, labels)
    fractions, seed = _check_split(where, split), check_seed(where, seed)
    present, counts = np.unique(labels, return_counts=True)
    if model is None:
        gaps = np.flatnonzero(present != np.arange(len(present)))
        if len(gaps):
            wanted = "labels 0, 1, 2, … without a gap where no `model` is given"
            raise bad_value(where, "y", wanted, f"{present[-1]} but never {gaps[0]}", _RECODE)
        model = _default_model(where, inputs, len(present))
    shown = [repr(classes[c]) if classes else str(c) for c in present]
    if len(present) < 2:
        fix = "Pass rows of another class too."
        raise bad_value(where, "y", "of two classes or more", f"only {shown[0]}", fix)
    if counts.min() < 3:
        wanted = "of 3 rows or more in each class, one for each part of the split"
        got = f"{counts.min()} of {shown[int(counts.argmin())]}"
        raise bad_value(where, "y", wanted, got, "Drop the class, or merge it with another.")
    return assemble(
        where,
        inputs,
        labels,
        model,
        split_rows(len(inputs), seed, fractions=fractions, labels=labels),
        name=name,
        standardize=standardize,
        dtype=jnp.result_type(float),
        loss_name=loss_name,
        target=target,
        classes=classes,
    )


def regression(
    x: ArrayLike,
    y: ArrayLike,
    *,
    model: Any = None,
    split: Sequence[float] = SPLIT,
    seed: int = 0,
    standardize: bool = True,
    name: str = "regression",
    loss_name: str | Callable[..., Array] | None = None,
    target: Target | None = None,
) -> Supervised:
    """A problem from rows `x` [rows, *features] and values `y` [rows] or [rows, outputs].

    standardize: columns of both, with the training rows' statistics; `predict` answers in the units
    of `y`. model: MLP((features, 32, outputs)) unless given. loss_name: squared error unless given.
    Other arguments, and what raises, as for `classification`.

    >>> problem = regression([[0.0], [1.0], [2.0], [3.0]] * 3, [0.0, 2.0, 4.0, 6.0] * 3)
    >>> problem.model.sizes, problem.train.targets.shape
    ((1, 32, 1), (8, 1))
    """
    where = "regression"
    inputs = _numbers(where, "x", x)
    targets = _numbers(where, "y", y)
    _check_rows(where, inputs, targets)
    fractions, seed = _check_split(where, split), check_seed(where, seed)
    if len(inputs) < 3:
        wanted = "of 3 rows or more, one for each part of the split"
        raise bad_value(where, "x", wanted, len(inputs), "Pass more rows.")
    if model is None:
        model = _default_model(where, inputs, targets.shape[1])
    return assemble(
        where,
        inputs,
        targets,
        model,
        split_rows(len(inputs), seed, fractions=fractions),
        name=name,
        standardize=standardize,
        dtype=jnp.result_type(float),
        loss_name=loss_name,
        target=target,
    )


def _array(where: str, name: str, got: Any) -> NDArray:
    try:
        array = np.asarray(got)
    except (TypeError, ValueError, RuntimeError):
        got, fix = type(got).__name__, "Rows must have the same length."
        raise bad_type(where, name, "an array or rows of numbers", got, fix) from None
    if got is None:
        raise bad_type(where, name, "an array or rows of numbers", got, "Pass one, rows first.")
    if array.size == 0:
        fix = "Pass one column or more." if len(array) else "Pass 3 rows or more."
        raise bad_value(where, name, "non-empty", f"shape {array.shape}", fix)
    return array


def _numbers(where: str, name: str, got: Any) -> NDArray[np.float64]:
    """[rows, columns …] in float64; `y` may be one column without its axis."""
    array = _array(where, name, got)
    try:
        if array.dtype.kind in "USMmc":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        fix = "Turn text, dates and categories into numbers first."
        raise bad_type(where, name, "real numbers", f"dtype {array.dtype}", fix) from None
    if name == "y" and array.ndim == 1:
        array = array[:, None]
    if array.ndim < 2 or (name == "y" and array.ndim > 2):
        columns = "features" if name == "x" else "outputs"
        column = f"Pass {name}[:, None] if it is one column."
        fix = ("Pass an array, rows first.", column, "", "Flatten them.")[min(array.ndim, 3)]
        raise bad_value(where, name, f"of shape (rows, {columns})", array.shape, fix)
    check_finite(where, name, array)
    return array


def _labels(where: str, got: Any) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    """[rows] integers, and the strings that they stand for."""
    array = _array(where, "y", got)
    if array.ndim != 1:
        fix = "Pass one label for each row."
        if array.ndim == 2:
            fix = "Pass y[:, 0]." if array.shape[1] == 1 else "Pass y.argmax(axis=1) if one-hot."
        raise bad_value(where, "y", "of shape (rows,)", array.shape, fix)
    if array.dtype.kind == "U":
        # NumPy has turned what is not a string in a list, such as a missing value, into one.
        array = np.asarray(got, object)
    wanted = "integer labels, or strings throughout"
    strings = np.array([isinstance(x, str) for x in array] if array.dtype == object else [False])
    if strings.all():
        classes, labels = np.unique(array.astype(str), return_inverse=True)
        return labels, tuple(str(name) for name in classes)
    try:
        if array.dtype.kind in "SMmc":
            raise TypeError
        numbers = np.where(strings, np.nan, array).astype(np.float64)
    except (TypeError, ValueError):
        fix = "Turn other kinds into strings first."
        raise bad_type(where, "y", wanted, f"dtype {array.dtype}", fix) from None
    broken = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)))
    if strings.any():
        broken = ~strings
    if broken.any():
        fix = "Drop rows without a label; float targets are for problems.regression."
        raise bad_type(where, "y", wanted, _at(array, broken.argmax()), fix)
    outside = ~((numbers >= 0) & (numbers < 2**31))
    if outside.any():
        raise bad_value(
            where, "y", "labels from 0 to 2147483647", _at(array, outside.argmax()), _RECODE
        )
    return numbers.astype(np.int64), None


def _at(array: NDArray, row: np.intp) -> str:
    label = array[row]
    return f"{label.item() if isinstance(label, np.generic) else label} in row {row}"


def _check_rows(where: str, inputs: NDArray, targets: NDArray) -> None:
    if len(inputs) != len(targets):
        fix = "Pass one for each row of `x`."
        raise bad_value(where, "y", f"of {len(inputs)} rows, as `x` is", len(targets), fix)


def _check_split(where: str, split: Any) -> tuple[float, float, float]:
    fix = f"Did you mean {SPLIT}?"
    wanted = "three positive fractions that sum to 1"
    try:
        train, validation, test = (float(fraction) for fraction in split)
    except (TypeError, ValueError):
        raise bad_type(where, "split", wanted, repr(split), fix) from None
    if not min(train, validation, test) > 0 or not abs(train + validation + test - 1) < 1e-6:
        raise bad_value(where, "split", wanted, (train, validation, test), fix)
    return train, validation, test


def _default_model(where: str, inputs: NDArray, outputs: int) -> MLP:
    if inputs.ndim > 2:
        wanted = f"given for inputs of shape {('rows', *inputs.shape[1:])}"
        fix = "The default one takes (rows, features): flatten `x`."
        raise bad_value(where, "model", wanted, None, fix)
    return MLP((inputs.shape[1], 32, outputs))
