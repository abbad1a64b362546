"""Handwritten digits: ten networks at once, with a cosine schedule, to 98 % and more.

`training.train` is a pure function, so that `vmap` over keys trains a network from each seed in one
program. No number was chosen by the test rows; the interval is over seeds: weights and batches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import typer

from jaxnn import plots, problems, training
from jaxnn.bench.statistics import mean_interval


def main(
    out: Path = Path("jaxnn-results/examples"), num_seeds: int = 10, num_steps: int = 1000
) -> dict[str, Any]:
    """Train from every seed; print the test accuracy, draw the learning curves."""
    problem = problems.get("digits")
    every = num_steps // 20
    options = {"num_steps": num_steps, "batch_size": 32, "record_every": every}

    def train(key: jax.Array) -> tuple[training.History, dict[str, jax.Array]]:
        hyper = {"learning_rate": 0.01}  # where the cosine starts
        run = training.train(problem, "adam", hyper, key, schedule="cosine", **options)
        return run.history, training.evaluate(problem, run.params, "test")

    keys = jax.random.split(jax.random.key(0), num_seeds)
    history, test = jax.jit(jax.vmap(train))(keys)

    accuracy = mean_interval(test["accuracy"])
    print(f"digits: {problem.num_rows} rows to learn from, {problem.model.sizes} units")
    print(f"{num_steps} steps of 32 rows, {num_seeds} seeds")
    print(f"test accuracy {accuracy.value:.2%}, 95 %: {accuracy.low:.2%} to {accuracy.high:.2%}")

    loss = np.asarray(history.loss)[:, : 20 * every].reshape(num_seeds, 20, every).mean(axis=2)
    steps = every * np.arange(1, 21)
    curves = {
        "training rows": (steps, loss),
        "validation rows": (steps, history.validation["loss"]),
    }
    picture = plots.learning_curves(curves, title=f"Digits: {num_seeds} networks at once")
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'digits.png')}")
    return {"accuracy": accuracy, "loss": loss}


if __name__ == "__main__":
    typer.run(main)
