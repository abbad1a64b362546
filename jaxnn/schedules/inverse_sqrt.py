"""Inverse square root: a straight line up, then falling with the root of the step.

    factor = min(t / w, √(w / t))                                             w = warmup · num_steps

It is √warmup at step num_steps and goes on falling after it. Optax has none.
Reference: Vaswani et al. 2017, NeurIPS, "Attention Is All You Need", equation 3, scaled to a peak
of 1.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.schedules.base import PositiveFraction, floats, ramp
from jaxnn.typing import Array, ArrayLike, Float, Int

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule; scalars, dimensionless, may be traced or batched."""

    warmup: PositiveFraction = 0.1  # fraction of the run


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`: from 0 up to 1 at warmup · num_steps, then down."""
    t, total, h = floats(step, num_steps, hyper)
    peak = h.warmup * total
    return ramp(t, jnp.zeros_like(total), peak) * jnp.sqrt(peak / jnp.maximum(t, peak))
