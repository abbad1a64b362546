"""LAMB: AdamW's step, lengthened or shortened in each layer to the length of the layer's weights.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    d = m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ) + eps_root) + eps) + weight_decay·θ
    u = −learning_rate · ‖θ‖/‖d‖ · d

The norms are those of a layer, that is of a leaf of the tree, and their ratio is 1 where one of
them is 0. So every layer changes by the same share of itself, learning_rate, at each step, however
large the batch. The paper leaves biases out; a mask does that.
flavor="keras": weights decay by themselves, as in AdamW, to θ' = θ − learning_rate·weight_decay·θ,
before their length is taken: u = θ' − θ − learning_rate · ‖θ'‖/‖d‖ · d with a d without decay.
Reference: You, Li, Reddi, Hseu et al. 2020, ICLR, "Large Batch Optimization for Deep Learning:
Training BERT in 76 Minutes", algorithm 2 with φ(z) = z. Agrees with `optax.lamb`; with
Keras in its flavour.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam, adamw
from jaxnn.optimizers._trust import norm, trust_ratio
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-6  # outside the root
    eps_root: NonNegative = 0.0  # inside it
    weight_decay: NonNegative = 0.0  # the weights' part in the direction


State = adamw.State

Flavor: TypeAlias = Literal["optax", "keras"]

STRUCTURE = {"flavor": {"optax": {}, "keras": {"eps": 1e-7}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "layer-wise", 2020
REFERENCE = "optax.lamb"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """Both moments at 0."""
    del flavor
    tree.require_real(params)
    return adamw.init(params, adamw.Hyper(*hyper))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    _, s = adam.update(g, s, p, adam.Hyper(*h[:5]))
    decay = h.learning_rate * h.weight_decay

    def move(mean: Array, square: Array, p: Array) -> Array:
        moments = State(s.step, mean, square)
        left = p - decay * p if flavor == "keras" else p
        ratio = trust_ratio(norm(left), norm(_direction(moments, p, h, flavor=flavor)))
        # The direction is computed twice rather than stored: for its norm, and for the update.
        again = tree.after((moments, p, h), ratio)
        update = h.learning_rate * ratio * _direction(*again, flavor=flavor)
        return update - decay * p if flavor == "keras" else update

    updates = tree.map(move, s.mean, s.mean_of_squares, p)
    return tree.cast_like((updates, s), (grads, state))


def _direction(moments: State, p: Array, h: Hyper, *, flavor: Flavor) -> Array:
    steps = adam.steps(moments, adam.Hyper(jnp.ones_like(h.learning_rate), *h[1:5]))
    return steps if flavor == "keras" else steps - h.weight_decay * p
