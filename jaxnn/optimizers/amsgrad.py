"""AMSGrad: Adam with the largest mean of squares so far, so that no weight's rate rises again.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    w ← max(w, v/(1 − b2ᵗ))
    u = −learning_rate · m/(1 − b1ᵗ) / (√(w + eps_root) + eps)

bias_correction_mu=False, bias_correction_nu=False: m in place of m/(1 − b1ᵗ), v in place of
v/(1 − b2ᵗ); both together are the paper's rule.
flavor="torch": w ← max(w, v), which is corrected only when it is used, w/(1 − b2ᵗ).
flavor="keras": so too, and eps is added to √w, before the correction, as in its Adam.
Reference: Reddi, Kale, Kumar 2018, ICLR, "On the Convergence of Adam and Beyond", algorithm 2.
Agrees with `optax.amsgrad`; in their flavours, at eps_root = 0, with Adam(amsgrad=True) of torch
and of Keras.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 0.0  # inside it


class State(NamedTuple):
    """Both moments and the largest second one, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    largest: Params


Flavor: TypeAlias = Literal["optax", "torch", "keras"]

STRUCTURE = {
    "flavor": {"optax": {}, "torch": {}, "keras": {"eps": 1e-7}},
    "bias_correction_mu": {True: {}, False: {}},
    "bias_correction_nu": {True: {}, False: {}},
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2018
REFERENCE = "optax.amsgrad"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> State:
    """All moments at 0."""
    del hyper, flavor, bias_correction_mu, bias_correction_nu
    # Three trees, not one thrice: a buffer can be donated only once.
    moments = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(3))
    return State(jnp.zeros((), jnp.int32), *moments)


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    one = jnp.ones_like(t)
    c1 = 1 - h.b1**t if bias_correction_mu else one
    c2 = 1 - h.b2**t if bias_correction_nu else one
    before, after = (1 / c2, one) if flavor == "optax" else (one, c2)
    largest = tree.map(lambda w, v: jnp.maximum(w, before * v), s.largest, square)
    rate = h.learning_rate * tree.sqrt(after) / c1
    eps = h.eps if flavor == "keras" else h.eps * tree.sqrt(after)
    updates = tree.map(
        lambda m, w: -rate * m / (tree.sqrt(w + h.eps_root * after) + eps), mean, largest
    )
    return tree.cast_like((updates, State(step, mean, square, largest)), (grads, state))
