"""A network's training step in a wide program, against the plain `vmap` of an Optax loop.

    python benchmarks/training_throughput.py [--seeds 4] [--settings 16] [--steps 200]

Both train the digits MLP (64, 32, 10) with Adam, batch 32, seeds × rates networks at once on one
device. Ours draws batches without replacement, records every loss, checks every loss and all
parameters, and keeps the last good ones; the plain loop draws random rows and checks nothing.
Interleaved, medians, with the quartiles of the ratio.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxnn import problems
from jaxnn.sweeps import TUNING, Engine, Plan, Width
from jaxnn.training import stages


def plain(problem: Any, seeds: int, rates: jax.Array, steps: int) -> Callable[[], Any]:
    """The loop that anybody would write."""

    def loss_fn(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        hidden = jax.nn.relu(x @ params[0].weight + params[0].bias)
        logits = hidden @ params[1].weight + params[1].bias
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def run(key: jax.Array, rate: jax.Array, data: Any) -> jax.Array:
        params = problem.init(key)
        optimizer = optax.adam(rate)

        def body(carry: Any, step: jax.Array) -> Any:
            params, state = carry
            rows = jax.random.randint(jax.random.fold_in(key, step), (32,), 0, len(data.targets))
            loss, grads = jax.value_and_grad(loss_fn)(params, data.inputs[rows], data.targets[rows])
            updates, state = optimizer.update(grads, state)
            return (optax.apply_updates(params, updates), state), loss

        return jax.lax.scan(body, (params, optimizer.init(params)), jnp.arange(steps))[1]

    grid = jax.jit(jax.vmap(jax.vmap(run, (None, 0, None)), (0, None, None)))
    keys = jax.random.split(jax.random.key(0), seeds)
    return lambda: jax.block_until_ready(grid(keys, rates, problem.train))


def ours(problem: Any, seeds: int, rates: jax.Array, steps: int) -> Callable[[], Any]:
    """The same networks by the sweep's engine."""
    width = Width(seeds, len(rates))
    staged = stages(problem, "adam", num_steps=steps, batch_size=32, record_every=0)
    numbers = {"learning_rate": np.asarray(rates, float)}
    engine = Engine(staged, numbers, width)
    plan = Plan(numbers, seeds, 0, TUNING, width)
    block = next(plan.blocks())
    return lambda: engine.run(plan, block)


def main(seeds: int = 4, settings: int = 16, steps: int = 200, repeats: int = 15) -> dict[str, Any]:
    """Microseconds a network and step of both, and their ratio."""
    problem, rates = problems.get("digits"), jnp.geomspace(1e-4, 1e-1, settings)
    runs = {make.__name__: make(problem, seeds, rates, steps) for make in (ours, plain)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(1e6 * (time.perf_counter() - started) / (seeds * settings * steps))
    kept = {name: np.array(values[1:]) for name, values in times.items()}  # the first compiles
    ratios = kept["ours"] / kept["plain"]
    low, middle, high = (float(q) for q in np.percentile(ratios, [25, 50, 75]))
    medians = {name: float(np.median(values)) for name, values in kept.items()}
    for name, value in medians.items():
        print(f"{name:6s} {value:6.2f} µs a network and step")
    print(f"ours / plain Optax loop: {middle:.2f} (quartiles {low:.2f} to {high:.2f})")
    return {"microseconds": medians, "ratio": middle, "quartiles": [low, high]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for option, default in (("seeds", 4), ("settings", 16), ("steps", 200), ("repeats", 15)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = vars(parser.parse_args())
    out = given.pop("out")
    result = main(**given)
    if out:
        device = jax.devices()[0].device_kind
        document = {**result, "arguments": given, "jax": jax.__version__, "device": device}
        out.write_text(json.dumps(document, indent=1) + "\n")
