"""Adam: momentum divided by the root of a decaying mean of squares, both corrected for their start.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    u = −learning_rate · m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ) + eps_root) + eps)

The two corrections are folded into scalars, √(1 − b2ᵗ)/(1 − b1ᵗ) on the rate, so that no pass over
the parameters is spent on them. The first step is learning_rate · sign(g) for eps → 0.
flavor="keras": eps is added to √v, before the correction, where the paper has it at the end of its
section 2, with the name of epsilon hat: early steps feel it more.
Of complex gradients g² is |g|²; torch takes the squares of real and imaginary parts apart.
Reference: Kingma, Ba 2015, ICLR, "Adam: A Method for Stochastic Optimization", algorithm 1.
Agrees with `optax.adam` and, at eps_root = 0, with torch's Adam; in its flavour with Keras.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Flavor", "Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    eps_root: NonNegative = 0.0  # inside it


class State(NamedTuple):
    """Both moments, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params  # real


Flavor: TypeAlias = Literal["optax", "keras"]

STRUCTURE = {"flavor": {"optax": {}, "keras": {"eps": 1e-7}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2015
REFERENCE = "optax.adam"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
COMPLEX = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """Both moments at 0."""
    del hyper, flavor
    mean = tree.zeros_like(params, min_dtype=jnp.float32, complex_as="complex")
    square = tree.zeros_like(params, min_dtype=jnp.float32, complex_as="real")
    return State(jnp.zeros((), jnp.int32), mean, square)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper, complex_as="parts")
    step = tree.increment(state.step)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    squares = tree.squared(g, 1 - h.b2)
    square = tree.map(lambda v, new: h.b2 * v + new, s.mean_of_squares, squares)
    s = State(step, mean, square)
    return tree.cast_like((steps(s, h, flavor=flavor), s), (grads, state))


def steps(state: State, hyper: Hyper, *, flavor: Flavor = "optax") -> Params:
    """The updates that belong to a state after its step, in one dtype as by `promote`."""
    s, h = state, hyper
    t = s.step.astype(jnp.result_type(h.b1))
    c1, c2 = 1 - h.b1**t, 1 - h.b2**t
    rate = h.learning_rate * tree.sqrt(c2) / c1
    eps = h.eps if flavor == "keras" else h.eps * tree.sqrt(c2)
    root = tree.map(lambda v: tree.sqrt(v + h.eps_root * c2) + eps, s.mean_of_squares)
    return tree.map(lambda m, r: -rate * m / r, s.mean, tree.beside(root, s.mean))
