"""Lion: steps of one size, against the sign of a mix of the gradient and the mean before it.

    d = sign( b1·m + (1 − b1)·g )          m ← b2·m + (1 − b2)·g
    u = −learning_rate · (d + weight_decay·θ)

With b1 < b2 the present gradient counts more in the step than in the mean that is remembered. The
step is taken from the new mean, d = sign(b1·m + (b2 − b1)·g), which is the same sign for b2 > 0:
then nobody needs the old mean, and it is overwritten in place instead of copied.
An infinite gradient may hide in its sign, as in `sign_sgd`, and derivatives say little about
training. The paper's rates are 3 to 10 times smaller than Adam's, its decays as much larger.
flavor="keras": its numbers, without decay; the formula is this one.
Reference: Chen, Liang, Huang, Real et al. 2023, NeurIPS, "Symbolic Discovery of Optimization
Algorithms", algorithm 2. Agrees with `optax.lion`; with Keras in its flavour.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import ArrayLike, Fraction, Interval, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-4
    b1: Fraction = 0.9  # weight of the mean in the step
    b2: Annotated[ArrayLike, Interval(0, 1, "()")] = 0.99  # decay of the mean
    weight_decay: NonNegative = 1e-3  # per step and unit of rate


class State(NamedTuple):
    """The mean, like the parameters and at least float32."""

    mean: Params


Flavor: TypeAlias = Literal["optax", "keras"]

STRUCTURE = {"flavor": {"optax": {}, "keras": {"learning_rate": 1e-3, "weight_decay": 0.0}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-5, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "sign", 2023
REFERENCE = "optax.lion"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = False
SATURATES = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """The mean at 0."""
    del hyper, flavor
    return State(tree.zeros_like(params, min_dtype=jnp.float32))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    del flavor
    g, s, h, p = tree.promote(grads, state, hyper, params)
    rate, decay = h.learning_rate, h.learning_rate * h.weight_decay
    mean = tree.map(lambda m, g: h.b2 * m + (1 - h.b2) * g, s.mean, g)
    updates = tree.map(
        lambda m, g, p: -rate * jnp.sign(h.b1 * m + (h.b2 - h.b1) * g) - decay * p, mean, g, p
    )
    return tree.cast_like((updates, State(mean)), (grads, state))
