"""Universal approximation: one hidden layer follows a curve the better, the wider it is.

Networks of 1, 2, 4, … tanh units learn f(x) = sin 7x + x cos 3x on [−1, 1] from 134 points and are
asked at 512 others. A width is structure, so that each is a program of its own; in it all the seeds
are trained at once, by `vmap`. Errors are spread over decades: their means are geometric.
Reference: Cybenko 1989, Mathematics of Control, Signals and Systems 2, "Approximation by
superpositions of a sigmoidal function".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from jaxnn import plots, problems, training
from jaxnn.bench.statistics import mean_interval
from jaxnn.models import MLP
from jaxnn.plots import style

X = np.linspace(-1, 1, 512, dtype=np.float32)


def f(x: np.ndarray) -> np.ndarray:
    """The curve."""
    return np.sin(7 * x) + x * np.cos(3 * x)


def answers(width: int, num_seeds: int, num_steps: int) -> np.ndarray:
    """What trained networks say at X: [seeds, 512]."""
    x = np.random.default_rng(0).uniform(-1, 1, (192, 1))
    problem = problems.regression(x, f(x), model=MLP((1, width, 1), "tanh"), standardize=False)

    def answer(key: jax.Array) -> jax.Array:
        options = {"num_steps": num_steps, "schedule": "cosine", "record_every": 0}
        run = training.train(problem, "adam", {"learning_rate": 0.02}, key, **options)
        return problem.outputs(run.params, jnp.asarray(X)[:, None])[:, 0]

    return np.asarray(jax.jit(jax.vmap(answer))(jax.random.split(jax.random.key(0), num_seeds)))


def geometric_mean(errors: np.ndarray) -> np.ndarray:
    """The mean and the ends of its 95 % interval: [3]."""
    return np.exp(np.array(mean_interval(np.log(errors))))


@style.picture
def draw(curves: dict[int, np.ndarray], errors: dict[int, np.ndarray]) -> Any:
    """The median network of some widths, and the error of all against the width."""
    figure = style.figure(9.0, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    left.plot(X, f(X), color="#BBBBBB", linewidth=5, label="f")
    for index, width in enumerate(list(errors)[:5:2]):
        median = curves[width][np.argsort(errors[width])[len(errors[width]) // 2]]
        left.plot(X, median, **style.series(index) | {"marker": ""}, label=f"{width} hidden")
    left.set(xlim=(-1, 1), xlabel="x", ylabel="output of the median network")
    left.legend(loc="lower left")

    widths, values = list(errors), np.array(list(errors.values()))
    mean, low, high = np.array([geometric_mean(row) for row in values]).T
    right.plot(widths, values, ".", color="#BBBBBB", markersize=4)
    right.fill_between(widths, low, high, color=style.tint(style.COLORS[0], 0.4))
    right.plot(widths, mean, **style.series(0))
    right.set(xscale="log", yscale="log", xlabel="hidden units", ylabel="error, 95 % band")
    right.set_xticks(widths, [str(width) for width in widths])
    right.minorticks_off()
    right.grid(axis="y")
    style.title(figure, "Universal approximation: the wider the layer, the smaller the error")
    return figure


def main(
    out: Path = Path("jaxnn-results/examples"),
    num_widths: int = 7,
    num_seeds: int = 32,
    num_steps: int = 3000,
) -> dict[int, np.ndarray]:
    """Train every width from every seed; print and draw the error against the width."""
    curves, errors = {}, {}
    print("hidden units  error (95 % interval)")
    for width in (2**k for k in range(num_widths)):
        curves[width] = answers(width, num_seeds, num_steps)
        errors[width] = np.sqrt(np.mean((curves[width] - f(X)) ** 2, axis=1))
        mean, low, high = geometric_mean(errors[width])
        print(f"{width:12}  {mean:.4f} ({low:.4f} to {high:.4f})")
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(draw(curves, errors), out / 'universal_approximation.png')}")
    return errors


if __name__ == "__main__":
    typer.run(main)
