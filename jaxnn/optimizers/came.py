"""CAME: Adafactor with momentum, longer steps where gradient and momentum agree.

    r ← b2·r + (1 − b2)·(mean over columns of g² + eps), one number a row; c alike, one a column
    d = g/√v,  v = r·c/mean(r)          d ← d / max(1, rms(d)/clip_threshold)
    m ← b1·m + (1 − b1)·d
    R ← b3·R + (1 − b3)·(mean over columns of (d − m)² + instability_eps); C alike
    u = −learning_rate · m/√S,  S = R·C/mean(R)

S is the instability: how far steps are from their mean, kept by rows and columns as v is. Rows and
columns are the last two axes; further ones are indices of separate matrices. Scalars and vectors
keep all of v ← b2·v + (1 − b2)·(g² + eps), and u = −learning_rate·m. rms(d) is of a whole leaf. No
mean is corrected for its start: rms(d) is bounded then, but steps shrink while S fills.
Reference: Luo, Ren, Zheng, Jiang, Jiang, You 2023, ACL, "CAME: Confidence-guided Adaptive Memory
Efficient Optimization", algorithm 2. Agrees with `pytorch_optimizer.CAME`; where the squares of a
leaf overflow the update is finite.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Float, Fraction, Params, Positive, PyTree

__all__ = ["Factors", "Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 2e-4
    b1: Fraction = 0.9  # decay of the mean of steps
    b2: Fraction = 0.999  # decay of the means of squares
    b3: Fraction = 0.9999  # decay of the instability
    eps: Positive = 1e-30  # beside the squares
    instability_eps: Positive = 1e-16  # beside those of d − m
    clip_threshold: Positive = 1.0  # of rms(d)


class Factors(NamedTuple):
    """Means over one axis of a leaf with at least two."""

    rows: Float[Array, "*batch rows"]
    columns: Float[Array, "*batch columns"]


class State(NamedTuple):
    """At least float32."""

    mean: Params  # of the steps, like the parameters
    second_moment: PyTree  # in place of each leaf Factors, or an array like it
    instability: PyTree  # Factors, None for scalars and vectors


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-5, 1e-1),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "b3": one_minus(log_uniform(1e-5, 1e-2)),
}
FAMILY, YEAR = "factored", 2023
REFERENCE = "pytorch_optimizer.CAME"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """All means at 0."""
    del hyper
    mean = tree.zeros_like(params, min_dtype=jnp.float32)
    moment = jax.tree.map(lambda x: _factors(x) if _is_factored(x) else jnp.zeros_like(x), mean)
    instability = jax.tree.map(lambda x: _factors(x) if _is_factored(x) else None, mean)
    return State(mean, moment, instability)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients and state differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)

    def averaged(old: Array | Factors, squares: Array, decay: Array) -> Array | Factors:
        new = _factors(squares) if isinstance(old, Factors) else squares
        return jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, old, new)

    moment = jax.tree.map(lambda g, v: averaged(v, g * g + h.eps, h.b2), g, s.second_moment)
    steps = jax.tree.map(_divided, g, moment)
    steps = tree.map(lambda d: d / jnp.maximum(1, _rms(d) / h.clip_threshold), steps)
    mean = tree.map(lambda m, d: h.b1 * m + (1 - h.b1) * d, s.mean, steps)
    away = tree.map(lambda d, m: (d - m) * (d - m) + h.instability_eps, steps, mean)
    instability = jax.tree.map(
        lambda x, old: None if old is None else averaged(old, x, h.b3), away, s.instability
    )
    moves = jax.tree.map(lambda m, v: m if v is None else _divided(m, v), mean, instability)
    updates = tree.map(lambda m: -h.learning_rate * m, moves)
    return tree.cast_like((updates, State(mean, moment, instability)), (grads, state))


def _is_factored(x: Array) -> bool:
    return x.ndim > 1 and x.size > 0


def _factors(x: Float[Array, "*batch rows columns"]) -> Factors:
    return Factors(jnp.mean(x, axis=-1), jnp.mean(x, axis=-2))


def _divided(x: Array, moment: Array | Factors) -> Array:
    """x/√v."""
    if not isinstance(moment, Factors):
        return x / tree.sqrt(moment)
    rows, columns = moment.rows[..., :, None], moment.columns[..., None, :]
    # Roots of each, since their products under- and overflow; without rows where they are infinite.
    mean = jnp.mean(rows, axis=-2, keepdims=True)
    lost = jnp.isinf(mean)
    root = tree.sqrt(jnp.where(lost, 1, mean)) / tree.sqrt(jnp.where(lost, 1, rows))
    return x * root * (1 / tree.sqrt(columns))


def _rms(x: Array) -> Float[Array, ""]:
    return tree.sqrt(jnp.mean(x * x))
