"""Grids in 2-D, on which classifiers and functions are looked at."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from jaxnn.errors import bad_value, check_integer
from jaxnn.typing import Array, Float

__all__ = ["grid_axes", "grid_points"]


def grid_axes(
    where: str, low: Sequence[float], high: Sequence[float], resolution: int
) -> tuple[Float[Array, " columns"], Float[Array, " rows"]]:
    """`resolution` even steps from low to high on both axes. Raises ValueError for other bounds."""
    check_integer(where, "resolution", resolution, low=2)
    corners = np.asarray([low, high], np.float64)
    if corners.shape != (2, 2) or not np.isfinite(corners).all():
        raise bad_value(where, "low", "two finite numbers, as `high`", f"{low} and {high}")
    if not (corners[0] < corners[1]).all():
        raise bad_value(where, "low", "below `high`", f"{low} and {high}", "Swap the bounds?")
    dtype = jnp.result_type(float)
    x, y = (jnp.linspace(a, b, resolution, dtype=dtype) for a, b in corners.T.tolist())
    return x, y


def grid_points(
    x: Float[Array, " columns"], y: Float[Array, " rows"]
) -> Float[Array, "rows columns 2"]:
    """The point (x, y) of every row and column."""
    return jnp.stack(jnp.meshgrid(x, y), axis=-1)
