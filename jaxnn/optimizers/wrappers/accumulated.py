"""One step of a rule for the gradients of several, as if of one larger batch.

    a ← a + (g − a) / n        n = 1, 2, … since the rule's last step
    u = the rule's on a, every every_k-th time, then a = 0; else u = 0

mean=False: a ← a + g, which overflows for gradients near the largest number. A loss value and the
diagonal of a Hessian that the rule needs come together as the gradients do, a key is that of the
last call; a rule that evaluates the loss by itself would see one batch of several, and is refused.
Between its steps the rule is not run, but under `vmap`, where a branch is a selection.
Wrappers inside meet a step of the rule, those around it every gradient: what looks at steps
(averaged, lookahead, decayed, cautious) belongs inside, `accumulated(decayed(rule))`; `sam` belongs
around. A schedule may be either: `training.train` stretches one inside over the rule's steps.
Reference: Goyal et al. 2017, arXiv:1706.02677, "Accurate, Large Minibatch SGD".
Agrees with `optax.MultiSteps` (use_grad_mean).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import EVALUATED, Wrapper, structural, wrapped
from jaxnn.typing import Array, ArrayLike, Float, Int, Interval, Params

__all__ = ["Accumulated", "Hyper", "State", "accumulated"]

_Count: TypeAlias = Annotated[ArrayLike, Interval(1, math.inf, "[)")]


class Hyper(NamedTuple):
    """Numbers of a rule that steps now and then; may be traced or batched."""

    inner: Any  # the rule's
    every_k: _Count = 2  # gradients for a step


class State(NamedTuple):
    """What has come together since the rule's last step."""

    step: Int[Array, ""]  # how many gradients
    gradient: Params  # their mean, or sum; at least float32
    needs: dict[str, Any]  # so too value and hessian_diagonal, where the rule asks for them
    inner: Any


@dataclasses.dataclass(frozen=True)
class Accumulated(Wrapper):
    """A rule that steps once for several gradients."""

    HYPER: ClassVar[Any] = Hyper
    OPTIONS: ClassVar[Any] = {"mean": (True, False)}
    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    REFUSES: ClassVar[frozenset[str]] = EVALUATED
    INSTEAD: ClassVar[str] = (
        "Pass one larger batch, or put it inside, as in sam(accumulated(rule))."
    )

    mean: bool = True

    @property
    def GRADIENT_RANGE(self) -> float:  # noqa: N802
        """A sum of the largest gradients overflows; their mean does not."""
        return super().GRADIENT_RANGE if self.mean else min(0.5, super().GRADIENT_RANGE)

    def init(self, params: Params, hyper: Hyper) -> State:
        """Nothing accumulated, and the rule's state."""
        zeros = tree.zeros_like(params, min_dtype=jnp.float32)
        nothing = {"value": jnp.zeros((), jnp.result_type(float)), "hessian_diagonal": zeros}
        needs = {name: x for name, x in nothing.items() if name in self.rule.NEEDS}
        inner = self.rule.init(params, hyper.inner)
        return State(jnp.zeros((), jnp.int32), zeros, jax.tree.map(jnp.copy, needs), inner)

    def inner_steps(self, num_steps: ArrayLike, hyper: Hyper) -> Float[Array, ""]:
        """How many steps the rule makes in a run of `num_steps` gradients."""
        return jnp.floor_divide(jnp.asarray(num_steps, jnp.result_type(float)), hyper.every_k)

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One more gradient, and a step if it is time. Returns (updates, state)."""
        tree.require_real(grads)
        given = grads, {name: extra[name] for name in state.needs}
        g, s, h = tree.promote(given, (state.gradient, state.needs), hyper.every_k)
        step = tree.increment(state.step)
        n = step.astype(h.dtype)
        # Weighted, and not a + (g − a)/n: the difference of two large numbers may overflow.
        old, new = ((n - 1) / n, 1 / n) if self.mean else (jnp.ones_like(n), jnp.ones_like(n))
        total = tree.map(lambda a, g: old * a + new * g, s, g)
        due = n >= h
        updates, inner = jax.lax.cond(
            due,
            functools.partial(self._step, grads, params, hyper.inner, extra),
            functools.partial(_wait, grads),
            total,
            state.inner,
        )
        kept = tree.select(due, tree.zeros_like(total), total)
        gradient, needs = tree.cast_like(kept, (state.gradient, state.needs))
        return updates, State(jnp.where(due, jnp.zeros_like(step), step), gradient, needs, inner)

    def _step(
        self, grads: Params, params: Params, hyper: Any, extra: Any, total: Params, inner: Any
    ) -> tuple[Params, Any]:
        gradient, needs = total
        updates, inner = self.rule.update(gradient, inner, params, hyper, **{**extra, **needs})
        return tree.cast_like(updates, grads), inner


def _wait(grads: Params, total: Params, inner: Any) -> tuple[Params, Any]:
    del total
    return tree.zeros_like(grads), inner


@structural
def accumulated(rule: Any, /, *, mean: bool = True) -> Accumulated:
    """The rule, once for every_k gradients: `accumulated(adam).Hyper(every_k=4)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.
    """
    return wrapped(Accumulated, rule, mean=mean)
