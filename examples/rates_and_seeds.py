"""One program over 64 learning rates × 16 seeds for each optimizer: 3,072 networks in all.

A learning rate is a number in an argument, so `vmap` over rates is nothing special, and `vmap` over
seeds around it makes one program of 1,024 trainings. All rates meet the same seeds: the same
initial weights and batches. The picture shows every network (thin lines join those of a seed), and
geometric means with their 95 % bands.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from jaxnn import plots, problems, training
from jaxnn.bench.statistics import mean_interval
from jaxnn.plots import style

OPTIMIZERS = ("sgd", "momentum", "adam")


def final_losses(optimizer: str, rates: np.ndarray, num_seeds: int, num_steps: int) -> np.ndarray:
    """The validation loss after training with each rate from each seed: [seeds, rates]."""
    problem = problems.get("digits")
    options = {"num_steps": num_steps, "batch_size": 32, "record_every": num_steps}

    def final_loss(key: jax.Array, learning_rate: jax.Array) -> jax.Array:
        hyper = {"learning_rate": learning_rate}
        run = training.train(problem, optimizer, hyper, key, **options)
        return run.history.validation["loss"][-1]

    keys = jax.random.split(jax.random.key(0), num_seeds)
    over_rates = jax.vmap(final_loss, in_axes=(None, 0))
    over_both = jax.vmap(over_rates, in_axes=(0, None))
    return np.asarray(jax.jit(over_both)(keys, jnp.asarray(rates)))


def geometric_means(losses: np.ndarray) -> np.ndarray:
    """Mean over seeds and ends of its 95 % interval, for each rate: [3, rates]."""
    return np.exp(np.array([mean_interval(np.log(column)) for column in losses.T])).T


@style.picture
def draw(rates: np.ndarray, losses: dict[str, np.ndarray]) -> Any:
    """Loss against rate: every seed, the mean with its band, the best rate."""
    figure = style.figure(8.4, 4.8)
    axes = figure.subplots()
    for index, (name, values) in enumerate(losses.items()):
        color, marker = style.COLORS[index], style.MARKERS[index]
        mean, low, high = geometric_means(values)
        best = np.nanargmin(mean)
        axes.plot(rates, values.T, color=style.tint(color, 0.35), linewidth=0.5, zorder=1)
        axes.fill_between(rates, low, high, color=color, alpha=0.3, linewidth=0, zorder=2)
        axes.plot(rates, mean, color=color, marker=marker, markevery=[best], zorder=3)
        words = f"{name}\nbest {rates[best]:.2g}"
        axes.text(rates[best], 0.026, words, color=color, weight="bold", ha="center")
    axes.axhline(np.log(10), color=style.INK, linewidth=0.8, linestyle=":")
    axes.text(0.03, 1.06 * np.log(10), "guessing", ha="center")
    axes.set(xscale="log", yscale="log", xlim=(rates[0], rates[-1]), ylim=(0.023, 5))
    axes.set(xlabel="learning rate", ylabel="validation loss, with 95 % bands")
    axes.grid()
    count = sum(values.size for values in losses.values())
    words = f"{len(rates)} learning rates × {count // len(losses) // len(rates)} seeds"
    style.title(figure, f"{count:,} networks: {words} for each optimizer")
    return figure


def main(
    out: Path = Path("jaxnn-results/examples"),
    num_rates: int = 64,
    num_seeds: int = 16,
    num_steps: int = 500,
) -> dict[str, Any]:
    """Train every optimizer at every rate from every seed; print the best rates, draw them all."""
    rates = np.geomspace(1e-4, 1e1, num_rates)
    started = time.perf_counter()
    losses = {name: final_losses(name, rates, num_seeds, num_steps) for name in OPTIMIZERS}
    seconds = time.perf_counter() - started
    for name, values in losses.items():
        means = geometric_means(values)
        best = np.nanargmin(means[0])
        mean, low, high = means[:, best]
        print(f"{name:>8}: {mean:.3f} (95 %: {low:.3f} to {high:.3f}) at rate {rates[best]:.2g}")
    count = len(losses) * num_rates * num_seeds
    print(f"{count:,} networks of 2,410 parameters, {num_steps} steps each, in {seconds:.0f} s")

    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(draw(rates, losses), out / 'rates_and_seeds.png')}")
    return {"rates": rates, "losses": losses}


if __name__ == "__main__":
    typer.run(main)
