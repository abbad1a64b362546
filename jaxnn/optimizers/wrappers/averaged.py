"""Parameters averaged over the run, to evaluate at; training itself does not notice.

    θ' = θ + u       a ← decay·a + (1 − decay)·θ'       t ← t + 1       evaluated: a/(1 − decayᵗ)

with a from 0, so that after one step the average is the parameters. debias=False: a from the first
parameters and evaluated as it is, which remembers them for some 1/(1 − decay) steps. Where the rule
has parameters of its own to evaluate at, it is those that are averaged. The average is read by
`optimizers.evaluation_params`. A step is a call of `update`: `accumulated(averaged(rule))` averages
after the steps of the rule, `averaged(accumulated(rule))` after each of their gradients.
Reference: Polyak, Juditsky 1992, SIAM Journal on Control and Optimization 30, "Acceleration of
Stochastic Approximation by Averaging", there with equal weights. Agrees with `optax.ema` of the
parameters; without `debias` with `optax.incremental_update` and torch's `get_ema_multi_avg_fn`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import base
from jaxnn.optimizers.wrappers.base import Wrapper, copied, structural, wrapped
from jaxnn.typing import Array, Fraction, Int, Params

__all__ = ["Averaged", "Hyper", "State", "averaged"]


class Hyper(NamedTuple):
    """Numbers of the average; scalars, may be traced or batched."""

    inner: Any  # the rule's
    decay: Fraction = 0.999


class State(NamedTuple):
    """The average and the rule's state."""

    step: Int[Array, ""]
    average: Params  # at least float32
    inner: Any


@dataclasses.dataclass(frozen=True)
class Averaged(Wrapper):
    """A rule whose parameters are averaged for evaluation."""

    HYPER: ClassVar[Any] = Hyper
    OPTIONS: ClassVar[Any] = {"debias": (True, False)}
    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    RETURNS_UPDATES: ClassVar[bool] = True

    debias: bool = True

    def init(self, params: Params, hyper: Hyper) -> State:
        """An average of nothing, or of the first parameters, and the rule's state."""
        start = copied(params)
        if self.debias:
            start = tree.zeros_like(start)
        return State(jnp.zeros((), jnp.int32), start, self.rule.init(params, hyper.inner))

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule, which enters the average. Returns (updates, state)."""
        tree.require_real(grads)
        updates, inner = self.rule.update(grads, state.inner, params, hyper.inner, **extra)
        # Those that the caller will have, rounded as they will be.
        new = base.apply_updates(params, updates)
        new = base.evaluation_params(self.rule, inner, new, hyper.inner)
        p, average, h = tree.promote(new, state.average, hyper.decay)
        average = tree.map(lambda a, p: h * a + (1 - h) * p, average, p)
        return updates, State(
            tree.increment(state.step), tree.cast_like(average, state.average), inner
        )

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """The average; before the first step, what the rule would evaluate at."""
        if not self.debias:
            return tree.cast_like(state.average, params)
        _, average, h = tree.promote((), state.average, hyper.decay)
        weight = 1 - h ** state.step.astype(h.dtype)
        begun = state.step > 0
        weight = jnp.where(begun, weight, jnp.ones_like(weight))
        average = tree.cast_like(tree.map(lambda a: a / weight, average), params)
        return tree.select(begun, average, super().evaluation_params(state, params, hyper))


@structural
def averaged(rule: Any, /, *, debias: bool = True) -> Averaged:
    """The rule with an exponential average of its parameters: `averaged(adam)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.
    """
    return wrapped(Averaged, rule, debias=debias)
