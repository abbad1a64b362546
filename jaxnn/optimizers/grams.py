"""Grams: steps as long as Adam's, each weight going against the sign of its present gradient.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    u = −learning_rate · sign(g) · |m|/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps)

Where the gradient has turned against the mean, Adam goes on and `cautious` Adam waits; this turns
at once. A weight whose gradient is 0 rests.
The sign has steps that no derivative sees: gradients through training are those between them.
Reference: Cao, Li, Song 2024, arXiv:2412.17107, "Grams: Gradient Descent with Adaptive Momentum
Scaling", algorithm 1. Agrees with pytorch-optimizer's Grams.
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

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-6  # outside the root


State = adam.State

STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2024
REFERENCE = "pytorch_optimizer.Grams"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments at 0."""
    tree.require_real(params)
    return adam.init(params, adam.Hyper(*hyper))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    g, s, h = tree.promote(grads, state, hyper)
    updates, s = adam.update(g, s, params, adam.Hyper(*h))
    updates = tree.map(lambda u, g: -jnp.sign(g) * jnp.abs(u), updates, g)
    return tree.cast_like((updates, s), (grads, state))
