"""Tiger: Signum with decaying weights, in half of Adam's memory.

    m ← beta·m + (1 − beta)·g          u = −learning_rate · (sign(m) + weight_decay·θ)

It is `lion` with b1 = b2. The author also scales the rate of each layer by the size of its weights
and accumulates gradients in m: groups of leaves and the wrapper `accumulated` do that.
An infinite gradient still has a sign and hides in it, as in `sign_sgd`, and derivatives say little
about training.
Reference: Su 2023, "Tiger: A Tight-fisted Optimizer", github.com/bojone/tiger.
Agrees with pytorch-optimizer's Tiger.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxnn import tree
from jaxnn.optimizers import signum
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    beta: Fraction = 0.965  # decay of the mean
    weight_decay: NonNegative = 1e-2  # per step and unit of rate


State = signum.State

STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-5, 1e-1),
    "beta": one_minus(log_uniform(1e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "sign", 2023
REFERENCE = "pytorch_optimizer.Tiger"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = False
SATURATES = True


def init(params: Params, hyper: Hyper) -> State:
    """The mean at 0."""
    return signum.init(params, signum.Hyper(*hyper[:2]))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    signs, s = signum.update(g, s, p, signum.Hyper(*h[:2]))
    decay = h.learning_rate * h.weight_decay
    updates = tree.map(lambda u, p: u - decay * p, signs, p)
    return tree.cast_like((updates, s), (grads, state))
