"""Weights that decay through the gradients, as a penalty on their squares in the loss does.

    g ← g + weight_decay · θ

for the leaves where the mask is True, or for all: the gradient of weight_decay/2 · ‖θ‖². A rule
with a rate of its own for each weight divides this decay like any gradient; `decayed` does not.
Reference: Krogh, Hertz 1991, NeurIPS, "A Simple Weight Decay Can Improve Generalization".
Agrees with `optax.add_decayed_weights` before the rule, mask included, and with the weight_decay of
torch's optimizers other than AdamW.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax

from jaxnn import tree
from jaxnn.optimizers.base import name_of
from jaxnn.optimizers.wrappers.base import State, Wrapper, structural, wrapped
from jaxnn.optimizers.wrappers.groups import joined, part, spread, static
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Float, NonNegative, Params

__all__ = ["Hyper", "Regularized", "State", "regularized"]


class Hyper(NamedTuple):
    """Numbers of a rule with a penalty on its weights; scalars, may be traced or batched."""

    inner: Any  # the rule's
    weight_decay: NonNegative = 1e-4  # twice the factor of the penalty


@dataclasses.dataclass(frozen=True)
class Regularized(Wrapper):
    """A rule that sees the gradients of a loss with a penalty on the weights."""

    HYPER: ClassVar[Any] = Hyper
    OWN_SPACE: ClassVar[Any] = {"weight_decay": log_uniform(1e-6, 1e-2)}
    REFUSES: ClassVar[frozenset[str]] = frozenset({"residual_fn", "per_example_grads"})
    INSTEAD: ClassVar[str] = "Use decayed(rule), whose decay is no gradient."

    mask: Any = None  # of the leaves that decay; None for all

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule on gradients with decay. Returns (updates, state).

        Loss and Hessian that the rule asks for have the penalty too. Raises TypeError at trace time
        where the mask is no prefix of the parameters.
        """
        decays = (True,) * len(jax.tree.leaves(params))
        if self.mask is not None:
            decays = spread(name_of(self), "mask", self.mask, bool, params)
        g, _, decay, p = tree.promote(grads, (), hyper.weight_decay, params)
        total = self._with(decays, lambda g, p: g + decay * p, g, p)
        if "value" in extra:
            extra["value"] += _penalty(decays, decay, params)
        if "value_fn" in extra:
            extra["value_fn"] = functools.partial(_penalized, extra["value_fn"], decays, decay)
        if "hessian_diagonal" in extra:
            h, _, _ = tree.promote(extra["hessian_diagonal"], (), ())
            extra["hessian_diagonal"] = self._with(decays, lambda h: h + decay, h)
        updates, inner = self.rule.update(total, state.inner, params, hyper.inner, **extra)
        return tree.cast_like(updates, grads), State(inner)

    def _with(self, decays: tuple[bool, ...], fn: Callable[..., Array], *trees: Params) -> Params:
        """The first tree, with `fn` of all on the leaves that decay."""
        where = name_of(self)
        return joined(trees[0], decays, tree.map(fn, *(part(where, t, decays) for t in trees)))


def _penalty(decays: tuple[bool, ...], decay: Float[Array, ""], params: Params) -> Float[Array, ""]:
    mine = [x for x, decaying in zip(jax.tree.leaves(params), decays, strict=True) if decaying]
    return decay * tree.global_norm(tree.cast(mine, decay.dtype)) ** 2 / 2


def _penalized(
    value_fn: Callable[[Params], Float[Array, ""]],
    decays: tuple[bool, ...],
    decay: Float[Array, ""],
    params: Params,
) -> Float[Array, ""]:
    return value_fn(params) + _penalty(decays, decay, params)


@structural
def regularized(rule: Any, /, mask: Any = None) -> Regularized:
    """The rule with coupled weight decay: `regularized("momentum")` is SGD as torch decays it.

    mask: True for the leaves that decay, as a pytree prefix of the parameters or a function of them
    that returns one; None for all. The answer is the same object for the same arguments. Raises
    TypeError for what is no rule or no mask.

    >>> from jaxnn.optimizers import sgd
    >>> import jax.numpy as jnp
    >>> rule = regularized(sgd)
    >>> hyper = rule.Hyper(sgd.Hyper(learning_rate=1.0), weight_decay=0.5)
    >>> params, grads = jnp.array([2.0, 4.0]), jnp.array([0.0, 1.0])
    >>> updates, _ = rule.update(grads, rule.init(params, hyper), params, hyper)
    >>> updates.tolist()
    [-1.0, -3.0]
    """
    return wrapped(Regularized, rule, mask=static("regularized", "mask", mask, bool))
