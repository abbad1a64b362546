"""AdaDelta: steps in the units of the parameters, from the sizes of past steps; no rate is needed.

    e_g ← rho·e_g + (1 − rho)·g²
    d = g · √(e_x + eps) / √(e_g + eps)
    e_x ← rho·e_x + (1 − rho)·d²          u = −learning_rate · d

The first step is √eps · g / √((1 − rho)·g² + eps): eps sets the pace of the start.
flavor="keras": its numbers; the formula is this one.
Reference: Zeiler 2012, arXiv:1212.5701, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1
(there learning_rate is 1). Agrees with `optax.adadelta` and torch, without weight decay, and with
Keras in its flavour.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0
    rho: Fraction = 0.9  # decay of both means
    eps: Positive = 1e-6  # inside both roots


class State(NamedTuple):
    """Mean squares of gradients and of steps, like the parameters and at least float32."""

    mean_of_squares: Params
    mean_of_squared_steps: Params


Flavor: TypeAlias = Literal["optax", "keras"]

STRUCTURE = {
    "flavor": {"optax": {}, "keras": {"learning_rate": 1e-3, "rho": 0.95, "eps": 1e-7}},
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e2),
    "rho": one_minus(log_uniform(1e-2, 3e-1)),
    "eps": log_uniform(1e-8, 1e-3),
}
FAMILY, YEAR = "adaptive", 2012
REFERENCE = "optax.adadelta"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """Both means at 0."""
    del hyper, flavor
    # Two trees, not one twice: a buffer can be donated only once.
    return State(*(tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2)))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params, flavor
    g, s, h = tree.promote(grads, state, hyper)
    past = s.mean_of_squared_steps
    e_g = tree.map(lambda e, g: h.rho * e + (1 - h.rho) * g * g, s.mean_of_squares, g)
    steps = tree.map(lambda g, g2, x2: g * (_root(x2, h.eps) / _root(g2, h.eps)), g, e_g, past)
    e_x = tree.map(lambda e, d: h.rho * e + (1 - h.rho) * d * d, past, steps)
    updates = tree.map(lambda g, g2, x2: -h.learning_rate * _step(g, g2, x2, h), g, e_g, e_x)
    return tree.cast_like((updates, State(e_g, e_x)), (grads, state))


def _root(mean: Array, eps: Array) -> Array:
    return tree.sqrt(mean + eps)


def _step(g: Array, e_g: Array, e_x: Array, h: Hyper) -> Array:
    """The step by the new mean of squared steps, so that nobody has to keep the old one.

    From E'[d²] = ρE[d²] + (1 − ρ)g²(E[d²] + ε)/(E[g²] + ε) follows
    (E[d²] + ε)/(E[g²] + ε) = (E'[d²] + ρε)/(ρ(E[g²] + ε) + (1 − ρ)g²).
    """
    divisor = h.rho * (e_g + h.eps) + (1 - h.rho) * (g * g)
    divisor = jnp.maximum(divisor, jnp.finfo(g.dtype).tiny)  # 0 for no gradient and ρ = 0
    return g * tree.sqrt((e_x + h.rho * h.eps) / divisor)
