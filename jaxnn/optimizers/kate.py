"""KATE: AdaGrad divided by the sum of squares itself, so that units of features do not matter.

    b ← b + g²          m ← m + eta·g² + g²/b          u = −learning_rate · √m · g / b

b starts at eps, m at 0. In a generalised linear model a feature in other units changes the weights
in proportion, and nothing else: with eta = 0 steps are of the size of 1/g. With a large eta it is
`adagrad` at √eta times the rate, and the larger eta the more the units matter again.
Where the square of a gradient overflows, b stays infinite and u is 0 from then on.
Reference: Choudhury, Tupitsa, Loizou, Horváth, Takáč, Gorbunov 2024, NeurIPS, "Remove that Square
Root: A New Efficient Scale-Invariant Version of AdaGrad", algorithm 1, with the eps and eta of the
authors' code. Agrees with pytorch-optimizer's Kate, where eta is delta, by default 0, and b grows
by eps at every step.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    eta: NonNegative = 1e-3  # share of AdaGrad
    eps: Positive = 1e-8  # the first b


class State(NamedTuple):
    """Both sums, like the parameters and at least float32."""

    sum_of_squares: Params  # b
    numerator: Params  # m


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-5, 1e0),
    "eta": log_uniform(1e-5, 1e1),
}
FAMILY, YEAR = "adaptive", 2024
REFERENCE = "pytorch_optimizer.Kate"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """b at eps, m at 0."""
    return State(
        tree.full_like(params, hyper.eps, min_dtype=jnp.float32),
        tree.zeros_like(params, min_dtype=jnp.float32),
    )


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    squares = tree.map(lambda b, g: b + g * g, s.sum_of_squares, g)
    parts = tree.map(lambda g, b: g / tree.sqrt(b), g, squares)
    numerator = tree.map(lambda m, g, r: m + h.eta * g * g + r * r, s.numerator, g, parts)
    updates = tree.map(
        lambda m, b, r: -h.learning_rate * _root_of_ratio(m, b) * r, numerator, squares, parts
    )
    return tree.cast_like((updates, State(squares, numerator)), (grads, state))


def _root_of_ratio(over: Array, under: Array) -> Array:
    # Both are infinite where the square of a gradient overflows.
    return tree.sqrt(jnp.where(jnp.isinf(over), 0, over) / under)
