"""Conjugate gradients: each direction keeps a part of the last, and a line search gives its length.

    d = −g + β·d₋      u = t·d, t from a search with strong Wolfe conditions
    y = g₊ − g, with g₊ the gradient where the last search ended, g where it started

beta="polak_ribiere": max(0, ⟨g₊, y⟩/⟨g, g⟩), which restarts by itself where the gradient has hardly
changed; "fletcher_reeves": ⟨g₊, g₊⟩/⟨g, g⟩; "hestenes_stiefel": ⟨g₊, y⟩/⟨d, y⟩; "dai_yuan":
⟨g₊, g₊⟩/⟨d, y⟩. On a quadratic with exact searches (curv_rtol → 0) all four are one, and n steps
reach the minimum of n variables.
The direction is −g at first, after a search that finds nothing lower, and where ⟨g, d⟩ is above
−⟨g, g⟩/100. The search first tries learning_rate · min(1, 2.02·Δ/|⟨g, d⟩|), Δ being the decrease of
the last step, at first ‖g‖/2.

β belongs to the two ends of one search, hence to one loss, also when the next step has another
batch. `value_and_grad(state)` gives the loss and gradient back that the search ended with: see
`lbfgs` and `training.step` on when they may be reused, which with mini-batches is never.
Gradients above the root of their dtype's largest number overflow in ⟨g, g⟩.

Reference: Nocedal, Wright 2006, "Numerical Optimization", section 5.2; Fletcher, Reeves 1964, The
Computer Journal 7; Polak, Ribière 1969, Revue française d'informatique et de recherche
opérationnelle 3; Hestenes, Stiefel 1952, Journal of Research of the National Bureau of Standards
49; Dai, Yuan 1999, SIAM Journal on Optimization 10. Agrees with SciPy's CG (Polak–Ribière) in the
points it evaluates, with approx_dec_rtol=0 and interval_rtol=0, but that SciPy searches on where
the next direction would not descend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import dot
from jaxnn.optimizers.line_search import Conditions, search
from jaxnn.space import log_uniform, uniform
from jaxnn.typing import Array, ArrayLike, Float, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update", "value_and_grad"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0  # of the length that a search tries first
    slope_rtol: Fraction = 1e-4  # decrease asked of a step, per length and slope
    curv_rtol: Fraction = 0.4  # of the slope, what may be left of it; > slope_rtol
    approx_dec_rtol: NonNegative = 1e-6  # of the loss, by which rounding may raise it
    interval_rtol: Fraction = 1e-5  # relative width at which a bracket is not divided


class State(NamedTuple):
    """What the last search left, like the parameters and at least float32."""

    direction: Params
    beta: Float[Array, ""]  # how much of it the next direction keeps
    decrease: Float[Array, ""]  # of the loss; 0 where there was none
    value: Float[Array, ""]  # at its end; NaN before the first
    grads: Params  # likewise; 0 before the first
    evaluations: Int[Array, ""]  # of the loss and its gradient, by all searches


Beta: TypeAlias = Literal["polak_ribiere", "fletcher_reeves", "hestenes_stiefel", "dai_yuan"]

STRUCTURE = {
    "beta": {"polak_ribiere": {}, "fletcher_reeves": {}, "hestenes_stiefel": {}, "dai_yuan": {}}
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e1),
    "slope_rtol": log_uniform(1e-5, 1e-2),
    "curv_rtol": uniform(0.05, 0.5),
}
FAMILY, YEAR = "line search", 1969
REFERENCE = "scipy.optimize.fmin_cg"
NEEDS = frozenset({"value", "value_fn"})
ORDERED = (("slope_rtol", "curv_rtol"),)
REVERSE_DIFFERENTIABLE = False
GRADIENT_RANGE = 0.49


def extra_evaluations(state: State, hyper: Hyper) -> tuple[int, Int[Array, ""]]:
    """Products with the Hessian so far, and gradients besides those that it was given."""
    del hyper
    return 0, state.evaluations


def init(params: Params, hyper: Hyper, *, beta: Beta = "polak_ribiere") -> State:
    """Nothing to keep of a last direction."""
    del hyper, beta
    # Trees and scalars are all buffers of their own: each can be donated only once.
    direction, grads = (tree.zeros_like(params, min_dtype=jnp.float32) for _ in range(2))
    wide = tree.global_norm(grads).dtype
    none, decrease = (jnp.zeros((), wide) for _ in range(2))
    value = jnp.full((), jnp.nan, wide)
    return State(direction, none, decrease, value, grads, jnp.zeros((), jnp.int32))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    beta: Beta = "polak_ribiere",
    value: Float[ArrayLike, ""],
    value_fn: Callable[[Params], Float[Array, ""]],
) -> tuple[Params, State]:
    """One step, `value` and `grads` being those of `value_fn` at `params`.

    Returns (updates, state); updates have the shapes and dtypes of `grads`. Evaluates `value_fn`
    and its gradient at least once, at most `MAX_EVALUATIONS` times.
    """
    g, s, h, start = tree.promote(grads, state, hyper, value)
    square = dot(g, g)
    d = tree.map(lambda g, last: s.beta * last - g, g, s.direction)
    downhill = dot(g, d) <= -0.01 * square
    d = tree.map(lambda d, g: jnp.where(downhill, d, -g), d, g)
    decrease = jnp.where(s.decrease > 0, s.decrease, tree.global_norm(g) / 2)
    length = jnp.minimum(1, 2.02 * _quotient(decrease, -dot(g, d)))
    first = h.learning_rate * jnp.where(length > 0, length, 1)
    found = search(value_fn, params, d, start, g, first, Conditions(*h[1:]), like=grads)
    difference = tree.map(jnp.subtract, found.grads, g)
    forget = found.length == 0
    after = State(
        direction=d,
        beta=jnp.where(forget, 0, _beta(beta, found.grads, difference, d, square)),
        decrease=jnp.where(forget, 0, start - found.value),
        value=found.value,
        grads=found.grads,
        evaluations=tree.increment(state.evaluations, found.evaluations),
    )
    updates = tree.map(lambda d: found.length * d, d)
    return tree.cast_like((updates, after), (grads, state))


def value_and_grad(state: State) -> tuple[Float[Array, ""], Params]:
    """The loss and its gradient at the parameters that the last update led to; see above."""
    return state.value, state.grads


def _beta(
    beta: Beta, grads: Params, difference: Params, direction: Params, square: Float[Array, ""]
) -> Float[Array, ""]:
    if beta == "polak_ribiere":
        return jnp.maximum(0, _quotient(dot(grads, difference), square))
    if beta == "fletcher_reeves":
        return _quotient(dot(grads, grads), square)
    across = dot(direction, difference)  # positive, by the curvature condition
    over = dot(grads, difference if beta == "hestenes_stiefel" else grads)
    return _quotient(over, across)


def _quotient(over: Float[Array, ""], under: Float[Array, ""]) -> Float[Array, ""]:
    """0 where the denominator is not positive."""
    return jnp.where(under > 0, over / jnp.where(under > 0, under, 1), 0)
