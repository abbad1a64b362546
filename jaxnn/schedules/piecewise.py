"""Piecewise constant: multiplied by a scale at each boundary.

    factor = Π scales[i] over the boundaries i with t ≥ round(boundaries[i] · num_steps)

How many boundaries there are is structure, the length of the two tuples; where they lie and the
scales are numbers. The derivative with respect to a boundary is 0.
Reference: He et al. 2016, CVPR, "Deep Residual Learning for Image Recognition" (a tenth at 1/2 and
at 3/4 of the run). Agrees with `optax.piecewise_constant_schedule(1.0, {step: scale, ...})`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn.errors import bad_value
from jaxnn.schedules.base import floats
from jaxnn.typing import Array, ArrayLike, Float, Int, UnitInterval

__all__ = ["Hyper", "factor"]


class Hyper(NamedTuple):
    """Numbers of the schedule, two tuples of one length; dimensionless, may be traced, batched."""

    boundaries: tuple[UnitInterval, ...] = (0.5, 0.75)  # fractions of the run, to the nearest step
    scales: tuple[UnitInterval, ...] = (0.1, 0.1)  # each on top of those before it


NEEDS_NUM_STEPS = True


def factor(step: Int[ArrayLike, ""], num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
    """The factor at `step`, from 1 down to the product of all scales.

    Raises ValueError where there are not as many scales as boundaries.
    """
    t, total, h = floats(step, num_steps, hyper)
    if len(h.scales) != len(h.boundaries):
        fix = "Give each boundary one scale."
        constraint = f"{len(h.boundaries)} numbers, as many as `boundaries`"
        raise bad_value("piecewise", "scales", constraint, len(h.scales), fix)
    value = jnp.ones_like(total)
    for boundary, scale in zip(h.boundaries, h.scales, strict=True):
        # Rounded, so that 0.07 of 100 steps is step 7 in every precision.
        value = value * jnp.where(t >= jnp.round(boundary * total), scale, jnp.ones_like(scale))
    return value
