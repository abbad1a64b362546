"""DP-SGD: the gradient of each example clipped, noise on their sum; then SGD.

    s = Σᵢ gᵢ · min(1, l2_norm_clip/‖gᵢ‖)          ‖·‖ over all leaves, i over the B examples
    d = ( s + l2_norm_clip·noise_multiplier·n ) / B,  n standard normal
    u = −learning_rate · d

So no example moves the parameters by more than its clipped part, which noise hides: differential
privacy, to a degree that an accountant computes from noise_multiplier, B and the number of steps.
acceleration="momentum": v ← momentum·v + d and u = −learning_rate·v; "nesterov":
u = −learning_rate·(momentum·v + d) with the new v. Without it the number `momentum` has no part.
It needs `per_example_grads`, with a leading axis of examples, in place of `grads`, of which only
structure and dtypes are looked at; and `key`, a fresh one for each step, which nobody else knows.
An example whose norm overflows is clipped to 0.
Reference: Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar, Zhang 2016, CCS, "Deep Learning with
Differential Privacy", algorithm 1. Agrees with `optax.contrib.dpsgd`, which takes the gradients of
the examples as its updates and keeps the key in its state.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, Fraction, NonNegative, Params, Positive, PRNGKeyArray

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 5e-2
    l2_norm_clip: Positive = 4.0  # the largest norm of an example's gradient
    noise_multiplier: NonNegative = 2.0  # deviation of the noise over the clip
    momentum: Fraction = 0.0  # decay of the velocity, with acceleration


class State(NamedTuple):
    """Like the parameters and at least float32."""

    velocity: Params  # with acceleration, else None


Acceleration: TypeAlias = Literal["none", "momentum", "nesterov"]

STRUCTURE = {
    "acceleration": {"none": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9}}
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 3e0),
    "l2_norm_clip": log_uniform(1e-1, 1e1),
}
FAMILY, YEAR = "perturbed", 2016
REFERENCE = "optax.contrib.dpsgd"
NEEDS = frozenset({"per_example_grads", "key"})
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, acceleration: Acceleration = "none") -> State:
    """The velocity at 0, where there is one."""
    tree.require_real(params)
    del hyper
    if acceleration == "none":
        return State(None)
    return State(tree.zeros_like(params, min_dtype=jnp.float32))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    acceleration: Acceleration = "none",
    per_example_grads: Params,
    key: PRNGKeyArray,
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    per_example_grads: like `grads`, with a leading axis of examples, the same for all leaves.
    Raises TypeError at trace time where the trees differ in structure or shapes.
    """
    del params
    _, s, h, rows = tree.promote(grads, state, hyper, per_example_grads)
    direction, velocity = _private_mean(rows, h, key), s.velocity
    if acceleration != "none":
        velocity = tree.map(lambda v, d: h.momentum * v + d, s.velocity, direction)
        ahead = acceleration == "nesterov"
        direction = (
            tree.map(lambda v, d: h.momentum * v + d, velocity, direction) if ahead else velocity
        )
    updates = tree.map(lambda d: -h.learning_rate * d, direction)
    return tree.cast_like((updates, State(velocity)), (grads, state))


def _private_mean(rows: Params, h: Hyper, key: PRNGKeyArray) -> Params:
    """The noisy mean of the clipped rows."""
    leaves, structure = jax.tree.flatten(rows)
    if not leaves:
        return rows
    norms = jax.vmap(tree.global_norm)(leaves)
    shares = h.l2_norm_clip / jnp.maximum(norms, h.l2_norm_clip)
    deviation, num_rows = h.l2_norm_clip * h.noise_multiplier, len(norms)
    # As Optax, which keeps the first key for its next step.
    keys = jax.random.split(key, 1 + len(leaves))[1:]

    def mean(x: Float[Array, "rows ..."], key: PRNGKeyArray) -> Array:
        total = jnp.tensordot(shares, x, axes=1)
        noise = jax.random.normal(key, total.shape, total.dtype)
        return (total + deviation * noise) / num_rows

    return structure.unflatten([mean(x, k) for x, k in zip(leaves, keys, strict=True)])
