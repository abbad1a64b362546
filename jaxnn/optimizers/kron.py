"""PSGD-Kron: momentum, whitened by a triangular matrix for each axis that is learnt on the way.

    m ← b1·m + (1 − b1)·g          t ← t + 1          G = m/(1 − b1ᵗ)
    A = Q·G·Pᵀ          B = Q⁻ᵀ·N·P⁻¹,  N standard normal
    Q ← Q − preconditioner_lr · triu(AAᵀ − BBᵀ)·Q / ‖AAᵀ + BBᵀ‖,          P alike, by AᵀA and BᵀB
    d = QᵀQ·G·PᵀP          u = −learning_rate · d · min(1, clip_threshold/rms(d))

Q and P start at I and come to where AAᵀ = BBᵀ on average: QᵀQ is then the inverse root of the
covariance of G, as in Shampoo, but found without any decomposition. The norm is the spectral one, a
lower bound of it by two products. A leaf with k axes has k factors, all brought to one largest
element before they are learnt from; scalars and vectors have a number for each element in place of
a matrix. A factor learns at each of the first flat_start steps, then ever more seldom: whenever
1/p steps have gone by, p = max(min_update_probability, exp(−update_decay·(t − flat_start))).

It needs `key`, a fresh one for each step; N is drawn in at least float32, from a key of its own for
each leaf. A leaf whose mean is all 0 teaches nothing: its factors would grow without bound.
Time n³ and memory n² for an axis of length n.
Reference: Li 2018, IEEE Transactions on Neural Networks and Learning Systems 29, "Preconditioned
Stochastic Gradient Descent"; Pooladzandi, Li 2024, arXiv:2402.04553, "Curvature-Informed SGD via
General Purpose Lie-Group Preconditioners"; defaults: its Kronecker-factored form, by Walters 2024.
Agrees with `pytorch_optimizer.Kron` in float64 on the same N, without weight decay; there factors
are brought to one size at random steps, which changes no update, and learn from means of 0 too.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import _axes
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Float, Fraction, Int, NonNegative, Params, Positive, PRNGKeyArray

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    preconditioner_lr: Fraction = 0.1  # relative size of a step of the factors
    clip_threshold: Positive = 1.1  # of rms(d)
    flat_start: NonNegative = 500.0  # steps at which factors learn each time
    update_decay: NonNegative = 1e-3  # of the share of steps after that
    min_update_probability: Fraction = 0.03  # the least share


class State(NamedTuple):
    """At least float32."""

    step: Int[Array, ""]
    since: Int[Array, ""]  # steps gone by since factors last learnt
    mean: Params
    factors: Params  # in place of each leaf a tuple with Q for each axis, or of one vector


Factors: TypeAlias = tuple[Float[Array, "..."], ...]

STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-5, 1e-1),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "preconditioner_lr": log_uniform(1e-2, 5e-1),
}
FAMILY, YEAR = "second-order", 2018
REFERENCE = "pytorch_optimizer.Kron"
NEEDS = frozenset({"key"})
REVERSE_DIFFERENTIABLE = True

_EPS = 1e-6  # beside rms(d)


def init(params: Params, hyper: Hyper) -> State:
    """The mean at 0, factors at I."""
    del hyper
    mean = tree.zeros_like(params, min_dtype=jnp.float32)

    def identity(x: Array) -> Factors:
        if _is_diagonal(x):
            return (jnp.ones_like(x),)
        return tuple(jnp.eye(n, dtype=x.dtype) for n in x.shape)

    step, since = (jnp.zeros((), jnp.int32) for _ in range(2))
    return State(step, since, mean, jax.tree.map(identity, mean))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, key: PRNGKeyArray
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients and state differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    age = s.step.astype(h.b1.dtype)
    mean = tree.map(lambda m, g: h.b1 * m + (1 - h.b1) * g, s.mean, g)

    correction = 1 - h.b1 ** (age + 1)
    sizes = jax.tree.map(lambda m: jax.lax.stop_gradient(_size(m, correction)), mean)
    scaled = jax.tree.map(lambda m, size: m / (size * correction), mean, sizes)

    share = jnp.exp(-h.update_decay * jnp.maximum(age - h.flat_start, 0))
    since = tree.increment(s.since)
    due = since.astype(share.dtype) >= 1 / jnp.maximum(share, h.min_update_probability)
    # One condition for all leaves: most steps, later on, learn nothing.
    # Not `seldom`, which has no derivative: a sweep learns at every step, in all lanes.
    factors = jax.lax.cond(due, _learnt, _kept, s.factors, scaled, sizes, key, h.preconditioner_lr)

    def move(x: Array, size: Array, factors: Factors) -> Array:
        d = _whitened(factors, x)
        rms = tree.global_norm(d) / max(d.size, 1) ** 0.5
        return -h.learning_rate * (d * jnp.minimum(size, h.clip_threshold / (rms + _EPS / size)))

    updates = jax.tree.map(move, scaled, sizes, factors)
    after = State(tree.increment(s.step), jnp.where(due, 0, since), mean, factors)
    return tree.cast_like((updates, after), (grads, state))


def _kept(factors: Params, *_: Any) -> Params:
    return factors


def _is_diagonal(x: Array) -> bool:
    return x.ndim < 2 or not x.size


def _size(mean: Array, correction: Float[Array, ""]) -> Float[Array, ""]:
    """The largest element of G, but no smaller than what can be squared and divided by."""
    info = jnp.finfo(mean.dtype)
    size = jnp.max(jnp.abs(mean), initial=0) / correction
    return jnp.clip(size, float(info.tiny) ** 0.5, float(info.max))


def _learnt(
    factors: Params, scaled: Params, sizes: Params, key: PRNGKeyArray, rate: Float[Array, ""]
) -> Params:
    """The factors of all leaves after one step of theirs. scaled: G in units of `sizes`."""
    leaves, structure = jax.tree.flatten(scaled)
    keys = structure.unflatten(list(jax.random.split(key, len(leaves))))

    def learn(x: Array, size: Array, key: PRNGKeyArray, factors: Factors) -> Factors:
        old = _balanced(factors)
        a, b = _applied(old, x), _solved(old, jax.random.normal(key, x.shape, x.dtype)) / size
        # In units of the larger, whose square may overflow.
        peak = jax.lax.stop_gradient(jnp.maximum(*(jnp.max(jnp.abs(x), initial=0) for x in (a, b))))
        a, b = a / peak, b / peak
        new = tuple(_moved(q, a, b, axis, rate) for axis, q in enumerate(old))
        return tree.select(jnp.any(x != 0), new, factors)

    return jax.tree.map(learn, scaled, sizes, keys, factors)


def _balanced(factors: Factors) -> Factors:
    """With the same product, and one largest element."""
    sizes = [jnp.log(jnp.max(jnp.abs(q), initial=0)) for q in factors]
    middle = sum(sizes, jnp.zeros_like(sizes[0])) / len(sizes)
    return tuple(q * jnp.exp(middle - size) for q, size in zip(factors, sizes, strict=True))


def _moved(q: Array, a: Array, b: Array, axis: int, rate: Float[Array, ""]) -> Array:
    """One factor, a step nearer to where a and b have the same Gram matrix."""
    if _is_diagonal(a):
        a, b = a * a, b * b
        return q - rate * (a - b) / jnp.max(a + b, initial=0) * q
    a, b = _axes.gram(a, axis), _axes.gram(b, axis)
    change = jnp.matmul(jnp.triu(a - b), q, precision=jax.lax.Precision.HIGHEST)
    return q - rate / _spectral_norm(a + b) * change


def _spectral_norm(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    """Of a symmetric matrix, a lower bound, by two steps of power iteration from a column."""
    column = jnp.take(matrix, jnp.argmax(jnp.sum(matrix * matrix, axis=0)), axis=1)
    product = jnp.matmul(matrix, column, precision=jax.lax.Precision.HIGHEST)
    twice = jnp.matmul(matrix, product, precision=jax.lax.Precision.HIGHEST)
    return tree.sqrt(jnp.sum(twice * twice) / jnp.sum(product * product))


def _applied(factors: Factors, x: Array) -> Array:
    return factors[0] * x if _is_diagonal(x) else _axes.along(factors, x)


def _whitened(factors: Factors, x: Array) -> Array:
    """QᵀQ·x along all axes."""
    transposed = factors if _is_diagonal(x) else tuple(q.T for q in factors)
    return _applied(transposed, _applied(factors, x))


def _solved(factors: Factors, x: Array) -> Array:
    """Q⁻ᵀ·x along all axes."""
    if _is_diagonal(x):
        return x / factors[0]
    for axis, q in enumerate(factors):
        rows = jnp.moveaxis(x, axis, 0)
        solved = jax.scipy.linalg.solve_triangular(q, rows.reshape(len(q), -1), trans=1)
        x = jnp.moveaxis(solved.reshape(rows.shape), 0, axis)
    return x
