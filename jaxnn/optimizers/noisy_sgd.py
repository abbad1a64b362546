"""Noisy SGD: gradient descent with Gaussian noise on the gradients, less and less of it.

    t ← t + 1          u = −learning_rate · (g + √(eta/t^gamma)·n),  n standard normal

It needs `key`, a fresh one for each step. The noise is drawn in at least float32, from a key of its
own for each leaf.
Reference: Neelakantan, Vilnis, Le, Sutskever, Kaiser, Kurach, Martens 2015, arXiv:1511.06807,
"Adding Gradient Noise Improves Learning for Very Deep Networks". Agrees with `optax.noisy_sgd`,
which keeps a key in its state and splits it: its noise is ours for the second half of that split.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Int, NonNegative, Params, Positive, PRNGKeyArray

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    eta: NonNegative = 0.01  # variance of the first noise
    gamma: NonNegative = 0.55  # how fast it falls


class State(NamedTuple):
    """How much noise is due."""

    step: Int[Array, ""]


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 3e0),
    "eta": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "perturbed", 2015
REFERENCE = "optax.noisy_sgd"
NEEDS = frozenset({"key"})
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """No step done."""
    tree.require_real(params)
    del hyper
    return State(jnp.zeros((), jnp.int32))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, key: PRNGKeyArray
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`."""
    del params
    g, _, h = tree.promote(grads, state, hyper)
    step = tree.increment(state.step)
    deviation = tree.sqrt(h.eta / step.astype(h.gamma.dtype) ** h.gamma)
    leaves, structure = jax.tree.flatten(g)
    keys = structure.unflatten(list(jax.random.split(key, len(leaves))))
    noise = jax.tree.map(lambda g, k: jax.random.normal(k, g.shape, g.dtype), g, keys)
    updates = tree.map(lambda g, n: -h.learning_rate * (g + deviation * n), g, noise)
    return tree.cast_like((updates, State(step)), (grads, state))
