"""Exponential: the same ratio from every step to the next.

    factor = end ^ (t / num_steps),   `end` from step num_steps on

Agrees with `optax.exponential_decay(1.0, num_steps, decay_rate=end, end_value=end)`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.schedules.base import PositiveFraction, floats, ramp
from jaxnn.typing import Array, ArrayLike, Float, Int

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule; scalars, dimensionless, may be traced or batched."""

    end: PositiveFraction = 1e-2  # factor at the end of the run


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`, falling from 1 to `end`."""
    t, total, h = floats(step, num_steps, hyper)
    return h.end ** ramp(t, jnp.zeros_like(total), total)
