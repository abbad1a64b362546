"""FTRL-Proximal: AdaGrad whose weights are 0 until their gradients have made a case for them.

    σ = (√(n + g²) − √n)/learning_rate
    z ← z + g + l2_shrinkage·θ − σ·θ          n ← n + g²
    θ' = −sign(z)·max(0, |z| − l1) / ((beta + √n)/learning_rate + l2)          u = θ' − θ

θ' is where the sum of all gradients so far, as linear losses, + l1·|θ| + l2·θ²/2 + σ·(θ − θ_t)²/2
for each past θ_t is least: the leader is followed near where it was. With every number but the rate
at 0 it is `adagrad`. l1 makes weights exactly 0, for linear models of many features. l2_shrinkage
is a decay that enters the gradients, but not their squares.
θ' is made of z and n alone, which know the first parameters by their gradients only: a weight whose
gradients were all 0 goes to 0, and beta and l2 draw to 0, beta most at first. So linear models
start at 0, where the paper takes beta = 1. With gradients of lower precision than the parameters
θ + u is not exactly 0.
Where the square of a gradient overflows, n stays infinite and u is 0 from then on.
Reference: McMahan, Holt, Sculley, Young et al. 2013, KDD, "Ad Click Prediction: a View from the
Trenches", algorithm 1. Agrees with pytorch-optimizer's FTRL and Keras' Ftrl at their power of -0.5;
Keras' n starts at 0.1, and both of its l2 are half of these.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    beta: NonNegative = 0.0  # added to √n
    l1: NonNegative = 0.0  # weight of Σ|θ|
    l2: NonNegative = 0.0  # weight of Σθ²/2
    l2_shrinkage: NonNegative = 0.0  # likewise, in the gradients
    initial_accumulator_value: NonNegative = 0.0  # the first n


class State(NamedTuple):
    """Both sums, like the parameters and at least float32."""

    linear: Params  # z
    sum_of_squares: Params  # n


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 1e0),
    "l1": log_uniform(1e-6, 1e0),
}
FAMILY, YEAR = "adaptive", 2013
REFERENCE = "pytorch_optimizer.FTRL"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """z at 0, n at its initial value."""
    initial = hyper.initial_accumulator_value
    return State(
        tree.zeros_like(params, min_dtype=jnp.float32),
        tree.full_like(params, initial, min_dtype=jnp.float32),
    )


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    squares = tree.map(lambda n, g: n + g * g, s.sum_of_squares, g)
    roots = tree.map(tree.sqrt, squares)
    linear = tree.map(
        lambda z, g, p, new, n: jnp.where(
            jnp.isinf(new),
            z,
            z + g - ((new - tree.sqrt(n)) / h.learning_rate - h.l2_shrinkage) * p,
        ),
        s.linear,
        g,
        p,
        roots,
        s.sum_of_squares,
    )
    # 0 · g lets an infinite gradient be seen.
    updates = tree.map(
        lambda z, g, p, root: jnp.where(jnp.isinf(root), 0 * g, _leader(z, root, h) - p),
        linear,
        g,
        p,
        roots,
    )
    return tree.cast_like((updates, State(linear, squares)), (grads, state))


def _leader(z: Array, root: Array, h: Hyper) -> Array:
    weight = (h.beta + root) / h.learning_rate + h.l2
    return -jnp.sign(z) * jnp.maximum(jnp.abs(z) - h.l1, 0) / jnp.where(weight > 0, weight, 1)
