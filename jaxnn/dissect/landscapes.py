"""Landscapes: the values of a function on a plane, of its arguments or through its parameters.

    values[i, j] = f(origin + x_j d₁ + y_i d₂)

For a function of two numbers the plane is the whole of it; for a network it is a slice along two
directions in the tree of parameters.
Reference: Goodfellow, Vinyals, Saxe 2015, ICLR, "Qualitatively characterizing neural network
optimization problems" (slices of a loss, without the later rescaling by filters).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.dissect.grids import grid_axes, grid_points
from jaxnn.errors import check_integer
from jaxnn.typing import Array, Float, Params, PRNGKeyArray

__all__ = ["Landscape", "landscape", "random_direction", "slice_landscape"]


class Landscape(NamedTuple):
    """The value of a function at every point of a grid."""

    x: Float[Array, " columns"]
    y: Float[Array, " rows"]
    values: Float[Array, "rows columns"]


def landscape(
    function: Callable[[Array], Array],
    low: Sequence[float],
    high: Sequence[float],
    *,
    resolution: int = 100,
    block_size: int = 1024,
) -> Landscape:
    """`function`, from a point [2] to a number, on a grid from corner `low` to corner `high`.

    One `vmap`, in blocks of `block_size` points so that memory is bounded.
    Raises ValueError and TypeError for bounds and sizes that are none.

    >>> landscape(lambda p: p[0] ** 2 - p[1] ** 2, (0, 0), (2, 1), resolution=2).values.tolist()
    [[0.0, 4.0], [-1.0, 3.0]]
    """
    check_integer("landscape", "block_size", block_size, low=1)
    x, y = grid_axes("landscape", low, high, resolution)
    points = grid_points(x, y)
    values = jax.lax.map(function, points.reshape(-1, 2), batch_size=block_size)
    return Landscape(x, y, values.reshape(len(y), len(x)))


def slice_landscape(
    function: Callable[[Params], Array],
    params: Params,
    directions: tuple[Params, Params],
    low: Sequence[float] = (-1.0, -1.0),
    high: Sequence[float] = (1.0, 1.0),
    *,
    resolution: int = 50,
    block_size: int = 64,
) -> Landscape:
    """`function` of parameters on the plane through `params` along two directions, trees like it.

    Coordinates (0, 0) are `params` itself. Directions may be random (`random_direction`), or lead
    to other parameters, as from the start of a training to its end. Else as in `landscape`.
    """

    def at(point: Float[Array, " 2"]) -> Any:
        return function(tree.map(lambda p, a, b: _along(point, p, a, b), params, *directions))

    return landscape(at, low, high, resolution=resolution, block_size=block_size)


def _along(point: Float[Array, " 2"], origin: Array, first: Array, second: Array) -> Array:
    x, y = point.astype(jnp.result_type(origin))
    return origin + x * first + y * second


def random_direction(key: PRNGKeyArray, params: Params) -> Params:
    """A direction even over the sphere, of the length of `params`; a tree like it.

    Drawn in float32 and cast. Where `params` is all 0, the length is 0.
    """
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, jnp.shape(x)) for k, x in zip(keys, leaves, strict=True)]
    direction = tree.cast_like(structure.unflatten(drawn), params)
    stretch = tree.global_norm(params) / tree.global_norm(direction)
    return tree.map(lambda x: x * stretch.astype(x.dtype), direction)
