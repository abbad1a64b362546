"""MoMo: momentum, as far as the means of losses and gradients say that the loss will fall.

    m ← b·m + (1 − b)·g      f ← b·f + (1 − b)·value      γ ← b·γ + (1 − b)·⟨g, θ⟩
    τ = min( learning_rate, max(w·(f − f* − γ) + ⟨m, θ⟩, 0) / ‖m‖² )
    u = −τ·m − (1 − 1/w)·θ          w = 1 + learning_rate·weight_decay

b is 0 at the first step, then beta. ⟨·,·⟩ and ‖·‖ are over all leaves, `value` is the loss at θ and
f* = lower_bound its smallest value. τ is 0 where ‖m‖² <= 2⁻⁵².
adapt_lower_bound=True: f* is estimated; at a step where the mean model lies below it, it falls to
half of what that model promises, and after each to f − γ + ⟨m, θ⟩ − τ·‖m‖²/2, but no lower than
lower_bound.
Losses, squares of gradients and ⟨g, θ⟩ must be finite, hence GRADIENT_RANGE below ½: a loss that
overflows leaves no model of where it falls to.
Reference: Schaipp, Ohana, Eickenberg, Defazio, Gower 2024, ICML, "MoMo: Momentum Models for
Adaptive Learning Rates", algorithm 1. Agrees with `optax.contrib.momo`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import dot, squared_norm
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, ArrayLike, Float, Fraction, Int, NonNegative, Params, Positive, Real

__all__ = ["Hyper", "State", "init", "rate_and_bound", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0  # the largest rate
    beta: Fraction = 0.9  # decay of all means
    lower_bound: Real = 0.0  # of the loss
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """The mean gradient, like the parameters and at least float32, and three numbers."""

    step: Int[Array, ""]
    mean: Params
    mean_of_values: Float[Array, ""]
    mean_of_products: Float[Array, ""]  # of gradients with parameters
    lower_bound: Float[Array, ""]


STRUCTURE = {"adapt_lower_bound": {False: {}, True: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-2, 1e1),
    "beta": one_minus(log_uniform(3e-2, 3e-1)),
}
FAMILY, YEAR = "parameter-free", 2024
REFERENCE = "optax.contrib.momo"
NEEDS = frozenset({"value"})
REVERSE_DIFFERENTIABLE = True
GRADIENT_RANGE = 0.45


def init(params: Params, hyper: Hyper, *, adapt_lower_bound: bool = False) -> State:
    """The lower bound as given, the means at 0."""
    del adapt_lower_bound
    _, _, h = tree.promote(params, (), hyper)
    bound = jnp.array(h.lower_bound)
    return State(
        jnp.zeros((), jnp.int32),
        tree.zeros_like(params, min_dtype=jnp.float32),
        jnp.zeros_like(bound),
        jnp.zeros_like(bound),
        bound,
    )


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    adapt_lower_bound: bool = False,
    value: Float[ArrayLike, ""],
) -> tuple[Params, State]:
    """One step, `value` being the loss at `params`.

    Returns (updates, state); updates have the shapes and dtypes of `grads`.
    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p, value = tree.promote(grads, state, hyper, params, value)
    b = jnp.where(s.step == 0, 0, h.beta)
    new = State(
        tree.increment(s.step),
        tree.map(lambda m, g: b * m + (1 - b) * g, s.mean, g),
        b * s.mean_of_values + (1 - b) * value,
        b * s.mean_of_products + (1 - b) * dot(g, p),
        s.lower_bound,
    )
    squared, product = squared_norm(new.mean), dot(new.mean, p)
    rate, bound = rate_and_bound(new, h, squared, product, adapt=adapt_lower_bound)
    decay = h.learning_rate * h.weight_decay / (1 + h.learning_rate * h.weight_decay)
    updates = tree.map(lambda m, p: -rate * m - decay * p, new.mean, p)
    return tree.cast_like((updates, new._replace(lower_bound=bound)), (grads, state))


def rate_and_bound(
    state: Any,
    hyper: Any,
    squared: Float[Array, ""],
    product: Float[Array, ""],
    correction: Float[ArrayLike, ""] = 1,
    *,
    adapt: bool,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """(τ, the next lower bound) for the means in `state`, which lack `correction` = 1 − bᵗ.

    squared: ‖m‖², in the norm of the rule. product: ⟨m, θ⟩. adapt: whether to estimate the bound.
    """
    values, products, bound = state.mean_of_values, state.mean_of_products, state.lower_bound
    w = 1 + hyper.learning_rate * hyper.weight_decay
    if adapt:
        promised = w * (values - products) + product
        half = jnp.maximum(promised / (2 * correction * w), hyper.lower_bound)
        bound = jnp.where(promised < w * correction * bound, half, bound)
    fall = jnp.maximum(w * (values - correction * bound - products) + product, 0)
    flat = squared <= 2**-52
    rate = jnp.where(flat, 0, fall / jnp.where(flat, 1, squared))
    rate = jnp.minimum(hyper.learning_rate / correction, rate)
    if adapt:
        reached = (values + product - products - rate * squared / 2) / correction
        bound = jnp.maximum(reached, hyper.lower_bound)
    return rate, bound
