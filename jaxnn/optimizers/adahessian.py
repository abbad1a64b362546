"""AdaHessian: Adam with the diagonal of the Hessian in place of the gradient under the root.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·hessian_diagonal²          t ← t + 1
    u = −learning_rate · m/(1 − b1ᵗ) / ((v/(1 − b2ᵗ))^(hessian_power/2) + eps)

`hessian_diagonal` estimates the diagonal of the Hessian of the loss at θ: Hutchinson's estimate is
z ⊙ ∇²L·z with random signs z. With hessian_power = 1 and an exact, constant diagonal the step is
Newton's on it; nearer to 0 it is momentum, more and more. As the squares show no sign, a step goes
downhill also where the curvature is negative; where it is 0 the step is as large as 1/eps makes it.
The paper averages the estimates over the elements of a convolution's kernel before they are squared
(its spatial averaging); what is passed here is taken as it is, so that who computes it may do so.
Reference: Yao, Gholami, Shen, Mustafa, Keutzer, Mahoney 2021, AAAI, "ADAHESSIAN: An Adaptive Second
Order Optimizer for Machine Learning", algorithm 1.
Agrees with `pytorch_optimizer.AdaHessian` on the same estimates, given at every step; the defaults
are those of the authors' code.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus, uniform
from jaxnn.typing import Array, ArrayLike, Fraction, Int, Interval, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 0.15
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-4  # added to the divisor
    hessian_power: Annotated[ArrayLike, Interval(0, 1, "(]")] = 1.0  # of the curvature in it


class State(NamedTuple):
    """Two means, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params  # of the diagonal


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 1e0),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "hessian_power": uniform(0.5, 1.0),
}
FAMILY, YEAR = "second-order", 2021
REFERENCE = "pytorch_optimizer.AdaHessian"
NEEDS = frozenset({"hessian_diagonal"})
REVERSE_DIFFERENTIABLE = True
LINEAR = True


def init(params: Params, hyper: Hyper) -> State:
    """Both means at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    means = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), *means)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, hessian_diagonal: Params
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    hessian_diagonal: like `grads`; an estimate for the loss at `params`.
    Raises TypeError at trace time where the trees differ in structure.
    """
    del params
    g, s, h, diagonal = tree.promote(grads, state, hyper, hessian_diagonal)
    step = tree.increment(state.step)
    t, power = step.astype(h.b1.dtype), h.hessian_power / 2
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    squares = tree.map(lambda v, d: h.b2 * v + (1 - h.b2) * d * d, s.mean_of_squares, diagonal)
    rate, scale = h.learning_rate / (1 - h.b1**t), (1 - h.b2**t) ** -power

    def move(m: Array, v: Array) -> Array:
        # The derivative of a power is infinite at 0.
        curved = jnp.where(v > 0, jnp.where(v > 0, v, 1) ** power, 0)
        return -rate * (m / (scale * curved + h.eps))

    updates = tree.map(move, mean, squares)
    return tree.cast_like((updates, State(step, mean, squares)), (grads, state))
