"""Mechanic: the length of the steps of a rule is learned on the way, by betting on it.

    Δ ← (θ₀ − θ) / (S + eps) − u of the rule            what the rule has done, to be scaled
    h = ⟨g', Δ before⟩      g' = g + weight_decay · S · ‖g‖ / (‖θ‖ + eps) · θ
    for each β = 1 − 10⁻ⁱ, i = 1 … num_betas, with h' = h within ±m:
        m ← max(β·m, |h| + eps)      v ← β²·v + h²      r ← β·r + h'·s
        s ← (s_init/num_betas · m + max(r, 0)) / (√v + eps)
    θ ← θ₀ − S · Δ          S = Σs

so that the rule's own rate only sets proportions: 1, or a schedule with that peak. h is a sum of
products of gradients and steps, and its square overflows for gradients above √max.
Reference: Cutkosky, Defazio, Mehta 2023, NeurIPS, "Mechanic: A Learning Rate Tuner". Agrees with
`optax.contrib.mechanize`, but that θ₀ are the parameters at `init`, there those of the first step.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import check_integer
from jaxnn.optimizers.wrappers.base import Wrapper, copied, structural, wrapped
from jaxnn.typing import Array, Float, NonNegative, Params, Positive

__all__ = ["Hyper", "Mechanize", "State", "mechanize"]


class Hyper(NamedTuple):
    """Numbers of Mechanic; scalars, may be traced or batched."""

    inner: Any  # the rule's
    weight_decay: NonNegative = 1e-2
    eps: Positive = 1e-8
    s_init: Positive = 1e-6  # the first S, roughly


class State(NamedTuple):
    """What has been bet and won for each β, the start, and the rule's state; at least float32."""

    r: Float[Array, " betas"]
    m: Float[Array, " betas"]
    v: Float[Array, " betas"]
    s: Float[Array, " betas"]
    start: Params
    inner: Any


@dataclasses.dataclass(frozen=True)
class Mechanize(Wrapper):
    """A rule whose steps are scaled by what they would have gained."""

    HYPER: ClassVar[Any] = Hyper
    KEEPS_SKIPPING: ClassVar[bool] = False
    REFUSES: ClassVar[frozenset[str]] = frozenset({"per_example_grads"})
    INSTEAD: ClassVar[str] = "It would bet on gradients that noise is to hide."

    num_betas: int = 6

    @property
    def REVERSE_DIFFERENTIABLE(self) -> bool:  # noqa: N802
        """A first step is a millionth of the rule's: derivatives lose all digits in float32."""
        return False

    @property
    def GRADIENT_RANGE(self) -> float:  # noqa: N802
        """Squares of sums of gradients."""
        return min(0.5, super().GRADIENT_RANGE)

    def init(self, params: Params, hyper: Hyper) -> State:
        """Nothing won yet, s at s_init, the start at the parameters, and the rule's state."""
        _, _, s_init = tree.promote(params, (), hyper.s_init)
        r, m, v = (jnp.zeros(self.num_betas, s_init.dtype) for _ in range(3))
        s = jnp.ones(self.num_betas, s_init.dtype) * s_init
        return State(r, m, v, s, copied(params), self.rule.init(params, hyper.inner))

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule, scaled anew. Returns (updates, state)."""
        tree.require_real(grads)
        updates, inner = self.rule.update(grads, state.inner, params, hyper.inner, **extra)
        own = state._replace(inner=())
        u, t, h, g, p = tree.promote(updates, own, hyper._replace(inner=()), grads, params)
        total = jnp.sum(t.s)
        before = tree.map(lambda x, p: (x - p) / (total + h.eps), t.start, p)
        gain = _gain(g, p, before, total, h)
        t = _bet(t, gain, h)
        total = jnp.sum(t.s)
        updates = tree.map(lambda x, d, u, p: x - total * (d - u) - p, t.start, before, u, p)
        new = tree.cast_like(t, own)
        return tree.cast_like(updates, grads), new._replace(inner=inner)


def _gain(
    g: Params, p: Params, before: Params, total: Float[Array, ""], h: Hyper
) -> Float[Array, ""]:
    pull = h.weight_decay * total * tree.global_norm(g) / (tree.global_norm(p) + h.eps)
    products = tree.map(lambda g, p, d: jnp.sum((g + pull * p) * d), g, p, before)
    return sum(jax.tree.leaves(products), jnp.zeros_like(total))


def _bet(t: State, gain: Float[Array, ""], h: Hyper) -> State:
    num_betas = t.s.size
    betas = 1 - 0.1 ** jnp.arange(1, num_betas + 1, dtype=t.s.dtype)
    gain = jnp.broadcast_to(gain, t.s.shape)
    m = jnp.maximum(betas * t.m, jnp.abs(gain) + h.eps)
    v = betas**2 * t.v + gain**2
    r = betas * t.r + jnp.clip(gain, -t.m, t.m) * t.s
    won = jnp.maximum(r, jnp.zeros_like(r))
    s = (h.s_init / num_betas * m + won) / (tree.sqrt(v) + h.eps)
    return t._replace(r=r, m=m, v=v, s=s)


@structural
def mechanize(rule: Any, /, *, num_betas: int = 6) -> Mechanize:
    """The rule with steps whose length is learned: `mechanize(adam)`.

    num_betas: how many memories to bet with, >= 1. The answer is the same object for the same
    arguments. Raises TypeError for what is no rule or no integer, ValueError below 1.
    """
    return wrapped(
        Mechanize, rule, num_betas=check_integer("mechanize", "num_betas", num_betas, low=1)
    )
