"""AdaBelief: Adam whose steps are long where gradients are as predicted, not where they are small.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·(g − m)² + eps_root          t ← t + 1
    u = −learning_rate · m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps)

v measures how far gradients fall from their own mean m. It takes eps_root anew at each step, and
comes to eps_root/(1 − b2) where gradients stay constant: at the defaults the steps there grow to
3e6·learning_rate·g.
nesterov=True: m looks ahead, with b1·m/(1 − b1ᵗ⁺¹) + (1 − b1)·g/(1 − b1ᵗ) for m/(1 − b1ᵗ).
Reference: Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris, Duncan 2020, NeurIPS, "AdaBelief
Optimizer: Adapting Stepsizes by the Belief in Observed Gradients", algorithm 2.
Agrees with `optax.adabelief`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._nesterov import corrected
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


class State(NamedTuple):
    """Mean and variance, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    variance: Params


STRUCTURE = {"nesterov": {False: {}, True: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2020
REFERENCE = "optax.adabelief"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, nesterov: bool = False) -> State:
    """Mean and variance at 0."""
    del hyper, nesterov
    # Two trees, not one twice: a buffer can be donated only once.
    mean, variance = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, variance)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, nesterov: bool = False
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    error = tree.map(lambda g, m: g - m, g, mean)
    squares = tree.map(lambda e: (1 - h.b2) * e * e + h.eps_root, error)
    variance = tree.map(lambda v, new: h.b2 * v + new, s.variance, squares)
    root = tree.sqrt(1 - h.b2**t)
    direction = corrected(mean, g, h.b1, t, h.learning_rate * root, nesterov=nesterov)
    updates = tree.map(lambda d, v: -d / (tree.sqrt(v) + h.eps * root), direction, variance)
    return tree.cast_like((updates, State(step, mean, variance)), (grads, state))
