"""AdaGrad: a rate of its own for each weight, falling with the gradients it has seen.

    s ← s + g²          u = −learning_rate · g / √(s + eps)

flavor="torch": eps stands outside the root, √s + eps, and s starts at 0.
flavor="keras": its learning rate; the formula is this one.
On a constant gradient and for eps → 0, step t of the torch flavour is learning_rate/√t.
Reference: Duchi, Hazan, Singer 2011, JMLR 12, "Adaptive Subgradient Methods for Online Learning and
Stochastic Optimization". Agrees with `optax.adagrad`, torch and Keras, each in its flavour.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, ArrayLike, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    initial_accumulator_value: NonNegative = 0.1  # the first s
    eps: Positive = 1e-7


class State(NamedTuple):
    """The sum of squares, like the parameters and at least float32."""

    sum_of_squares: Params


Flavor: TypeAlias = Literal["optax", "torch", "keras"]

STRUCTURE = {
    "flavor": {
        "optax": {},
        "torch": {"initial_accumulator_value": 0.0, "eps": 1e-10},
        "keras": {"learning_rate": 1e-3},
    }
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 1e0),
    "initial_accumulator_value": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "adaptive", 2011
REFERENCE = "optax.adagrad"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """The sum at its initial value."""
    del flavor
    initial = hyper.initial_accumulator_value
    return State(tree.full_like(params, initial, min_dtype=jnp.float32))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    root = _root_outside if flavor == "torch" else _root_inside
    total = tree.map(lambda s, g: s + g * g, s.sum_of_squares, g)
    updates = tree.map(lambda s, g: -h.learning_rate * (g / root(s, h.eps)), total, g)
    return tree.cast_like((updates, State(total)), (grads, state))


def _root_inside(s: Array, eps: ArrayLike) -> Array:
    return tree.sqrt(s + eps)


def _root_outside(s: Array, eps: ArrayLike) -> Array:
    return tree.sqrt(s) + eps
