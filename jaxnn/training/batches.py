"""Batches without replacement: an order of all rows is carried, and renewed every epoch.

The renewal is a `lax.cond` on the step, which all trials share, so that under `vmap` it stays a
branch and an epoch costs one permutation, not one a step. A last, smaller batch is dropped; since
every epoch has an order of its own, no row is left out for good.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxnn.errors import bad_value, check_integer
from jaxnn.typing import Array, Int, PRNGKeyArray

__all__ = ["check_batch_size", "draw", "num_rows", "start"]


def num_rows(data: Any) -> int:
    """The number of rows of a data set whose leaves have rows first."""
    return int(jax.tree.leaves(data)[0].shape[0])


def check_batch_size(where: str, batch_size: Any, data: Any) -> int | None:
    """`batch_size` if the data can serve it: None is all rows. Raises ValueError, TypeError."""
    if batch_size is None:
        return None
    if data is None:
        fix = "Leave it None: the problem is a function and has no rows."
        raise bad_value(where, "batch_size", "None", repr(batch_size), fix)
    rows = num_rows(data)
    return check_integer(where, "batch_size", batch_size, low=1, high=rows)


def start(data: Any, batch_size: int | None) -> Int[Array, " rows"]:
    """The order before the first epoch; empty where every batch is the whole data set."""
    return jnp.arange(0 if batch_size is None else num_rows(data), dtype=jnp.int32)


def draw(
    order: Int[Array, " rows"],
    key: PRNGKeyArray,
    step: ArrayLike,
    data: Any,
    batch_size: int | None,
) -> tuple[Int[Array, " rows"], Any]:
    """The order to carry on and the batch of this step.

    key: the trial's child for batches; the epoch that starts at step t has the order of
    fold_in(key, t). step: int32, the same for all trials. For batch_size None the batch is `data`.
    """
    if batch_size is None:
        return order, data
    rows = num_rows(data)
    position = jax.lax.rem(jnp.asarray(step, jnp.int32), jnp.int32(rows // batch_size))
    order = jax.lax.cond(
        position == 0,
        lambda: jax.random.permutation(jax.random.fold_in(key, step), start(data, batch_size)),
        lambda: order,
    )
    chosen = jax.lax.dynamic_slice_in_dim(order, position * batch_size, batch_size)
    return order, jax.tree.map(lambda x: x.at[chosen].get(mode="promise_in_bounds"), data)
