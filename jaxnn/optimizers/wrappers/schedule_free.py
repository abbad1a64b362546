"""A rule without a schedule: gradients between its own path and the average of it.

    z ← z + d of the rule                   the path, whose steps come from gradients at y = θ
    x ← (1 − c)·x + c·z                     the average, evaluated; c = w / Σw
    y ← b1·x + (1 − b1)·z                   w = (the largest rate so far)^weight_lr_power

b1 takes the place of momentum: put it around a rule without any, sgd or adam with b1 = 0. The
rule's weight decay, if it has any, is at y.
Reference: Defazio, Yang, Mehta, Mishchenko, Khaled, Cutkosky 2024, NeurIPS, "The Road Less
Scheduled". Agrees with `optax.contrib.schedule_free`, but that the rate is the one which the rule
has just used, where Optax reads a schedule one step ahead.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_value
from jaxnn.optimizers import _schedule_free
from jaxnn.optimizers.base import name_of
from jaxnn.optimizers.wrappers.base import (
    Wrapper,
    has_learning_rate,
    learning_rate,
    structural,
    wrapped,
)
from jaxnn.space import one_minus, uniform
from jaxnn.typing import NonNegative, Params

__all__ = ["Hyper", "ScheduleFree", "State", "schedule_free"]


class Hyper(NamedTuple):
    """Numbers of the average; scalars, dimensionless, may be traced or batched."""

    inner: Any  # the rule's
    b1: _schedule_free.Nearness = 0.9  # how near the gradients are taken to the average
    weight_lr_power: NonNegative = 2.0  # 0: all steps count the same


class State(NamedTuple):
    """The path and what weighs it, and the rule's state."""

    average: _schedule_free.Average
    inner: Any


@dataclasses.dataclass(frozen=True)
class ScheduleFree(Wrapper):
    """A rule between whose path and average gradients are taken."""

    HYPER: ClassVar[Any] = Hyper
    OWN_SPACE: ClassVar[Any] = {"b1": one_minus(uniform(0.02, 0.5))}

    def init(self, params: Params, hyper: Hyper) -> State:
        """The path at the parameters, and the rule's state."""
        return State(_schedule_free.start(params), self.rule.init(params, hyper.inner))

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule from z, and of y after it. Returns (updates, state)."""
        tree.require_real(grads)
        steps, inner = self.rule.update(grads, state.inner, params, hyper.inner, **extra)
        rate = learning_rate(self.rule, inner, hyper.inner)
        d, s, (rate, b1, power), y = tree.promote(steps, state.average, (rate, *hyper[1:]), params)
        updates, average = _schedule_free.advance(
            d, s, y, learning_rate=rate, b1=b1, weight_lr_power=power
        )
        updates, average = tree.cast_like((updates, average), (grads, state.average))
        return updates, State(average, inner)

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """The average x."""
        return _schedule_free.average_of(state.average, params, jnp.asarray(hyper.b1))


@structural
def schedule_free(rule: Any, /) -> ScheduleFree:
    """The rule without a schedule: `schedule_free(sgd)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule,
    ValueError for one without a learning rate.
    """
    free = wrapped(ScheduleFree, rule)
    if not has_learning_rate(free.rule):
        where = f"schedule_free({name_of(free.rule)})"
        raise bad_value(where, "rule", "one with a learning rate", name_of(free.rule))
    return free
