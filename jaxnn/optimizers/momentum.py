"""Momentum: steps along a velocity that remembers past gradients, the heavy ball.

    v ← momentum·v + g          u = −learning_rate · v

flavor="lecture" and "keras": the rate is inside the velocity, v ← momentum·v + learning_rate·g,
u = −v. At a constant rate both forms give the same steps; after a change of rate this one still
carries the old one.
A constant gradient g grows to g/(1 − momentum) in v, so that gradients near the largest number of
their dtype overflow there.
Reference: Polyak 1964, USSR Computational Mathematics and Mathematical Physics 4, "Some methods of
speeding up the convergence of iteration methods". Agrees with `optax.sgd(momentum=...)` and
torch; with Keras in its flavour.
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


Flavor: TypeAlias = Literal["optax", "lecture", "keras"]

STRUCTURE = {"flavor": {"optax": {}, "lecture": {}, "keras": {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e0),
    "momentum": one_minus(log_uniform(1e-2, 3e-1)),
}
FAMILY, YEAR = "momentum", 1964
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
    updates = tree.map(lambda v: -outside * v, velocity)
    return tree.cast_like((updates, State(velocity)), (grads, state))
