"""From rows on the host to a problem: split, standardise, place, check against the model.

A split gives each class the same shares, up to rounding, and each part at least one row of it.
Columns are standardised with the mean and the deviation of the training rows alone, so that nothing
of the validation and test rows reaches the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnn import losses
from jaxnn.errors import bad_value, unknown_name
from jaxnn.problems.base import LOSSES_OF_TASK, Batch, Scaling, Supervised, Target, Task
from jaxnn.problems.check import check_model, count
from jaxnn.typing import Array

__all__ = ["SPLIT", "Parts", "assemble", "split_rows"]

SPLIT = (0.7, 0.15, 0.15)
"""Shares of the training, validation and test rows."""


class Parts(NamedTuple):
    """Row numbers of each part of a split."""

    train: NDArray
    validation: NDArray
    test: NDArray


def split_rows(
    num_rows: int,
    seed: int,
    *,
    fractions: tuple[float, float, float] = SPLIT,
    labels: NDArray | None = None,
) -> Parts:
    """Disjoint row numbers, shuffled by `seed`, that together are all the rows.

    With `labels` [num_rows] each class is split by itself. Every class (all rows, without labels)
    must have three rows or more; each part gets one at least.

    >>> [len(rows) for rows in split_rows(20, seed=0)]
    [14, 3, 3]
    """
    order = np.random.default_rng(seed).permutation(num_rows)
    groups = np.zeros(num_rows, int) if labels is None else labels
    part = np.empty(num_rows, int)
    for group in np.unique(groups):
        members = order[groups[order] == group]
        count = len(members)
        first = min(max(round(fractions[0] * count), 1), count - 2)
        second = min(max(round((fractions[0] + fractions[1]) * count), first + 1), count - 1)
        part[members] = np.repeat([0, 1, 2], [first, second - first, count - second])
    return Parts(*(order[part[order] == number] for number in range(3)))


def assemble(
    where: str,
    inputs: NDArray,
    targets: NDArray,
    model: Any,
    rows: Parts,
    *,
    name: str | None = None,
    standardize: bool = False,
    dtype: DTypeLike = jnp.float32,
    loss_name: str | Callable[..., Array] | None = None,
    target: Target | None = None,
    classes: tuple[Any, ...] | None = None,
) -> Supervised:
    """The problem of `model` on checked data: integer labels [rows], or floats [rows, outputs].

    One output and labels are the task "binary".
    standardize: the inputs, and the targets of a regression.
    dtype: of the data on the device; in float32 the same numbers serve every precision.
    Raises ValueError where the model's inputs or outputs do not fit the data.
    """
    task = _fit(where, model, inputs, targets)
    known = LOSSES_OF_TASK[task]
    if isinstance(loss_name, str) and loss_name not in known:
        raise unknown_name(where, "loss_name", loss_name, known, losses.KNOWN_AS)
    scaling: dict[str, Scaling] = {}
    if standardize:
        scaling["input_scaling"] = Scaling.of(inputs[rows.train])
        inputs = scaling["input_scaling"].standardize(inputs)
    if standardize and task == "regression":
        scaling["target_scaling"] = Scaling.of(targets[rows.train])
        targets = scaling["target_scaling"].standardize(targets)
    train, validation, test = (
        Batch(_place(inputs[part], dtype), _place(targets[part], dtype)) for part in rows
    )
    problem = Supervised(
        train=train,
        validation=validation,
        test=test,
        **scaling,
        name=name or where,
        model=model,
        task=task,
        loss_name=known[0] if loss_name is None else loss_name,
        target=target,
        classes=classes,
    )
    params = jax.eval_shape(problem.init, jax.random.key(0))
    jax.eval_shape(problem.loss, params, problem.train)
    return problem


def _fit(where: str, model: Any, inputs: NDArray, targets: NDArray) -> Task:
    """The task, by the kind of the targets and the number of the model's outputs."""
    outputs = check_model(where, model, inputs.shape[1:])
    fix = "Change the last of its sizes."
    if targets.dtype.kind == "f":
        columns = targets.shape[1]
        if outputs != columns:
            wanted = f"for {count(columns, 'output')}, one a column of the targets"
            raise bad_value(where, "model", wanted, outputs, fix)
        return "regression"
    largest = int(targets.max())
    if largest >= max(outputs, 2):
        wanted = f"for {largest + 1} outputs or more, the largest label being {largest}"
        raise bad_value(where, "model", wanted, outputs, fix)
    return "binary" if outputs == 1 else "classification"


def _place(values: NDArray, dtype: DTypeLike) -> Array:
    # Concrete even where a problem is built while something is traced: problems are cached.
    with jax.ensure_compile_time_eval():
        return jnp.asarray(values, jnp.int32 if values.dtype.kind == "i" else dtype)
