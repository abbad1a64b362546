"""XOR needs a hidden layer: two units by hand, or as many as it takes training to find them.

By hand, with step units: OR and NAND draw two lines, and AND of both is XOR. By training, two
hidden units can do it but often get stuck; more units find a way from almost every start. All the
seeds of a width are one program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import typer
from scipy.stats import binomtest

from jaxnn import dissect, plots, problems, training
from jaxnn.models import MLP, Dense

BY_HAND = MLP((2, 2, 1), activation="step", output_activation="step")
OR_AND_NAND = Dense(weight=jnp.array([[1.0, -1.0], [1.0, -1.0]]), bias=jnp.array([-0.5, 1.5]))
AND = Dense(weight=jnp.array([[1.0], [1.0]]), bias=jnp.array([-1.5]))


def train(problem: Any, num_seeds: int, num_steps: int) -> tuple[int, Any]:
    """How many of the seeds have every row right, and the parameters of the first of them."""

    def run(key: jax.Array) -> tuple[Any, jax.Array]:
        numbers = {"learning_rate": 0.05}
        end = training.train(problem, "adam", numbers, key, num_steps=num_steps, record_every=0)
        return end.params, training.evaluate(problem, end.params, "train")["accuracy"] == 1

    params, right = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), num_seeds))
    return int(right.sum()), jax.tree.map(lambda x: x[right.argmax()], params)


def main(
    out: Path = Path("jaxnn-results/examples"),
    num_widths: int = 5,
    num_seeds: int = 64,
    num_steps: int = 500,
) -> dict[str, Any]:
    """Solve XOR by hand and by training; draw the regions of a trained network."""
    inputs, targets = problems.get("xor").train
    by_hand = BY_HAND.apply((OR_AND_NAND, AND), inputs)[:, 0].astype(int)
    print(f"by hand: {inputs.astype(int).tolist()} → {by_hand.tolist()}")

    solved, learned = {}, {}
    for width in (1, 2, 3, 4, 8)[:num_widths]:
        problem = problems.get("xor", sizes=(2, width, 1))
        solved[width], learned[problem.model] = train(problem, num_seeds, num_steps)
        low, high = binomtest(solved[width], num_seeds).proportion_ci(method="wilson")
        share = f"{solved[width]} of {num_seeds} seeds (95 %: {low:.0%} to {high:.0%})"
        print(f"{width} hidden unit{'s' * (width != 1)}: solved by {share}")

    model, params = learned.popitem()

    def classify(points: jax.Array) -> jax.Array:
        return model.apply(params, points)

    picture = plots.decision_regions(
        dissect.region_map(classify, (-0.5, -0.5), (1.5, 1.5)),
        inputs,
        targets,
        names=("0", "1"),
        title=f"XOR, learned with {model.sizes[1]} hidden units",
    )
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'xor_by_mlp.png')}")
    return {"by_hand": by_hand.tolist(), "solved": solved}


if __name__ == "__main__":
    typer.run(main)
