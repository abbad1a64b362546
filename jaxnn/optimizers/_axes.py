"""Matrices that act on one axis of a leaf, for rules with a preconditioner for each axis.

For a matrix G the products along axis 0 are A·G, those along axis 1 are G·Aᵀ, and its Gram matrices
are GGᵀ and GᵀG. A scalar counts as a vector of one element.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["along", "gram", "shape"]


def shape(x: Float[Array, "*shape"]) -> tuple[int, ...]:
    """The lengths of the axes, (1,) for a scalar."""
    return x.shape or (1,)


def gram(x: Float[Array, "*shape"], axis: int) -> Float[Array, "n n"]:
    """The products of all pairs of slices across an axis, each summed over the other axes."""
    rows = jnp.moveaxis(x.reshape(shape(x)), axis, 0)
    rows = rows.reshape(len(rows), -1)
    return jnp.matmul(rows, rows.T, precision=jax.lax.Precision.HIGHEST)


def along(
    matrices: tuple[Float[Array, "n n"], ...], x: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """x with each axis multiplied by its matrix from the left; x itself for no matrices."""
    product = x.reshape(shape(x))
    for axis, matrix in enumerate(matrices):
        product = jnp.tensordot(
            matrix, product, axes=(1, axis), precision=jax.lax.Precision.HIGHEST
        )
        product = jnp.moveaxis(product, 0, axis)
    return product.reshape(x.shape)
