"""Yogi: Adam whose mean of squares moves by steps of g², so that rates rise only slowly again.

    m ← b1·m + (1 − b1)·g          v ← v − (1 − b2)·sign(v − g²)·g²          t ← t + 1
    u = −learning_rate · m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps)

m and v start at initial_accumulator_value, and are corrected as if they had started at 0: at the
defaults the first step goes against the gradient where that is negative and smaller than 9e-6.
Adam's v moves by (1 − b2)·(g² − v): after a burst of large gradients it falls by a share of itself,
Yogi's by the small g² alone. Where g² overflows v stays infinite and u is 0 from then on; with a
second such gradient Optax's is NaN.
The sign has steps that no derivative sees: gradients through training are those between them.
Reference: Zaheer, Reddi, Sachan, Kale, Kumar 2018, NeurIPS, "Adaptive Methods for Nonconvex
Optimization", algorithm 2 (uncorrected there). Agrees with `optax.yogi`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # 1 − b2 is the pace of v
    eps: Positive = 1e-3  # outside the root
    initial_accumulator_value: NonNegative = 1e-6  # the first m and v


class State(NamedTuple):
    """Both moments, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    second_moment: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e0),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "eps": log_uniform(1e-8, 1e-2),
}
FAMILY, YEAR = "adaptive", 2018
REFERENCE = "optax.yogi"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments at their initial value."""
    # Two trees, not one twice: a buffer can be donated only once.
    start = hyper.initial_accumulator_value
    mean, second = (tree.full_like(params, start, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, second)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    second = tree.map(lambda v, g: _approach(v, g * g, 1 - h.b2), s.second_moment, g)
    root = tree.sqrt(1 - h.b2**t)
    rate, eps = h.learning_rate * root / (1 - h.b1**t), h.eps * root
    updates = tree.map(lambda m, v: -rate * m / (tree.sqrt(v) + eps), mean, second)
    return tree.cast_like((updates, State(step, mean, second)), (grads, state))


def _approach(v: Array, square: Array, pace: Array) -> Array:
    # Compared, not subtracted: ∞ − ∞ and 0 · ∞ are NaN.
    change = pace * square
    return jnp.where(v < square, v + change, jnp.where(v > square, v - change, v))
