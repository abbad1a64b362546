"""AdamW: Adam, and weights that decay by themselves instead of through the gradients.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    u = −learning_rate · ( m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ) + eps_root) + eps) + weight_decay·θ )

The decay is multiplied by the learning rate, as in Optax and torch; in the paper by the schedule
alone. With zero gradients θ shrinks by 1 − learning_rate·weight_decay a step.
flavor="keras": eps is added to √v, before the correction, as in Adam.
Reference: Loshchilov, Hutter 2019, ICLR, "Decoupled Weight Decay Regularization", algorithm 2.
Agrees with `optax.adamw` and, at eps_root = 0, with torch's AdamW (whose weight_decay is 1e-2); in
its flavour with Keras.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxnn import tree
from jaxnn.optimizers import adam
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
    weight_decay: NonNegative = 1e-4  # per step and unit of rate


State = adam.State

STRUCTURE = {"flavor": {"optax": {}, "keras": {"eps": 1e-7, "weight_decay": 4e-3}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "adaptive", 2019
REFERENCE = "optax.adamw"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
COMPLEX = True


def init(params: Params, hyper: Hyper, *, flavor: adam.Flavor = "optax") -> State:
    """Both moments at 0."""
    return adam.init(params, _of_adam(hyper), flavor=flavor)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: adam.Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params, complex_as="parts")
    updates, s = adam.update(g, s, p, _of_adam(h), flavor=flavor)
    decay = h.learning_rate * h.weight_decay
    updates = tree.map(lambda u, p: u - decay * p, updates, p)
    return tree.cast_like((updates, s), (grads, state))


def _of_adam(hyper: Hyper) -> adam.Hyper:
    return adam.Hyper(*hyper[: len(adam.Hyper._fields)])
