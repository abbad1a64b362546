"""Schedule-free averaging of the steps of any rule, from where gradients are taken to the average.

Three points: z makes the steps d of the rule, x is the weighted mean of all z, and the gradient is
taken at y between them, which is what training holds as its parameters.

    w = (the largest rate so far)^weight_lr_power          c = w / Σw
    z' = z + d          x' = (1 − c)·x + c·z'          y' = b1·x' + (1 − b1)·z'

Only y and z are kept. What moves y needs neither x nor a division by b1:

    y' − y = c·(z' − y) + (1 − b1)·(1 − c)·d

In y of a low precision x is known to that precision over b1.
Reference: Defazio, Yang, Mehta, Mishchenko, Khaled, Cutkosky 2024, NeurIPS, "The Road Less
Scheduled", equations 1-3.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.typing import Array, ArrayLike, Float, Int, Interval, Params

__all__ = ["Average", "Nearness", "advance", "average_of", "start", "warmed_up"]

Nearness: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "(]")]
"""b1: how near to the mean gradients are taken. Not 0, from where the mean cannot be told."""


class Average(NamedTuple):
    """The point that makes the steps, at least float32, and what weighs them."""

    step: Int[Array, ""]
    weight_sum: Float[Array, ""]
    max_learning_rate: Float[Array, ""]
    z: Params


def start(params: Params) -> Average:
    """All three points at `params`, nothing weighed."""
    _, _, zero = tree.promote(params, (), 0.0)
    z = tree.map(_wide_copy, params)
    return Average(jnp.zeros((), jnp.int32), zero, jnp.zeros_like(zero), z)


def advance(
    steps: Params,
    average: Average,
    params: Params,
    *,
    again: Params | None = None,
    learning_rate: Float[Array, ""],
    b1: Float[Array, ""],
    weight_lr_power: Float[Array, ""],
) -> tuple[Params, Average]:
    """(what moves y, the average after it), for the steps d of a rule at y = `params`.

    Everything in one dtype, as `tree.promote` leaves it. `learning_rate` is what weighs the step.
    again: the same steps computed once more, so that nothing is stored between z and y.
    """
    largest = jnp.maximum(average.max_learning_rate, learning_rate)
    weight = largest**weight_lr_power
    total = average.weight_sum + weight
    unweighed = total == 0  # where the power has underflowed
    c = jnp.where(unweighed, 0, weight / jnp.where(unweighed, 1, total))
    gain = (1 - b1) * (1 - c)
    z = tree.map(lambda z, d: z + d, average.z, steps)
    again = steps if again is None else again
    updates = tree.map(lambda z, y, d: c * (z - y) + gain * d, z, params, again)
    return updates, Average(tree.increment(average.step), total, largest, z)


def average_of(average: Average, params: Params, b1: Float[ArrayLike, ""]) -> Params:
    """x, where the model is evaluated, at y = `params`; in the dtypes of `params`."""
    y, s, b1 = tree.promote(params, average, b1)
    return tree.cast_like(tree.map(lambda y, z: (y - (1 - b1) * z) / b1, y, s.z), params)


def warmed_up(
    learning_rate: Float[Array, ""], t: Float[Array, ""], warmup_steps: Float[Array, ""]
) -> Float[Array, ""]:
    """The rate after t steps of a linear rise from 0; at once the whole one for no steps."""
    rises = warmup_steps > 0
    share = jnp.minimum(t / jnp.where(rises, warmup_steps, 1), 1)
    return learning_rate * jnp.where(rises, share, 1)


def _wide_copy(x: Array) -> Array:
    # A buffer of its own: a step may take those of parameters and state alike.
    dtype = jnp.result_type(x)
    return jnp.array(x, dtype if jnp.finfo(dtype).bits >= 32 else jnp.float32)
