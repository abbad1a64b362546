"""ACProp: the gradient divided by the root of its decaying variance, as known one step before.

    u = −learning_rate · ( g / (√(s/(1 − b2ᵗ)) + eps) + weight_decay·θ )          t ← t + 1
    s ← b2·s + (1 − b2)·(g − m)² + eps_root          m ← b1·m + (1 − b1)·g

u is taken with the old s (asynchronous), the variance about the old m (centred). t counts from 0;
at the first step the divisor is 1 + eps, so that u is then the step of gradient descent.
Reference: Zhuang, Ding, Tang, Dvornek, Tatikonda, Duncan 2021, NeurIPS, "Momentum Centering and
Asynchronous Update for Adaptive Gradient Methods". Agrees with `optax.contrib.acprop`; in the paper
the variance is about the new m.
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

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the variance
    eps: Positive = 1e-16  # outside the root
    eps_root: NonNegative = 1e-16  # added to the variance at each step
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """Mean and variance, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    variance: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2021
REFERENCE = "optax.contrib.acprop"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Mean and variance at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    mean, variance = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, variance)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    first = s.step == 0
    # The correction c is folded into rate and eps; at the first step, where s = 0, the root is too.
    t = jnp.maximum(s.step, 1).astype(h.b2.dtype)
    c = jnp.where(first, 1, tree.sqrt(1 - h.b2**t))
    rate, floor = h.learning_rate * c, h.eps * c + jnp.where(first, 1, 0)
    decay = h.learning_rate * h.weight_decay
    updates = tree.map(
        lambda g, v, p: -rate * (g / (tree.sqrt(v) + floor)) - decay * p, g, s.variance, p
    )
    variance = tree.map(
        lambda v, g, m: h.b2 * v + ((1 - h.b2) * (g - m) ** 2 + h.eps_root), s.variance, g, s.mean
    )
    before = tree.after(s.mean, variance)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, before, g)
    return tree.cast_like((updates, State(tree.increment(s.step), mean, variance)), (grads, state))
