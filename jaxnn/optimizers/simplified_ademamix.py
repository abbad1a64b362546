"""Simplified AdEMAMix: Adam's divisor under a sum of past gradients and the present one apart.

    m ← b1·m + g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    u = −learning_rate · ( (m + alpha·g) / (√(v/(1 − b2ᵗ) + eps_root) + eps) + weight_decay·θ )

m is a sum, not a mean: steady gradients make steps of learning_rate/(1 − b1). At alpha = 0 and
t → ∞ that is Adam at this rate; the larger alpha, the more weight has the newest gradient, as it
should with large batches. A sum of gradients that overflows overflows in m.
Reference: Morwani, Vyas, Zhang, Kakade 2025, arXiv:2502.02431, "Connections between Schedule-Free
Optimizers, AdEMAMix, and Accelerated SGD Variants"; the learning rate is that of its code.
Agrees with `optax.contrib.simplified_ademamix`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus, uniform
from jaxnn.typing import Array, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-4
    b1: Fraction = 0.99  # decay of the sum
    b2: Fraction = 0.95  # decay of the mean of squares
    alpha: NonNegative = 0.0  # weight of the present gradient beside the sum
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 0.0  # inside it
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """The sum and the mean of squares, like the parameters and at least float32."""

    step: Int[Array, ""]
    grad_sum: Params
    mean_of_squares: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-6, 1e-2),
    "b1": one_minus(log_uniform(1e-3, 1e-1)),
    "alpha": uniform(0.0, 100.0),
}
FAMILY, YEAR = "adaptive", 2025
REFERENCE = "optax.contrib.simplified_ademamix"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
GRADIENT_RANGE = 0.9


def init(params: Params, hyper: Hyper) -> State:
    """Sum and mean of squares at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    zeros = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), *zeros)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step = tree.increment(state.step)
    grad_sum = tree.map(lambda m, g: h.b1 * m + g, s.grad_sum, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    # The bias correction goes into the rate and into eps, as in Adam.
    c2 = 1 - h.b2 ** step.astype(h.b2.dtype)
    scale = tree.sqrt(c2)
    rate, eps, decay = h.learning_rate * scale, h.eps * scale, h.learning_rate * h.weight_decay
    mixed = tree.map(lambda m, g: rate * m + rate * h.alpha * g, grad_sum, g)
    updates = tree.map(
        lambda d, v, p: -d / (tree.sqrt(v + h.eps_root * c2) + eps) - decay * p, mixed, square, p
    )
    return tree.cast_like((updates, State(step, grad_sum, square)), (grads, state))
