"""Gradients of matrices and kernels with their mean taken out, for each output apart.

    g ← g − mean of g over all axes but output_axis        where g has two axes or more

so that the sum of the weights into an output stays as it is (for SGD). output_axis is the first,
as in Optax and torch; the weights of `jaxnn.models`, Flax and Keras have it last: pass -1.
Differences of gradients within a factor of two of the largest number of their dtype may overflow.
Reference: Yong, Huang, Hua, Zhang 2020, ECCV, "Gradient Centralization: A New Optimization
Technique for Deep Neural Networks". Agrees with `optax.centralize`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Literal, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import EVALUATED, Hyper, State, Wrapper, structural, wrapped
from jaxnn.typing import Array, Float, Params

__all__ = ["Centralized", "Hyper", "State", "centralized"]

OutputAxis: TypeAlias = Literal[0, -1]


@dataclasses.dataclass(frozen=True)
class Centralized(Wrapper):
    """A rule that sees centralised gradients."""

    OPTIONS: ClassVar[Any] = {"output_axis": (0, -1)}
    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    REFUSES: ClassVar[frozenset[str]] = EVALUATED
    INSTEAD: ClassVar[str] = "Put it inside, as in sam(centralized(rule)), or change the loss."

    output_axis: OutputAxis = 0

    @property
    def GRADIENT_RANGE(self) -> float:  # noqa: N802
        """A factor of two, and more, below the largest number."""
        return min(0.99, super().GRADIENT_RANGE)

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule on centralised gradients. Returns (updates, state)."""
        g, _, _ = tree.promote(grads, (), ())
        g = tree.map(self._centered, g)
        updates, inner = self.rule.update(g, state.inner, params, hyper.inner, **extra)
        return tree.cast_like(updates, grads), State(inner)

    def _centered(self, g: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        if g.ndim < 2:
            return g
        axes = tuple(range(1, g.ndim)) if self.output_axis == 0 else tuple(range(g.ndim - 1))
        count = math.prod(g.shape[axis] for axis in axes)
        # Divided before the sum, which could overflow.
        return g - jnp.sum(g / count, axis=axes, keepdims=True)


@structural
def centralized(rule: Any, /, *, output_axis: OutputAxis = 0) -> Centralized:
    """The rule on centralised gradients: `centralized(adam, output_axis=-1)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule,
    ValueError for another axis.
    """
    return wrapped(Centralized, rule, output_axis=output_axis)
