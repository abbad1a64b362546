"""Only those elements move whose update goes against their gradient; the others wait.

    φ = 1 where u·g < 0, else 0          u ← u · φ / max(mean φ, min_share)      a leaf at a time

so that a leaf moves as far in all as it would have, unless hardly any element agrees. For rules
with momentum; without it all agree. Weight decay belongs outside: decayed(cautious(adam)) is the
paper's C-AdamW. Of g the sign alone is taken: for the smallest gradients u·g itself would vanish.
Reference: Liang, Chen, Liu, Liu 2024, arXiv:2411.16085, "Cautious Optimizers: Improving Training
with One Line of Code", with the lower bound of its authors' code; the paper adds it to the mean.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import State, Wrapper, structural, wrapped
from jaxnn.typing import Array, ArrayLike, Float, Interval, Params

__all__ = ["Cautious", "Hyper", "State", "cautious"]

_Share: TypeAlias = Annotated[ArrayLike, Interval(0, 1, "(]")]


class Hyper(NamedTuple):
    """Numbers of a cautious rule; scalars, may be traced or batched."""

    inner: Any  # the rule's
    min_share: _Share = 1e-3  # of the elements that agree; 1 for no rescaling


@dataclasses.dataclass(frozen=True)
class Cautious(Wrapper):
    """A rule that moves along where its update and the gradient agree."""

    HYPER: ClassVar[Any] = Hyper
    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    REFUSES: ClassVar[frozenset[str]] = frozenset({"per_example_grads"})
    INSTEAD: ClassVar[str] = "It would show signs of gradients that noise is to hide."

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule where it agrees. Returns (updates, state)."""
        tree.require_real(grads)
        updates, inner = self.rule.update(grads, state.inner, params, hyper.inner, **extra)
        u, _, min_share, g = tree.promote(updates, (), hyper.min_share, grads)
        u = tree.map(lambda u, g: _agreeing(u, g, min_share), u, g)
        return tree.cast_like(u, grads), State(inner)


def _agreeing(
    u: Float[Array, "*shape"], g: Float[Array, "*shape"], min_share: Float[Array, ""]
) -> Float[Array, "*shape"]:
    agrees = (u * jnp.sign(g) < 0).astype(u.dtype)
    share = jnp.sum(agrees) / max(agrees.size, 1)
    return u * (agrees / jnp.maximum(share, min_share))


@structural
def cautious(rule: Any, /) -> Cautious:
    """The rule where its update goes against the gradient: `cautious(adam)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.
    """
    return wrapped(Cautious, rule)
