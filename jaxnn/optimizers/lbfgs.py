"""L-BFGS: Newton's step with a Hessian guessed from the last few steps, and a line search.

    s = θₖ₊₁ − θₖ      y = ∇f(θₖ₊₁) − ∇f(θₖ)      ρ = 1/⟨s, y⟩      γ = ⟨s, y⟩/⟨y, y⟩
    H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ      over the last memory_size pairs, from H = γ·I
    d = −H g             u = t·d, t from a search with strong Wolfe conditions, first learning_rate

H is never formed: two loops over the pairs give H g. The first direction is −g·min(1, 1/‖g‖).
A pair is taken at the two ends of one search, hence of one loss, also when the next step has
another batch; it is left out where ⟨s, y⟩ <= ε·⟨y, y⟩, ε the precision of the dtype. A search that
finds nothing lower takes no step and empties the memory, so that the next goes down the gradient.

The search ends with the loss and its gradient at the new parameters. `value_and_grad(state)` gives
them back: with a loss that is the same function at every step (all rows, no noise) the next step
need not evaluate it again, and a step costs little more than one evaluation. With batches, or
a loss that draws from its key, they are those of another function and must not be used: give
`update` the gradient of the present batch. `training.step` evaluates unless told to `reuse`.
Gradients above the root of their dtype's largest number overflow in ⟨y, y⟩.

Reference: Liu, Nocedal 1989, Mathematical Programming 45, "On the limited memory BFGS method for
large scale optimization"; Nocedal, Wright 2006, "Numerical Optimization", algorithm 7.4.
Agrees with SciPy's L-BFGS-B in the points it evaluates, with its tolerances (slope_rtol=1e-3,
approx_dec_rtol=0), and with `optax.lbfgs` in the direction for the same memory; Optax takes y
between the gradients it is given, of two batches if there are two, keeps a pair whatever its
curvature, and divides its brackets otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import check_integer
from jaxnn.optimizers._sums import dot
from jaxnn.optimizers.line_search import Conditions, search
from jaxnn.space import log_uniform, uniform
from jaxnn.typing import Array, ArrayLike, Float, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "Memory", "State", "direction", "init", "update", "value_and_grad"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0  # the length that a search tries first, in units of H·g
    slope_rtol: Fraction = 1e-4  # decrease asked of a step, per length and slope
    curv_rtol: Fraction = 0.9  # of the slope, what may be left of it; > slope_rtol
    approx_dec_rtol: NonNegative = 1e-6  # of the loss, by which rounding may raise it
    interval_rtol: Fraction = 0.1  # relative width at which a bracket is not divided


class Memory(NamedTuple):
    """The last pairs, oldest first; places that are still empty have the weight 0."""

    steps: Params  # s, with a leading axis of memory_size
    differences: Params  # y, likewise
    weights: Float[Array, " memory"]  # ρ


class State(NamedTuple):
    """What is kept, like the parameters and at least float32."""

    memory: Memory
    scale: Float[Array, ""]  # γ
    value: Float[Array, ""]  # at the end of the last search; NaN before the first
    grads: Params  # likewise; 0 before the first
    evaluations: Int[Array, ""]  # of the loss and its gradient, by all searches


STRUCTURE = {"memory_size": {10: {}, 20: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e0),
    "slope_rtol": log_uniform(1e-5, 1e-2),
    "curv_rtol": uniform(0.1, 0.9),
}
FAMILY, YEAR = "second-order", 1989
REFERENCE = "scipy.optimize.fmin_l_bfgs_b"
NEEDS = frozenset({"value", "value_fn"})
ORDERED = (("slope_rtol", "curv_rtol"),)
REVERSE_DIFFERENTIABLE = False
GRADIENT_RANGE = 0.49


def extra_evaluations(state: State, hyper: Hyper) -> tuple[int, Int[Array, ""]]:
    """Products with the Hessian so far, and gradients besides those that it was given."""
    del hyper
    return 0, state.evaluations


def init(params: Params, hyper: Hyper, *, memory_size: int = 10) -> State:
    """An empty memory of any size >= 1. The state holds 2·memory_size + 1 times the parameters."""
    del hyper
    check_integer("lbfgs", "memory_size", memory_size, low=1)
    grads = tree.zeros_like(params, min_dtype=jnp.float32)
    steps, differences = (
        jax.tree.map(lambda g: jnp.zeros((memory_size, *g.shape), g.dtype), grads) for _ in range(2)
    )
    wide = next((g.dtype for g in jax.tree.leaves(grads)), jnp.float32)
    memory = Memory(steps, differences, jnp.zeros(memory_size, wide))
    none = jnp.full((), jnp.nan, wide)
    return State(memory, jnp.ones((), wide), none, grads, jnp.zeros((), jnp.int32))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    memory_size: int = 10,
    value: Float[ArrayLike, ""],
    value_fn: Callable[[Params], Float[Array, ""]],
) -> tuple[Params, State]:
    """One step, `value` and `grads` being those of `value_fn` at `params`.

    Returns (updates, state); updates have the shapes and dtypes of `grads`. Evaluates `value_fn`
    and its gradient once where the first length will do, at most `MAX_EVALUATIONS` times.
    """
    del memory_size
    g, s, h, start = tree.promote(grads, state, hyper, value)
    d = direction(g, s.memory, s.scale)
    conditions = Conditions(*h[1:])
    found = search(value_fn, params, d, start, g, h.learning_rate, conditions, like=grads)
    step = tree.map(lambda d: found.length * d, d)
    memory, scale = _remember(s.memory, s.scale, step, tree.map(jnp.subtract, found.grads, g))
    weights = jnp.where(found.length > 0, memory.weights, 0)
    evaluations = tree.increment(state.evaluations, found.evaluations)
    after = State(memory._replace(weights=weights), scale, found.value, found.grads, evaluations)
    return tree.cast_like((step, after), (grads, state))


def value_and_grad(state: State) -> tuple[Float[Array, ""], Params]:
    """The loss and its gradient at the parameters that the last update led to; see above."""
    return state.value, state.grads


def direction(grads: Params, memory: Memory, scale: Float[Array, ""]) -> Params:
    """−H·grads for the pairs in memory; −grads·min(1, 1/‖grads‖) where there is none."""

    def backward(vector: Params, pair: Memory) -> tuple[Params, Array]:
        alpha = pair.weights * dot(pair.steps, vector)
        return tree.map(lambda v, y: v - alpha * y, vector, pair.differences), alpha

    def forward(vector: Params, row: tuple[Memory, Array]) -> tuple[Params, None]:
        pair, alpha = row
        beta = pair.weights * dot(pair.differences, vector)
        return tree.map(lambda v, s: v + (alpha - beta) * s, vector, pair.steps), None

    first = 1 / jnp.maximum(tree.global_norm(grads), 1)
    scale = jnp.where(memory.weights[-1] > 0, scale, first.astype(scale.dtype))
    vector, alphas = jax.lax.scan(backward, grads, memory, reverse=True)
    vector = tree.map(lambda v: scale * v, vector)
    vector, _ = jax.lax.scan(forward, vector, (memory, alphas))
    return tree.map(jnp.negative, vector)


def _remember(
    memory: Memory, scale: Float[Array, ""], step: Params, difference: Params
) -> tuple[Memory, Float[Array, ""]]:
    """The memory with one more pair, if it has curvature, and its scale."""
    curvature, square = dot(step, difference), dot(difference, difference)
    info = jnp.finfo(square.dtype)
    sound = (curvature > float(info.eps) * square) & (curvature >= float(info.tiny))
    sound &= square >= float(info.tiny)
    curvature, square = (jnp.where(sound, x, 1) for x in (curvature, square))
    pair = Memory(step, difference, 1 / curvature)
    longer = jax.tree.map(lambda x, new: jnp.concatenate([x[1:], new[None]]), memory, pair)
    return tree.select(sound, (longer, curvature / square), (memory, scale))
