"""Optimistic gradient descent: the step also takes how the gradient has just changed.

    u = −learning_rate · ( alpha·g + beta·(g − g') )          g' ← g

g' is the gradient of the step before, and g itself at the first step. The second term foresees the
next gradient; in games, where plain descent circles around the equilibrium and drifts away, it
makes the circles shrink. The default alpha = beta = 1 is the usual rule.
Reference: Popov 1980, Mathematical Notes 28, "A Modification of the Arrow–Hurwicz Method for Search
of Saddle Points"; with alpha and beta: Mokhtari, Ozdaglar, Pattathil 2020, AISTATS, "A Unified
Analysis of Extra-gradient and Optimistic Gradient Methods for Saddle Point Problems".
Agrees with `optax.optimistic_gradient_descent`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Bool, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    alpha: NonNegative = 1.0  # weight of the gradient
    beta: NonNegative = 1.0  # weight of its change


class State(NamedTuple):
    """The last gradient, like the parameters and at least float32, and whether there is none."""

    is_first: Bool[Array, ""]
    previous: Params


STRUCTURE = {}
SEARCH_SPACE = {"learning_rate": log_uniform(1e-3, 3e0), "beta": log_uniform(1e-1, 1e1)}
FAMILY, YEAR = "momentum", 1980
REFERENCE = "optax.optimistic_gradient_descent"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
LINEAR = True


def init(params: Params, hyper: Hyper) -> State:
    """No gradient yet."""
    del hyper
    return State(jnp.asarray(True), tree.zeros_like(params, min_dtype=jnp.float32))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    # As scalars, so that no pass is spent on the first step, and that 2g does not overflow.
    old = jnp.where(s.is_first, 0, h.learning_rate * h.beta)
    new = h.learning_rate * h.alpha + old
    updates = tree.map(lambda g, b: old * b - new * g, g, s.previous)
    return tree.cast_like((updates, State(jnp.zeros_like(s.is_first), g)), (grads, state))
