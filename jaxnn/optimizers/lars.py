"""LARS: momentum whose rate, in each layer, is in proportion to the layer's weights.

    d = g + weight_decay·θ
    v ← momentum·v + learning_rate · trust_coefficient · ‖θ‖/(‖d‖ + eps) · d          u = −v

nesterov=True: the step looks one further ahead along the velocity, like that of `nesterov`.
The norms are those of a layer, that is of a leaf of the tree. Where one of them is 0 the factor
trust_coefficient · ‖θ‖/(‖d‖ + eps) is 1: a layer that starts at 0 takes steps of momentum at the
full learning rate. The paper leaves biases out; a mask does that.
Gradients above √max of float32 have an infinite norm and move nothing, as in Adam.
Reference: You, Gitman, Ginsburg 2017, arXiv:1708.03888, "Large Batch Training of Convolutional
Networks", algorithm 1 (there the decay has a norm of its own, ‖g‖ + weight_decay·‖θ‖).
Agrees with `optax.lars`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._trust import norm, trust_ratio
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0
    weight_decay: NonNegative = 0.0
    trust_coefficient: Positive = 1e-3  # the share of itself by which a layer may change
    eps: NonNegative = 0.0
    momentum: Fraction = 0.9  # decay of the velocity


class State(NamedTuple):
    """The velocity, like the parameters and at least float32."""

    velocity: Params


STRUCTURE = {"nesterov": {False: {}, True: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e2),
    "momentum": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-5, 1e-2),
}
FAMILY, YEAR = "layer-wise", 2017
REFERENCE = "optax.lars"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, nesterov: bool = False) -> State:
    """The velocity at 0."""
    del hyper, nesterov
    return State(tree.zeros_like(params, min_dtype=jnp.float32))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, nesterov: bool = False
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    scaled = tree.map(lambda g, p: _scaled(g, p, h), g, p)
    velocity = tree.map(lambda v, d: h.momentum * v + d, s.velocity, scaled)
    ahead = tree.map(lambda v, d: h.momentum * v + d, velocity, scaled) if nesterov else velocity
    updates = tree.map(jnp.negative, ahead)
    return tree.cast_like((updates, State(velocity)), (grads, state))


def _scaled(g: Array, p: Array, h: Hyper) -> Array:
    """What a leaf adds to its velocity. The decayed gradient is computed twice, not stored."""
    length = norm(g + h.weight_decay * p)
    ratio = trust_ratio(norm(p) * h.trust_coefficient, length, h.eps)
    g, p, decay = tree.after((g, p, h.weight_decay), ratio)
    return ratio * h.learning_rate * (g + decay * p)
