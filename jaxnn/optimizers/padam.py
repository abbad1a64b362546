"""Padam: between momentum and AMSGrad, by the power of the mean of squares that divides the step.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          w ← max(w, v)
    u = −learning_rate · m / (√w + eps)^(2·power)

power = 0 is momentum whose velocity is a mean, power = 1/2 is AMSGrad without corrections. The
smaller the power the larger the learning rate may be: steps are as large as |g|^(1 − 2·power). A
power costs more arithmetic than a root.
Reference: Chen, Zhou, Tang, Yang, Cao, Gu 2020, IJCAI, "Closing the Generalization Gap of Adaptive
Gradient Methods in Training Deep Neural Networks", algorithm 1 (there without eps).
Agrees with pytorch-optimizer's PAdam where that is given numbers that undo its two departures: v in
place of w, and Adam's corrections on the rate. Its power is 1/4; the paper's experiments have 1/8.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus, uniform
from jaxnn.typing import ArrayLike, Fraction, Interval, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-1
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    power: Annotated[ArrayLike, Interval(0, 0.5, "[]")] = 0.125  # of w
    eps: Positive = 1e-8  # outside the root


class State(NamedTuple):
    """Both moments and the largest second one, like the parameters and at least float32."""

    mean: Params
    mean_of_squares: Params
    largest: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 1e0),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "power": uniform(0.0, 0.5),
}
FAMILY, YEAR = "adaptive", 2020
REFERENCE = "pytorch_optimizer.PAdam"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """All moments at 0."""
    del hyper
    # Three trees, not one thrice: a buffer can be donated only once.
    return State(*(tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3)))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    largest = tree.map(jnp.maximum, s.largest, square)
    power = -2 * h.power
    updates = tree.map(
        lambda m, w: -h.learning_rate * m * (tree.sqrt(w) + h.eps) ** power, mean, largest
    )
    return tree.cast_like((updates, State(mean, square, largest)), (grads, state))
