"""Warm-up cosine: a straight line up, then half a wave down to the end of the run.

    t < w:  factor = init + (1 − init) · t / w                                w = warmup · num_steps
    t ≥ w:  factor = end + (1 − end) · (1 + cos(π (t − w) / (num_steps − w))) / 2

Reference: Goyal et al. 2017, arXiv 1706.02677, "Accurate, Large Minibatch SGD" (the warm-up);
Loshchilov, Hutter 2017, ICLR, "SGDR" (the wave). Where w is a whole number of steps it agrees with
`optax.warmup_cosine_decay_schedule(init, 1.0, w, num_steps, end)`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.schedules.base import floats, mix, ramp, wave
from jaxnn.typing import Array, ArrayLike, Float, Int, UnitInterval

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule; scalars, dimensionless, may be traced or batched."""

    warmup: UnitInterval = 0.1  # fraction of the run
    init: UnitInterval = 0.0  # factor at step 0
    end: UnitInterval = 0.0  # factor at the end of the run


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`: from `init` up to 1 at warmup · num_steps, then down to `end`."""
    t, total, h = floats(step, num_steps, hyper)
    peak, one = h.warmup * total, jnp.ones_like(total)
    up = mix(h.init, one, ramp(t, jnp.zeros_like(total), peak))
    return up * mix(one, h.end, wave(ramp(t, peak, total)))
