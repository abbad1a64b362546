"""Warm-up–stable–decay: a straight line up, a plateau, a straight line down.

    factor = (init + (1 − init) · min(1, t / w)) · (1 − (1 − end) · max(0, t − s) / (num_steps − s))
    w = warmup · num_steps      s = (1 − decay) · num_steps

decay=0, end=1 is a warm-up to a constant; warmup=0 is a constant with a cool-down.
Reference: Hu et al. 2024, arXiv 2404.06395, "MiniCPM", section 4; Zhai et al. 2022, CVPR, "Scaling
Vision Transformers" (the cool-down). Where w ≤ s are whole numbers of steps it agrees with
`optax.join_schedules` of `optax.linear_schedule`, constant and `optax.linear_schedule` at [w, s].
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.schedules.base import floats, mix, ramp
from jaxnn.typing import Array, ArrayLike, Float, Int, UnitInterval

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule; scalars, dimensionless, may be traced or batched."""

    warmup: UnitInterval = 0.1  # fraction of the run, at its start
    decay: UnitInterval = 0.2  # fraction of the run, at its end
    init: UnitInterval = 0.0  # factor at step 0
    end: UnitInterval = 0.0  # factor at the end of the run


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`: from `init` up to 1, flat, then down to `end`."""
    t, total, h = floats(step, num_steps, hyper)
    one = jnp.ones_like(total)
    up = mix(h.init, one, ramp(t, jnp.zeros_like(total), h.warmup * total))
    return up * mix(one, h.end, ramp(t, (1 - h.decay) * total, total))
