"""ADOPT: Adam whose gradient is divided by what was known before it, and clipped, then averaged.

    m ← b1·m + (1 − b1)·clip(g / max(√v, eps), ±tᶜ)      v ← b2·v + (1 − b2)·g²      t ← t + 1
    u = −learning_rate · m

c is clip_power and t counts from 0. The first step only sets v to g² and moves nothing. Since g is
not among the squares that divide it, the rule converges for every b2.
use_clipping=False: no clip; the second step may then be large where the first gradient was small.
nesterov=True: u = −learning_rate · (b1·m + (1 − b1)·clip(...)) with the new m.
A clipped infinite gradient gives a finite update; its v is infinite then, and its weight coasts to
a halt.
Reference: Taniguchi, Harada, Minegishi, Oshima, Jeong, Nagahara, Iiyama, Suzuki, Iwasawa, Matsuo
2024, NeurIPS, "ADOPT: Modified Adam Can Converge with Any β2 with the Optimal Rate".
Agrees with `optax.contrib.adopt`, whose clip_value_fn is any function and by default t^0.25.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.9999  # decay of the mean of squares
    eps: Positive = 1e-6  # the smallest divisor
    clip_power: NonNegative = 0.25  # the clip is t to this power


State = adam.State

STRUCTURE = {"nesterov": {False: {}, True: {}}, "use_clipping": {True: {}, False: {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-4, 1e-1)),
}
FAMILY, YEAR = "adaptive", 2024
REFERENCE = "optax.contrib.adopt"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
SATURATES = True


def init(
    params: Params, hyper: Hyper, *, nesterov: bool = False, use_clipping: bool = True
) -> State:
    """Both moments at 0."""
    del nesterov, use_clipping
    tree.require_real(params)
    return adam.init(params, adam.Hyper(hyper.learning_rate))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    nesterov: bool = False,
    use_clipping: bool = True,
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    first = s.step == 0
    # At the first step the divisor is infinite: m stays 0 by scalars alone, whatever g is.
    floor, b2 = jnp.where(first, jnp.inf, h.eps), jnp.where(first, 0, h.b2)
    scaled = tree.map(lambda g, v: g / jnp.maximum(tree.sqrt(v), floor), g, s.mean_of_squares)
    if use_clipping:
        clip = jnp.maximum(s.step, 1).astype(h.b1.dtype) ** h.clip_power
        scaled = tree.map(lambda x: jnp.clip(x, -clip, clip), scaled)
    mean = tree.map(lambda m, x: h.b1 * m + (1 - h.b1) * x, s.mean, scaled)
    before = tree.after(s.mean_of_squares, mean)
    square = tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, before, g)
    ahead = mean
    if nesterov:
        ahead = tree.map(lambda m, x: h.b1 * m + (1 - h.b1) * x, mean, scaled)
    updates = tree.map(lambda m: -h.learning_rate * m, ahead)
    return tree.cast_like((updates, State(tree.increment(s.step), mean, square)), (grads, state))
