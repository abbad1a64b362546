"""Metrics over a whole data set, in blocks of rows, so that a wide sweep needs little memory."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxnn.errors import unknown_name
from jaxnn.training.batches import num_rows
from jaxnn.typing import Array, Float, Params

__all__ = ["BLOCK_ROWS", "evaluate"]

BLOCK_ROWS = 512
"""At most so many rows are evaluated at once."""

_SPLITS = ("train", "validation", "test")


def evaluate(problem: Any, params: Params, split: str) -> dict[str, Float[Array, ""]]:
    """The problem's metrics, means over the rows of its "train", "validation" or "test" data.

    A function to minimise has no data: its metrics are those at `params`, whatever the split.
    Equal to `problem.metrics(params, data)` to rounding, in less memory where the problem has
    `per_row`, whose means its metrics then are. Raises ValueError for another split.
    """
    if not isinstance(split, str) or split not in _SPLITS:
        raise unknown_name("evaluate", "split", split, _SPLITS)
    data = getattr(problem, split)
    if data is None or num_rows(data) <= BLOCK_ROWS or not hasattr(problem, "per_row"):
        return problem.metrics(params, data)
    rows = num_rows(data)
    num_blocks = -(-rows // BLOCK_ROWS)
    block = -(-rows // num_blocks)
    padding = num_blocks * block - rows
    weight = jnp.concatenate([jnp.ones(rows), jnp.zeros(padding)]).reshape(num_blocks, block)

    def blocks_of(x: Array) -> Array:
        padded = jnp.concatenate([x, jnp.repeat(x[-1:], padding, axis=0)])
        return padded.reshape(num_blocks, block, *x.shape[1:])

    def sums(inputs: tuple[Any, Array]) -> dict[str, Array]:
        batch, keep = inputs
        # A select, not a product: 0 times an infinite loss of a padded row would be NaN.
        return {
            name: jnp.sum(_wide(jnp.where(keep > 0, values, jnp.zeros_like(values))))
            for name, values in problem.per_row(params, batch).items()
        }

    blocks = jax.tree.map(blocks_of, data)
    totals = jax.lax.map(sums, (blocks, weight))
    one_row = jax.eval_shape(problem.per_row, params, jax.tree.map(lambda x: x[0], blocks))
    return {
        name: (jnp.sum(values) / rows).astype(one_row[name].dtype)
        for name, values in totals.items()
    }


def _wide(values: Array) -> Array:
    """At least float32: the sum of many float16 losses does not fit where their mean does."""
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
