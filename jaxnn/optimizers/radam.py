"""RAdam: Adam that steps by momentum alone until its mean of squares has seen enough gradients.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    n = n∞ − 2t·b2ᵗ/(1 − b2ᵗ)      n∞ = 2/(1 − b2) − 1
    n >= threshold:  u = −learning_rate · r · m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ) + eps_root) + eps)
    with             r = √( (n − 4)(n − 2)·n∞ / ((n∞ − 4)(n∞ − 2)·n) )
    otherwise:       u = −learning_rate · m/(1 − b1ᵗ)

n is the number of gradients that v averages over; for fewer than about five the variance of 1/√v is
too large, or infinite: n <= 4 has no r, and steps by momentum alone whatever the threshold. Steps
of momentum are as large as the gradients. In float32 n has lost about three digits for b2 = 0.999,
as in Optax.
nesterov=True: momentum looks ahead, with b1·m/(1 − b1ᵗ⁺¹) + (1 − b1)·g/(1 − b1ᵗ) for m/(1 − b1ᵗ).
flavor="torch": √v/√(1 − b2ᵗ) with eps added to √v itself, before the correction.
Reference: Liu, Jiang, He, Chen, Liu, Gao, Han 2020, ICLR, "On the Variance of the Adaptive Learning
Rate and Beyond", algorithm 2 (threshold 4 there). Agrees with `optax.radam`; in its flavour, at
eps_root = 0 and threshold = 5, with torch's RAdam.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam
from jaxnn.optimizers._nesterov import corrected
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Bool, Float, Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 0.0  # inside it
    threshold: Positive = 5.0  # gradients seen before v is used


State = adam.State
Flavor: TypeAlias = Literal["optax", "torch"]

STRUCTURE = {"flavor": {"optax": {}, "torch": {}}, "nesterov": {False: {}, True: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2020
REFERENCE = "optax.radam"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(
    params: Params, hyper: Hyper, *, flavor: Flavor = "optax", nesterov: bool = False
) -> State:
    """Both moments at 0."""
    del flavor, nesterov
    tree.require_real(params)
    return adam.init(params, adam.Hyper(*hyper[: len(adam.Hyper._fields)]))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    nesterov: bool = False,
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    enough, r = _rectifier(t, h.b2, h.threshold)
    c2 = 1 - h.b2**t
    rate = h.learning_rate * jnp.where(enough, r * tree.sqrt(c2), 1)
    eps = h.eps if flavor == "torch" else h.eps * tree.sqrt(c2)
    direction = corrected(mean, g, h.b1, t, rate, nesterov=nesterov)
    updates = tree.map(
        lambda d, v: -d / jnp.where(enough, tree.sqrt(v + h.eps_root * c2) + eps, 1),
        direction,
        square,
    )
    return tree.cast_like((updates, State(step, mean, square)), (grads, state))


def _rectifier(
    t: Float[Array, ""], b2: Float[Array, ""], threshold: Float[Array, ""]
) -> tuple[Bool[Array, ""], Float[Array, ""]]:
    """(whether v is to be used, r or 1)."""
    power, limit = b2**t, 2 / (1 - b2) - 1
    n = limit - 2 * t * power / (1 - power)
    enough = (n >= threshold) & (n > 4)
    n, limit = (jnp.where(enough, x, 5) for x in (n, limit))
    return enough, tree.sqrt((n - 4) * (n - 2) * limit / ((limit - 4) * (limit - 2) * n))
