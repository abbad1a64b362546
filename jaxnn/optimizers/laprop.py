"""LaProp: each gradient is divided by the root of the mean of squares first, and then averaged.

    v ← b2·v + (1 − b2)·g²          t ← t + 1
    m ← b1·m + (1 − b1)·g / (√(v/(1 − b2ᵗ)) + eps)
    u = −learning_rate · m/(1 − b1ᵗ)

Adam divides the mean of the gradients by what v is now, LaProp each of them by what v was when it
came. So b1 and b2 may be chosen apart: no step exceeds learning_rate · √(1 − b2ᵗ)/√(1 − b2), while
Adam's grow without bound where b1 > √b2.
Reference: Ziyin, Wang, Ueda 2020, arXiv:2002.04839, "LaProp: Separating Momentum and Adaptivity in
Adam", algorithm 1. Agrees with pytorch-optimizer's LaProp but for its eps, which stands beside the
uncorrected √v, and for 1e-15 inside that root. There, as in the authors' code, the rate is part of
m, which is the same while it is constant.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 4e-4
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-15  # outside the root


State = adam.State

STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 3e-1)),
}
FAMILY, YEAR = "adaptive", 2020
REFERENCE = "pytorch_optimizer.LaProp"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    mean, square = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, square)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    root = tree.sqrt(1 - h.b2**t)
    new, eps = (1 - h.b1) * root, h.eps * root
    mean = tree.map(lambda m, v, g: h.b1 * m + new * (g / (tree.sqrt(v) + eps)), s.mean, square, g)
    rate = h.learning_rate / (1 - h.b1**t)
    updates = tree.map(lambda m: -rate * m, mean)
    return tree.cast_like((updates, State(step, mean, square)), (grads, state))
