"""Constant: the number as it is, at every step.

    factor = 1

The neutral schedule, for comparisons. Agrees with `optax.constant_schedule(1.0)`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.typing import Array, ArrayLike, Float, Int

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """No numbers."""


NEEDS_NUM_STEPS = False


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike | None, hyper: Hyper) -> Float[Array, ""]:
    """1 at every step; `num_steps` may be None."""
    del step, num_steps, hyper
    return jnp.ones((), jnp.result_type(float))
