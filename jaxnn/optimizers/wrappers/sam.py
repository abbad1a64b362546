"""Sharpness-aware minimisation: the gradient is taken where the loss is worst nearby.

    u = the rule's on the gradient at θ + rho · g/‖g‖        ‖g‖ over all leaves

One more gradient a step, of the same batch: the rule needs `value_fn`, and `value` is that at θ.
With a gradient of 0 there is no direction and θ stays where it is.
Reference: Foret, Kleiner, Mobahi, Neyshabur 2021, ICLR, "Sharpness-Aware Minimization for
Efficiently Improving Generalization", algorithm 1. Agrees with `optax.contrib.sam` in its opaque
mode around `normalize` and `sgd(rho)`, whose direction of a gradient of 0 is NaN.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import EVALUATED, State, Wrapper, structural, wrapped
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, NonNegative, Params

__all__ = ["Hyper", "Sam", "State", "sam"]


class Hyper(NamedTuple):
    """Numbers of sharpness-aware minimisation; scalars, may be traced or batched."""

    inner: Any  # the rule's
    rho: NonNegative = 0.05  # how far away, in the units of the parameters


@dataclasses.dataclass(frozen=True)
class Sam(Wrapper):
    """A rule that sees the gradient at a worse place nearby."""

    HYPER: ClassVar[Any] = Hyper
    OWN_SPACE: ClassVar[Any] = {"rho": log_uniform(1e-2, 1e0)}
    OWN_NEEDS: ClassVar[frozenset[str]] = frozenset({"value_fn"})
    OWN_EVALUATIONS: ClassVar[int] = 1
    REFUSES: ClassVar[frozenset[str]] = EVALUATED
    INSTEAD: ClassVar[str] = "It steps by what it finds at the parameters themselves."

    def update(
        self,
        grads: Params,
        state: State,
        params: Params,
        hyper: Hyper,
        *,
        value_fn: Callable[[Params], Float[Array, ""]],
        **extra: Any,
    ) -> tuple[Params, State]:
        """One step of the rule on the gradient found nearby. Returns (updates, state)."""
        g, _, rho, p = tree.promote(grads, (), hyper.rho, params)
        norm = tree.global_norm(g)
        norm = jnp.where(norm == 0, jnp.ones_like(norm), norm).astype(rho.dtype)
        worse = tree.map(lambda p, g: p + rho * (g / norm), p, g)
        there = jax.grad(value_fn)(tree.cast_like(worse, params))
        there = tree.cast_like(there, grads)
        updates, inner = self.rule.update(there, state.inner, params, hyper.inner, **extra)
        return updates, State(inner)


@structural
def sam(rule: Any, /) -> Sam:
    """The rule on gradients from a worse place nearby: `sam("momentum")`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.
    """
    return wrapped(Sam, rule)
