"""Gradient descent on x² − y² from (2, 3): no minimum is found, for there is none.

With rate 0.1, x shrinks by 0.8 a step and y grows by 1.2, so that after 100 steps x = 2·0.8¹⁰⁰ and
y = 3·1.2¹⁰⁰. The lecture prints (1.24, 3.72) and (1.008, 3.792) for the first two points, which do
not follow from the rule, and calls the end a minimum: it is a saddle, left downhill.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from jaxnn import dissect, plots, problems, training
from jaxnn.optimizers import sgd


def descend(problem: Any, hyper: sgd.Hyper, num_steps: int) -> tuple[jax.Array, jax.Array]:
    """The points of the path [num_steps + 1, 2] and the loss at each but the last."""

    def step(carry: Any, _: None) -> tuple[Any, Any]:
        params, state, loss = training.step(problem.loss, sgd, carry[0], carry[1], None, hyper)
        return (params, state), (params, loss)

    start = problem.init(jax.random.key(0))
    _, (points, losses) = jax.lax.scan(step, (start, sgd.init(start, hyper)), length=num_steps)
    return jnp.concatenate([start[None], points]), losses


def main(out: Path = Path("jaxnn-results/examples"), num_steps: int = 100) -> dict[str, Any]:
    """Follow gradient descent off the saddle; draw its path."""
    problem = problems.get("saddle")
    with jax.enable_x64(True):  # for ten digits
        path, losses = map(np.asarray, descend(problem, sgd.Hyper(learning_rate=0.1), num_steps))
    printed = {1: "(1.24, 3.72)", 2: "(1.008, 3.792)"}
    for step in (0, 1, 2, num_steps):
        x, y = path[step]
        slip = f"   the lecture's slip: {printed[step]}" if step in printed else ""
        print(f"step {step:3}: ({x:.4f}, {y:.4f}){slip}")
    verdict = training.label(losses)
    print(f"f = {losses[-1]:.3g} after {num_steps - 1} steps: {verdict}")

    picture = plots.landscape(
        dissect.landscape(problem.function, (-6, -6), (6, 6)),
        path,
        value_label="x² − y²",
        title="Gradient descent leaves the saddle",
    )
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'saddle.png')}")
    return {"path": path, "verdict": verdict}


if __name__ == "__main__":
    typer.run(main)
