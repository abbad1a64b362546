"""SOAP: Adam in the coordinates in which Shampoo's matrices are diagonal, or nearly so.

    first step:  L ← (1 − shampoo_beta)·GGᵀ,  Q its eigenvectors by falling eigenvalue,  u = 0
    t ← t + 1          G' = Qᵀ·G·P
    M ← b1·M + (1 − b1)·G          V ← b2·V + (1 − b2)·G'²
    u = −learning_rate · Q · ( QᵀMP/(1 − b1ᵗ) / (√(V/(1 − b2ᵗ)) + eps') ) · Pᵀ
    L ← shampoo_beta·L + (1 − shampoo_beta)·GGᵀ
    every update_interval steps:  Q ← the orthogonal factor of L·Q,  columns by falling qᵀLq

P and R are to GᵀG what Q and L are to GGᵀ, and V is put in the new order of their columns. The
factor is one step of a power iteration, by QR: cheaper than eigenvectors, near them where L changes
slowly. eps' = eps/√(1 − b2ᵗ) is beside the root before its correction. Signs of the columns are
arbitrary, and no update depends on them. A leaf with k axes has k such pairs; scalars and vectors
go to Adam as they are. The first step only finds the axes, so that none is found from the gradient
that it then turns.
Time n³ for QR and memory 2·n² for an axis of length n, so it is for layers of some hundred units.
Q is constant under derivatives: eigenvectors have none where two eigenvalues are equal, so that the
rule is not reverse-differentiable. Gradients near the root of their dtype's largest number, and
above it, overflow in GGᵀ.
Reference: Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson, Kakade 2025, ICLR, "SOAP:
Improving and Stabilizing Shampoo using Adam", algorithm 3. Agrees with `pytorch_optimizer.SOAP`,
which rounds Q to float32, without weight decay.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import _axes
from jaxnn.optimizers._seldom import seldom
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, ArrayLike, Float, Fraction, Int, Interval, Params, Positive

__all__ = ["Hyper", "Side", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 3e-3
    b1: Fraction = 0.95  # decay of the mean
    b2: Fraction = 0.95  # decay of the mean of squares
    shampoo_beta: Fraction = 0.95  # decay of L and R
    eps: Positive = 1e-8  # added to the root
    update_interval: Annotated[ArrayLike, Interval(1, math.inf, "[)")] = 10.0  # rounded


class Side(NamedTuple):
    """What is kept for one axis of a leaf."""

    gram: Float[Array, "n n"]  # L
    basis: Float[Array, "n n"]  # Q


Sides: TypeAlias = Params


class State(NamedTuple):
    """At least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params  # in the coordinates of the bases
    sides: Sides  # in place of each leaf a tuple of a Side for each axis; () for vectors


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "second-order", 2024
REFERENCE = "pytorch_optimizer.SOAP"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = False
GRADIENT_RANGE = 0.48


def init(params: Params, hyper: Hyper) -> State:
    """Everything at 0."""
    del hyper
    mean, squares = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))

    def sides(x: Array) -> tuple[Side, ...]:
        lengths = x.shape if x.ndim > 1 else ()
        return tuple(Side(*(jnp.zeros((n, n), x.dtype) for _ in range(2))) for n in lengths)

    return State(jnp.zeros((), jnp.int32), mean, squares, jax.tree.map(sides, mean))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`."""
    del params
    g, s, h = tree.promote(grads, state, hyper)
    t = state.step.astype(h.b1.dtype)
    first = state.step == 0
    b1, b2 = (jnp.where(first, 1, b) for b in (h.b1, h.b2))

    mean = tree.map(lambda m, g: b1 * m + (1 - b1) * g, s.mean, g)
    squares = jax.tree.map(
        lambda g, v, sides: b2 * v + (1 - b2) * _turned(g, sides) ** 2,
        g,
        s.mean_of_squares,
        s.sides,
    )
    rate = h.learning_rate * jnp.sqrt(1 - h.b2**t) / jnp.where(first, 1, 1 - h.b1**t)

    def move(m: Array, v: Array, sides: tuple[Side, ...]) -> Array:
        step = -rate * (_turned(m, sides) / (tree.sqrt(v) + h.eps))
        return _axes.along(tuple(side.basis for side in sides), step)

    updates = jax.tree.map(move, mean, squares, s.sides)

    def remember(g: Array, sides: tuple[Side, ...]) -> tuple[Side, ...]:
        beta = h.shampoo_beta
        return tuple(
            side._replace(gram=beta * side.gram + (1 - beta) * _axes.gram(g, axis))
            for axis, side in enumerate(sides)
        )

    sides = jax.tree.map(remember, g, s.sides)
    due = state.step % jnp.round(h.update_interval).astype(jnp.int32) == 0
    after = seldom(first, _found, (squares, sides))
    squares, sides = seldom(due & ~first, _refreshed, after)
    return tree.cast_like((updates, State(state.step + 1, mean, squares, sides)), (grads, state))


def _turned(x: Array, sides: tuple[Side, ...]) -> Array:
    """x in the coordinates of the bases."""
    return _axes.along(tuple(side.basis.T for side in sides), x)


def _found(squares_and_sides: tuple[Params, Sides]) -> tuple[Params, Sides]:
    """With eigenvectors."""
    squares, sides = squares_and_sides

    def find(_: Array, sides: tuple[Side, ...]) -> tuple[Side, ...]:
        grams = [jax.lax.stop_gradient(side.gram) for side in sides]
        return tuple(Side(m, jnp.linalg.eigh(m)[1][:, ::-1]) for m in grams)

    return squares, jax.tree.map(find, squares, sides)


def _refreshed(squares_and_sides: tuple[Params, Sides]) -> tuple[Params, Sides]:
    """After one step of a power iteration, and the squares in the order of its columns."""
    squares, sides = squares_and_sides

    def refresh(v: Array, sides: tuple[Side, ...]) -> tuple[Array, tuple[Side, ...]]:
        new = []
        for axis, (gram, basis) in enumerate(jax.lax.stop_gradient(sides)):
            product = jnp.matmul(gram, basis, precision=jax.lax.Precision.HIGHEST)
            order = jnp.argsort(jnp.sum(basis * product, axis=0), descending=True)
            v = jnp.take(v, order, axis=axis)
            new.append(Side(gram, jnp.linalg.qr(product[:, order])[0]))
        return v, tuple(new)

    both = jax.tree.map(refresh, squares, sides)
    return tuple(jax.tree.map(lambda _, pair, k=k: pair[k], squares, both) for k in range(2))
