"""One cycle: half a wave up, then half a wave down to almost nothing.

    t < w:  factor from init to 1 along (1 − cos(π t / w)) / 2                w = warmup · num_steps
    t ≥ w:  factor from 1 to end along (1 − cos(π (t − w) / (num_steps − w))) / 2

Reference: Smith, Topin 2018, arXiv 1708.07120, "Super-Convergence: Very Fast Training of Neural
Networks Using Large Learning Rates". Where w is a whole number of steps it agrees with
`optax.cosine_onecycle_schedule(num_steps, 1.0, warmup, 1 / init, init / end)`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.schedules.base import floats, mix, ramp, wave
from jaxnn.typing import Array, ArrayLike, Float, Int, UnitInterval

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule; scalars, dimensionless, may be traced or batched."""

    warmup: UnitInterval = 0.3  # fraction of the run
    init: UnitInterval = 4e-2  # factor at step 0
    end: UnitInterval = 4e-6  # factor at the end of the run


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`: from `init` up to 1 at warmup · num_steps, then down to `end`."""
    t, total, h = floats(step, num_steps, hyper)
    peak, one = h.warmup * total, jnp.ones_like(total)
    up = mix(h.init, one, wave(ramp(t, jnp.zeros_like(total), peak)))
    return up * mix(one, h.end, wave(ramp(t, peak, total)))
