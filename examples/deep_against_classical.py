"""Deep against classical: a network on raw pixels, against a linear model on hand-made features.

Somebody who knows digits might measure ink by row, by column and by quadrant, and what two mirrors
change. A linear model on these 22 numbers competes with one on the 64 pixels, and with a network
that makes 32 features of its own from them; the rule and the images are the same. Each seed has its
own split, weights and batches. All seeds are one program: the arrays of a problem are leaves of a
pytree, so that problems can be stacked and mapped over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from sklearn.datasets import load_digits

from jaxnn import plots, problems, training
from jaxnn.bench.statistics import compare, mean_interval
from jaxnn.models import MLP
from jaxnn.plots import style


def features(pixels: np.ndarray) -> np.ndarray:
    """Ink by row (8), column (8) and quadrant (4), what two mirrors change (2): [rows, 22]."""
    image = pixels.reshape(-1, 8, 8)
    quadrants = image.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4)
    mirrors = [np.abs(image - np.flip(image, axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    return np.column_stack([image.mean(axis=2), image.mean(axis=1), quadrants, *mirrors])


def train(each: list[problems.Supervised], num_steps: int) -> tuple[Any, np.ndarray]:
    """Parameters and test accuracies of a model for each problem, all in one program."""
    hyper = {"learning_rate": 0.01, "weight_decay": 0.2}
    options = {"num_steps": num_steps, "batch_size": 32, "record_every": 0, "schedule": "cosine"}

    def run(problem: problems.Supervised, key: jax.Array) -> tuple[Any, jax.Array]:
        end = training.train(problem, "adamw", hyper, key, **options)
        return end.params, training.evaluate(problem, end.params, "test")["accuracy"]

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
    keys = jax.random.split(jax.random.key(0), len(each))
    params, accuracies = jax.jit(jax.vmap(run))(stacked, keys)
    return params, np.asarray(accuracies)


@style.picture
def draw(weight: np.ndarray) -> Any:
    """What each hidden unit looks for: its 64 weights as an image, the strongest unit first."""
    figure = style.figure(7.2, 4.0)
    order = np.argsort(-np.linalg.norm(weight, axis=0))
    limit = np.abs(weight).max()
    for axes, unit in zip(figure.subplots(4, 8).flat, order, strict=True):
        axes.imshow(weight[:, unit].reshape(8, 8), cmap="RdBu", vmin=-limit, vmax=limit)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="#BBBBBB")
    style.title(figure, "What 32 hidden units look for: blue is ink, red is none")
    return figure


def main(
    out: Path = Path("jaxnn-results/examples"), num_seeds: int = 10, num_steps: int = 1000
) -> dict[str, np.ndarray]:
    """Train all three from every seed; print accuracies with intervals, draw the weights."""
    images, labels = load_digits(return_X_y=True)
    pixels = images / 16
    classical, deep = "linear on 22 features", "network on 64 pixels"
    contestants: dict[str, dict[str, Any]] = {
        classical: {"x": features(pixels), "model": MLP((22, 10))},
        "linear on 64 pixels": {"x": pixels, "model": MLP((64, 10)), "standardize": False},
        deep: {"x": pixels, "model": MLP((64, 32, 10), "tanh"), "standardize": False},
    }
    params, accuracies = {}, {}
    for name, data in contestants.items():
        each = [problems.classification(y=labels, seed=seed, **data) for seed in range(num_seeds)]
        params[name], accuracies[name] = train(each, num_steps)
        mean, low, high = mean_interval(accuracies[name])
        print(f"{name:>21}: test accuracy {mean:.1%} (95 %: {low:.1%} to {high:.1%})")
    gain = 100 * np.array(compare(accuracies[deep], accuracies[classical]).difference)
    print("deep − classical: {:.1f} points (95 %: {:.1f} to {:.1f})".format(*gain))

    out.mkdir(parents=True, exist_ok=True)
    picture = draw(np.asarray(params[deep][0].weight[0]))
    print(f"picture: {plots.save(picture, out / 'deep_against_classical.png')}")
    return accuracies


if __name__ == "__main__":
    typer.run(main)
