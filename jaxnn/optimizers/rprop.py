"""Rprop: a step size for each weight, that grows while its gradient keeps its sign.

    a = sign(g)·s'                s = sign(g) where a ≥ 0, else 0
    η = η' · (eta_plus where a > 0, eta_minus where a < 0), clipped to min_ … max_step_size
    u = −η'·s' where a ≥ 0, else 0          s' ← s          η' ← η

Where the sign turns, a minimum has been passed: the weight rests for a step, its size shrinks, and
it starts afresh. The steps do not depend on the size of gradients, so that the rule is for gradient
descent on all examples: signs of mini-batches turn by chance.
So written, as in Optax, each step is the one that the gradient before asked for; the first is 0.
flavor="torch": the step of this gradient, u = −η·s, and η is clipped at each step.
In the paper a turn also takes back the last step; neither flavour does. Where a = 0, η stays.
Memory: one number and one byte for each weight. An infinite gradient may hide in its sign, as in
`sign_sgd`, and derivatives say little about training.
Reference: Riedmiller, Braun 1993, IEEE ICNN, "A Direct Adaptive Method for Faster Backpropagation
Learning: The RPROP Algorithm". Agrees with `optax.rprop`; with torch in its flavour. Where g·g'
underflows in Optax, the sign of the product is kept here.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, ArrayLike, Fraction, Interval, Params, Positive

__all__ = ["Flavor", "Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2  # the first step size
    eta_minus: Fraction = 0.5  # its factor where the sign turns
    eta_plus: Annotated[ArrayLike, Interval(1, float("inf"), "[)")] = 1.2  # and where it stays
    min_step_size: Positive = 1e-6
    max_step_size: Positive = 50.0


class State(NamedTuple):
    """Step sizes, like the parameters and at least float32, and the signs of the last gradient."""

    step_sizes: Params
    signs: Params  # int8: 1, -1, and 0 where the sign has turned


Flavor: TypeAlias = Literal["optax", "torch"]

STRUCTURE = {"flavor": {"optax": {}, "torch": {}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "max_step_size": log_uniform(1e-2, 1e2),
}
FAMILY, YEAR = "sign", 1993
REFERENCE = "optax.rprop"
NEEDS = frozenset()
ORDERED = (("min_step_size", "max_step_size"),)
REVERSE_DIFFERENTIABLE = False
SATURATES = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """All step sizes at the learning rate, no sign yet."""
    del flavor
    sizes = tree.full_like(params, hyper.learning_rate, min_dtype=jnp.float32)
    return State(sizes, jax.tree.map(lambda p: jnp.zeros(jnp.shape(p), jnp.int8), params))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    before = tree.map(lambda s, g: s.astype(g.dtype), s.signs, g)
    agree = tree.map(lambda g, b: g * b, g, before)  # of the sign of a; never underflows
    sizes = tree.map(lambda n, a: _resized(n, a, h, flavor), s.step_sizes, agree)
    signs = tree.map(lambda g, a: _unless_turned(jnp.sign(g), a), g, agree)
    asked = (sizes, signs) if flavor == "torch" else (s.step_sizes, before)
    steps = tree.map(lambda n, s, a: _unless_turned(n * s, a), *asked, agree)
    updates = tree.map(jnp.negative, steps)
    return tree.cast_like((updates, State(sizes, signs)), (grads, state))


def _resized(size: Array, agree: Array, h: Hyper, flavor: Flavor) -> Array:
    one = jnp.ones_like(h.eta_plus)
    factor = jnp.where(agree > 0, h.eta_plus, jnp.where(agree < 0, h.eta_minus, one))
    resized = jnp.clip(size * factor, h.min_step_size, h.max_step_size)
    return resized if flavor == "torch" else jnp.where(agree == 0, size, resized)


def _unless_turned(value: Array, agree: Array) -> Array:
    # The product rather than a constant, so that a NaN among the gradients is seen at once.
    return jnp.where(agree >= 0, value, 0 * agree)
