"""Steps with an infinite or NaN gradient left out.

    u = 0 and the rule's state as it was, unless more than max_consecutive_errors came in a row;
    then the rule steps whatever comes, so that a run that has failed is seen to fail

0 skips nothing. The counts are in the state: in a row, and in all.
Agrees with `optax.apply_if_finite`, whose limit has no default.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import Wrapper, structural, wrapped
from jaxnn.typing import Array, Bool, Int, NonNegative, Params

__all__ = ["Hyper", "SkipNonFinite", "State", "skip_non_finite"]


class Hyper(NamedTuple):
    """Numbers of a rule that skips; may be traced or batched."""

    inner: Any  # the rule's
    max_consecutive_errors: NonNegative = 5  # steps left out in a row


class State(NamedTuple):
    """Counts of what was not finite, and the rule's state."""

    in_a_row: Int[Array, ""]
    last_finite: Bool[Array, ""]
    total: Int[Array, ""]
    inner: Any


@dataclasses.dataclass(frozen=True)
class SkipNonFinite(Wrapper):
    """A rule that does not step for a gradient that is not finite."""

    HYPER: ClassVar[Any] = Hyper
    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    RETURNS_UPDATES: ClassVar[bool] = True
    PASSES_COMPLEX: ClassVar[bool] = True

    @property
    def SKIPS_NON_FINITE(self) -> bool:  # noqa: N802
        """It does."""
        return True

    def init(self, params: Params, hyper: Hyper) -> State:
        """Counts at 0, and the rule's state."""
        in_a_row, total = (jnp.zeros((), jnp.int32) for _ in range(2))
        inner = self.rule.init(params, hyper.inner)
        return State(in_a_row, jnp.ones((), jnp.bool_), total, inner)

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule, or none. Returns (updates, state)."""
        finite = tree.all_finite(grads)
        in_a_row = jnp.where(finite, jnp.zeros_like(state.in_a_row), state.in_a_row + 1)
        limit = jnp.asarray(hyper.max_consecutive_errors, jnp.float32)
        updates, inner = jax.lax.cond(
            finite | (in_a_row.astype(limit.dtype) > limit),
            functools.partial(self._step, grads, params, hyper.inner, extra),
            functools.partial(_skip, grads),
            state.inner,
        )
        total = state.total + (~finite).astype(jnp.int32)
        return updates, State(in_a_row, finite, total, inner)

    def _step(
        self, grads: Params, params: Params, hyper: Any, extra: Any, inner: Any
    ) -> tuple[Params, Any]:
        return self.rule.update(grads, inner, params, hyper, **extra)


def _skip(grads: Params, inner: Any) -> tuple[Params, Any]:
    return tree.zeros_like(grads), inner


@structural
def skip_non_finite(rule: Any, /) -> SkipNonFinite:
    """The rule without the steps whose gradient is not finite: `skip_non_finite(adam)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.
    """
    return wrapped(SkipNonFinite, rule)
