"""Adam-mini: Adam with one rate for all weights of a leaf, in half the memory.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·mean(g²)          t ← t + 1
    u = −learning_rate · ( m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps) + weight_decay·θ )

The mean is over a block of weights that one rate suits, and here a block is a leaf of the tree. The
authors divide some leaves of a transformer further: queries and keys by heads, embeddings and the
last layer by tokens. Give these as several leaves, or to `adamw` in a group of their own: one rate
for all of such a leaf trains badly, as they show.
Where the sum of squares overflows, v stays infinite and the leaf moves no more.
Reference: Zhang, Chen, Li, Ding, Wu, Kingma, Ye, Luo, Sun 2025, ICLR, "Adam-mini: Use Fewer
Learning Rates To Gain More", algorithm 1. Agrees with pytorch-optimizer's AdamMini for parameters
whose names say nothing, which are one block each; there weight_decay is 0.1 and the rate 1.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Float, Fraction, Int, NonNegative, Params, Positive, PyTree

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """The mean, like the parameters, and a scalar a leaf; both at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: PyTree[Float[Array, ""]]


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "layer-wise", 2024
REFERENCE = "pytorch_optimizer.AdamMini"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments at 0."""
    del hyper
    mean = tree.zeros_like(params, min_dtype=jnp.float32)
    squares = jax.tree.map(lambda m: jnp.zeros((), m.dtype), mean)
    return State(jnp.zeros((), jnp.int32), mean, squares)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    squares = tree.map(lambda g: jnp.sum(g * g) / max(g.size, 1), g)
    square = tree.map(lambda v, q: h.b2 * v + (1 - h.b2) * q, s.mean_of_squares, squares)
    root = tree.sqrt(1 - h.b2**t)
    rate, eps = h.learning_rate * root / (1 - h.b1**t), h.eps * root
    rates = tree.map(lambda v: rate / (tree.sqrt(v) + eps), square)
    decay = h.learning_rate * h.weight_decay
    steps = jax.tree.map(lambda m, r: r * m, mean, rates)
    updates = tree.map(lambda d, p: -d - decay * p, steps, p)
    return tree.cast_like((updates, State(step, mean, square)), (grads, state))
