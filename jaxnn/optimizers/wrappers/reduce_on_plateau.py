"""Steps that become smaller whenever the loss has stopped falling.

    the mean of every accumulation_size losses improves if it is < (1 − rtol) · best − atol
    patience means in a row that do not: scale ← max(factor · scale, min_scale), and wait cooldown
    u ← scale · u

The scale starts at 1 and is recorded. The loss is that of the batch before the update, which is
noisy: a larger accumulation_size looks at several together.
Agrees with `optax.chain(rule, optax.contrib.reduce_on_plateau(...))`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import base
from jaxnn.optimizers.wrappers.base import Wrapper, structural, wrapped
from jaxnn.typing import (
    Array,
    ArrayLike,
    Float,
    Int,
    Interval,
    NonNegative,
    Params,
    UnitInterval,
)

__all__ = ["Hyper", "ReduceOnPlateau", "State", "reduce_on_plateau"]

_Count: TypeAlias = Annotated[ArrayLike, Interval(1, math.inf, "[)")]
_Factor: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "()")]


class Hyper(NamedTuple):
    """Numbers of the plateau; scalars, dimensionless but for `atol`, may be traced or batched."""

    inner: Any  # the rule's
    factor: _Factor = 0.1
    patience: _Count = 10  # means without improvement
    rtol: UnitInterval = 1e-4
    atol: NonNegative = 0.0  # in the units of the loss
    cooldown: NonNegative = 0  # means not looked at after a reduction
    accumulation_size: _Count = 1  # losses in a mean
    min_scale: UnitInterval = 0.0


class State(NamedTuple):
    """What was seen of the loss, and the rule's state; at least float32."""

    scale: Float[Array, ""]
    best: Float[Array, ""]
    mean: Float[Array, ""]  # of the losses since the last look
    step: Int[Array, ""]  # how many
    plateau: Int[Array, ""]  # means without improvement
    cooldown: Int[Array, ""]  # means still not to be looked at
    inner: Any


@dataclasses.dataclass(frozen=True)
class ReduceOnPlateau(Wrapper):
    """A rule whose steps become smaller on a plateau of the loss."""

    HYPER: ClassVar[Any] = Hyper
    OWN_NEEDS: ClassVar[frozenset[str]] = frozenset({"value"})

    def init(self, params: Params, hyper: Hyper) -> State:
        """Scale 1, nothing seen, and the rule's state."""
        _, _, (one, best, zero) = tree.promote(params, (), (1.0, math.inf, 0.0))
        step, plateau, cooldown = (jnp.zeros((), jnp.int32) for _ in range(3))
        inner = self.rule.init(params, hyper.inner)
        return State(one, best, zero, step, plateau, cooldown, inner)

    def update(
        self,
        grads: Params,
        state: State,
        params: Params,
        hyper: Hyper,
        *,
        value: Float[ArrayLike, ""],
        **extra: Any,
    ) -> tuple[Params, State]:
        """One step of the rule, scaled. Returns (updates, state)."""
        tree.require_real(grads)
        if "value" in self.rule.NEEDS:
            extra["value"] = value
        updates, inner = self.rule.update(grads, state.inner, params, hyper.inner, **extra)
        u, s, h = tree.promote(updates, state._replace(inner=()), (hyper._replace(inner=()), value))
        new = _seen(s, *h)
        updates = tree.map(lambda u: new.scale * u, u)
        new = tree.cast_like(new, state._replace(inner=()))
        return tree.cast_like(updates, grads), new._replace(inner=inner)

    def record(self, state: State) -> dict[str, Array]:
        """The scale, and what the rule records."""
        return {"scale": state.scale} | base.record(self.rule, state.inner)


def _seen(s: State, h: Hyper, value: Float[Array, ""]) -> State:
    step, dtype = tree.increment(s.step), s.mean.dtype
    mean = (s.step.astype(dtype) * s.mean + value) / step.astype(dtype)
    improved = mean < (1 - h.rtol) * s.best - h.atol
    plateau = jnp.where(improved, jnp.zeros_like(s.plateau), s.plateau + 1)
    cooling = s.cooldown > 0
    reached = ~cooling & (plateau.astype(dtype) >= h.patience)
    scale = jnp.maximum(jnp.where(reached, h.factor * s.scale, s.scale), h.min_scale)
    pause = jnp.where(reached, jnp.ceil(h.cooldown).astype(jnp.int32), jnp.zeros_like(s.cooldown))
    looked = State(
        jnp.where(cooling, s.scale, scale),
        jnp.where(improved, mean, s.best),
        jnp.zeros_like(mean),
        jnp.zeros_like(step),
        jnp.where(cooling | reached, jnp.zeros_like(plateau), plateau),
        jnp.where(cooling, s.cooldown - 1, pause),
        (),
    )
    due = step.astype(dtype) >= h.accumulation_size
    return tree.select(due, looked, s._replace(mean=mean, step=step))


@structural
def reduce_on_plateau(rule: Any, /) -> ReduceOnPlateau:
    """The rule with smaller steps where the loss stopped falling: `reduce_on_plateau(adam)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.
    """
    return wrapped(ReduceOnPlateau, rule)
