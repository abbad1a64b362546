"""Gradients clipped before the rule sees them.

    by="global_norm":  g ← g · min(1, max_norm / ‖g‖)              ‖g‖ over all leaves
    by="value":        g ← min(max(g, −max_delta), max_delta)      each element
    by="block":        g ← g · min(1, threshold / rms(g))          each leaf, its root mean square
    by="leaf_norm":    g ← g · min(1, max_norm / ‖g‖)              each leaf, its own norm

By norm the direction is kept, by value only the sign; NaN stays NaN. Norms are taken relative to
the largest element, so that they do not overflow before the gradients do.
Reference: Pascanu, Mikolov, Bengio 2013, ICML, "On the difficulty of training recurrent neural
networks". Agrees with `optax.clip_by_global_norm`, `optax.clip` and `optax.clip_by_block_rms`;
by="leaf_norm" with the clipnorm of Keras.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import EVALUATED, State, Wrapper, structural, wrapped
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, Params, Positive

__all__ = ["ByBlock", "ByGlobalNorm", "ByLeafNorm", "ByValue", "Clipped", "State", "clipped"]

By: TypeAlias = Literal["global_norm", "value", "block", "leaf_norm"]


class ByGlobalNorm(NamedTuple):
    """Numbers where the norm of all gradients together is bounded."""

    inner: Any  # the rule's
    max_norm: Positive = 1.0


class ByValue(NamedTuple):
    """Numbers where each element is bounded."""

    inner: Any  # the rule's
    max_delta: Positive = 1.0


class ByBlock(NamedTuple):
    """Numbers where the root mean square of each leaf is bounded."""

    inner: Any  # the rule's
    threshold: Positive = 1.0


class ByLeafNorm(NamedTuple):
    """Numbers where the norm of each leaf is bounded."""

    inner: Any  # the rule's
    max_norm: Positive = 1.0


_HYPERS: dict[str, Any] = {
    "global_norm": ByGlobalNorm,
    "value": ByValue,
    "block": ByBlock,
    "leaf_norm": ByLeafNorm,
}


@dataclasses.dataclass(frozen=True)
class Clipped(Wrapper):
    """A rule that sees clipped gradients."""

    OPTIONS: ClassVar[Any] = {"by": tuple(_HYPERS)}
    BOUNDS_GRADIENTS: ClassVar[bool] = True
    REFUSES: ClassVar[frozenset[str]] = EVALUATED
    INSTEAD: ClassVar[str] = "Put it inside, as in sam(clipped(rule)), or change the loss."

    by: By = "global_norm"

    def _hyper_class(self) -> Any:
        return _HYPERS[self.by]

    @property
    def SEARCH_SPACE(self) -> dict[str, Any]:  # noqa: N802
        """The bound, then those of the rule."""
        return {_HYPERS[self.by]._fields[1]: log_uniform(1e-2, 1e2)} | super().SEARCH_SPACE

    @property
    def SATURATES(self) -> bool:  # noqa: N802
        """By value an infinite gradient becomes a finite one."""
        return self.by == "value" or super().SATURATES

    def update(
        self, grads: Params, state: State, params: Params, hyper: Any, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule on clipped gradients. Returns (updates, state)."""
        g, _, (bound,) = tree.promote(grads, (), hyper[1:])
        if self.by == "value":
            g = tree.map(lambda g: jnp.clip(g, -bound, bound), g)
        elif self.by != "global_norm":
            size = _root_mean_square if self.by == "block" else tree.global_norm
            g = tree.map(lambda g: g * _shrink(bound, size(g)), g)
        else:
            factor = _shrink(bound, tree.global_norm(g))
            g = tree.map(lambda g: g * factor, g)
        updates, inner = self.rule.update(g, state.inner, params, hyper.inner, **extra)
        return tree.cast_like(updates, grads), State(inner)


def _shrink(bound: Float[Array, ""], norm: Float[Array, ""]) -> Float[Array, ""]:
    # Exactly 1 up to the bound, and no division by 0, not even in a branch that is not taken.
    return bound / jnp.maximum(norm, bound)


def _root_mean_square(g: Float[Array, "*shape"]) -> Float[Array, ""]:
    return tree.global_norm(g) / max(g.size, 1) ** 0.5


@structural
def clipped(rule: Any, /, by: By = "global_norm") -> Clipped:
    """The rule on clipped gradients: `clipped(adam)`, `clipped("momentum", by="value")`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule,
    ValueError for an unknown name or `by`.

    >>> from jaxnn.optimizers import sgd
    >>> rule = clipped(sgd)
    >>> hyper = rule.Hyper(sgd.Hyper(learning_rate=1.0), max_norm=1.0)
    >>> grads = jnp.array([3.0, 4.0])
    >>> updates, _ = rule.update(grads, rule.init(grads, hyper), grads, hyper)
    >>> [round(float(u), 4) for u in updates]
    [-0.6, -0.8]
    """
    return wrapped(Clipped, rule, by=by)
