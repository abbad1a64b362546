"""GaLore: Adam on the few directions of a matrix's gradient that carry most of it.

    every update_proj_gap steps, the first among them:  g = U·S·Vᵀ
    rows >= columns:  P = the first r columns of U,  u = scale·P·adam(Pᵀg)
    else:             P = the first r columns of V,  u = scale·adam(g·P)·Pᵀ
    u ← u − learning_rate·weight_decay·θ

r is `rank`, or the smaller side of the matrix where that is less. Adam's moments have r rows or
columns, which is the memory saved; they stay as they are when P changes. Leaves that are no
matrices go to Adam as they are, without `scale`.
The decomposition is in float32, and constant under derivatives: singular vectors have none where
two singular values are equal, so that the rule is not reverse-differentiable.
Reference: Zhao, Zhang, Chen, Wang, Anandkumar, Tian 2024, ICML, "GaLore: Memory-Efficient LLM
Training by Gradient Low-Rank Projection", algorithm 2. Agrees with `optax.contrib.galore` without
dimension numbers and with its default base optimizer.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam
from jaxnn.space import log_uniform
from jaxnn.typing import (
    Array,
    ArrayLike,
    Float,
    Fraction,
    Interval,
    NonNegative,
    Params,
    Positive,
)

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    b1: Fraction = 0.9
    b2: Fraction = 0.999
    eps: Positive = 1e-8
    eps_root: NonNegative = 0.0
    scale: Positive = 1.0  # of the updates of matrices
    update_proj_gap: Annotated[ArrayLike, Interval(1, math.inf, "[)")] = 200.0  # rounded
    weight_decay: NonNegative = 0.0  # per step and unit of rate


class State(NamedTuple):
    """At least float32; P for matrices, None elsewhere."""

    projector: Params
    adam: adam.State  # of what is projected


Matrix: TypeAlias = Float[Array, "rows columns"]

STRUCTURE = {"rank": {128: {}, 8: {}, 1: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "scale": log_uniform(1e-1, 1e1),
}
FAMILY, YEAR = "factored", 2024
REFERENCE = "optax.contrib.galore"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = False


def init(params: Params, hyper: Hyper, *, rank: int = 128) -> State:
    """Projectors and moments at 0."""

    def projector(x: Array) -> Array | None:
        if jnp.ndim(x) != 2:
            return None
        dtype = tree.zeros_like(x, min_dtype=jnp.float32).dtype
        return jnp.zeros((max(x.shape), min(rank, *x.shape)), dtype)

    wide, h = tree.promote(params, (), hyper)[::2]
    projectors = jax.tree.map(projector, params)
    moments = adam.init(_projected(wide, projectors), _of_adam(h))
    return State(projectors, moments)


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, rank: int = 128
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    del rank  # as in the shapes of the state
    g, s, h, p = tree.promote(grads, state, hyper, params)
    due = state.adam.step % jnp.round(h.update_proj_gap).astype(jnp.int32) == 0
    # One condition for all leaves: a decomposition is dear, and most steps have none.
    projector = jax.lax.cond(due, _projectors, lambda g, old: old, g, s.projector)
    low, moments = adam.update(_projected(g, projector), s.adam, p, _of_adam(h))
    decay = h.learning_rate * h.weight_decay

    def step(p: Array, low: Array, projector: Array | None) -> Array:
        if projector is None:
            return low - decay * p
        rows, columns = p.shape
        full = projector @ low if rows >= columns else low @ projector.T
        return h.scale * full - decay * p

    updates = jax.tree.map(step, p, low, projector)
    return tree.cast_like((updates, State(projector, moments)), (grads, state))


def _of_adam(h: Hyper) -> adam.Hyper:
    return adam.Hyper(h.learning_rate, h.b1, h.b2, h.eps, h.eps_root)


def _projected(params: Params, projectors: Params) -> Params:
    """Matrices in the coordinates of their projectors, the other leaves as they are."""

    def project(x: Array, projector: Array | None) -> Array:
        if projector is None:
            return x
        rows, columns = x.shape
        return projector.T @ x if rows >= columns else x @ projector

    return jax.tree.map(project, params, projectors)


def _projectors(grads: Params, old: Params) -> Params:
    """The leading singular vectors of the matrices, on their longer side; as many as there were."""

    def leading(x: Matrix, old: Array | None) -> Array | None:
        if old is None:
            return None
        rows, columns = x.shape
        # By a power of 2, which loses no bit, so that what float64 holds fits in float32.
        x = jax.lax.stop_gradient(x)
        _, exponent = jnp.frexp(jnp.max(jnp.abs(x), initial=0))
        power = jnp.ldexp(jnp.ones((), x.dtype), exponent - 1)
        x = (x / jnp.maximum(power, jnp.finfo(x.dtype).tiny)).astype(jnp.float32)
        left, _, right = jnp.linalg.svd(x, full_matrices=False)
        vectors = left if rows >= columns else right.T
        return vectors[:, : old.shape[1]].astype(old.dtype)

    return jax.tree.map(leading, grads, old)
