"""Gradients clipped where they are large against the weights, a unit at a time.

    g ← g · min(1, c / ‖g‖)        c = clipping · max(‖θ‖, eps)

both norms over the weights into one output, as Optax has it: the whole of a vector or scalar, the
first axis of a matrix and of three axes, all but the last of more. axis=...: over these of every
leaf. Norms are taken relative to the largest element, so that they do not overflow.
Reference: Brock, De, Smith, Simonyan 2021, ICML, "High-Performance Large-Scale Image Recognition
Without Normalization", equation 3. Agrees with `optax.adaptive_grad_clip`, which for c < 1e-6 clips
to less than c.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_type
from jaxnn.optimizers.wrappers.base import EVALUATED, State, Wrapper, structural, wrapped
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, Params, Positive

__all__ = ["AdaptiveClipped", "Hyper", "State", "adaptive_clipped"]


class Hyper(NamedTuple):
    """Numbers of adaptive clipping; scalars, dimensionless, may be traced or batched."""

    inner: Any  # the rule's
    clipping: Positive = 1e-2  # the largest ratio of the norms
    eps: Positive = 1e-3  # the least norm of weights that counts, so that zeros can move


@dataclasses.dataclass(frozen=True)
class AdaptiveClipped(Wrapper):
    """A rule that sees gradients clipped by the norms of the weights."""

    HYPER: ClassVar[Any] = Hyper
    OWN_SPACE: ClassVar[Any] = {"clipping": log_uniform(1e-3, 1e0)}
    BOUNDS_GRADIENTS: ClassVar[bool] = True
    REFUSES: ClassVar[frozenset[str]] = EVALUATED
    INSTEAD: ClassVar[str] = "Put it inside, as in sam(adaptive_clipped(rule)), or change the loss."

    axis: tuple[int, ...] | None = None

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule on clipped gradients. Returns (updates, state).

        Raises TypeError at trace time where `grads` and `params` differ in structure or shapes.
        """
        g, _, h, p = tree.promote(grads, (), hyper._replace(inner=()), params)
        g = tree.map(functools.partial(self._clipped, h), g, p)
        updates, inner = self.rule.update(g, state.inner, params, hyper.inner, **extra)
        return tree.cast_like(updates, grads), State(inner)

    def _clipped(
        self, h: Hyper, g: Float[Array, "*shape"], p: Float[Array, "*shape"]
    ) -> Float[Array, "*shape"]:
        axes = _unit(g.shape) if self.axis is None else self.axis
        bound = h.clipping * jnp.maximum(_norm(p, axes), h.eps)
        return g * (bound / jnp.maximum(_norm(g, axes), bound))


def _unit(shape: tuple[int, ...]) -> tuple[int, ...]:
    if sum(n != 1 for n in shape) <= 1:
        return tuple(range(len(shape)))
    return (0,) if len(shape) <= 3 else tuple(range(len(shape) - 1))


def _norm(x: Float[Array, "*shape"], axes: tuple[int, ...]) -> Float[Array, "*units"]:
    # Compilers divide by multiplying with 1/scale, which a scale near the largest number flushes
    # to 0: a part of the peak keeps both it and the squares in range.
    peak = jnp.max(jnp.abs(x), axis=axes, keepdims=True, initial=0)
    scale = jax.lax.stop_gradient(peak / 128)
    usable = (scale > 128 * jnp.finfo(x.dtype).tiny) & jnp.isfinite(scale)
    scale = jnp.where(usable, scale, jnp.ones_like(scale))
    return scale * tree.sqrt(jnp.sum((x / scale) ** 2, axis=axes, keepdims=True))


@structural
def adaptive_clipped(rule: Any, /, *, axis: int | tuple[int, ...] | None = None) -> AdaptiveClipped:
    """The rule on gradients clipped by the norms of the weights: `adaptive_clipped(momentum)`.

    axis: of every leaf, over which norms are taken; None for those into one output. The answer is
    the same object for the same arguments. Raises TypeError for what is no rule or no axis.
    """
    axes = (axis,) if isinstance(axis, int) else axis
    if axes is not None and not (isinstance(axes, tuple) and all(isinstance(a, int) for a in axes)):
        raise bad_type(
            "adaptive_clipped", "axis", "an integer, a tuple of them or None", repr(axis)
        )
    return wrapped(AdaptiveClipped, rule, axis=axes)
