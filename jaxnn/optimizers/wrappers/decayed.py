"""Weights that decay by themselves instead of through the gradients.

    u ← u − learning_rate · weight_decay · θ

for the leaves where the mask is True, or for all. The learning rate is the one that the rule has
just used, scheduled or not. proportional=False: u ← u − weight_decay · θ, whatever the rate; the
paper's form is this one with a schedule on `weight_decay`.
Reference: Loshchilov, Hutter 2019, ICLR, "Decoupled Weight Decay Regularization".
decayed(adam) agrees with `optax.adamw`, mask included.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

from jaxnn import tree
from jaxnn.errors import bad_value
from jaxnn.optimizers.base import name_of
from jaxnn.optimizers.wrappers.base import (
    State,
    Wrapper,
    has_learning_rate,
    learning_rate,
    structural,
    wrapped,
)
from jaxnn.optimizers.wrappers.groups import joined, part, spread, static
from jaxnn.space import log_uniform
from jaxnn.typing import NonNegative, Params

__all__ = ["Decayed", "Hyper", "State", "decayed"]


class Hyper(NamedTuple):
    """Numbers of a rule with weight decay; scalars, may be traced or batched."""

    inner: Any  # the rule's
    weight_decay: NonNegative = 1e-4  # per step, and per unit of rate where proportional


@dataclasses.dataclass(frozen=True)
class Decayed(Wrapper):
    """A rule after whose steps weights decay."""

    HYPER: ClassVar[Any] = Hyper
    OPTIONS: ClassVar[Any] = {"proportional": (True, False)}
    OWN_SPACE: ClassVar[Any] = {"weight_decay": log_uniform(1e-4, 1e0)}

    mask: Any = None  # of the leaves that decay; None for all
    proportional: bool = True

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule, and the decay. Returns (updates, state).

        Raises TypeError at trace time where the mask is no prefix of the parameters.
        """
        tree.require_real(grads)
        updates, inner = self.rule.update(grads, state.inner, params, hyper.inner, **extra)
        rate = learning_rate(self.rule, inner, hyper.inner) if self.proportional else 1.0
        u, _, (rate, decay), p = tree.promote(updates, (), (rate, hyper.weight_decay), params)
        amount = rate * decay
        moved = tree.map(lambda u, p: u - amount * p, u, p)
        if self.mask is not None:
            decays = spread(name_of(self), "mask", self.mask, bool, params)
            moved = joined(u, decays, part(name_of(self), moved, decays))
        return tree.cast_like(moved, grads), State(inner)


@structural
def decayed(rule: Any, /, mask: Any = None, *, proportional: bool = True) -> Decayed:
    """The rule with decoupled weight decay: `decayed(adam, mask=of_matrices)`.

    mask: True for the leaves that decay, as a pytree prefix of the parameters or a function of them
    that returns one; None for all. The answer is the same object for the same arguments. Raises
    TypeError for what is no rule or no mask, ValueError for a rule without a learning rate.
    """
    decays = wrapped(
        Decayed, rule, mask=static("decayed", "mask", mask, bool), proportional=proportional
    )
    if proportional and not has_learning_rate(decays.rule):
        where, fix = f"decayed({name_of(decays.rule)})", "Its decay is then `weight_decay` a step."
        raise bad_value(where, "proportional", "False without a learning rate", True, fix)
    return decays
