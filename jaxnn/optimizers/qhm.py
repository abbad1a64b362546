"""QHM: a step between that of gradient descent and that of momentum, which may remember for longer.

    m ← momentum·m + (1 − momentum)·g          u = −learning_rate · ((1 − nu)·g + nu·m)

nu = 0 is gradient descent and nu = 1 is momentum whose velocity is a mean: the same steps as those
of `momentum` at a rate 1 − momentum times as large. nu = momentum is Nesterov's, `nesterov` at such
a rate. The defaults are those that the paper recommends to users of momentum 0.9 at a learning rate
of 1e-2.
Reference: Ma, Yarats 2019, ICLR, "Quasi-hyperbolic momentum and Adam for deep learning",
algorithm 1. Agrees with pytorch-optimizer's QHM, whose defaults nu = 1 and momentum = 0 are
gradient descent.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus, uniform
from jaxnn.typing import Fraction, Params, Positive, UnitInterval

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-1
    momentum: Fraction = 0.999  # decay of the mean
    nu: UnitInterval = 0.7  # weight of the mean in the step


class State(NamedTuple):
    """The mean, like the parameters and at least float32."""

    mean: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 1e1),
    "momentum": one_minus(log_uniform(1e-4, 3e-1)),
    "nu": uniform(0.0, 1.0),
}
FAMILY, YEAR = "momentum", 2019
REFERENCE = "pytorch_optimizer.QHM"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
LINEAR = True


def init(params: Params, hyper: Hyper) -> State:
    """The mean at 0."""
    del hyper
    return State(tree.zeros_like(params, min_dtype=jnp.float32))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    mean = tree.map(lambda m, g: h.momentum * m + (1 - h.momentum) * g, s.mean, g)
    now, past = h.learning_rate * (1 - h.nu), h.learning_rate * h.nu
    updates = tree.map(lambda m, g: -(now * g + past * m), mean, g)
    return tree.cast_like((updates, State(mean)), (grads, state))
