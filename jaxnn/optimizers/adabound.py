"""AdaBound: Adam whose rates are kept between two bounds that close in on one rate for all weights.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    a = learning_rate · √(1 − b2ᵗ)/(1 − b1ᵗ) / (√v + eps)
    c = gamma·t/(gamma·t + 1)
    u = −min(max(a, final_lr·c), final_lr/c) · m

At first the bounds leave room from 0 to final_lr/gamma, so that it is Adam; after some 1/gamma
steps it is momentum whose velocity is a mean, at the rate final_lr. Where the lower bound holds,
steps grow with the gradient, unlike Adam's. To schedule the rate, schedule both numbers: final_lr
does not follow learning_rate, as it does in the authors' code.
Reference: Luo, Xiong, Liu, Sun 2019, ICLR, "Adaptive Gradient Methods with Dynamic Bound of
Learning Rate", algorithm 2, in the form of the authors' code: Adam's corrections of m and v, eps
beside the uncorrected √v, and no division of the rate by √t. Agrees with pytorch-optimizer's
AdaBound but for its 1e-15 inside the root.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam
from jaxnn.space import log_uniform
from jaxnn.typing import Fraction, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3  # of Adam, at first
    final_lr: Positive = 1e-1  # of momentum, at last
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    gamma: Positive = 1e-3  # how fast the bounds close in, per step
    eps: Positive = 1e-8  # outside the root


State = adam.State

STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "final_lr": log_uniform(1e-2, 1e1),
    "gamma": log_uniform(1e-4, 1e-2),
}
FAMILY, YEAR = "adaptive", 2019
REFERENCE = "pytorch_optimizer.AdaBound"
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
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    rate = h.learning_rate * tree.sqrt(1 - h.b2**t) / (1 - h.b1**t)
    share = h.gamma * t / (h.gamma * t + 1)
    low, high = h.final_lr * share, h.final_lr / share
    updates = tree.map(
        lambda m, v: -jnp.clip(rate / (tree.sqrt(v) + h.eps), low, high) * m, mean, square
    )
    return tree.cast_like((updates, State(step, mean, square)), (grads, state))
