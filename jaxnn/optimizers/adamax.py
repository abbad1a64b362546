"""AdaMax: momentum divided by a decaying maximum of the gradient's size.

    m ← b1·m + (1 − b1)·g          v ← max(b2·v, |g| + eps)          t ← t + 1
    u = −learning_rate · m/(1 − b1ᵗ) / v

Adam in the infinity norm: a single large gradient sets the scale, and is forgotten at the pace b2.
The maximum needs no correction for its start. For b1 < b2 hardly a step exceeds learning_rate.
flavor="keras": v ← max(b2·v, |g|), and eps is added where v divides, m/(v + eps).
Reference: Kingma, Ba 2015, ICLR, "Adam: A Method for Stochastic Optimization", algorithm 2 (there
without eps). Agrees with `optax.adamax` and with torch's Adamax; in its flavour with Keras.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 2e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the maximum
    eps: Positive = 1e-8  # added to |g|


class State(NamedTuple):
    """The mean and the maximum, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    maximum: Params


Flavor: TypeAlias = Literal["optax", "keras"]

STRUCTURE = {"flavor": {"optax": {}, "keras": {"learning_rate": 1e-3, "eps": 1e-7}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2015
REFERENCE = "optax.adamax"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """The mean and the maximum at 0."""
    del hyper, flavor
    # Two trees, not one twice: a buffer can be donated only once.
    mean, maximum = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, maximum)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    inside, outside = (0, h.eps) if flavor == "keras" else (h.eps, 0)
    maximum = tree.map(lambda v, g: jnp.maximum(h.b2 * v, jnp.abs(g) + inside), s.maximum, g)
    rate = h.learning_rate / (1 - h.b1 ** step.astype(h.b1.dtype))
    updates = tree.map(lambda m, v: -rate * (m / (v + outside)), mean, maximum)
    return tree.cast_like((updates, State(step, mean, maximum)), (grads, state))
