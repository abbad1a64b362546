"""MoMo-Adam: Adam, as far as the means of losses and gradients say that the loss will fall.

    m ← b1·m + (1 − b1)·g      f ← b1·f + (1 − b1)·value      γ ← b1·γ + (1 − b1)·⟨g, θ⟩
    v ← b2·v + (1 − b2)·g²      D = √(v/(1 − b2ᵗ)) + eps      t ← t + 1      c = 1 − b1ᵗ
    τ = min( learning_rate/c, max(w·(f − c·f* − γ) + ⟨m, θ⟩, 0) / ⟨m, m/D⟩ )
    u = −τ·m/D − (1 − 1/w)·θ          w = 1 + learning_rate·weight_decay

⟨·,·⟩ is over all leaves, `value` is the loss at θ and f* = lower_bound its smallest value. τ is 0
where ⟨m, m/D⟩ <= 2⁻⁵². adapt_lower_bound=True: f* is estimated, as in `momo`.
Losses, squares of gradients and ⟨g, θ⟩ must be finite, hence GRADIENT_RANGE below ½: a loss that
overflows leaves no model of where it falls to.
Reference: Schaipp, Ohana, Eickenberg, Defazio, Gower 2024, ICML, "MoMo: Momentum Models for
Adaptive Learning Rates", algorithm 2. Agrees with `optax.contrib.momo_adam`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import momo
from jaxnn.optimizers._sums import dot
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, ArrayLike, Float, Fraction, Int, NonNegative, Params, Positive, Real

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2  # the largest rate
    b1: Fraction = 0.9  # decay of the means
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    lower_bound: Real = 0.0  # of the loss
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """Both moments, like the parameters and at least float32, and three numbers."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    mean_of_values: Float[Array, ""]
    mean_of_products: Float[Array, ""]  # of gradients with parameters
    lower_bound: Float[Array, ""]


STRUCTURE = {"adapt_lower_bound": {False: {}, True: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 1e0),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "parameter-free", 2024
REFERENCE = "optax.contrib.momo_adam"
NEEDS = frozenset({"value"})
REVERSE_DIFFERENTIABLE = True
GRADIENT_RANGE = 0.45


def init(params: Params, hyper: Hyper, *, adapt_lower_bound: bool = False) -> State:
    """The lower bound as given, the means at 0."""
    del adapt_lower_bound
    _, _, h = tree.promote(params, (), hyper)
    bound = jnp.array(h.lower_bound)
    # Two trees, not one twice: a buffer can be donated only once.
    mean, square = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    value, product = (jnp.zeros_like(bound) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, square, value, product, bound)


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
    new = State(
        tree.increment(s.step),
        tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g),
        tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g),
        h.b1 * s.mean_of_values + (1 - h.b1) * value,
        h.b1 * s.mean_of_products + (1 - h.b1) * dot(g, p),
        s.lower_bound,
    )
    t = new.step.astype(h.b1.dtype)
    c1, root = 1 - h.b1**t, tree.sqrt(1 - h.b2**t)
    square = new.mean_of_squares
    scaled = _scaled(new.mean, square, root, h.eps)
    squared, product = dot(new.mean, scaled), dot(new.mean, p)
    rate, bound = momo.rate_and_bound(new, h, squared, product, c1, adapt=adapt_lower_bound)
    decay = h.learning_rate * h.weight_decay / (1 + h.learning_rate * h.weight_decay)
    # Computed twice rather than stored: for the products, and for the updates.
    again = _scaled(*tree.after((new.mean, square, root, h.eps), rate))
    updates = tree.map(lambda d, p: -rate * d - decay * p, again, p)
    return tree.cast_like((updates, new._replace(lower_bound=bound)), (grads, state))


def _scaled(mean: Params, square: Params, root: Array, eps: Array) -> Params:
    return tree.map(lambda m, v: m / (tree.sqrt(v) / root + eps), mean, square)
