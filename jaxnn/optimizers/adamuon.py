"""AdaMuon: signs of the momentum of a matrix, made orthogonal, then scaled element by element.

    m ← b1·m + (1 − b1)·g          t ← t + 1
    O = Newton–Schulz of sign(m)          v ← b2·v + (1 − b2)·O²
    d = O/(√(v/(1 − b2ᵗ)) + eps)
    u = −learning_rate · consistent_rms·√(number of elements) · d/(‖d‖ + eps)

O is near U·Vᵀ for sign(m) = U·S·Vᵀ, as in Muon; sizes of gradients play no part in it. A step of a
matrix has the root mean square learning_rate times consistent_rms, whose default makes rates those
of Adam. Leaves with more than two axes are matrices with the first as their rows; scalars and
vectors go to Adam with the same numbers.
Reference: Si, Zhang, Shen 2025, arXiv:2507.11005v3, "AdaMuon: Adaptive Muon Optimizer"; there v is
not corrected for its start, which the norm cancels but for eps.
Agrees with `pytorch_optimizer.AdaMuon` in float64 where that, which leaves the signs out, is given
sign(m).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._newton_schulz import STANDARD, orthogonalized
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.95  # decay of the mean
    b2: Fraction = 0.95  # decay of the mean of squares
    eps: Positive = 1e-8  # beside roots and norms
    consistent_rms: Positive = 0.2  # of the step of a matrix, per unit of rate


class State(NamedTuple):
    """Two means, like the parameters and at least float32."""

    step: Int[Array, ""]
    mean: Params
    mean_of_squares: Params  # of O for matrices, of gradients elsewhere


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "layer-wise", 2025
REFERENCE = "pytorch_optimizer.AdaMuon"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True

_NUM_STEPS = 5


def init(params: Params, hyper: Hyper) -> State:
    """Both means at 0."""
    del hyper
    # Two trees, not one twice: a buffer can be donated only once.
    means = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    return State(jnp.zeros((), jnp.int32), *means)


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients and state differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    t = step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)
    moved = tree.map(lambda m, g: _orthogonal(m) if m.ndim > 1 else g, mean, g)
    squares = tree.map(lambda v, x: h.b2 * v + (1 - h.b2) * x * x, s.mean_of_squares, moved)
    start, root = 1 / (1 - h.b1**t), jnp.sqrt(1 - h.b2**t)

    def move(x: Array, m: Array, v: Array) -> Array:
        if m.ndim < 2:
            return -h.learning_rate * start * root * (m / (tree.sqrt(v) + root * h.eps))
        d = root * x / (tree.sqrt(v) + root * h.eps)
        size = h.consistent_rms * x.size**0.5
        return -h.learning_rate * size * (d / (tree.global_norm(d) + h.eps))

    updates = tree.map(move, moved, mean, squares)
    return tree.cast_like((updates, State(step, mean, squares)), (grads, state))


def _orthogonal(mean: Array) -> Array:
    """O, for the matrix that has the first axis as its rows."""
    # An infinity stays one, so that the training loop sees it.
    signs = jnp.where(jnp.isinf(mean), mean, jnp.sign(mean))
    signs = signs.reshape(mean.shape[0], math.prod(mean.shape[1:]))
    # Their norm is 0 or at least 1.
    tiny, one = (jnp.asarray(x, mean.dtype) for x in (jnp.finfo(mean.dtype).tiny, 1))
    made = orthogonalized(signs, one, tiny, "frobenius", (STANDARD,) * _NUM_STEPS)
    return made.reshape(mean.shape)
