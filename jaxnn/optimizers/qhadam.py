"""QHAdam: Adam whose two means have less weight in the step, beside the gradient of the moment.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    a = (1 − nu1)·g + nu1·m/(1 − b1ᵗ)          c = (1 − nu2)·g² + nu2·v/(1 − b2ᵗ)
    u = −learning_rate · a / (√c + eps)

nu1 = nu2 = 1 is Adam, nu1 = 0 RMSProp, nu1 = b1 about NAdam. The means may remember for longer than
Adam's, since the step does not wait for them. nu2 < 1 bounds the size of a step where gradients are
rare: |g|/√c is at most 1/√(1 − nu2). The defaults are those that the authors recommend to users of
Adam with b1 = 0.9.
Reference: Ma, Yarats 2019, ICLR, "Quasi-hyperbolic momentum and Adam for deep learning".
Agrees with pytorch-optimizer's QHAdam, whose defaults nu1 = nu2 = 1 are Adam, but for 1 − b1ᵗ and
1 − b2ᵗ, which it keeps in float32.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam
from jaxnn.space import log_uniform, one_minus, uniform
from jaxnn.typing import Fraction, Params, Positive, UnitInterval

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.995  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    nu1: UnitInterval = 0.7  # weight of the mean in the step
    nu2: UnitInterval = 1.0  # weight of the mean of squares below it
    eps: Positive = 1e-8  # outside the root


State = adam.State

STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(1e-3, 1e-1)),
    "nu1": uniform(0.0, 1.0),
}
FAMILY, YEAR = "adaptive", 2019
REFERENCE = "pytorch_optimizer.QHAdam"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    mean, square = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, square)


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
    # The rate goes into the weights: beside the largest gradients their sum may overflow.
    now1, past1 = h.learning_rate * (1 - h.nu1), h.learning_rate * h.nu1 / (1 - h.b1**t)
    now2, past2 = 1 - h.nu2, h.nu2 / (1 - h.b2**t)
    updates = tree.map(
        lambda g, m, v: -(now1 * g + past1 * m) / (tree.sqrt(now2 * g * g + past2 * v) + h.eps),
        g,
        mean,
        square,
    )
    return tree.cast_like((updates, State(step, mean, square)), (grads, state))
