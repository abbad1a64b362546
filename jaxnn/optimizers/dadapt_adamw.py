"""D-Adaptation: AdamW whose rate d is a growing lower bound of the distance to the solution.

    t ← t + 1          a = learning_rate · d · √(1 − b2ᵗ)/(1 − b1ᵗ)          b = √b2
    r ← b·r + (1 − b)·a · ⟨g, s/(√v + eps)⟩          s ← b·s + (1 − b)·a·g
    m ← b1·m + (1 − b1)·a·g          v ← b2·v + (1 − b2)·g²
    u = −m / (√v + eps) − a·weight_decay·θ          d ← max(d, r/((1 − b)·‖s‖₁))

⟨·,·⟩ and ‖·‖₁ are over all leaves; r is taken with the old s and v, a with the old d, and the first
d is estim_lr0. As long as s is 0, d stays: in Optax an all-zero first gradient makes d 0/0.
Reference: Defazio, Mishchenko 2023, ICML, "Learning-Rate-Free Learning by D-Adaptation".
Agrees with `optax.contrib.dadapt_adamw`, where (b1, b2) are betas.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import dot, total
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8
    estim_lr0: Positive = 1e-6  # the first d, below what it should become
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """Three trees like the parameters and at least float32, and two numbers."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    grad_sum: Params
    estim_lr: Float[Array, ""]
    numerator: Float[Array, ""]


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e1),
    "estim_lr0": log_uniform(1e-8, 1e-3),
}
FAMILY, YEAR = "parameter-free", 2023
REFERENCE = "optax.contrib.dadapt_adamw"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """The first estimate, and the rest at 0."""
    _, _, h = tree.promote(params, (), hyper)
    # Three trees, not one thrice: a buffer can be donated only once.
    mean, square, grad_sum = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3))
    step, first = jnp.zeros((), jnp.int32), jnp.array(h.estim_lr0)
    return State(step, mean, square, grad_sum, first, jnp.zeros_like(first))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step, b = tree.increment(s.step), tree.sqrt(h.b2)
    t = step.astype(h.b1.dtype)
    rate = h.learning_rate * s.estim_lr * tree.sqrt(1 - h.b2**t) / (1 - h.b1**t)
    scaled = tree.map(lambda s, v: s / (tree.sqrt(v) + h.eps), s.grad_sum, s.mean_of_squares)
    numerator = b * s.numerator + (1 - b) * rate * dot(g, scaled)

    square, grad_sum, h = tree.after((s.mean_of_squares, s.grad_sum, h), numerator)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * rate * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, square, g)
    grad_sum = tree.map(lambda s, g: b * s + (1 - b) * rate * g, grad_sum, g)
    size = (1 - b) * total(tree.map(jnp.abs, grad_sum))
    unseen = size == 0
    estimate = jnp.where(unseen, s.estim_lr, numerator / jnp.where(unseen, 1, size))
    estim_lr = jnp.maximum(s.estim_lr, estimate)

    decay = rate * h.weight_decay
    updates = tree.map(lambda m, v, p: -m / (tree.sqrt(v) + h.eps) - decay * p, mean, square, p)
    new = State(step, mean, square, grad_sum, estim_lr, numerator)
    return tree.cast_like((updates, new), (grads, state))
