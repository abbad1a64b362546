"""Shampoo: AdaGrad with a matrix for each side of the gradient in place of a number an element.

    L ← L + GGᵀ          R ← R + GᵀG          both from eps·I
    u = −learning_rate · L^(−1/4)·G·R^(−1/4)

A leaf with k axes has k such matrices, each with the exponent −1/(2k): a vector its full n × n
matrix and the exponent −1/2, which is AdaGrad with all correlations, a scalar AdaGrad itself. The
first step of a matrix U·S·Vᵀ is about learning_rate·U·Vᵀ. Steps become shorter as sums grow.
The roots are taken every update_interval steps, the first among them; they are from eigenvalues,
none taken smaller than eps or than the rounding of the largest, which in float32 may be above eps.
Time n³ and memory 2·n² for an axis of length n, so it is for layers of some hundred units. Roots
are constant under derivatives: eigenvectors have none where two eigenvalues are equal, so that the
rule is not reverse-differentiable. Gradients near the root of their dtype's largest number, and
above it, overflow in GGᵀ.
Reference: Gupta, Koren, Singer 2018, ICML, "Shampoo: Preconditioned Stochastic Tensor
Optimization", algorithms 1 and 2. Agrees with `pytorch_optimizer.Shampoo` without momentum, where
a scalar has no preconditioner and where nothing moves until the first update_interval is over.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import _axes
from jaxnn.optimizers._one_by_one import one_by_one
from jaxnn.optimizers._seldom import seldom
from jaxnn.space import log_uniform
from jaxnn.typing import Array, ArrayLike, Float, Int, Interval, Params, Positive, PyTree

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-1
    eps: Positive = 1e-6  # what the sums start at, on their diagonals
    update_interval: Annotated[ArrayLike, Interval(1, math.inf, "[)")] = 1.0  # rounded


class State(NamedTuple):
    """In place of each leaf a tuple with a matrix for each axis; at least float32."""

    step: Int[Array, ""]
    sums: PyTree  # L, R, ...
    roots: PyTree  # L^(−1/(2k)), R^(−1/(2k)), ... of the last time they were taken


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 1e1),
    "eps": log_uniform(1e-8, 1e-1),
}
FAMILY, YEAR = "second-order", 2018
REFERENCE = "pytorch_optimizer.Shampoo"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = False
GRADIENT_RANGE = 0.48


def init(params: Params, hyper: Hyper) -> State:
    """Sums at eps·I, roots at 0, which the first step replaces."""
    wide = tree.zeros_like(params, min_dtype=jnp.float32)
    sums = jax.tree.map(lambda x: _multiples_of_identity(x, hyper.eps), wide)
    roots = jax.tree.map(lambda x: _multiples_of_identity(x, 0.0), wide)
    return State(jnp.zeros((), jnp.int32), sums, roots)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`."""
    del params
    g, s, h = tree.promote(grads, state, hyper)
    sums = jax.tree.map(
        lambda g, old: tuple(m + _axes.gram(g, axis) for axis, m in enumerate(old)), g, s.sums
    )
    due = s.step % jnp.round(h.update_interval).astype(jnp.int32) == 0
    roots = seldom(due, _roots, s.roots, g, sums, h.eps)
    updates = jax.tree.map(lambda g, m: -h.learning_rate * _axes.along(m, g), g, roots)
    return tree.cast_like((updates, State(tree.increment(s.step), sums, roots)), (grads, state))


def _multiples_of_identity(x: Array, factor: ArrayLike) -> tuple[Float[Array, "n n"], ...]:
    lengths = _axes.shape(x) if x.size else ()
    return tuple(jnp.asarray(factor, x.dtype) * jnp.eye(n, dtype=x.dtype) for n in lengths)


def _roots(old: PyTree, like: Params, sums: PyTree, eps: Float[Array, ""]) -> PyTree:
    """L^(−1/(2k)), R^(−1/(2k)), ... in place of each leaf, whose k axes `like` tells."""
    del old
    matrices, structure = jax.tree.flatten(sums)
    orders = jax.tree.leaves(jax.tree.map(lambda _, own: (2 * len(own),) * len(own), like, sums))
    pairs = one_by_one(jnp.linalg.eigh, matrices)
    return structure.unflatten(
        [_power(q, values, eps, -1 / k) for (values, q), k in zip(pairs, orders, strict=True)]
    )


def _power(
    vectors: Float[Array, "n n"], values: Float[Array, " n"], eps: Float[Array, ""], exponent: float
) -> Float[Array, "n n"]:
    rounding = len(values) * float(jnp.finfo(values.dtype).eps) * values[-1]
    powers = jnp.maximum(values, jnp.maximum(eps, rounding)) ** exponent
    return jnp.matmul(vectors * powers[None], vectors.T, precision=jax.lax.Precision.HIGHEST)
