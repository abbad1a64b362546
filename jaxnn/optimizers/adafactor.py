"""Adafactor: RMSProp whose mean of squares of a matrix is kept by rows and columns only.

    b ← 1 − t^(−decay_rate), t = 1, 2, … after decay_offset steps
    r ← b·r + (1 − b)·(mean over columns of g² + eps), one number a row; c alike, one a column
    v = r·c/mean(r)          or, not factored, v ← b·v + (1 − b)·(g² + eps)
    d = g/√v
    d ← d / max(1, rms(d)/clipping_threshold)
    d ← learning_rate · max(rms(θ), min_scale) · d
    u = −d − weight_decay_rate·θ

rms is the root of the mean of the squares of a leaf, and learning_rate the share of itself by which
a leaf changes at a step.
factored, min_dim_size_to_factor: a leaf is factored where its two longest axes both have at least
that size, and these axes are its rows and columns; further ones are indices of separate matrices.
clipping=False: no bound on rms(d), which grows where gradients have suddenly grown.
multiply_by_parameter_scale=False: without max(rms(θ), min_scale); the rate is then one like Adam's.
acceleration="momentum": a decaying mean of d in place of d, as large as the parameters.
flavor="keras": every leaf of two axes or more is factored, by its last two, so that
min_dim_size_to_factor has no part; the rate is min(learning_rate, 1/√t), as in the paper; and
weights decay as in AdamW, by learning_rate·weight_decay_rate, before their rms is taken.
flavor="torch": factors and rate so too; weights decay by as much after their rms is taken; and
nothing is added to g²: instead neither mean(r) nor √v counts as smaller than eps, for which torch
takes the precision of the dtype.
Reference: Shazeer, Stern 2018, ICML, "Adafactor: Adaptive Learning Rates with Sublinear Memory
Cost", algorithms 4 and 5. Agrees with `optax.adafactor`; with torch and Keras in their flavours.
Where t < 1 it is taken as 1, and where squares of a factored leaf overflow the update is finite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, uniform
from jaxnn.typing import Array, Float, Fraction, Int, NonNegative, Params, Positive, PyTree

__all__ = ["Factors", "Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    decay_rate: Positive = 0.8  # of 1 − b, as a power of time
    decay_offset: NonNegative = 0.0  # the step at which time starts
    clipping_threshold: Positive = 1.0  # of rms(d), with clipping
    momentum: Fraction = 0.0  # decay of the mean, with acceleration
    weight_decay_rate: NonNegative = 0.0  # per step; in the flavours, of the rate
    eps: Positive = 1e-30  # beside the squares
    min_scale: NonNegative = 1e-3  # of weights that start at 0


class Factors(NamedTuple):
    """The mean of squares of a factored leaf: its shape without the last and the first index."""

    rows: Array  # without the longest axis, or the last
    columns: Array  # without the second longest, or the last but one


class State(NamedTuple):
    """Like the parameters but for factored leaves, and at least float32."""

    step: Int[Array, ""]
    second_moment: PyTree  # in place of each leaf an array like it, or Factors
    mean: Params  # with acceleration, else None


Flavor: TypeAlias = Literal["optax", "torch", "keras"]
Acceleration: TypeAlias = Literal["none", "momentum"]

STRUCTURE = {
    "flavor": {
        "optax": {},
        "torch": {"eps": float(jnp.finfo(jnp.float32).eps)},
        "keras": {"learning_rate": 1e-3},
    },
    "factored": {True: {}, False: {}},
    "min_dim_size_to_factor": {128: {}, 32: {}, 2: {}},
    "clipping": {True: {}, False: {}},
    "multiply_by_parameter_scale": {True: {}, False: {}},
    "acceleration": {"none": {}, "momentum": {"momentum": 0.9}},
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 3e-1),
    "decay_rate": uniform(0.5, 1.0),
}
FAMILY, YEAR = "factored", 2018
REFERENCE = "optax.adafactor"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    factored: bool = True,
    min_dim_size_to_factor: int = 128,
    clipping: bool = True,
    multiply_by_parameter_scale: bool = True,
    acceleration: Acceleration = "none",
) -> State:
    """All means at 0."""
    del hyper, clipping, multiply_by_parameter_scale
    # Two trees, not one twice: a buffer can be donated only once.
    moment, mean = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    if factored:
        least = min_dim_size_to_factor if flavor == "optax" else 1
        moment = jax.tree.map(partial(_start, least=least, axes_of=_AXES[flavor]), moment)
    return State(jnp.zeros((), jnp.int32), moment, None if acceleration == "none" else mean)


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    factored: bool = True,
    min_dim_size_to_factor: int = 128,
    clipping: bool = True,
    multiply_by_parameter_scale: bool = True,
    acceleration: Acceleration = "none",
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients and parameters differ in structure or shapes.
    """
    del factored, min_dim_size_to_factor  # the state tells
    g, s, h, p = tree.promote(grads, state, hyper, params)
    step = tree.increment(state.step)
    t = jnp.maximum(step.astype(h.decay_offset.dtype) - h.decay_offset, 1)
    new = t**-h.decay_rate
    rate, decay, axes_of = h.learning_rate, h.weight_decay_rate, _AXES[flavor]
    if flavor != "optax":
        rate, decay = jnp.minimum(rate, 1 / tree.sqrt(t)), rate * decay
    least, added = (h.eps, 0) if flavor == "torch" else (None, h.eps)
    moments = jax.tree.map(
        lambda g, v: _averaged(v, g * g + added, new, axes_of), g, s.second_moment
    )
    threshold = h.clipping_threshold if clipping else None
    steps = jax.tree.map(lambda g, v: _clipped(g, v, axes_of, least, threshold), g, moments)
    if multiply_by_parameter_scale:
        left = tree.map(lambda p: p - decay * p, p) if flavor == "keras" else p
        steps = tree.map(lambda d, p: jnp.maximum(_rms(p), h.min_scale) * d, steps, left)
    steps, mean = tree.map(lambda d: rate * d, steps), None
    if acceleration == "momentum":
        mean = tree.map(lambda m, d: h.momentum * m + (1 - h.momentum) * d, s.mean, steps)
        steps = mean
    updates = tree.map(lambda d, p: -d - decay * p, steps, p)
    return tree.cast_like((updates, State(step, moments, mean)), (grads, state))


