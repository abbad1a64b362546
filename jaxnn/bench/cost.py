"""What an update costs, found without running it."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn.training import step
from jaxnn.training.train import checked_hyper

__all__ = ["flops_of_update", "state_bytes", "traced_update"]


def _shapes(problem: Any, rule: Any) -> tuple[Any, Any, Any]:
    """Of parameters, the rule's state, and its numbers."""
    params = jax.eval_shape(problem.init, jax.random.key(0))
    hyper = checked_hyper(rule, {}, 1)
    return params, jax.eval_shape(rule.init, params, hyper), hyper


def state_bytes(problem: Any, rule: Any) -> int:
    """Bytes of the rule's state for the problem's parameters."""
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(_shapes(problem, rule)[1]))


def flops_of_update(problem: Any, rule: Any, batch_size: int | None) -> float:
    """Floating-point operations of an update as XLA counts them; NaN where it does not say.

    The gradient is among them; bodies of loops, as a search along a line has, count once.
    batch_size: rows of a batch, None for all.
    """
    update, shapes = traced_update(problem, rule, batch_size)
    found: Any = jax.jit(update).lower(*shapes).cost_analysis()
    return float((found or {}).get("flops", math.nan))


def traced_update(problem: Any, rule: Any, batch_size: int | None) -> tuple[Any, tuple[Any, ...]]:
    """An update as a function, its gradient included, and the shapes of its arguments.

    batch_size: rows of a batch, None for all.
    """
    params, state, hyper = _shapes(problem, rule)
    rows = slice(None) if batch_size is None else slice(batch_size)
    batch = jax.eval_shape(lambda data: jax.tree.map(lambda x: x[rows], data), problem.train)

    def update(params: Any, state: Any, batch: Any, hyper: Any, key: Any) -> Any:
        return step(
            problem.loss,
            rule,
            params,
            state,
            batch,
            hyper,
            key=key,
            rule_key=key,
            residual_fn=getattr(problem, "residuals", None),
        )

    key = jax.eval_shape(lambda: jax.random.key(0))
    hyper = jax.tree.map(jnp.asarray, hyper)
    return update, (params, state, batch, hyper, key)
