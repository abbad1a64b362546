"""diffGrad: Adam, slowed down to half its pace where the gradient does not change.

    d = g − g₋, the change since the last step; g itself at the first          t ← t + 1
    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²
    u = −learning_rate · sigmoid(|d|) · m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps)

sigmoid(x) = 1/(1 + e⁻ˣ) goes from 1/2 to 1. Unlike the rest it depends on the scale of the
gradients: where all are far below 1 this is Adam at half the rate, where they change by far more
than 1 it is Adam.
The last gradient is kept too: the state has three times the size of the parameters.
Reference: Dubey, Chakraborty, Roy, Mukherjee, Singh, Chaudhuri 2020, IEEE Transactions on Neural
Networks and Learning Systems 31, "diffGrad: An Optimization Method for Convolutional Neural
Networks". Agrees with pytorch-optimizer's DiffGrad but for its eps, which stands beside the
uncorrected √v, and for 1e-15 inside that root.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root


class State(NamedTuple):
    """Both moments and the last gradient, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    last: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2020
REFERENCE = "pytorch_optimizer.DiffGrad"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments and the last gradient at 0."""
    del hyper
    # Three trees, not one thrice: a buffer can be donated only once.
    trees = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3))
    return State(jnp.zeros((), jnp.int32), *trees)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    pace = tree.map(lambda g, last: jax.nn.sigmoid(jnp.abs(g - last)), g, s.last)
    root = tree.sqrt(1 - h.b2**t)
    rate, eps = h.learning_rate * root / (1 - h.b1**t), h.eps * root
    updates = tree.map(lambda x, m, v: -rate * (x * m) / (tree.sqrt(v) + eps), pace, mean, square)
    return tree.cast_like((updates, State(step, mean, square, g)), (grads, state))
