"""Steps without their part along the weights, for weights whose length does not matter.

Before a normalisation only the direction of the weights θ into an output counts. Then gradients are
at right angles to θ, and the part of a step along θ, which momentum has from older θ, only makes θ
longer and further steps smaller. So where |cos(g, θ)| < delta/√n, for n weights, a step d becomes

    d − θ·⟨θ, d⟩/(‖θ‖ + eps)²

for each output with its own θ if all angles of the leaf pass; else for the whole leaf if its angle
does. Scalars and vectors have no outputs and step as they are. The angle to a gradient whose square
overflows is not known and counts as right.
Reference: Heo, Chun, Oh, Han, Yun, Kim, Uh, Ha 2021, ICLR, "AdamP: Slowing Down the Slowdown for
Momentum Optimizers on Scale-invariant Weights".
"""

from __future__ import annotations

import functools
import math
from typing import Literal, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.typing import Array, Bool, Float, Params

__all__ = ["OutputAxis", "projected"]

OutputAxis: TypeAlias = Literal[-1, 0]


def projected(
    steps: Params,
    grads: Params,
    params: Params,
    *,
    decay: Float[Array, ""],
    delta: Float[Array, ""],
    wd_ratio: Float[Array, ""],
    eps: Float[Array, ""],
    output_axis: OutputAxis,
) -> Params:
    """d, or what the projection leaves of it, + decay·θ, wd_ratio times as much where it does."""
    numbers = {"decay": decay, "delta": delta, "wd_ratio": wd_ratio, "eps": eps}
    leaf = functools.partial(_projected, output_axis=output_axis, **numbers)
    return tree.map(leaf, steps, grads, params)


def _projected(
    step: Float[Array, "*shape"],
    grad: Float[Array, "*shape"],
    weights: Float[Array, "*shape"],
    *,
    output_axis: OutputAxis,
    decay: Array,
    delta: Array,
    wd_ratio: Array,
    eps: Array,
) -> Float[Array, "*shape"]:
    if weights.ndim < 2:
        return step + decay * weights
    others = tuple(i for i in range(weights.ndim) if i != output_axis % weights.ndim)
    pairs = (weights, step), (grad, weights), (grad, grad), (weights, weights)
    each = [jnp.sum(a * b, axis=others, keepdims=True) for a, b in pairs]
    whole = [jnp.sum(x, keepdims=True) for x in each]
    by_output = _at_right_angles(*each[1:], delta=delta, eps=eps, size=weights.size)
    as_a_whole = _at_right_angles(*whole[1:], delta=delta, eps=eps, size=weights.size)
    along = jnp.where(by_output, each[0], whole[0])
    length = tree.sqrt(jnp.where(by_output, each[3], whole[3])) + eps
    share = along / length / length  # not by the square, which may be 0
    # What is taken from the step and what decays both lie along the weights: one pass.
    free = by_output | as_a_whole
    return step + jnp.where(free, wd_ratio * decay - share, decay) * weights


def _at_right_angles(
    product: Array, grad: Array, weights: Array, *, delta: Array, eps: Array, size: int
) -> Bool[Array, ""]:
    """Whether all cosines are small, by ⟨g, θ⟩, ‖g‖² and ‖θ‖² of the parts of a leaf."""
    lengths = jnp.maximum(tree.sqrt(grad), eps) * jnp.maximum(tree.sqrt(weights), eps)
    worst = jnp.max(jnp.abs(product) / lengths, initial=0)
    return worst < delta / math.sqrt(max(size // max(product.size, 1), 1))
