"""Cosine: half a wave down, slow at both ends of the run.

    factor = end + (1 − end) · (1 + cos(π t / num_steps)) / 2,   `end` from step num_steps on

Reference: Loshchilov, Hutter 2017, ICLR, "SGDR: Stochastic Gradient Descent with Warm Restarts",
equation 5, without restarts. Agrees with `optax.cosine_decay_schedule(1.0, num_steps, alpha=end)`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.schedules.base import floats, mix, ramp, wave
from jaxnn.typing import Array, ArrayLike, Float, Int, UnitInterval

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule; scalars, dimensionless, may be traced or batched."""

    end: UnitInterval = 0.0  # factor at the end of the run


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`, falling from 1 to `end`."""
    t, total, h = floats(step, num_steps, hyper)
    return mix(jnp.ones_like(h.end), h.end, wave(ramp(t, jnp.zeros_like(total), total)))
