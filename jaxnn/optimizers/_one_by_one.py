"""Decompositions of many matrices, each begun when the last is done.

On CPU, jaxlib (0.10 at least) has a decomposition of a batch wait for workers of the pool that runs
it: as many at once as there are workers, two on two cores, wait for each other for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["one_by_one"]

T = TypeVar("T")


def one_by_one(
    decompose: Callable[[Float[Array, "n n"]], T], matrices: Sequence[Float[Array, "n n"]]
) -> list[T]:
    """`decompose` of each matrix; once a result is not finite, those after it are NaN.

    Matrices count as constants under derivatives.
    """
    found: list[T] = []
    for matrix in matrices:
        matrix = jax.lax.stop_gradient(matrix)
        if found:
            # What makes it wait: a barrier alone does not last until the schedule is made.
            sound = jnp.all(jnp.isfinite(jax.tree.leaves(found[-1])[0]))
            matrix = jnp.where(sound, matrix, jnp.nan)
        found.append(decompose(matrix))
    return found
