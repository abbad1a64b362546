"""Leaves that do not move.

    u = 0 where the mask is True; elsewhere the rule's, which does not see the others

Neither the gradients of frozen leaves nor anything else of them enters the rule: no statistics, no
memory, no part in a norm; a NaN there goes unnoticed. A function that the rule asks for becomes one
of the leaves that move.
Agrees with `optax.selective_transform`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxnn.errors import bad_type
from jaxnn.optimizers import base
from jaxnn.optimizers.wrappers.base import Hyper, State, Wrapper, structural, wrapped
from jaxnn.optimizers.wrappers.groups import joined, part, restricted, spread, static
from jaxnn.typing import Params

__all__ = ["Frozen", "Hyper", "State", "frozen"]


@dataclasses.dataclass(frozen=True)
class Frozen(Wrapper):
    """A rule that leaves some leaves as they are."""

    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    PASSES_COMPLEX: ClassVar[bool] = True

    mask: Any  # of the leaves that stay

    def _moving(self, params: Params) -> tuple[bool, ...]:
        return tuple(not x for x in spread(base.name_of(self), "mask", self.mask, bool, params))

    def init(self, params: Params, hyper: Hyper) -> State:
        """The rule's state on the leaves that move.

        Raises TypeError where the mask is no prefix of the parameters.
        """
        own = part(base.name_of(self), params, self._moving(params))
        return State(self.rule.init(own, hyper.inner))

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule on the leaves that move. Returns (updates, state).

        Raises as `init` does, and TypeError where gradients and parameters differ in structure.
        """
        where, moving = base.name_of(self), self._moving(params)
        updates, inner = self.rule.update(
            part(where, grads, moving),
            state.inner,
            part(where, params, moving),
            hyper.inner,
            **restricted(where, extra, self.rule.NEEDS, params, moving, None),
        )
        # Of any dtype: what stays may be integers, whose gradients JAX has as float0.
        return joined(jax.tree.map(jnp.zeros_like, grads), moving, updates), State(inner)

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """The rule's for the leaves that move."""
        moving = self._moving(params)
        own = part(base.name_of(self), params, moving)
        return joined(
            params, moving, base.evaluation_params(self.rule, state.inner, own, hyper.inner)
        )


@structural
def frozen(rule: Any, /, mask: Any) -> Frozen:
    """The rule for the leaves where the mask is not True: `frozen(adam, of_the_encoder)`.

    mask: a pytree prefix of the parameters or a function of them that returns one. The answer is
    the same object for the same arguments. Raises TypeError for what is no rule or no mask.
    """
    fixed = static("frozen", "mask", mask, bool)
    if fixed is None:
        raise bad_type("frozen", "mask", "a pytree or a function of the parameters", None)
    return wrapped(Frozen, rule, mask=fixed)
