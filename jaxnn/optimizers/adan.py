"""Adan: Adam with Nesterov's step ahead, taken from how the gradient has changed.

    d = g − g₋, the change since the last step; 0 at the first                    t ← t + 1
    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·d
    n ← b3·n + (1 − b3)·(g + (1 − b2)·d)²
    q = (m/(1 − b1ᵗ) + (1 − b2)·v/(1 − b2ᵗ)) / (√(n/(1 − b3ᵗ) + eps_root) + eps)
    u = −learning_rate · (q + weight_decay·θ)

The decays weigh the past, as in Adam: the paper's β are 1 − b1, 1 − b2, 1 − b3. It starts from
m = g and n = g² and corrects nothing, and divides the new θ by 1 + learning_rate·weight_decay.
In the code the factor 1 − b2 is taken before the difference d, which could overflow without it.
The last gradient is kept too: the state has four times the size of the parameters.
Reference: Xie, Zhou, Li, Lin, Yan 2022, arXiv:2208.06677, "Adan: Adaptive Nesterov Momentum
Algorithm for Faster Optimizing Deep Models", algorithm 1. Agrees with `optax.adan`.
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
    b1: Fraction = 0.98  # decay of the mean
    b2: Fraction = 0.92  # decay of the mean change
    b3: Fraction = 0.99  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 1e-8  # inside it
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """Three means and the last gradient, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_change: Params
    mean_of_squares: Params
    last: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "adaptive", 2022
REFERENCE = "optax.adan"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """All means at 0."""
    del hyper
    # Four trees, not one four times: a buffer can be donated only once.
    means = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(4))
    return State(jnp.zeros((), jnp.int32), *means)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    new = jnp.where(state.step == 0, 0, 1 - h.b2)
    change = tree.map(lambda g, last: new * g - new * last, g, s.last)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    mean_change = tree.map(lambda v, d: h.b2 * v + d, s.mean_change, change)
    behind = tree.after(s.mean_of_squares, mean_change)
    square = tree.map(lambda n, g, d: h.b3 * n + (1 - h.b3) * (g + d) * (g + d), behind, g, change)
    c1, c2, c3 = 1 - h.b1**t, 1 - h.b2**t, 1 - h.b3**t
    root = tree.sqrt(c3)
    of_mean, of_change = h.learning_rate * root / c1, h.learning_rate * root * (1 - h.b2) / c2
    inside, eps, decay = h.eps_root * c3, h.eps * root, h.learning_rate * h.weight_decay
    updates = tree.map(
        lambda m, v, n: -(of_mean * m + of_change * v) / (tree.sqrt(n + inside) + eps),
        mean,
        mean_change,
        square,
    )
    updates = tree.map(lambda u, p: u - decay * p, updates, p)
    last = tree.after(g, square)
    return tree.cast_like((updates, State(step, mean, mean_change, square, last)), (grads, state))
