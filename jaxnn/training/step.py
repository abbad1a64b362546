"""One update, for the library's own loop and for anybody else's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import base, check, resolve
from jaxnn.training.needs import LossFn, supply
from jaxnn.typing import Array, ArrayLike, Bool, Float, Params, PRNGKeyArray

__all__ = ["make_step", "step"]


def step(
    loss_fn: LossFn,
    optimizer: Any,
    params: Params,
    state: Any,
    batch: Any,
    hyper: Any,
    *,
    key: PRNGKeyArray | None = None,
    rule_key: PRNGKeyArray | None = None,
    residual_fn: Callable[[Params, Any], Array] | None = None,
    reuse: Bool[ArrayLike, ""] = False,
) -> tuple[Params, Any, Float[Array, ""]]:
    """One update. Returns (params, state, loss), the loss being that before the update.

    loss_fn(params, batch, key) is the mean loss over the batch. optimizer: a rule or its name.
    hyper: its Hyper, or a dict of numbers by dotted name, which is checked. What the rule
    needs beyond gradients (`optimizers.NEEDS`) is made from these arguments. key goes to the
    loss, rule_key to the rule, another one at each step. residual_fn(params, batch) gives outputs −
    targets, for rules that fit least squares.
    Complex parameters go downhill: the rule is given the conjugate of what `jax.grad` gives.
    A rule that is evaluated at an average: `optimizers.evaluation_params(rule, state, params,
    hyper)` after the last step. Raises TypeError, while tracing, for a need that cannot be met and
    a rule that returns something else than (updates, state).

    reuse: whether `params` and `state` come from the step before with this same loss_fn, batch and
    key. Then a rule with `value_and_grad(state)`, one that searches a line, has the loss and its
    gradient already and they are not evaluated again. Never True at the first step, nor with
    another mini-batch or a fresh key for a loss that draws from it: the gradient would be another
    function's. May be traced, `reuse=number > 0`; keep it out of `vmap`, under which both ways run.
    """
    rule = resolve(optimizer)
    hyper = check(rule, hyper) if isinstance(hyper, Mapping) else hyper
    value_fn = functools.partial(_at, loss_fn, batch, key)
    loss, grads = _value_and_grad(rule, value_fn, params, state, reuse)
    # JAX gives ∂f/∂x − i·∂f/∂y; a step against ∂f/∂x + i·∂f/∂y is what goes downhill.
    grads = jax.tree.map(jnp.conj, grads)
    needs = supply(
        rule,
        loss_fn,
        params,
        batch,
        key,
        rule_key=rule_key,
        residual_fn=residual_fn,
        value=loss,
        value_fn=value_fn,
    )
    updates, state = base.update(rule, grads, state, params, hyper, **needs)
    return base.apply_updates(params, updates), state, loss


def _value_and_grad(
    rule: Any, value_fn: Callable[[Params], Array], params: Params, state: Any, reuse: Any
) -> tuple[Array, Params]:
    kept = getattr(rule, "value_and_grad", None)
    if kept is None or reuse is False:
        return jax.value_and_grad(value_fn)(params)
    value, grads = kept(state)
    found = value, tree.cast_like(grads, params)

    def evaluated() -> tuple[Array, Params]:
        loss, grads = jax.value_and_grad(value_fn)(params)
        return loss.astype(value.dtype), grads

    return found if reuse is True else jax.lax.cond(reuse, lambda: found, evaluated)


def _at(loss_fn: LossFn, batch: Any, key: PRNGKeyArray | None, params: Params) -> Array:
    return loss_fn(params, batch, key)


def make_step(
    loss_fn: LossFn,
    optimizer: Any,
    *,
    donate: bool = False,
    residual_fn: Callable[[Params, Any], Array] | None = None,
) -> Callable[..., tuple[Params, Any, Float[Array, ""]]]:
    """`step` compiled: (params, state, batch, hyper, key, rule_key, *, reuse) → the same three.

    donate=True gives the buffers of `params` and `state` away, so that they are updated in place:
    use only what comes back. They return in the order in which they came in; in another order XLA
    would copy every buffer. The same functions and optimizer give the same compiled function.
    """
    return _make_step(loss_fn, resolve(optimizer), donate, residual_fn)


@functools.lru_cache(maxsize=64)
def _make_step(
    loss_fn: LossFn, rule: Any, donate: bool, residual_fn: Callable[..., Array] | None
) -> Callable[..., Any]:
    def compiled(
        params: Params,
        state: Any,
        batch: Any,
        hyper: Any,
        key: PRNGKeyArray | None = None,
        rule_key: PRNGKeyArray | None = None,
        *,
        reuse: Bool[ArrayLike, ""] = False,
    ) -> tuple[Params, Any, Float[Array, ""]]:
        return step(
            loss_fn,
            rule,
            params,
            state,
            batch,
            hyper,
            key=key,
            rule_key=rule_key,
            residual_fn=residual_fn,
            reuse=reuse,
        )

    return jax.jit(compiled, donate_argnames=("params", "state") if donate else ())
