"""Sign descent: every weight moves by the same amount, against the sign of its gradient.

    u = −learning_rate · sign(g)

An infinite gradient still has a sign and hides in it; a NaN does not. Derivatives by numbers or
parameters do not see where signs change, so that they say little about training.
Reference: Bernstein, Wang, Azizzadenesheli, Anandkumar 2018, ICML, "signSGD: Compressed
Optimisation for Non-Convex Problems", algorithm 1. Agrees with `optax.sign_sgd`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-4


class State(NamedTuple):
    """Nothing to remember."""


STRUCTURE = {}
SEARCH_SPACE = {"learning_rate": log_uniform(1e-5, 1e-1)}
FAMILY, YEAR = "sign", 2018
REFERENCE = "optax.sign_sgd"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = False
SATURATES = True


def init(params: Params, hyper: Hyper) -> State:
    """The empty state."""
    tree.require_real(params)
    del hyper
    return State()


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`."""
    del params
    g, _, h = tree.promote(grads, state, hyper)
    return tree.cast_like(tree.map(lambda g: -h.learning_rate * jnp.sign(g), g), grads), state
