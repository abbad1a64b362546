"""MARS: AdamW on gradients that are carried on in the direction of their change, and clipped.

    c = g + gamma·b1/(1 − b1)·(g − g₋)          c ← c / max(1, ‖c‖), ‖c‖ over a leaf
    m ← b1·m + (1 − b1)·c          v ← b2·v + (1 − b2)·c²          t ← t + 1
    u = −learning_rate · ( m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps) + weight_decay·θ )

g₋ is the last gradient, 0 at the first step. The change makes up for the delay of the mean m: with
gamma = 1 m would be g itself, but for the clipping; gamma = 0 is AdamW on clipped gradients.
This is the paper's approximate form: in the exact one g₋ is taken at the last parameters on the
present batch, for a second gradient at each step. Its authors' code leaves scalars and vectors to
AdamW, as does `partitioned` here. The state has three times the size of the parameters.
Reference: Yuan, Liu, Wu, Zhou, Gu 2025, ICML, "MARS: Unleashing the Power of Variance Reduction for
Training Large Models", MARS-AdamW. Agrees with pytorch-optimizer's MARS(optimize_1d=True) but for
its eps, which stands beside the uncorrected √v, and for 1e-15 inside that root.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam, adamw
from jaxnn.optimizers._trust import norm
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 3e-3
    b1: Fraction = 0.95  # decay of the mean
    b2: Fraction = 0.99  # decay of the mean of squares
    gamma: NonNegative = 0.025  # weight of the change
    eps: Positive = 1e-8  # outside the root
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """Both moments and the last gradient, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    last: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "gamma": log_uniform(1e-3, 1e0),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "adaptive", 2025
REFERENCE = "pytorch_optimizer.MARS"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments and the last gradient at 0."""
    del hyper
    # Three trees, not one thrice: a buffer can be donated only once.
    trees = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3))
    return State(jnp.zeros((), jnp.int32), *trees)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    weight = h.gamma * h.b1 / (1 - h.b1)
    carried = tree.map(lambda g, last: _carried(g, last, weight), g, s.last)
    moments, inner = adam.State(s.step, s.mean, s.mean_of_squares), h._asdict()
    del inner["gamma"]
    updates, moments = adamw.update(carried, moments, p, adamw.Hyper(**inner))
    return tree.cast_like((updates, State(*moments, g)), (grads, state))


def _carried(g: Array, last: Array, weight: Float[Array, ""]) -> Array:
    # In units of the largest number: differences and squares of large gradients overflow.
    peak = jnp.maximum(jnp.max(jnp.abs(g), initial=1), jnp.max(jnp.abs(last), initial=1))
    unit = jax.lax.stop_gradient(peak)
    c = g / unit + weight * (g / unit - last / unit)
    return c / jnp.maximum(jnp.maximum(1 / unit, jnp.finfo(c.dtype).tiny), norm(c))
