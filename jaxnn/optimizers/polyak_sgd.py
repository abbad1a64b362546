"""Polyak's step size: as far as would bring the loss to its minimum, were it linear.

    d = scaling·g      u = −d · min( (value − f_min) / (‖d‖² + eps), max_learning_rate )

‖d‖² is over all leaves, `value` is the loss at the parameters and f_min its smallest value, 0 for a
model that can fit the data. No step is taken where ‖d‖² + eps <= 2⁻⁵². Where ‖d‖² overflows it is
taken at another scale, so that gradients of every magnitude give a finite step.
variant="sps+": max(value − f_min, 0); without it, a loss below f_min sends the step uphill.
`scaling` acts inside the norm as in Optax's code, whose text has it multiply the step: it divides
the quotient (it is the c of the paper) and multiplies max_learning_rate.
Reference: Loizou, Vaswani, Laradji, Lacoste-Julien 2021, AISTATS, "Stochastic Polyak Step-size for
SGD: An Adaptive Learning Rate for Fast Convergence", equation SPS_max; "sps+": Garrigos, Gower,
Schaipp 2023, arXiv:2307.14528. Agrees with `optax.polyak_sgd`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import squared_norm
from jaxnn.space import log_uniform
from jaxnn.typing import Array, ArrayLike, Float, NonNegative, Params, Positive, Real

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    max_learning_rate: Positive = 1.0
    scaling: Positive = 1.0
    f_min: Real = 0.0  # the smallest value of the loss
    eps: NonNegative = 0.0  # added to the squared norm


class State(NamedTuple):
    """Nothing to remember."""


Kind: TypeAlias = Literal["sps", "sps+"]

STRUCTURE = {"variant": {"sps": {}, "sps+": {}}}
SEARCH_SPACE = {
    "max_learning_rate": log_uniform(1e-2, 1e1),
    "scaling": log_uniform(1e-1, 1e1),
}
FAMILY, YEAR = "parameter-free", 2021
REFERENCE = "optax.polyak_sgd"
NEEDS = frozenset({"value"})
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, variant: Kind = "sps") -> State:
    """The empty state."""
    tree.require_real(params)
    del hyper, variant
    return State()


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    variant: Kind = "sps",
    value: Float[ArrayLike, ""],
) -> tuple[Params, State]:
    """One step, `value` being the loss at `params`.

    Returns (updates, state); updates have the shapes and dtypes of `grads`.
    """
    del params
    g, _, h, value = tree.promote(grads, state, hyper, value)
    squared = h.scaling**2 * squared_norm(g)
    squared, scale = jax.lax.cond(jnp.isposinf(squared), _scaled, _as_it_is, squared, g, h)
    squared = squared + h.eps * scale * scale
    gap = value - h.f_min
    if variant == "sps+":
        gap = jnp.maximum(gap, 0)
    flat = squared <= 2**-52
    rate = gap * scale / jnp.where(flat, 1, squared) * scale
    rate = h.scaling * jnp.where(flat, 0, jnp.minimum(rate, h.max_learning_rate))
    return tree.cast_like(tree.map(lambda g: -rate * g, g), grads), state


def _as_it_is(squared: Array, grads: Params, hyper: Hyper) -> tuple[Array, Array]:
    del grads, hyper
    return squared, jnp.ones_like(squared)


def _scaled(squared: Array, grads: Params, hyper: Hyper) -> tuple[Array, Array]:
    """(‖scale·d‖², scale), for a scale at which no square of what overflows without it does."""
    scale = float(jnp.finfo(squared.dtype).max) ** -0.625
    direction = tree.map(lambda g: scale * hyper.scaling * g, grads)
    return squared_norm(direction), jnp.full_like(squared, scale)
