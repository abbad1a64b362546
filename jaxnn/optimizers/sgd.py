"""Gradient descent: one step against the gradient.

    u = −learning_rate · g

The batch makes the difference between gradient descent (all examples), stochastic gradient descent
(one) and mini-batch gradient descent (B); the rule is the same.
Reference: Robbins, Monro 1951, Annals of Mathematical Statistics 22, "A Stochastic Approximation
Method". Agrees with `optax.sgd` without momentum.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2


class State(NamedTuple):
    """Nothing to remember."""


STRUCTURE = {}
SEARCH_SPACE = {"learning_rate": log_uniform(1e-3, 3e0)}
FAMILY, YEAR = "momentum", 1951
REFERENCE = "optax.sgd"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
LINEAR = True
COMPLEX = True


def init(params: Params, hyper: Hyper) -> State:
    """The empty state."""
    del params, hyper
    return State()


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`."""
    del params
    g, _, h = tree.promote(grads, state, hyper, complex_as="parts")
    return tree.cast_like(tree.map(lambda g: -h.learning_rate * g, g), grads), state
