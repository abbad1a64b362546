"""What each layer does: the first draws lines, the second convex shapes, the third any shape.

An L is the union of two rectangles, and a rectangle is where four half-planes meet. So a network of
step units is written down by hand: six lines, AND of four of them twice, OR of the two. A network
of the same kind that is trained on points of the L finds lines and shapes of its own, smooth ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import typer

from jaxnn import dissect, plots, problems, training
from jaxnn.models import MLP, Dense

BY_HAND = MLP((2, 6, 2, 1), activation="step", output_activation="step")
LINES = Dense(  # −0.8 <= x, x <= −0.2, x <= 0.8 and the same for y
    weight=jnp.array([[1.0, -1.0, -1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, -1.0, -1.0]]),
    bias=jnp.array([0.8, -0.2, 0.8, 0.8, -0.2, 0.8]),
)
AND = Dense(  # the upright and the foot
    weight=jnp.array([[1.0, 1.0, 0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0, 1.0, 0.0]]).T,
    bias=jnp.array([-3.5, -3.5]),
)
OR = Dense(weight=jnp.array([[1.0], [1.0]]), bias=jnp.array([-0.5]))
LOW, HIGH = (-1.2, -1.2), (1.2, 1.2)


def sample(seed: int, num_points: int) -> problems.Batch:
    """Even points of the square, and whether each is in the L."""
    points = jax.random.uniform(jax.random.key(seed), (num_points, 2), minval=-1.2, maxval=1.2)
    return problems.Batch(points, BY_HAND.apply((LINES, AND, OR), points)[:, 0].astype(int))


def train(problem: Any, num_seeds: int, num_steps: int) -> tuple[Any, jax.Array, jax.Array]:
    """Parameters, last loss and accuracy on fresh points from all seeds, in one program."""
    fresh = sample(1, 4000)

    def run(key: jax.Array) -> tuple[Any, jax.Array, jax.Array]:
        numbers = {"learning_rate": 0.02}
        end = training.train(problem, "adam", numbers, key, num_steps=num_steps, record_every=0)
        return end.params, end.history.loss[-1], problem.metrics(end.params, fresh)["accuracy"]

    return jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), num_seeds))


def main(
    out: Path = Path("jaxnn-results/examples"), num_seeds: int = 16, num_steps: int = 1000
) -> dict[str, Any]:
    """Draw where the units of each layer switch, by hand and after training."""
    points, classes = sample(0, 400)
    model = MLP((2, 8, 4, 1), activation="tanh")
    problem = problems.classification(points, classes, model=model, standardize=False)
    params, loss, accuracies = train(problem, num_seeds, num_steps)
    print(f"{classes.sum()} of {len(points)} points are in the L")
    low, high = accuracies.min(), accuracies.max()
    print(f"trained, {num_seeds} seeds: {low:.1%} to {high:.1%} of 4000 fresh points right")

    best = jax.tree.map(lambda x: x[loss.argmin()], params)
    by_hand = dissect.layer_regions(BY_HAND, (LINES, AND, OR), LOW, HIGH)
    trained = dissect.layer_regions(model, best, LOW, HIGH)
    out.mkdir(parents=True, exist_ok=True)
    for name, regions in {"by_hand": by_hand, "trained": trained}.items():
        title = f"{name.capitalize().replace('_', ' ')}: where the units of each layer switch"
        picture = plots.layer_regions(regions, points, classes, title=title)
        print(f"picture: {plots.save(picture, out / f'layers_{name}.png')}")
    return {"by_hand": by_hand, "trained": trained, "accuracies": accuracies}


if __name__ == "__main__":
    typer.run(main)
