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
from jaxnn.optimizers._one_by_one import one_by_one
from jaxnn.optimizers._seldom import seldom
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, ArrayLike, Float, Fraction, Int, Interval, Params, Positive, PyTree

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 3e-3
    b1: Fraction = 0.95  # decay of the mean
    b2: Fraction = 0.95  # decay of the mean of squares
    shampoo_beta: Fraction = 0.95  # decay of L and R
    eps: Positive = 1e-8  # added to the root
    update_interval: Annotated[ArrayLike, Interval(1, math.inf, "[)")] = 10.0  # rounded


class State(NamedTuple):
    """At least float32; the last two have a tuple in place of each leaf, empty for vectors."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params  # in the coordinates of the bases
    grams: PyTree  # L, R, ...
    bases: PyTree  # Q, P, ...


Matrices: TypeAlias = tuple[Float[Array, "n n"], ...]

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
    grams, bases = (jax.tree.map(_zeros, mean) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), mean, squares, grams, bases)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`."""
    del params
    g, s, h = tree.promote(grads, state, hyper)
    t = state.step.astype(h.b1.dtype)
    first = state.step == 0
    b1, b2 = (jnp.where(first, 1, b) for b in (h.b1, h.b2))

    mean = tree.map(lambda m, g: b1 * m + (1 - b1) * g, s.mean, g)
    turned = jax.tree.map(_turned, g, s.bases)
    squares = tree.map(lambda v, x: b2 * v + (1 - b2) * x * x, s.mean_of_squares, turned)
    rate = h.learning_rate * jnp.sqrt(1 - h.b2**t) / jnp.where(first, 1, 1 - h.b1**t)

    def move(m: Array, v: Array, bases: Matrices) -> Array:
        return _axes.along(bases, -rate * (_turned(m, bases) / (tree.sqrt(v) + h.eps)))

    def remember(g: Array, grams: Matrices) -> Matrices:
        old, new = h.shampoo_beta, 1 - h.shampoo_beta
        return tuple(old * m + new * _axes.gram(g, axis) for axis, m in enumerate(grams))

    updates = jax.tree.map(move, mean, squares, s.bases)
    grams = jax.tree.map(remember, g, s.grams)
    due = state.step % jnp.round(h.update_interval).astype(jnp.int32) == 0
    bases = seldom(first, _found, s.bases, grams)
    squares, bases = seldom(due & ~first, _refreshed, (squares, bases), grams)
    after = State(tree.increment(state.step), mean, squares, grams, bases)
    return tree.cast_like((updates, after), (grads, state))


def _zeros(x: Array) -> Matrices:
    return tuple(jnp.zeros((n, n), x.dtype) for n in x.shape) if x.ndim > 1 and x.size else ()


def _turned(x: Array, bases: Matrices) -> Array:
    """x in the coordinates of the bases."""
    return _axes.along(tuple(basis.T for basis in bases), x)


def _found(old: PyTree, grams: PyTree) -> PyTree:
    """Bases of eigenvectors."""
    del old
    matrices, structure = jax.tree.flatten(grams)
    pairs = one_by_one(jnp.linalg.eigh, matrices)
    return structure.unflatten([vectors[:, ::-1] for _, vectors in pairs])


def _refreshed(old: tuple[Params, PyTree], grams: PyTree) -> tuple[Params, PyTree]:
    """Bases after one step of a power iteration, and the squares in the order of their columns."""
    squares, bases = old
    products = jax.tree.map(
        lambda m, q: jnp.matmul(m, q, precision=jax.lax.Precision.HIGHEST), grams, bases
    )
    orders = jax.tree.map(
        lambda q, product: jnp.argsort(jnp.sum(q * product, axis=0), descending=True),
        bases,
        products,
    )

    def sort(v: Array, orders: tuple[Array, ...]) -> Array:
        for axis, order in enumerate(orders):
            v = jnp.take(v, order, axis=axis)
        return v

    sorted_products = jax.tree.map(lambda x, order: x[:, order], products, orders)
    matrices, structure = jax.tree.flatten(sorted_products)
    factors = one_by_one(jnp.linalg.qr, matrices)
    new = structure.unflatten([q for q, _ in factors])
    return jax.tree.map(sort, squares, orders), new
