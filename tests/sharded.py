"""Two devices against one, for every rule: run by test_optimizers_shard_map.py in its own process.

    XLA_FLAGS=--xla_force_host_platform_device_count=2 python tests/sharded.py

Prints, as JSON, rule → way → "" or what went wrong.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from references.sharding import BY_ELEMENT

from jaxnn.optimizers import OPTIMIZERS, apply_updates, check, get
from jaxnn.testing import feed

NUM_STEPS = 3
DEVICES = "devices"
WHOLE, PARTS = PartitionSpec(), PartitionSpec(DEVICES)


def draw(seed: int, *lead: int) -> Any:
    rng = np.random.default_rng(seed)
    shapes = {"b": (4,), "w": (4, 2)}
    return {k: jnp.asarray(rng.normal(size=(*lead, *s)), jnp.float32) for k, s in shapes.items()}


def walk(rule: Any, hyper: Any, params: Any, state: Any, rows: Any, needs: Any) -> Any:
    """(parameters, state) after some steps; `needs` makes of (params, row) gradients and extras."""

    def step(carry: Any, row: Any) -> Any:
        params, state = carry
        grads, extra = needs(rule, params, row)
        updates, state = rule.update(grads, state, params, hyper, **extra)
        return (apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, state), rows)[0]


def given(rule: Any, params: Any, grads: Any) -> Any:
    """The gradients of the row, and what fits them."""
    return grads, feed.supplies(rule, grads, params)
