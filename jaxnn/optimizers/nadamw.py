"""NAdamW: NAdam, and weights that decay by themselves instead of through the gradients.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    d = b1·m/(1 − b1ᵗ⁺¹) + (1 − b1)·g/(1 − b1ᵗ)
    u = −learning_rate · ( d / (√(v/(1 − b2ᵗ) + eps_root) + eps) + weight_decay·θ )

flavor="torch" and "keras": the b1 of d grows with time, at a pace set by `momentum_decay`, as in
NAdam.
Reference: Dozat 2016, ICLR workshop, "Incorporating Nesterov Momentum into Adam", algorithm 2;
Loshchilov, Hutter 2019, ICLR, "Decoupled Weight Decay Regularization".
Agrees with `optax.nadamw`; in their flavours, at eps_root = 0, with torch's
NAdam(decoupled_weight_decay=True) and Keras' Nadam(weight_decay=...), where it is 0 and None.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxnn import tree
from jaxnn.optimizers import nadam
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 0.0  # inside it
    momentum_decay: NonNegative = 4e-3  # but for flavor="optax"
    weight_decay: NonNegative = 1e-4  # per step and unit of rate


State = nadam.State

STRUCTURE = nadam.STRUCTURE
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "adaptive", 2019
REFERENCE = "optax.nadamw"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, flavor: nadam.Flavor = "optax") -> State:
    """Both moments at 0."""
    return nadam.init(params, _of_nadam(hyper), flavor=flavor)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: nadam.Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    updates, s = nadam.update(g, s, p, _of_nadam(h), flavor=flavor)
    decay = h.learning_rate * h.weight_decay
    updates = tree.map(lambda u, p: u - decay * p, updates, p)
    return tree.cast_like((updates, s), (grads, state))


def _of_nadam(hyper: Hyper) -> nadam.Hyper:
    return nadam.Hyper(*hyper[: len(nadam.Hyper._fields)])
