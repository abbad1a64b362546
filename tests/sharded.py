"""Two devices against one, for every rule: test_optimizers_shard_map.py runs it in its own process.

    XLA_FLAGS=--xla_force_host_platform_device_count=2 python tests/sharded.py

Prints as JSON rule → way → the largest relative difference:

    replicas   a model on each device, with numbers of its own
    data       one model, gradients averaged over the devices
    elements   half of each leaf on each device, as if it were all; for rules by element
    jit        the same halves, left to the compiler; for all others
"""

from __future__ import annotations

import functools
import json
import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxnn.optimizers import OPTIMIZERS, apply_updates, check, get
from jaxnn.testing import feed

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "sharding.md"
ROWS = re.findall(r"^\| [^`|]+ \| (`[^|]+`) \|$", PAGE.read_text(), re.MULTILINE)
BEYOND_ELEMENTS = {name for row in ROWS for name in re.findall(r"`(\w+)`", row)}
"""Rules that look at more than one element, as the page says."""

DEVICES = P("devices")


def draw(seed: int) -> Any:
    """Two models, or their gradients."""
    return {"w": jnp.asarray(np.random.default_rng(seed).normal(size=(2, 4, 2)), jnp.float32)}


def step(rule: Any, hyper: Any, params: Any, state: Any, grads: Any) -> Any:
    """(updates, state)."""
    return rule.update(grads, state, params, hyper, **feed.supplies(rule, grads, params))


def first(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[0], tree)


def gap(found: Any, wanted: Any) -> float:
    """Of the updates to their largest; of the state too, where numbers below 0.1 count as 0.1."""
    worst = 0.0
    for part, floor in ((0, 1e-30), (1, 0.1)):
        pairs = zip(jax.tree.leaves(found[part]), jax.tree.leaves(wanted[part]), strict=True)
        for a, b in ((np.asarray(a) * 1.0, np.asarray(b) * 1.0) for a, b in pairs):
            worst = max(worst, float(np.abs(a - b).max() / max(np.abs(b).max(), floor)))
    return worst


@functools.partial(jax.jit, static_argnums=0)
@functools.partial(jax.vmap, in_axes=(None, 0, 0, 0, 0))
def on_one(rule: Any, hyper: Any, params: Any, state: Any, grads: Any) -> Any:
    """A step of two models on one device."""
    return step(rule, hyper, params, state, grads)


@functools.partial(jax.jit, static_argnums=(0, 1))
def on_two(rule: Any, by_element: bool, *models: Any) -> dict[str, Any]:
    """The same step in every way; that of the first model but for the replicas."""
    mesh = jax.make_mesh((2,), ("devices",), axis_types=(AxisType.Auto,))
    shard_map = functools.partial(jax.shard_map, mesh=mesh)
    each = jax.vmap(functools.partial(step, rule))
    found = {"replicas": shard_map(each, in_specs=DEVICES, out_specs=DEVICES)(*models)}

    def averaged(hyper: Any, params: Any, state: Any, grads: Any) -> Any:
        return step(rule, hyper, params, state, jax.lax.pmean(first(grads), "devices"))

    alone = hyper, params, state, _ = first(models)
    # Two batches whose gradients differ, and are on average those of the first model.
    uneven = jax.tree.map(lambda g: jnp.stack([g[0] + g[1], g[0] - g[1]]), models[3])
    data = shard_map(averaged, in_specs=(P(), P(), P(), DEVICES), out_specs=P())
    found["data"] = data(hyper, params, state, uneven)

    halves = jax.tree.map(lambda x: DEVICES if x.shape[:1] == (4,) else P(), alone)
    if by_element:
        outs = halves[3], halves[2]
        elements = shard_map(functools.partial(step, rule), in_specs=halves, out_specs=outs)
        return found | {"elements": elements(*alone)}
    places = jax.tree.map(functools.partial(NamedSharding, mesh), halves)
    return found | {"jit": step(rule, *jax.lax.with_sharding_constraint(alone, places))}


def main() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    page: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), page)
    found: dict[str, Any] = {"page": np.asarray(page["params"]).tolist()}
    for name in OPTIMIZERS:
        rule, params = get(name), draw(0)
        hyper = jax.tree.map(lambda x: jnp.stack([x, x]), check(rule, {}))
        updates, state = on_one(rule, hyper, params, jax.vmap(rule.init)(params, hyper), draw(1))
        models = hyper, apply_updates(params, updates), state, draw(2)
        wanted = on_one(rule, *models)
        ways = on_two(rule, name not in BEYOND_ELEMENTS, *models)
        found[name] = {
            way: gap(rows, wanted if way == "replicas" else first(wanted))
            for way, rows in ways.items()
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
