"""Every rule reaches the minima that people try optimizers on: a parabola, Rosenbrock's valley."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from references.ports import FALLING, NUM_STEPS, PARABOLA_ONLY, SETTINGS

from jaxnn import training
from jaxnn.optimizers import OPTIMIZERS, check, get, scheduled
from jaxnn.optimizers.base import evaluation_params
from jaxnn.optimizers.hypers import make_hyper
from jaxnn.schedules import linear

STARTS = np.array([[-1.0, 10.0], [0.0, 0.0]])
MINIMA = np.array([[1.0, -1.0], [1.0, 1.0]])
"""Of the parabola and of Rosenbrock's function."""


def residuals(params: Any, batch: Any) -> Any:
    """Of the rows of the batch: both functions are sums of two squares."""
    rows, curved = batch
    x, y = params
    parabola, valley = jnp.stack([x - 1, y + 1]), jnp.stack([1 - x, 10 * (y - x * x)])
    return jnp.where(curved[0], valley, parabola)[rows]


def loss(params: Any, batch: Any, key: Any) -> Any:
    del key
    return 2 * jnp.mean(residuals(params, batch) ** 2)


@functools.partial(jax.jit, static_argnums=0)
@functools.partial(jax.vmap, in_axes=(None, None, 0, 0))
def descend(rule: Any, hyper: Any, start: Any, curved: Any) -> Any:
    """Where a rule, given all that it asks for, evaluates after the steps, and what they are like.

    Both functions are lanes of one program.
    """
    batch = jnp.arange(2), jnp.broadcast_to(curved, 2)

    def step(carry: Any, number: Any) -> Any:
        params, state = carry
        key = jax.random.fold_in(jax.random.key(0), number)
        params, state, _ = training.step(
            loss, rule, params, state, batch, hyper, rule_key=key, residual_fn=residuals
        )
        return (params, state), None

    first = start, rule.init(start, hyper)
    (params, state), _ = jax.lax.scan(step, first, jnp.arange(NUM_STEPS))
    return evaluation_params(rule, state, params, hyper)


def _hyper(name: str) -> tuple[Any, Any]:
    hyper = make_hyper(get(name), SETTINGS.get(name, {}))
    if name not in FALLING:
        return get(name), check(get(name), hyper)
    rule = scheduled(get(name), learning_rate=linear)
    return rule, check(rule, rule.Hyper(hyper, num_steps=NUM_STEPS))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_reaches_the_minima(name: str) -> None:
    rule, hyper = _hyper(name)
    found = descend(rule, hyper, jnp.asarray(STARTS, jnp.float32), jnp.array([False, True]))
    far = np.abs(found - MINIMA).max(axis=1)
    assert far[0] <= 3e-2
    # A reason that no longer holds fails too.
    assert (far[1] <= 3e-2) == (name not in PARABOLA_ONLY), PARABOLA_ONLY.get(name, far[1])


def test_settings_are_of_rules_of_the_table() -> None:
    assert SETTINGS.keys() | FALLING | PARABOLA_ONLY.keys() <= OPTIMIZERS.keys()
