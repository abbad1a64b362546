"""DoWG: DoG with gradients weighted by the squared distance, so that early ones are forgotten.

    g ← g + weight_decay·θ      r² ← max(r², ‖θ − θ₀‖²)      v ← v + r²·‖g‖²
    u = −learning_rate · r²/(√v + eps) · g

Norms are over all leaves, θ₀ are the first parameters; the first r² is init_estim_sq_dist. A
gradient whose square overflows stops the rule: v stays infinite.
Reference: Khaled, Mishchenko, Jin 2023, NeurIPS, "DoWG Unleashed: An Efficient Universal
Parameter-Free Gradient Descent Method", algorithm 1. Agrees with `optax.contrib.dowg`, where
init_estim_sq_dist is eps unless given.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import copy, squared_norm
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0
    init_estim_sq_dist: Positive = 1e-4  # the first guess at the squared distance to the solution
    eps: Positive = 1e-4  # outside the root
    weight_decay: NonNegative = 0.0  # added to the gradients


class State(NamedTuple):
    """Where it started, how far it came, and the weighted sum of squared norms of gradients."""

    initial_params: Params
    squared_distance: Float[Array, ""]
    weighted_sum: Float[Array, ""]


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e1),
    "init_estim_sq_dist": log_uniform(1e-8, 1e0),
}
FAMILY, YEAR = "parameter-free", 2023
REFERENCE = "optax.contrib.dowg"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """The first parameters, copied, and the first guess at the distance."""
    _, _, h = tree.promote(params, (), hyper)
    guess = jnp.array(h.init_estim_sq_dist)
    return State(copy(params), guess, jnp.zeros_like(guess))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    decayed = _decayed(g, p, h)
    moved = tree.map(lambda p, p0: p - p0, p, s.initial_params)
    squared = jnp.maximum(s.squared_distance, squared_norm(moved))
    total = s.weighted_sum + squared * squared_norm(decayed)
    rate = h.learning_rate * squared / (tree.sqrt(total) + h.eps)
    # Computed twice rather than stored: for its norm, and for the updates.
    updates = tree.map(lambda g: -rate * g, _decayed(*tree.after((g, p, h), total)))
    return tree.cast_like((updates, State(s.initial_params, squared, total)), (grads, state))


def _decayed(g: Params, p: Params, h: Hyper) -> Params:
    return tree.map(lambda g, p: g + h.weight_decay * p, g, p)
