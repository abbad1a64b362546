"""Fromage: every layer changes by the same share of itself, and shrinks as much as it would grow.

    c = 1/√(1 + learning_rate²)
    u = −c · learning_rate · max(‖θ‖, min_norm)/max(‖g‖, min_norm) · g − (1 − c) · θ

The norms are those of a layer, that is of a leaf of the tree. A step at a right angle to the
weights would lengthen them by √(1 + learning_rate²); c takes that back, so that they do not grow
from step to step. There is nothing to remember and only the rate to choose.
Gradients above √max of float32 have an infinite norm and move nothing, as in Adam.
Reference: Bernstein, Vahdat, Yue, Liu 2020, NeurIPS, "On the Distance between Two Neural Networks
and the Stability of Learning", algorithm 1. Agrees with `optax.fromage`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._trust import norm
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2  # the share of itself by which a layer changes
    min_norm: Positive = 1e-6


class State(NamedTuple):
    """Nothing to remember."""


STRUCTURE = {}
SEARCH_SPACE = {"learning_rate": log_uniform(1e-4, 1e0), "min_norm": log_uniform(1e-8, 1e-2)}
FAMILY, YEAR = "layer-wise", 2020
REFERENCE = "optax.fromage"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """The empty state."""
    tree.require_real(params)
    del hyper
    return State()


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients and parameters differ in structure or shapes.
    """
    g, _, h, p = tree.promote(grads, state, hyper, params)
    back = 1 / tree.sqrt(1 + h.learning_rate**2)
    rate = back * h.learning_rate
    updates = tree.map(lambda g, p: (back - 1) * p - rate * _length(p, h) / _length(g, h) * g, g, p)
    return tree.cast_like(updates, grads), state


def _length(x: Array, h: Hyper) -> Array:
    return jnp.maximum(norm(x), h.min_norm)
