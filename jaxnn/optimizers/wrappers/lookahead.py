"""Slow weights that follow the fast ones of a rule, and pull them back: k steps forward, 1 back.

    θ' = θ + u of the rule; at every sync_period-th step
    slow ← slow + slow_step_size · (θ' − slow)          θ ← slow

The slow weights are in the state and are those to evaluate. reset_state=True: the rule starts anew
after each meeting, from the slow weights.
Reference: Zhang, Lucas, Hinton, Ba 2019, NeurIPS, "Lookahead Optimizer: k steps forward, 1 step
back". Agrees with `optax.lookahead`, whose parameters are a pair (fast, slow).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import Wrapper, copied, structural, wrapped
from jaxnn.typing import Array, ArrayLike, Int, Interval, Params, UnitInterval

__all__ = ["Hyper", "Lookahead", "State", "lookahead"]

_Count: TypeAlias = Annotated[ArrayLike, Interval(1, math.inf, "[)")]


class Hyper(NamedTuple):
    """Numbers of lookahead; may be traced or batched."""

    inner: Any  # the rule's
    sync_period: _Count = 5  # steps of the rule between two meetings
    slow_step_size: UnitInterval = 0.5  # 1: the rule alone


class State(NamedTuple):
    """The slow weights and the rule's state."""

    step: Int[Array, ""]  # since the last meeting
    slow: Params  # at least float32
    inner: Any


@dataclasses.dataclass(frozen=True)
class Lookahead(Wrapper):
    """A rule with slow weights behind it."""

    HYPER: ClassVar[Any] = Hyper
    OPTIONS: ClassVar[Any] = {"reset_state": (False, True)}

    reset_state: bool = False

    def init(self, params: Params, hyper: Hyper) -> State:
        """Slow weights at the parameters, and the rule's state."""
        inner = self.rule.init(params, hyper.inner)
        return State(jnp.zeros((), jnp.int32), copied(params), inner)

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule, and a meeting if it is time. Returns (updates, state)."""
        tree.require_real(grads)
        updates, inner = self.rule.update(grads, state.inner, params, hyper.inner, **extra)
        u, slow, h, p = tree.promote(updates, state.slow, hyper._replace(inner=()), params)
        step = tree.increment(state.step)
        due = step.astype(h.sync_period.dtype) >= h.sync_period
        rate = jnp.where(due, h.slow_step_size, jnp.zeros_like(h.slow_step_size))
        back = jnp.where(due, 1 - h.slow_step_size, jnp.zeros_like(h.slow_step_size))
        ahead = tree.map(lambda p, u, s: p + u - s, p, u, slow)
        u = tree.map(lambda u, d: u - back * d, u, ahead)
        slow = tree.cast_like(tree.map(lambda s, d: s + rate * d, slow, ahead), state.slow)
        if self.reset_state:
            fresh = self.rule.init(tree.cast_like(slow, params), hyper.inner)
            inner = tree.select(due, fresh, inner)
        step = jnp.where(due, jnp.zeros_like(step), step)
        return tree.cast_like(u, grads), State(step, slow, inner)

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """The slow weights."""
        del hyper
        return tree.cast_like(state.slow, params)


@structural
def lookahead(rule: Any, /, *, reset_state: bool = False) -> Lookahead:
    """The rule with slow weights behind it: `lookahead(adam)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.
    """
    return wrapped(Lookahead, rule, reset_state=reset_state)
