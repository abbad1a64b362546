"""Steps of parameters in few bits, without what rounding loses of them.

A bfloat16 number has 8 binary digits: a step below 1/512 of the parameter is rounded back to it, at
every step, and training stands still. With p the parameter and u the rule's update in float32:

    mode="compensated":   w = u + lost        q = p + w, rounded        lost ← w − (q − p)
    mode="stochastic":    q = p + u, rounded at random so that its expectation is p + u

and q − p is returned, which `apply_updates` turns into q: it has no more digits than p where the
step is at most half of p. A larger one may have more than the gradients' dtype holds; then it is
itself rounded, and the rest compensated too, or rounded at random in the place of q.

Compensation (Kahan's sum) is exact to the last digit of float32, for four bytes a parameter; with
stored(rounded(rule), fields=("lost",)) for two, steps below 4e-6 of p being lost then. It serves
float32 parameters as well. Rounding at random keeps nothing but needs a key, and p walks away from
a run in float32 by some √(n·|u|/d) last digits d in n steps of a size below d, on average by
nothing; it leaves parameters in float32 and float64 alone. A step below 6e-8 of p is lost in it, as
there. Compensation doubles the time of a step of Adam; drawing on a CPU makes it ten times as long.

Gradients come to the rule in float32, so that nothing is rounded before. Wrappers that change
updates belong inside (decayed, cautious, lookahead), those that watch parameters outside (averaged)
and so do those that group leaves, where not all are in few bits.
Reference: Kahan 1965, Communications of the ACM 8, "Further remarks on reducing truncation errors";
both for training: Zamirai, Zhang, Aberger, De Sa 2020, arXiv:2010.06192, "Revisiting BFloat16
Training".
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import Hyper, Wrapper, structural, wrapped
from jaxnn.optimizers.wrappers.rounding import is_coarser, keys_for, noise_for, round_to
from jaxnn.typing import Array, Float, Params, PRNGKeyArray

__all__ = ["Hyper", "Rounded", "State", "rounded"]

Mode: TypeAlias = Literal["compensated", "stochastic"]


class State(NamedTuple):
    """What rounding has lost, and the rule's state."""

    lost: Params  # at least float32; None with mode="stochastic"
    inner: Any


@dataclasses.dataclass(frozen=True)
class Rounded(Wrapper):
    """A rule whose steps are not lost in the rounding of parameters."""

    OPTIONS: ClassVar[Any] = {"mode": ("compensated", "stochastic")}

    mode: Mode = "compensated"

    @property
    def NEEDS(self) -> frozenset[str]:  # noqa: N802
        """What the rule needs, and a key where rounding is at random."""
        return super().NEEDS | ({"key"} if self.mode == "stochastic" else set())

    def init(self, params: Params, hyper: Hyper) -> State:
        """Nothing lost yet, and the rule's state."""
        nothing = tree.zeros_like(params, min_dtype=jnp.float32)
        inner = self.rule.init(params, hyper.inner)
        return State(None if self.mode == "stochastic" else nothing, inner)

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule, to parameters that there are. Returns (updates, state).

        Raises TypeError at trace time where the key is missing.
        """
        key = None
        if self.mode == "stochastic":
            key, extra = keys_for(self, self.rule, extra)
        g, _, _ = tree.promote(grads, (), ())
        updates, inner = self.rule.update(g, state.inner, params, hyper.inner, **extra)
        u, lost, _, p = tree.promote(updates, state.lost, (), params)
        if key is not None:
            keys = (jax.random.fold_in(key, n) for n in itertools.count())
            steps = tree.map(
                lambda u, p, param, grad: _drawn(u, p, param, grad, next(keys)), u, p, params, grads
            )
        else:
            wanted = tree.map(jnp.add, u, lost)
            steps = tree.map(_nearest, wanted, p, params, grads)
            lost = tree.cast_like(tree.map(_left, wanted, steps, p, params), state.lost)
        return tree.cast_like(steps, grads), State(lost, inner)


def _nearest(
    w: Float[Array, "*shape"], p: Float[Array, "*shape"], param: Array, grad: Array
) -> Float[Array, "*shape"]:
    """The step from p to where p + w is rounded to, or as near as the coarser dtype has one."""
    return round_to(round_to(p + w, param.dtype) - p, _held(param, grad))


def _held(param: Array, grad: Array) -> Any:
    """The dtype that a step can be had in.

    Wrappers around this may have widened the gradients, and cast the step to what these were: one
    that has no more digits than the parameters comes through.
    """
    return param.dtype if is_coarser(param.dtype, grad.dtype) else grad.dtype


def _left(
    w: Float[Array, "*shape"],
    step: Float[Array, "*shape"],
    p: Float[Array, "*shape"],
    param: Array,
) -> Float[Array, "*shape"]:
    """What of w is not in the parameter that `apply_updates` makes of the step."""
    return w - (round_to(p + step, param.dtype) - p)


def _drawn(
    u: Float[Array, "*shape"],
    p: Float[Array, "*shape"],
    param: Array,
    grad: Array,
    key: PRNGKeyArray,
) -> Float[Array, "*shape"]:
    """The step from p to one of the two neighbours of p + u."""
    if not any(is_coarser(x.dtype, u.dtype) for x in (param, grad)):
        return u
    noise = noise_for(u, key)
    if is_coarser(param.dtype, u.dtype):
        step = round_to(p + u, param.dtype, noise) - p
        held = is_coarser(param.dtype, grad.dtype) | (jnp.abs(u) <= jnp.abs(p) / 2)
        u = jnp.where(held, step, u)
    # The same noise again: it is only needed where it has not been used, for others this is exact.
    return round_to(u, grad.dtype, noise)


@structural
def rounded(rule: Any, /, mode: Mode = "compensated") -> Rounded:
    """The rule for parameters in few bits: `rounded(adamw)`, `rounded(adamw, "stochastic")`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule,
    ValueError for another mode.

    >>> from jaxnn.optimizers import apply_updates, sgd
    >>> rule, p = rounded(sgd), jnp.ones(1, jnp.bfloat16)
    >>> hyper = rule.Hyper(sgd.Hyper(learning_rate=1e-3))
    >>> state = rule.init(p, hyper)
    >>> for _ in range(8):
    ...     updates, state = rule.update(jnp.ones_like(p), state, p, hyper)
    ...     p = apply_updates(p, updates)
    >>> float(p[0]), round(float(p[0] + state.lost[0]), 6)
    (0.9921875, 0.992)
    """
    return wrapped(Rounded, rule, mode=mode)
