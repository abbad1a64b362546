"""Schedules of Optax, which give the number itself at a count and not a factor on it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxnn.errors import bad_type
from jaxnn.typing import Array, ArrayLike, Float, Int

__all__ = ["Absolute", "Hyper", "from_optax"]


class Hyper(NamedTuple):
    """No numbers: those of an Optax schedule are fixed inside it."""


@dataclasses.dataclass(frozen=True)
class Absolute:
    """A schedule that gives the value of `field` itself; equal and hashed by its function."""

    fn: Callable[[Any], ArrayLike]
    field: str

    Hyper = Hyper
    NEEDS_NUM_STEPS = False

    @property
    def __name__(self) -> str:
        return f"from_optax({getattr(self.fn, '__name__', type(self.fn).__name__)})"

    def value(
        self, step: Int[ArrayLike, ""], num_steps: ArrayLike | None, base: ArrayLike, hyper: Hyper
    ) -> Float[Array, ""]:
        """What the Optax schedule says at `step`; `num_steps` and `base` do not enter."""
        del num_steps, base, hyper
        return jnp.asarray(self.fn(step), jnp.result_type(float))

    def __reduce__(self) -> tuple[Any, ...]:
        return from_optax, (self.fn, self.field)


@functools.cache
def _absolute(fn: Callable[[Any], ArrayLike], field: str) -> Absolute:
    return Absolute(fn, field)


def from_optax(fn: Callable[[Any], ArrayLike], field: str = "learning_rate") -> Absolute:
    """A schedule for `optimizers.scheduled` from an absolute one, a callable of the step.

    `field` names the number that it gives, so that a schedule of rates cannot reach a momentum. The
    answer is the same object for the same arguments. Raises TypeError for what is not a callable of
    the step, as factories are before they are called.

    >>> import optax
    >>> schedule = from_optax(optax.linear_schedule(0.1, 0.0, 10), "learning_rate")
    >>> float(schedule.value(5, None, 1.0, schedule.Hyper()))
    0.05000000074505806
    """
    if not callable(fn):
        fix = "Pass for example optax.cosine_decay_schedule(1e-3, 1000)."
        raise bad_type("schedules.from_optax", "fn", "a callable of the step", repr(fn), fix)
    if not isinstance(field, str):
        fix = 'Pass for example "learning_rate".'
        raise bad_type("schedules.from_optax", "field", "the name of a number", repr(field), fix)
    return _absolute(fn, field)
