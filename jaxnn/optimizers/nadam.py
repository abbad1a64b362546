"""NAdam: Adam that looks ahead, with the momentum that the next step would have.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    d = b1·m/(1 − b1ᵗ⁺¹) + (1 − b1)·g/(1 − b1ᵗ)
    u = −learning_rate · d / (√(v/(1 − b2ᵗ) + eps_root) + eps)

flavor="torch": the b1 of d grows with time, μₜ = b1·(1 − 0.96^(t·momentum_decay)/2), as in the
paper's experiments: d = μₜ₊₁·m/(1 − μ₁…μₜ₊₁) + (1 − μₜ)·g/(1 − μ₁…μₜ). Otherwise the number
`momentum_decay` has no part.
flavor="keras": the formula of torch with other numbers, momentum_decay = 1 above all.
The paper also multiplies v/(1 − b2ᵗ) by b2; nobody else does.
Reference: Dozat 2016, ICLR workshop, "Incorporating Nesterov Momentum into Adam", algorithm 2.
Agrees with `optax.nadam`; in their flavours, at eps_root = 0, with torch's NAdam and Keras' Nadam.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._nesterov import corrected
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Float, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Flavor", "Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 0.0  # inside it
    momentum_decay: NonNegative = 4e-3  # pace of μ, but for flavor="optax"


class State(NamedTuple):
    """Both moments, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params
    momentum_product: Float[Array, ""] | None  # μ₁…μₜ, but for flavor="optax"


Flavor: TypeAlias = Literal["optax", "torch", "keras"]

STRUCTURE = {
    "flavor": {
        "optax": {},
        "torch": {"learning_rate": 2e-3},
        "keras": {"eps": 1e-7, "momentum_decay": 1.0},
    }
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2016
REFERENCE = "optax.nadam"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """Both moments at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    mean, square = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    _, _, product = tree.promote(params, (), 1.0)
    return State(jnp.zeros((), jnp.int32), mean, square, None if flavor == "optax" else product)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step, product = tree.increment(state.step), s.momentum_product
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    c2 = 1 - h.b2**t
    rate, eps = h.learning_rate * tree.sqrt(c2), h.eps * tree.sqrt(c2)
    if flavor != "optax":
        now, then = (_momentum(n, h.b1, h.momentum_decay) for n in (t, t + 1))
        product = s.momentum_product * now
        old, new = rate * then / (1 - product * then), rate * (1 - now) / (1 - product)
        ahead = tree.map(lambda m, g: old * m + new * g, mean, g)
    else:
        ahead = corrected(mean, g, h.b1, t, rate, nesterov=True)
    updates = tree.map(lambda d, v: -d / (tree.sqrt(v + h.eps_root * c2) + eps), ahead, square)
    return tree.cast_like((updates, State(step, mean, square, product)), (grads, state))


def _momentum(t: Array, b1: Array, decay: Array) -> Array:
    return b1 * (1 - 0.5 * 0.96 ** (t * decay))
