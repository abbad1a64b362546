"""Nesterov's momentum: the velocity is applied as it will be one step ahead.

    v ← momentum·v + g          u = −learning_rate · (g + momentum·v)

flavor="keras": the rate is inside the velocity, v ← momentum·v + learning_rate·g,
u = −(learning_rate·g + momentum·v). The steps differ only after a change of rate.
Written for the point where the gradient is taken, so that no look-ahead copy of the parameters is
kept. Like every linear rule it overflows with gradients near the largest number of their dtype.
Reference: Nesterov 1983, Soviet Mathematics Doklady 27, "A method of solving a convex programming
problem with convergence rate O(1/k²)"; this form: Sutskever, Martens, Dahl, Hinton 2013, ICML.
Agrees with `optax.sgd(momentum=..., nesterov=True)` and torch; with Keras in its flavour.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    momentum: Fraction = 0.9  # decay of the velocity


class State(NamedTuple):
    """The velocity, like the parameters and at least float32."""

    velocity: Params


Flavor: TypeAlias = Literal["optax", "keras"]

STRUCTURE = {"flavor": {"optax": {}, "keras": {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e0),
    "momentum": one_minus(log_uniform(1e-2, 3e-1)),
}
FAMILY, YEAR = "momentum", 1983
REFERENCE = "optax.sgd"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
LINEAR = True
COMPLEX = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """At rest."""
    del hyper, flavor
    return State(tree.zeros_like(params, min_dtype=jnp.float32, complex_as="complex"))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper, complex_as="parts")
    inside, outside = (1, h.learning_rate) if flavor == "optax" else (h.learning_rate, 1)
    velocity = tree.map(lambda v, g: h.momentum * v + inside * g, s.velocity, g)
    updates = tree.map(lambda v, g: -outside * (inside * g + h.momentum * v), velocity, g)
    return tree.cast_like((updates, State(velocity)), (grads, state))
