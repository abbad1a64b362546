"""A sweep of plain JAX: any pure f(key, hyper) → metrics, kept in a store, grown, and drawn.

Logistic regression by gradient descent with momentum, all in one function: `hyper` is a dict of the
numbers that the space names, and nothing in it knows that thousands of it run at once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import typer

from jaxnn import plots, sweeps
from jaxnn.space import log_uniform, uniform

NUM_STEPS = 100


def trial(key: jax.Array, hyper: dict[str, Any]) -> dict[str, jax.Array]:
    """Draw points of two classes, fit a line between them, and measure it on others."""
    train, test = (draw(k) for k in jax.random.split(key))

    def loss_fn(weights: jax.Array, points: jax.Array, signs: jax.Array) -> jax.Array:
        return jax.nn.softplus(-signs * (points @ weights)).mean()

    def step(carry: Any, _: None) -> tuple[Any, None]:
        weights, velocity = carry
        grads = jax.grad(loss_fn)(weights, *train)
        velocity = hyper["momentum"] * velocity + grads
        return (weights - hyper["learning_rate"] * velocity, velocity), None

    start = jnp.zeros(2), jnp.zeros(2)
    (weights, _), _ = jax.lax.scan(step, start, None, length=NUM_STEPS)
    return {"loss": loss_fn(weights, *test), "weights": weights}


def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """100 points of two overlapping clouds, and their signs."""
    signs = jnp.where(jnp.arange(100) % 2 == 0, 1.0, -1.0)
    return jnp.outer(signs, jnp.array([1.0, 0.3])) + jax.random.normal(key, (100, 2)), signs


def main(out: Path = Path("jaxnn-results/examples"), num_trials: int = 128) -> dict[str, Any]:
    """Sweep half of the settings, then all of them, from the same store."""
    space = {"learning_rate": log_uniform(1e-3, 1e2), "momentum": uniform(0.0, 0.99)}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "plain.db"
        sweeps.run(trial, space, num_trials=num_trials // 2, num_seeds=4, store=store)
        # The same call with more trials runs only what is new; so it does after Ctrl-C.
        found = sweeps.run(trial, space, num_trials=num_trials, num_seeds=4, store=store)
    best = found.leaders("loss", number=1)[0]
    print(f"best of {found.num_settings} settings: {best.setting}")
    print(f"loss {best.mean:.4f}, 95 % interval {best.low:.4f} to {best.high:.4f}")

    picture = plots.effect(found.table(), "learning_rate", "loss", title="Logistic regression")
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'sweep_plain.png')}")
    return {"best": best, "loss": found.table()["loss"]}


if __name__ == "__main__":
    typer.run(main)