def _start(zeros: Array, least: int, axes_of: _AxesOf) -> Array | Factors:
    axes = axes_of(zeros.shape)
    if zeros.ndim < 2 or zeros.shape[axes[0]] < least:
        return zeros
    return Factors(*(jnp.zeros_like(zeros.take(0, axis)) for axis in reversed(axes)))


def _longest(shape: tuple[int, ...]) -> list[int]:
    """The second longest axis and the longest."""
    return sorted(range(len(shape)), key=lambda axis: shape[axis])[-2:]


def _last(shape: tuple[int, ...]) -> list[int]:
    return list(range(len(shape)))[-2:]


_AxesOf: TypeAlias = Callable[[tuple[int, ...]], list[int]]
_AXES: dict[Flavor, _AxesOf] = {"optax": _longest, "torch": _last, "keras": _last}


def _averaged(
    old: Array | Factors, squares: Array, new: Array, axes_of: _AxesOf
) -> Array | Factors:
    if not isinstance(old, Factors):
        return (1 - new) * old + new * squares
    second, first = axes_of(squares.shape)
    means = jnp.mean(squares, axis=first), jnp.mean(squares, axis=second)
    return Factors(*((1 - new) * a + new * b for a, b in zip(old, means, strict=True)))


def _divided(
    g: Array, moment: Array | Factors, axes_of: _AxesOf, least: Float[Array, ""] | None
) -> Array:
    """g/√v, with √v and the mean of the rows at least `least`."""
    if not isinstance(moment, Factors):
        root = tree.sqrt(moment)
        return g / (root if least is None else jnp.maximum(root, least))
    second, first = axes_of(g.shape)
    rows, columns = jnp.expand_dims(moment.rows, first), jnp.expand_dims(moment.columns, second)
    # Roots of each, since their products under- and overflow; without rows where they are infinite.
    mean = jnp.mean(rows, axis=second, keepdims=True)
    lost = jnp.isinf(mean)
    if least is not None:
        lost |= jnp.isinf(columns)
        share = tree.sqrt(jnp.where(lost, 1, rows)) / tree.sqrt(jnp.maximum(mean, least))
        return g / jnp.maximum(jnp.where(lost, 1, share) * tree.sqrt(columns), least)
    root = tree.sqrt(jnp.where(lost, 1, mean)) / tree.sqrt(jnp.where(lost, 1, rows))
    return g * root * (1 / tree.sqrt(columns))


def _clipped(
    g: Array,
    moment: Array | Factors,
    axes_of: _AxesOf,
    least: Float[Array, ""] | None,
    threshold: Float[Array, ""] | None,
) -> Array:
    """g/√v, at most `threshold` in the root mean square; computed twice rather than stored."""
    steps = _divided(g, moment, axes_of, least)
    if threshold is None:
        return steps
    ratio = jnp.maximum(1, _rms(steps) / threshold)
    g, moment, least = tree.after((g, moment, least), ratio)
    return _divided(g, moment, axes_of, least) / ratio


def _rms(x: Array) -> Float[Array, ""]:
    return tree.sqrt(jnp.mean(x * x))
