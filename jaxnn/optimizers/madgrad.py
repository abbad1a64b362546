"""MADGRAD: dual averaging, from the start by all gradients so far, divided by a cube root.

    t ← t + 1          g ← g + weight_decay·θ          λ = (learning_rate + eps)·√t
    s ← s + λ·g          v ← v + λ·g²          z = θ₀ − s/(∛v + eps)
    u = (1 − momentum)·(z − θ)

θ₀ are the first parameters: they hold the parameters as a regulariser does, so that `weight_decay`
should be smaller than elsewhere. The weights λ grow, so that old gradients count for less.
Where the square of a gradient overflows, v stays infinite and its weight returns to where it was.
Reference: Defazio, Jelassi 2022, JMLR 23, "A Momentumized, Adaptive, Dual Averaged Gradient
Method", algorithm 1. Agrees with `optax.contrib.madgrad`, where eps stands beside the learning rate
too, as in the authors' code, and √t is rounded to float32 whatever the other dtypes.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import copy
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    momentum: Fraction = 0.9  # share of the parameters that stays
    weight_decay: NonNegative = 0.0  # added to the gradients
    eps: Positive = 1e-6


class State(NamedTuple):
    """Two sums, like the parameters and at least float32, and the first parameters."""

    step: Int[Array, ""]
    sum_of_squares: Params
    grad_sum: Params
    initial_params: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e0),
    "momentum": one_minus(log_uniform(3e-2, 1e0)),
}
FAMILY, YEAR = "adaptive", 2021
REFERENCE = "optax.contrib.madgrad"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """The first parameters, copied, and the sums at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    squares, grads = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), squares, grads, copy(params))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step = tree.increment(state.step)
    weight = (h.learning_rate + h.eps) * tree.sqrt(step.astype(h.eps.dtype))
    g = tree.map(lambda g, p: g + h.weight_decay * p, g, p)
    square = tree.map(lambda v, g: v + weight * (g * g), s.sum_of_squares, g)
    grad_sum = tree.map(lambda s, g: s + weight * g, s.grad_sum, g)
    point = tree.map(
        lambda p0, s, v: p0 - s / (_cbrt(v) + h.eps), s.initial_params, grad_sum, square
    )
    updates = tree.map(lambda z, p: (1 - h.momentum) * (z - p), point, p)
    new = State(step, square, grad_sum, s.initial_params)
    return tree.cast_like((updates, new), (grads, state))


def _cbrt(x: Array) -> Array:
    # A logarithm and one step of Newton's method: XLA does not vectorise `jnp.cbrt` on CPU. With
    # derivative 0 at 0, as `tree.sqrt`.
    zero, unbounded = x < jnp.finfo(x.dtype).tiny, jnp.isinf(x)
    safe = jnp.where(zero | unbounded, 1, x)
    root = jnp.exp(jnp.log(safe) / 3)
    root += (safe / (root * root) - root) / 3
    return jnp.where(zero, 0, jnp.where(unbounded, x, root))
