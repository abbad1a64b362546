"""Computing something dear only at some steps, also where many runs step together.

Under `vmap` a `lax.cond` whose predicate is batched computes both sides for all lanes, at every
step. Runs of one sweep reach a due step together, so here one lane that is due is what it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from jaxnn import tree
from jaxnn.typing import PyTree

__all__ = ["seldom"]


def seldom(
    due: Bool[Array, ""], change: Callable[..., PyTree], old: PyTree, *args: PyTree
) -> PyTree:
    """`change(old, *args)`, which is like `old`, where `due` holds, else `old`.

    Under `vmap`, nested or not, `change` is computed at all only where some lane is due. It has no
    derivative in reverse.
    """

    return _chooser(change)(due, old, *args)


@lru_cache
def _chooser(change: Callable[..., PyTree]) -> Any:
    # The same function for the same change: without `jit` each new one would be compiled again.
    @jax.custom_batching.custom_vmap
    def choose(due: Bool[Array, ""], old: PyTree, *args: PyTree) -> PyTree:
        return jax.lax.cond(due, change, _keep, old, *args)

    @choose.def_vmap
    def _(size: int, batched: Any, *operands: PyTree) -> tuple[PyTree, PyTree]:
        due, old, *args = jax.tree.map(partial(_spread, size), list(operands), list(batched))
        each = _batched(change)
        found = seldom(jnp.any(due), each, old, due, *args)
        return found, jax.tree.map(lambda _: True, found)

    return choose


def _keep(old: PyTree, *_: PyTree) -> PyTree:
    return old


@lru_cache
def _batched(change: Callable[..., PyTree]) -> Callable[..., PyTree]:
    return jax.vmap(partial(_where_due, change))


def _spread(size: int, x: Array, batched: bool) -> Array:
    return x if batched else jnp.broadcast_to(x, (size, *x.shape))


def _where_due(
    change: Callable[..., PyTree], old: PyTree, due: Bool[Array, ""], *args: PyTree
) -> PyTree:
    return tree.select(due, change(old, *args), old)
