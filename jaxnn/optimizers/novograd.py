"""NovoGrad: momentum of gradients that are first divided by a decaying norm of their whole leaf.

    v ← b2·v + (1 − b2)·‖g‖²          at the first step v = ‖g‖²
    m ← b1·m + g/(√(v + eps_root) + eps) + weight_decay·θ
    u = −learning_rate · m

v is one number a leaf, so that the state is half as large as Adam's. The terms of m are not
weighted by 1 − b1: steps are up to 1/(1 − b1) as long as those of a mean, and the decay of the
weights has momentum too.
Reference: Ginsburg, Castonguay, Hrinchuk, Kuchaiev, Lavrukhin, Leary, Li, Nguyen, Zhang, Cohen
2019, arXiv:1905.11286, "Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training
of Deep Networks", algorithm 1. Agrees with `optax.novograd`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    b1: Fraction = 0.9  # decay of the momentum
    b2: Fraction = 0.25  # decay of the squared norms
    eps: Positive = 1e-6  # outside the root
    eps_root: NonNegative = 0.0  # inside it
    weight_decay: NonNegative = 0.0  # per step and unit of rate, before the momentum


class State(NamedTuple):
    """The momentum, like the parameters, and a scalar a leaf; both at least float32."""

    step: Int[Array, ""]
    momentum: Params
    squared_norm: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e0),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-5, 1e-1),
}
FAMILY, YEAR = "layer-wise", 2019
REFERENCE = "optax.novograd"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Momentum and norms at 0."""
    del hyper
    momentum = tree.zeros_like(params, min_dtype=jnp.float32)
    norms = jax.tree.map(lambda m: jnp.zeros((), m.dtype), momentum)
    return State(jnp.zeros((), jnp.int32), momentum, norms)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    decay = jnp.where(state.step == 0, 0, h.b2)
    squared = tree.map(lambda g: jnp.sum(g * g), g)
    norms = tree.map(lambda v, q: decay * v + (1 - decay) * q, s.squared_norm, squared)
    unit = jax.tree.map(lambda g, v: g / (tree.sqrt(v + h.eps_root) + h.eps), g, norms)
    momentum = tree.map(lambda m, d, p: h.b1 * m + (d + h.weight_decay * p), s.momentum, unit, p)
    updates = tree.map(lambda m: -h.learning_rate * m, momentum)
    return tree.cast_like(
        (updates, State(tree.increment(state.step), momentum, norms)), (grads, state)
    )
