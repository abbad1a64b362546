"""Levenberg–Marquardt: least squares by linear models of the residuals, trusted as they prove true.

    r(θ + δ) ≈ r + J δ      δ = −(JᵀJ + damping·diag(JᵀJ))⁻¹ Jᵀ r
    ratio = (‖r(θ)‖² − ‖r(θ + δ)‖²) / (‖r‖² − ‖r + J δ‖²)
    ratio > min_ratio:  u = δ, damping ← damping · max(1/3, 1 − (2·ratio − 1)³), growth ← 2
    otherwise:          u = 0, damping ← damping · growth, growth ← 2·growth

It minimises ½‖r‖² of the batch's residuals, whatever the loss; `grads` gives only the dtype. The
damping stays between the precision of the dtype and its inverse. A residual that is not finite at
θ + δ rejects the step; one at θ gives an update that is not finite. A parameter on which no
residual depends does not move.
The normal equations of n parameters are solved densely: time n³ + m·n² for m residuals and memory
n² + m·n, so this is for small models. Their condition is the square of J's: in float32 digits are
lost beyond a condition of 10³. Residuals above the root of the largest number overflow in ‖r‖².

Reference: Levenberg 1944, Quarterly of Applied Mathematics 2; Marquardt 1963, Journal of the
Society for Industrial and Applied Mathematics 11, "An Algorithm for Least-Squares Estimation of
Nonlinear Parameters"; the damping: Nielsen 1999, report IMM-REP-1999-05, Technical University of
Denmark. Agrees with SciPy's least_squares(method="lm"), which is MINPACK, in the minimum; MINPACK
bounds the length of δ instead, so that the way there differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, Fraction, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    damping: Positive = 1e-3  # the first
    min_ratio: Fraction = 1e-3  # of the decrease foreseen, what must come true


class State(NamedTuple):
    """How far the linear model is trusted."""

    damping: Float[Array, ""]
    growth: Float[Array, ""]  # of the damping at the next rejection


STRUCTURE = {}
SEARCH_SPACE = {"damping": log_uniform(1e-6, 1e1), "min_ratio": log_uniform(1e-4, 1e-1)}
FAMILY, YEAR = "second-order", 1963
REFERENCE = "scipy.optimize.leastsq"
NEEDS = frozenset({"residual_fn"})
REVERSE_DIFFERENTIABLE = False  # the ratio is 0/0 at the minimum
GRADIENT_RANGE = 0.49


def init(params: Params, hyper: Hyper) -> State:
    """The first damping."""
    tree.require_real(params)
    wide = tree.global_norm(params).dtype
    return State(jnp.array(hyper.damping, wide), jnp.full((), 2, wide))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    residual_fn: Callable[[Params], Float[Array, "..."]],
) -> tuple[Params, State]:
    """One step, taken or rejected, residual_fn(params) being residuals of any shape.

    Returns (updates, state); updates have the shapes and dtypes of `grads`.
    """
    _, s, h, p = tree.promote(grads, state, hyper, params)
    start, unravel = ravel_pytree(p)
    dtype = s.damping.dtype

    def residuals(flat: Float[Array, " n"]) -> Float[Array, " m"]:
        there = tree.cast_like(unravel(flat.astype(start.dtype)), params)
        return jnp.ravel(residual_fn(there)).astype(dtype)

    start = start.astype(dtype)
    here = residuals(start)
    narrow = start.size <= here.size
    jacobian = (jax.jacfwd if narrow else jax.jacrev)(residuals)(start)
    step = _step(jacobian, here, s.damping)
    decrease = _half_square(here) - _half_square(residuals(start + step))
    foreseen = _half_square(here) - _half_square(here + jacobian @ step)
    certain = foreseen > 0
    ratio = jnp.where(certain, decrease, 0) / jnp.where(certain, foreseen, 1)

    lost = ~jnp.isfinite(_half_square(here))
    taken = (ratio > h.min_ratio) & jnp.isfinite(ratio)
    step = jnp.where(taken | lost, step, 0)
    shrunk = s.damping * jnp.maximum(1 / 3, 1 - (2 * jnp.where(taken, ratio, 0) - 1) ** 3)
    damping = jnp.where(taken, shrunk, s.damping * s.growth)
    precision = float(jnp.finfo(dtype).eps)
    damping = jnp.clip(damping, precision, 1 / precision)
    growth = jnp.where(taken, 2, jnp.minimum(2 * s.growth, 1 / precision))
    updates = unravel(step.astype(start.dtype))
    return tree.cast_like((updates, State(damping, growth)), (grads, state))


def _step(
    jacobian: Float[Array, "m n"], residuals: Float[Array, " m"], damping: Float[Array, ""]
) -> Float[Array, " n"]:
    """The minimum of the damped model, in units in which the columns of J have the length 1."""
    lengths = tree.sqrt(jnp.sum(jacobian**2, axis=0))
    lengths = jnp.where(lengths > 0, lengths, 1)
    columns = jacobian / jnp.broadcast_to(lengths, jacobian.shape)
    curved = columns.T @ columns + jnp.diag(jnp.broadcast_to(damping, lengths.shape))
    factor = jax.scipy.linalg.cho_factor(curved)
    return -jax.scipy.linalg.cho_solve(factor, columns.T @ residuals) / lengths


def _half_square(residuals: Float[Array, " m"]) -> Float[Array, ""]:
    return 0.5 * jnp.sum(residuals**2)
