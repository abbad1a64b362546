"""AdaMod: Adam whose rates do not exceed their own mean, so that it starts slowly by itself.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    a = learning_rate / (√(v/(1 − b2ᵗ)) + eps)
    s ← b3·s + (1 − b3)·a
    u = −min(a, s) · m/(1 − b1ᵗ)

The mean s of the rates starts at 0 and is not corrected: it comes in over some 1/(1 − b3) steps,
which is a warm-up, and from then on it caps rates that rise suddenly. A schedule's rate is part of
a, so that s follows it with that delay.
The state has three times the size of the parameters.
Reference: Ding, Ren, Luo, Sun 2019, arXiv:1910.12249, "An Adaptive and Momental Bound Method for
Stochastic Learning", algorithm 1. Agrees with pytorch-optimizer's AdaMod where that is given
numbers that undo its two departures, which are those of the authors' code: 1/(1 − b1ᵗ) inside a,
and eps beside the uncorrected √v.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    b3: Fraction = 0.999  # decay of the mean of the rates
    eps: Positive = 1e-8  # outside the root


class State(NamedTuple):
    """Both moments and the mean of the rates, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    mean_rate: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b3": one_minus(log_uniform(1e-4, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2019
REFERENCE = "pytorch_optimizer.AdaMod"
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

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    root, c1 = tree.sqrt(1 - h.b2**t), 1 - h.b1**t
    scale, eps = h.learning_rate * root, h.eps * root
    rates = tree.map(lambda v: scale / (tree.sqrt(v) + eps), square)
    mean_rate = tree.map(lambda r, a: h.b3 * r + (1 - h.b3) * a, s.mean_rate, rates)
    updates = tree.map(lambda a, r, m: -jnp.minimum(a, r) / c1 * m, rates, mean_rate, mean)
    return tree.cast_like((updates, State(step, mean, square, mean_rate)), (grads, state))
