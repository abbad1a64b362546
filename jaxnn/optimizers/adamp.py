"""AdamP: Adam that does not lengthen weights whose length does not matter.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    a = m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps)
    d = a − θ·⟨θ, a⟩/(‖θ‖ + eps)²  and r = wd_ratio      where |cos(g, θ)| < delta/√n; else a and 1
    u = −learning_rate · (d + weight_decay·r·θ)

θ are the n weights into one output if all angles of a leaf pass, else those of the whole leaf if
its angle does; scalars and vectors take steps of AdamW. The weights before a normalisation layer
have such gradients: momentum makes them longer, which makes their later steps smaller in effect.
output_axis: the last, as in `jaxnn.models`, Flax and Keras; 0, as in torch and Equinox.
The angle to a gradient whose square overflows counts as right; its step is 0, as in Adam.
Reference: Heo, Chun, Oh, Han, Yun, Kim, Uh, Ha 2021, ICLR, "AdamP: Slowing Down the Slowdown for
Momentum Optimizers on Scale-invariant Weights", algorithm 2. Agrees with pytorch-optimizer's AdamP,
where eps stands beside √v before the correction.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam
from jaxnn.optimizers._projection import OutputAxis, projected
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, NonNegative, Params, Positive, UnitInterval

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # beside the root, and of lengths
    weight_decay: NonNegative = 0.0  # per step and unit of rate
    delta: NonNegative = 0.1  # of the cosine, in units of 1/√n
    wd_ratio: UnitInterval = 0.1  # of the decay, for weights whose length does not matter


State = adam.State

STRUCTURE = {"output_axis": {-1: {}, 0: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "adaptive", 2021
REFERENCE = "pytorch_optimizer.AdamP"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, output_axis: OutputAxis = -1) -> State:
    """Both moments at 0."""
    del output_axis
    tree.require_real(params)
    return adam.init(params, adam.Hyper(*hyper[:4]))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, output_axis: OutputAxis = -1
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    against, s = adam.update(g, s, p, adam.Hyper(-jnp.ones_like(h.b1), *h[1:4]))
    steps = projected(
        against,
        g,
        p,
        decay=h.weight_decay,
        delta=h.delta,
        wd_ratio=h.wd_ratio,
        eps=h.eps,
        output_axis=output_axis,
    )
    updates = tree.map(lambda d: -h.learning_rate * d, steps)
    return tree.cast_like((updates, s), (grads, state))
