"""SGDP: momentum that does not lengthen weights whose length does not matter.

    v ← momentum·v + g
    d = v − θ·⟨θ, v⟩/(‖θ‖ + eps)²  and r = wd_ratio      where |cos(g, θ)| < delta/√n; else v and 1
    u = −learning_rate · (d + weight_decay/(1 − momentum)·r·θ)

θ are the n weights into one output if all angles of a leaf pass, else those of the whole leaf if
its angle does; scalars and vectors take steps of momentum. The weights before a normalisation layer
have such gradients: momentum makes them longer, which makes their later steps smaller in effect.
The decay is made as strong as one that had gone through the velocity.
output_axis: the last, as in `jaxnn.models`, Flax and Keras; 0, as in torch and Equinox.
Like every rule with a velocity it overflows with gradients near the largest number of their dtype.
Reference: Heo, Chun, Oh, Han, Yun, Kim, Uh, Ha 2021, ICLR, "AdamP: Slowing Down the Slowdown for
Momentum Optimizers on Scale-invariant Weights", algorithm 1. Agrees with pytorch-optimizer's SGDP,
without dampening and Nesterov's step.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._projection import OutputAxis, projected
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, NonNegative, Params, Positive, UnitInterval

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    momentum: Fraction = 0.9  # decay of the velocity
    weight_decay: NonNegative = 0.0  # as if added to the gradients
    delta: NonNegative = 0.1  # of the cosine, in units of 1/√n
    wd_ratio: UnitInterval = 0.1  # of the decay, for weights whose length does not matter
    eps: Positive = 1e-8  # of lengths


class State(NamedTuple):
    """The velocity, like the parameters and at least float32."""

    velocity: Params


STRUCTURE = {"output_axis": {-1: {}, 0: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e0),
    "momentum": one_minus(log_uniform(1e-2, 3e-1)),
    "weight_decay": log_uniform(1e-6, 1e-2),
}
FAMILY, YEAR = "momentum", 2021
REFERENCE = "pytorch_optimizer.SGDP"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
GRADIENT_RANGE = 0.9


def init(params: Params, hyper: Hyper, *, output_axis: OutputAxis = -1) -> State:
    """At rest."""
    del hyper, output_axis
    return State(tree.zeros_like(params, min_dtype=jnp.float32))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, output_axis: OutputAxis = -1
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    velocity = tree.map(lambda v, g: h.momentum * v + g, s.velocity, g)
    steps = projected(
        velocity,
        g,
        p,
        decay=h.weight_decay / (1 - h.momentum),
        delta=h.delta,
        wd_ratio=h.wd_ratio,
        eps=h.eps,
        output_axis=output_axis,
    )
    updates = tree.map(lambda d: -h.learning_rate * d, steps)
    return tree.cast_like((updates, State(velocity)), (grads, state))
