"""Linear: a straight line over the run.

    factor = init + (end − init) · t / num_steps,   `end` from step num_steps on

Agrees with `optax.linear_schedule(init, end, num_steps)`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.schedules.base import floats, mix, ramp
from jaxnn.typing import Array, ArrayLike, Float, Int, UnitInterval

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule; scalars, dimensionless, may be traced or batched."""

    init: UnitInterval = 1.0  # factor at step 0
    end: UnitInterval = 0.0  # factor at the end of the run


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`, between `init` and `end`."""
    t, total, h = floats(step, num_steps, hyper)
    return mix(h.init, h.end, ramp(t, jnp.zeros_like(total), total))
