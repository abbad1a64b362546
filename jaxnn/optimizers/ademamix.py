"""AdEMAMix: Adam with a second mean of the gradients, which remembers thousands of steps.

    m ← b1·m + (1 − b1)·g          n ← b3·n + (1 − b3)·g
    v ← b2·v + (1 − b2)·g²          t ← t + 1
    u = −learning_rate · ( (m/(1 − b1ᵗ) + alpha·n) / (√(v/(1 − b2ᵗ) + eps_root) + eps)
                           + weight_decay·θ )

The slow mean n is not corrected for its start at 0: it comes in over some 1/(1 − b3) steps. The
paper lets alpha and b3 rise over that time; `scheduled` does so with any schedule.
Reference: Pagliardini, Ablin, Grangier 2025, ICLR, "The AdEMAMix Optimizer: Better, Faster, Older",
algorithm 1 without its schedulers. Agrees with `optax.contrib.ademamix`.
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

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the fast mean
    b2: Fraction = 0.999  # decay of the mean of squares
    b3: Fraction = 0.9999  # decay of the slow mean
    alpha: NonNegative = 5.0  # weight of the slow mean beside the fast one
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 0.0  # inside it
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """Three means, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    slow_mean: Params
    mean_of_squares: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b3": one_minus(log_uniform(1e-4, 1e-2)),
    "alpha": uniform(0.0, 10.0),
}
FAMILY, YEAR = "adaptive", 2024
REFERENCE = "optax.contrib.ademamix"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """All means at 0."""
    del hyper
    # Three trees, not one thrice: a buffer can be donated only once.
    means = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3))
    return State(jnp.zeros((), jnp.int32), *means)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    slow = tree.map(lambda n, g: h.b3 * n + (1 - h.b3) * g, s.slow_mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    c2 = 1 - h.b2**t
    scale = tree.sqrt(c2)
    rate, eps, decay = h.learning_rate * scale, h.eps * scale, h.learning_rate * h.weight_decay
    fast_rate, slow_rate = rate / (1 - h.b1**t), rate * h.alpha
    mixed = tree.map(lambda m, n: fast_rate * m + slow_rate * n, mean, slow)
    updates = tree.map(
        lambda d, v, p: -d / (tree.sqrt(v + h.eps_root * c2) + eps) - decay * p, mixed, square, p
    )
    return tree.cast_like((updates, State(step, mean, slow, square)), (grads, state))
