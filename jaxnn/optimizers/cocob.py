"""COCOB: each weight bets a fraction of what it has won on the sign of its next gradient.

    g ← learning_rate · (g + weight_decay·θ)
    L ← max(L, |g|)          G ← G + |g|          R ← max(R − g·(θ − θ₀), 0)          C ← C − g
    u = θ₀ + C / (L·max(G + L, alpha·L)) · (L + R) − θ

θ₀ are the first parameters, the first L is eps. No rate is needed: scaling all gradients changes
nothing once they exceed eps. L² is never formed: where it overflows, Optax stands still at θ₀. The
sums G and C must be finite, hence a GRADIENT_RANGE of 0.9.
Reference: Orabona, Tommasi 2017, NeurIPS, "Training Deep Networks without Learning Rates Through
Coin Betting", algorithm 2. Agrees with `optax.contrib.cocob`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import copy
from jaxnn.space import log_uniform
from jaxnn.typing import NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0  # of the gradients; for schedules
    alpha: Positive = 100.0  # bounds the first bets: a step moves by 1/alpha at first
    eps: Positive = 1e-8  # the first L
    weight_decay: NonNegative = 0.0  # added to the gradients


class State(NamedTuple):
    """Trees like the parameters, at least float32 but for the first parameters."""

    initial_params: Params
    scale: Params  # L, the largest gradient so far
    gradients: Params  # C, the sum of negative gradients
    magnitudes: Params  # G, the sum of their absolute values
    reward: Params  # R


STRUCTURE = {}
SEARCH_SPACE = {"alpha": log_uniform(1e1, 1e4)}
FAMILY, YEAR = "parameter-free", 2017
REFERENCE = "optax.contrib.cocob"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
GRADIENT_RANGE = 0.9


def init(params: Params, hyper: Hyper) -> State:
    """The first parameters, copied, L at eps, and the sums at 0."""
    # Three trees, not one thrice: a buffer can be donated only once.
    zeros = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3))
    return State(copy(params), tree.full_like(params, hyper.eps, min_dtype=jnp.float32), *zeros)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    g = tree.map(lambda g, p: h.learning_rate * (g + h.weight_decay * p), g, p)
    moved = tree.map(lambda p, p0: p - p0, p, s.initial_params)
    scale = tree.map(lambda scale, g: jnp.maximum(scale, jnp.abs(g)), s.scale, g)
    magnitudes = tree.map(lambda m, g: m + jnp.abs(g), s.magnitudes, g)
    reward = tree.map(lambda r, g, d: jnp.maximum(r - g * d, 0), s.reward, g, moved)
    reward = tree.after(reward, g)  # read by the updates, not computed there from the old one
    gradients = tree.map(lambda c, g: c - g, s.gradients, g)
    first = tree.after(s.initial_params, reward)
    updates = tree.map(
        lambda c, top, m, r, p, p0: (
            c / jnp.maximum(m + top, h.alpha * top) * ((top + r) / top) - (p - p0)
        ),
        gradients,
        scale,
        magnitudes,
        reward,
        p,
        first,
    )
    new = State(s.initial_params, scale, gradients, magnitudes, reward)
    return tree.cast_like((updates, new), (grads, state))
