"""Statistics kept in fewer bits than they are computed in, for memory.

    s₁ = s in the rule's own dtype        u, s₁ ← the rule's on s₁        s = s₁ rounded to `dtype`

Rules keep statistics in at least float32. In bfloat16 they take half of that, with 8 binary digits
of precision: an average that changes by less than 1/512 of itself in a step stands still. With a
decay b2 = 0.999 a mean of squares never falls, and grows only from gradients of some twice its
root, so that steps stay short for ever after large ones; a mean with b1 = 0.9 only loses digits.
rounding="stochastic" rounds up or down at random, right on average, so that all of them move; the
rule then needs a key, and drawing on a CPU takes ten times as long as the step. fields=("mean",)
are the parts of the state that are meant, by dotted name; with None all. dtype="float32" halves the
statistics of parameters in float64.

Counts and single numbers, step sizes found on the way for example, stay as they are: they cost
nothing. Complex numbers have no narrow dtype: split_complex(stored(rule)). What is beyond the range
of `dtype` is kept as its largest number, infinities stay. float16 is not on offer: in it squares of
gradients below 2e-4 are 0. Parameters that a rule keeps (slow weights, averages, the path of a
schedule-free rule) lose what every step adds: leave them out by `fields`, or put this inside of the
wrapper that keeps them.
Reference: Micikevicius et al. 2018, ICLR, "Mixed Precision Training", on what must not be narrow;
Zamirai, Zhang, Aberger, De Sa 2020, arXiv:2010.06192, "Revisiting BFloat16 Training".
stored(adam, fields=("mean",)) agrees with `optax.adam(mu_dtype="bfloat16")`, but that Optax rounds
the product b1·m as well.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any, ClassVar, Literal, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, unknown_name
from jaxnn.optimizers import base
from jaxnn.optimizers.wrappers.base import Hyper, State, Wrapper, structural, wrapped
from jaxnn.optimizers.wrappers.rounding import is_coarser, keys_for, noise_for, round_to
from jaxnn.typing import Array, Params, PRNGKeyArray, PyTree

__all__ = ["Hyper", "State", "Stored", "stored"]

Dtype: TypeAlias = Literal["bfloat16", "float32"]
Rounding: TypeAlias = Literal["nearest", "stochastic"]


@dataclasses.dataclass(frozen=True)
class Stored(Wrapper):
    """A rule whose statistics are kept in few bits."""

    OPTIONS: ClassVar[Any] = {
        "dtype": ("bfloat16", "float32"),
        "rounding": ("nearest", "stochastic"),
    }
    LINEAR_IN_GRADIENTS: ClassVar[bool] = True

    dtype: Dtype = "bfloat16"
    rounding: Rounding = "nearest"
    fields: tuple[str, ...] | None = None

    @property
    def NEEDS(self) -> frozenset[str]:  # noqa: N802
        """What the rule needs, and a key where rounding is at random."""
        return super().NEEDS | ({"key"} if self.rounding == "stochastic" else set())

    def init(self, params: Params, hyper: Hyper) -> State:
        """The rule's state, rounded.

        Raises ValueError for a field that it does not have.
        """
        tree.require_real(params)
        return State(self._narrow(self.rule.init(params, hyper.inner), None))

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule, and its state rounded. Returns (updates, state)."""
        tree.require_real(grads)
        key = None
        if self.rounding == "stochastic":
            key, extra = keys_for(self, self.rule, extra)
        wide = self._widened(state, params, hyper)
        updates, inner = self.rule.update(grads, wide, params, hyper.inner, **extra)
        return updates, State(self._narrow(inner, key))

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """The rule's."""
        wide = self._widened(state, params, hyper)
        return base.evaluation_params(self.rule, wide, params, hyper.inner)

    def _widened(self, state: State, params: Params, hyper: Hyper) -> Any:
        own = jax.eval_shape(self.rule.init, params, hyper.inner)
        return jax.tree.map(lambda x, y: x.astype(y.dtype), state.inner, own)

    def _narrow(self, state: Any, key: PRNGKeyArray | None) -> Any:
        keys = (None if key is None else jax.random.fold_in(key, n) for n in itertools.count())
        narrowed = functools.partial(jax.tree.map, lambda x: _narrowed(x, self.dtype, next(keys)))
        if self.fields is None:
            return narrowed(state)
        for path in self.fields:
            self._require_arrays(path, self._part(state, path))
            state = tree.replace_field(state, path, narrowed(self._part(state, path)))
        return state

    def _require_arrays(self, path: str, part: PyTree) -> None:
        if not any(jnp.issubdtype(x.dtype, jnp.floating) for x in jax.tree.leaves(part)):
            constraint, got = "names of statistics, which are floating", repr(path)
            raise bad_value(base.name_of(self), "fields", constraint, got, "Leave it out.")

    def _part(self, state: Any, path: str) -> PyTree:
        try:
            return tree.get_field(state, path)
        except KeyError:
            raise unknown_name(base.name_of(self), "fields", path, tree.fields(state)) from None


def _narrowed(x: Array, dtype: Any, key: PRNGKeyArray | None) -> Array:
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    if not floating or x.ndim == 0 or not is_coarser(dtype, x.dtype):
        return x
    largest = float(jnp.finfo(dtype).max)
    x = jnp.where(jnp.isinf(x), x, jnp.clip(x, -largest, largest))
    return (x if key is None else round_to(x, dtype, noise_for(x, key))).astype(dtype)


@structural
def stored(
    rule: Any,
    /,
    dtype: Dtype = "bfloat16",
    *,
    rounding: Rounding = "nearest",
    fields: tuple[str, ...] | None = None,
) -> Stored:
    """The rule with statistics in few bits: `stored(adam, "bfloat16", rounding="stochastic")`.

    fields: dotted names of the parts of the rule's state that are meant; None for all. The answer
    is the same object for the same arguments. Raises TypeError for what is no rule or no tuple of
    names, ValueError for another dtype or rounding.

    >>> from jaxnn.optimizers import adam
    >>> rule = stored(adam, fields=("mean",))
    >>> state = rule.init(jnp.zeros(3), rule.Hyper())
    >>> state.inner.mean.dtype.name, state.inner.mean_of_squares.dtype.name
    ('bfloat16', 'float32')
    """
    if fields is not None and not (
        isinstance(fields, tuple) and all(isinstance(name, str) for name in fields)
    ):
        constraint = "a tuple of names in the rule's state, or None"
        raise bad_type("stored", "fields", constraint, repr(fields))
    return wrapped(Stored, rule, dtype=dtype, rounding=rounding, fields=fields)
