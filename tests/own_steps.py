"""Rules of a step alone, with the learning rate of gradient descent: good, bad and broken ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn.optimizers import sgd

__all__ = ["OwnStep", "against_all_sense", "growing", "heedless", "none_of_two", "raising"]

Step = Callable[[Any, jax.Array, jax.Array], jax.Array]


class OwnStep:
    """A rule of the step (rate, gradient, weight) → update of each leaf."""

    Hyper, init = sgd.Hyper, staticmethod(sgd.init)
    STRUCTURE, SEARCH_SPACE, REFERENCE = {}, sgd.SEARCH_SPACE, "nothing"
    NEEDS, REVERSE_DIFFERENTIABLE = frozenset(), True

    def __init__(self, name: str, step: Step) -> None:
        self.__name__, self.step = name, step

    def update(self, grads: Any, state: Any, params: Any, hyper: Any) -> tuple[Any, Any]:
        step = functools.partial(self.step, hyper.learning_rate)
        return jax.tree.map(step, grads, params), state


def growing(rate: Any, g: jax.Array, w: jax.Array) -> jax.Array:
    """Away from 0, and out of any range in a few steps."""
    del rate, g
    return 1e20 * (1 + jnp.abs(w))


def none_of_two(rate: Any, g: jax.Array, w: jax.Array) -> jax.Array:
    """Gradient descent, but 0/0 for a leaf of two entries."""
    del w
    degrees = jnp.asarray(g.size - 2, g.dtype)
    return -rate * g * (degrees / degrees)


def raising(rate: Any, g: jax.Array, w: jax.Array) -> jax.Array:
    """Cannot be traced."""
    del rate, g, w
    raise RuntimeError("this rule is broken\nand says so in two lines")


def against_all_sense(rate: Any, g: jax.Array, w: jax.Array) -> jax.Array:
    """The wrong sign."""
    del w
    return rate * g


def heedless(rate: Any, g: jax.Array, w: jax.Array) -> jax.Array:
    """Shrinks weights, whatever the gradient is."""
    del g
    return -0.01 * rate * w
