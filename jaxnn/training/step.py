"""One update, for the library's own loop and for anybody else's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

from jaxnn.optimizers import resolve
from jaxnn.optimizers.base import apply_updates, extras
from jaxnn.typing import Array, Float, Params, PRNGKeyArray

__all__ = ["make_step", "step"]


def step(
    loss_fn: Callable[[Params, Any, PRNGKeyArray | None], Float[Array, ""]],
    optimizer: Any,
    params: Params,
    state: Any,
    batch: Any,
    hyper: Any,
    *,
    key: PRNGKeyArray | None = None,
    rule_key: PRNGKeyArray | None = None,
) -> tuple[Params, Any, Float[Array, ""]]:
    """One update. Returns (params, state, loss), the loss being that before the update.

    loss_fn(params, batch, key) is the mean loss over the batch. optimizer: a rule or its name; what
    it needs beyond gradients (`value`, `value_fn`, `key`) is supplied. key goes to the loss,
    rule_key to the rule. Raises TypeError, while tracing, for a need that cannot be met.
    """
    rule = resolve(optimizer)
    value_fn = functools.partial(_at, loss_fn, batch, key)
    loss, grads = jax.value_and_grad(value_fn)(params)
    available: dict[str, Any] = {"value": loss, "value_fn": value_fn}
    if rule_key is not None:
        available["key"] = rule_key
    updates, state = rule.update(grads, state, params, hyper, **extras(rule, available))
    return apply_updates(params, updates), state, loss


def _at(loss_fn: Callable[..., Array], batch: Any, key: Any, params: Params) -> Array:
    return loss_fn(params, batch, key)


def make_step(
    loss_fn: Callable[[Params, Any, PRNGKeyArray | None], Float[Array, ""]],
    optimizer: Any,
    *,
    donate: bool = False,
) -> Callable[..., tuple[Params, Any, Float[Array, ""]]]:
    """`step` compiled: (params, state, batch, hyper, key, rule_key) → (params, state, loss).

    donate=True gives the buffers of `params` and `state` away, so that they are updated in place:
    use only what comes back. They return in the order in which they came in; in another order XLA
    would copy every buffer. The same loss_fn and optimizer give the same compiled function.
    """
    return _make_step(loss_fn, resolve(optimizer), donate)


@functools.lru_cache(maxsize=64)
def _make_step(loss_fn: Callable[..., Any], rule: Any, donate: bool) -> Callable[..., Any]:
    def compiled(
        params: Params,
        state: Any,
        batch: Any,
        hyper: Any,
        key: PRNGKeyArray | None = None,
        rule_key: PRNGKeyArray | None = None,
    ) -> tuple[Params, Any, Float[Array, ""]]:
        return step(loss_fn, rule, params, state, batch, hyper, key=key, rule_key=rule_key)

    return jax.jit(compiled, donate_argnames=("params", "state") if donate else ())
