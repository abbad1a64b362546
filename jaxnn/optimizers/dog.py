"""DoG: the rate is the distance gone so far over the root of all squared gradients.

    g ← g + weight_decay·θ      r ← max(r, ‖θ − θ₀‖)      G ← G + ‖g‖²
    u = −learning_rate · r/√(G + eps) · g

Norms are over all leaves, θ₀ are the first parameters. The paper evaluates an average of the steps,
which is left to the caller. A gradient whose square overflows stops the rule: G stays infinite.
init_step="heuristic": the first r is init_value·(1 + ‖θ₀‖); small, but not so small that the first
steps are lost in rounding (with batch normalisation the paper has 1e-4).
"distance": it is init_value. "learning_rate": it is 0, and the rate is init_value where G was still
0 before the step; in Optax at the first step alone, so that a first gradient of 0 ends the run.
Reference: Ivgi, Hinder, Carmon 2023, ICML, "DoG is SGD's Best Friend: A Parameter-Free Dynamic Step
Size Schedule". Agrees with `optax.contrib.dog`, whose init_step is the pair (init_step, init_value)
here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import copy, squared_norm
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1.0
    init_value: Positive = 1e-6  # of what init_step says
    eps: Positive = 1e-8  # inside the root
    weight_decay: NonNegative = 0.0  # added to the gradients


class State(NamedTuple):
    """Where it started, how far it came, and the sum of the squared norms of the gradients."""

    initial_params: Params
    distance: Float[Array, ""]
    sum_of_squares: Float[Array, ""]


InitStep: TypeAlias = Literal["heuristic", "distance", "learning_rate"]

STRUCTURE = {"init_step": {"heuristic": {}, "distance": {}, "learning_rate": {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-1, 1e1),
    "init_value": log_uniform(1e-8, 1e-2),
}
FAMILY, YEAR = "parameter-free", 2023
REFERENCE = "optax.contrib.dog"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, init_step: InitStep = "heuristic") -> State:
    """The first parameters, copied, and the first distance."""
    _, _, h = tree.promote(params, (), hyper)
    first = jnp.array(h.init_value)
    if init_step == "heuristic":
        first = h.init_value * (1 + tree.global_norm(params))
    elif init_step == "learning_rate":
        first = jnp.zeros_like(h.init_value)
    return State(copy(params), first, jnp.zeros_like(first))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    init_step: InitStep = "heuristic",
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    decayed = _decayed(g, p, h)
    moved = tree.map(lambda p, p0: p - p0, p, s.initial_params)
    distance = jnp.maximum(s.distance, tree.sqrt(squared_norm(moved)))
    total = s.sum_of_squares + squared_norm(decayed)
    # The distance may have overflowed too: no ∞/∞.
    rate = jnp.where(jnp.isposinf(total), 0, distance / tree.sqrt(total + h.eps))
    if init_step == "learning_rate":
        rate = jnp.where(s.sum_of_squares == 0, h.init_value, rate)
    # Computed twice rather than stored: for its norm, and for the updates.
    again = _decayed(*tree.after((g, p, h), total))
    updates = tree.map(lambda g: -h.learning_rate * rate * g, again)
    new = State(s.initial_params, distance, total)
    return tree.cast_like((updates, new), (grads, state))


def _decayed(g: Params, p: Params, h: Hyper) -> Params:
    return tree.map(lambda g, p: g + h.weight_decay * p, g, p)
