"""Prodigy: AdamW whose rate d is a growing estimate of the distance to the solution.

    t ← t + 1          a = learning_rate · √(1 − b2ᵗ)/(1 − b1ᵗ)
    m ← b1·m + (1 − b1)·d·g          v ← b2·v + (1 − b2)·(d·g)²
    r ← b3·r + a·d²/d₀ · ⟨g, θ₀ − θ⟩          s ← b3·s + a·d²/d₀ · g
    d' = max(d, estim_lr_coef · r/‖s‖₁)
    u = −a·d · ( m / (√v + d'·eps) + weight_decay·θ )          d ← d'

⟨·,·⟩ and ‖·‖₁ are over all leaves, θ₀ are the first parameters, d₀ is estim_lr0. As long as s is 0,
d stays: in Optax an all-zero first gradient makes d 0/0.
safeguard_warmup=True: d²/d₀ in place of a·d²/d₀ in s, for rates that start near 0.
Reference: Mishchenko, Defazio 2024, ICML, "Prodigy: An Expeditiously Adaptive Parameter-Free
Learner". Agrees with `optax.contrib.prodigy`, where (b1, b2) are betas and b3 is beta3, by default
√b2.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import copy, dot, total
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    b3: Fraction = 0.999**0.5  # decay of r and s
    eps: Positive = 1e-8
    estim_lr0: Positive = 1e-6  # the first d, below what it should become
    estim_lr_coef: Positive = 1.0
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """Trees like the parameters, at least float32 but for the first parameters; and two numbers."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    grad_sum: Params
    initial_params: Params
    estim_lr: Float[Array, ""]
    numerator: Float[Array, ""]


STRUCTURE = {"safeguard_warmup": {False: {}, True: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e1),
    "estim_lr0": log_uniform(1e-8, 1e-3),
    "estim_lr_coef": log_uniform(1e-1, 1e1),
}
FAMILY, YEAR = "parameter-free", 2024
REFERENCE = "optax.contrib.prodigy"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, safeguard_warmup: bool = False) -> State:
    """The first parameters, copied, the first estimate, and the rest at 0."""
    del safeguard_warmup
    _, _, h = tree.promote(params, (), hyper)
    # Three trees, not one thrice: a buffer can be donated only once.
    mean, square, grad_sum = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3))
    step, first = jnp.zeros((), jnp.int32), jnp.array(h.estim_lr0)
    return State(step, mean, square, grad_sum, copy(params), first, jnp.zeros_like(first))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    safeguard_warmup: bool = False,
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step, d = tree.increment(s.step), s.estim_lr
    t = step.astype(d.dtype)
    rate = h.learning_rate * d * tree.sqrt(1 - h.b2**t) / (1 - h.b1**t)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * (d * g), s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * (d * g) ** 2, s.mean_of_squares, g)

    weight = d / h.estim_lr0 * rate
    moved = tree.map(lambda p0, p: p0 - p, s.initial_params, p)
    numerator = h.b3 * s.numerator + weight * dot(g, moved)
    gain = d / h.estim_lr0 * d if safeguard_warmup else weight
    grad_sum = tree.map(lambda s, g: h.b3 * s + gain * g, s.grad_sum, g)
    size = total(tree.map(jnp.abs, grad_sum))
    unseen = size == 0
    estimate = h.estim_lr_coef * numerator / jnp.where(unseen, 1, size)
    estim_lr = jnp.maximum(d, jnp.where(unseen, d, estimate))

    floor, decay = estim_lr * h.eps, rate * h.weight_decay
    updates = tree.map(
        lambda m, v, p: -rate * (m / (tree.sqrt(v) + floor)) - decay * p, mean, square, p
    )
    new = State(step, mean, square, grad_sum, s.initial_params, estim_lr, numerator)
    return tree.cast_like((updates, new), (grads, state))
