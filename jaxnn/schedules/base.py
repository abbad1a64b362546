"""The contract of a schedule, and the two shapes that schedules are made of.

A schedule says by how much a number of a rule is scaled at each step of a run:

    value used at step t = base · factor(t, num_steps, hyper)

`factor` is dimensionless and in [0, 1], so that the base is the peak, and its own numbers are
fractions of the run, so that they mean the same on any horizon. They may be traced and batched,
and derivatives with respect to them are finite. Steps count from 0 and `num_steps` is the length of
the run: what happens "at the end" happens at step num_steps, one after the last update.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn.typing import Array, ArrayLike, Float, Int, Interval

__all__ = ["PositiveFraction", "Schedule", "floats", "mix", "ramp", "wave"]

PositiveFraction: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "(]")]


class Schedule(Protocol):
    """What every schedule offers; a module of this package is one.

    `Hyper` is a NamedTuple of numbers. NEEDS_NUM_STEPS says whether `factor` reads `num_steps`;
    where it does not, None will do.
    """

    Hyper: Any
    NEEDS_NUM_STEPS: bool

    def factor(
        self, step: Int[ArrayLike, ""], num_steps: ArrayLike | None, hyper: Any
    ) -> Float[Array, ""]:
        """The factor at `step`, in the dtype of the numbers in `hyper` and at least float32."""
        ...


def floats(step: ArrayLike, num_steps: ArrayLike, hyper: Any) -> tuple[Array, Array, Any]:
    """All three in one dtype: the widest of the numbers in `hyper`, at least float32."""
    dtypes = [jnp.result_type(x) for x in jax.tree.leaves(hyper)]
    wide = [d for d in dtypes if jnp.issubdtype(d, jnp.floating)] or [jnp.result_type(float)]
    dtype = jnp.float64 if jnp.float64 in wide else jnp.float32
    hyper = jax.tree.map(lambda x: jnp.asarray(x, dtype), hyper)
    return jnp.asarray(step, dtype), jnp.asarray(num_steps, dtype), hyper


def ramp(t: Float[Array, ""], low: Float[Array, ""], high: Float[Array, ""]) -> Float[Array, ""]:
    """0 up to `low`, 1 from `high` on, linear between; where the two meet, a jump to 1.

    >>> one = jnp.ones(())
    >>> [float(ramp(t * one, 2 * one, 4 * one)) for t in range(6)]
    [0.0, 0.0, 0.0, 0.5, 1.0, 1.0]
    """
    # A floor far below one step: no step sees it, and derivatives stay finite when low meets high.
    width = jnp.maximum(high - low, jnp.full_like(high, 1e-6))
    inside = jnp.clip((t - low) / width, 0, 1)
    return jnp.where(t >= high, jnp.ones_like(inside), inside)


def wave(fraction: Float[Array, ""]) -> Float[Array, ""]:
    """Half a cosine, from 0 at 0 to 1 at 1, flat at both ends."""
    return (1 - jnp.cos(jnp.pi * fraction)) / 2


def mix(start: ArrayLike, end: ArrayLike, fraction: Float[Array, ""]) -> Float[Array, ""]:
    """Exactly `start` at fraction 0 and exactly `end` at fraction 1, linear between."""
    return (1 - fraction) * start + fraction * end
