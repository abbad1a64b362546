"""Sophia: momentum divided by the curvature of each weight, and clipped where that is small.

    t ← t + 1          m ← b1·m + (1 − b1)·g          d = m/(1 − b1ᵗ) / max(gamma·h, eps)
    u = −learning_rate · ( clip(d, ±clip_threshold) + weight_decay·θ )
    every update_interval steps, the first among them:  h ← b2·h + (1 − b2)·hessian_diagonal

`hessian_diagonal` estimates the diagonal of the Hessian of the loss at θ. It enters after the step:
the first one is all clipped. Sophia-H takes Hutchinson's estimate, z ⊙ ∇²L·z with random signs z;
Sophia-G that of Gauss–Newton–Bartlett, B·ĝ ⊙ ĝ, ĝ being the gradient for labels drawn from the
model's own answers to B inputs. Between two updates of h what is passed is not looked at.
With a threshold that is never reached the step is Newton's on the diagonal. An infinite gradient is
clipped like any other.
Reference: Liu, Li, Hall, Liang, Ma 2024, ICLR, "Sophia: A Scalable Stochastic Second-order
Optimizer for Language Model Pre-training", algorithm 3. Agrees with `optax.contrib.sophia` on the
same estimates; Optax draws its own inside the update, which here is left to who calls it.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, ArrayLike, Fraction, Int, Interval, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-4
    b1: Fraction = 0.965  # decay of the mean of gradients
    b2: Fraction = 0.99  # decay of the mean of Hessians, at each of its updates
    eps: Positive = 1e-8  # the smallest divisor
    weight_decay: NonNegative = 1e-4  # per step and unit of rate
    gamma: Positive = 0.01  # of the curvature in the divisor
    clip_threshold: Positive = 1.0
    update_interval: Annotated[ArrayLike, Interval(1, math.inf, "[)")] = 10.0  # rounded


class State(NamedTuple):
    """Two means, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_hessian: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-5, 1e-1),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "gamma": log_uniform(1e-3, 1e0),
}
FAMILY, YEAR = "second-order", 2023
REFERENCE = "optax.contrib.sophia"
NEEDS = frozenset({"hessian_diagonal"})
REVERSE_DIFFERENTIABLE = True
SATURATES = True


def extra_evaluations(state: State, hyper: Hyper) -> tuple[Int[Array, ""], int]:
    """Products with the Hessian so far, and gradients besides those that it was given."""
    interval = jnp.round(jnp.asarray(hyper.update_interval)).astype(jnp.int32)
    return -(-state.step // interval), 0


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
    g, s, h, p, diagonal = tree.promote(grads, state, hyper, params, hessian_diagonal)
    step = tree.increment(state.step)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    correction = 1 / (1 - h.b1 ** step.astype(h.b1.dtype))
    decay, bound = h.learning_rate * h.weight_decay, h.clip_threshold

    def move(m: Array, c: Array, p: Array) -> Array:
        ratio = correction * m / jnp.maximum(h.gamma * c, h.eps)
        return -h.learning_rate * jnp.clip(ratio, -bound, bound) - decay * p

    updates = tree.map(move, mean, s.mean_hessian, p)
    due = s.step % jnp.round(h.update_interval).astype(jnp.int32) == 0
    curvature = tree.map(
        lambda c, d: jnp.where(due, h.b2 * c + (1 - h.b2) * d, c), s.mean_hessian, diagonal
    )
    return tree.cast_like((updates, State(step, mean, curvature)), (grads, state))
