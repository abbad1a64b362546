"""RMSProp: the gradient divided by the root of a decaying mean of its squares.

    v ← decay·v + (1 − decay)·g²          u = −learning_rate · g / √(v + eps)

centered=True: v is the variance about the decaying mean m of the gradients,
v ← decay·(v + (1 − decay)·(g − m)²), then m ← decay·m + (1 − decay)·g; with these weights that is
mean(g²) − m², in a form that neither turns negative nor takes infinity from infinity.
bias_correction=True: v/(1 − decayᵗ) in place of v. Not with `centered`, where the variance of one
gradient is 0, so that the first step would be g/eps.
eps_in_sqrt=False: √v + eps in place of √(v + eps).
acceleration="momentum": p ← momentum·p + d and u = −p, where d = learning_rate·g/√(v + eps);
"nesterov": u = −(momentum·p + d) with the new p. Without it the number `momentum` has no part.
flavor="torch": √v + eps, the learning rate outside p, and torch's numbers.
flavor="keras": its eps; the formula is this one.
Of complex gradients g² is |g|²; torch takes the squares of real and imaginary parts apart.
Reference: Tieleman, Hinton 2012, Coursera, "Neural Networks for Machine Learning", lecture 6.5;
centred and with momentum: Graves 2013, arXiv:1308.0850, "Generating Sequences With Recurrent Neural
Networks". Agrees with `optax.rmsprop`, torch and Keras, each in its flavour.
"""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_value
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Fraction, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    decay: Fraction = 0.9  # of the mean of squares, and of the mean
    eps: Positive = 1e-8
    initial_scale: NonNegative = 0.0  # the first v
    momentum: Fraction = 0.0  # decay of the velocity, with acceleration


class State(NamedTuple):
    """What the structure asks for, None for the rest; like the parameters and at least float32."""

    step: Int[Array, ""] | None  # with bias_correction
    mean: Params  # with centered
    second_moment: Params  # real
    velocity: Params  # with acceleration


Flavor: TypeAlias = Literal["optax", "torch", "keras"]
Acceleration: TypeAlias = Literal["none", "momentum", "nesterov"]

STRUCTURE = {
    "flavor": {
        "optax": {},
        "torch": {"learning_rate": 1e-2, "decay": 0.99},
        "keras": {"eps": 1e-7},
    },
    "centered": {False: {}, True: {}},
    "eps_in_sqrt": {True: {}, False: {}},
    "bias_correction": {False: {}, True: {}},
    "acceleration": {"none": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9}},
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "decay": one_minus(log_uniform(1e-3, 3e-1)),
}
FAMILY, YEAR = "adaptive", 2012
REFERENCE = "optax.rmsprop"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
COMPLEX = True


def init(
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    centered: bool = False,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
    acceleration: Acceleration = "none",
) -> State:
    """The second moment at its initial value, the rest at 0.

    Raises ValueError for `centered` together with `bias_correction`.
    """
    del flavor, eps_in_sqrt
    if centered and bias_correction:
        fix = "The variance of one gradient is 0, so that the first step would be g/eps."
        raise bad_value("rmsprop", "bias_correction", "False with centered=True", True, fix)
    # Two trees, not one twice: a buffer can be donated only once.
    zeros = functools.partial(tree.zeros_like, min_dtype=jnp.float32, complex_as="complex")
    mean, velocity = zeros(params), zeros(params)
    first = functools.partial(tree.full_like, min_dtype=jnp.float32, complex_as="real")
    return State(
        step=jnp.zeros((), jnp.int32) if bias_correction else None,
        mean=mean if centered else None,
        second_moment=first(params, hyper.initial_scale),
        velocity=velocity if acceleration != "none" else None,
    )


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    centered: bool = False,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
    acceleration: Acceleration = "none",
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper, complex_as="parts")
    step, mean, velocity = s.step, s.mean, s.velocity
    torch, decay, new = flavor == "torch", h.decay, 1 - h.decay

    if centered:
        deviation = tree.map(lambda g, m: g - m, g, s.mean)
        squares = tree.squared(deviation, new)
        second = tree.map(lambda v, d: decay * v + decay * d, s.second_moment, squares)
        mean = tree.map(
            lambda m, g: decay * m + new * g, tree.after(s.mean, tree.beside(second, s.mean)), g
        )
    else:
        squares = tree.squared(g, new)
        second = tree.map(lambda v, g: decay * v + g, s.second_moment, squares)

    # The bias correction √(1 − decayᵗ) goes into the rate and into eps, as in Adam.
    scale = jnp.ones_like(decay)
    if bias_correction:
        step = tree.increment(s.step)
        scale = tree.sqrt(1 - decay ** step.astype(decay.dtype))
    if eps_in_sqrt and not torch:
        root = tree.map(lambda v: tree.sqrt(v + h.eps * scale * scale), second)
    else:
        root = tree.map(lambda v: tree.sqrt(v) + h.eps * scale, second)

    inside, outside = (scale, h.learning_rate) if torch else (scale * h.learning_rate, 1)
    scaled = tree.map(lambda g, r: inside * (g / r), g, tree.beside(root, g))
    if acceleration != "none":
        velocity = tree.map(lambda p, d: h.momentum * p + d, s.velocity, scaled)
        ahead = acceleration == "nesterov"
        scaled = tree.map(lambda p, d: h.momentum * p + d, velocity, scaled) if ahead else velocity
    updates = tree.map(lambda d: -outside * d, scaled)
    return tree.cast_like((updates, State(step, mean, second, velocity)), (grads, state))
