"""The learning rate is learned: `jax.grad` through all steps of a training, with respect to it.

A rate is a number in an argument of a pure function, so that the final loss has a derivative by it.
Here Adam, on the logarithm of the rate, improves the rate of gradient descent with momentum; the
picture sets its path on the curve that `vmap` over 64 rates draws.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from jaxnn import plots, problems, training
from jaxnn.optimizers import adam, apply_updates
from jaxnn.plots import style

NUM_SEEDS = 8


def final_loss(log_rate: jax.Array, num_steps: int) -> jax.Array:
    """The mean validation loss on digits after training with the rate 10^log_rate."""
    problem = problems.get("digits", activation="tanh")  # smooth, so that slopes lead somewhere
    hyper = {"learning_rate": 10.0**log_rate}
    options = {"num_steps": num_steps, "batch_size": 32, "record_every": 0}

    def of_one(key: jax.Array) -> jax.Array:
        run = training.train(problem, "momentum", hyper, key, **options)
        return problem.loss(run.params, problem.validation)

    return jax.vmap(of_one)(jax.random.split(jax.random.key(0), NUM_SEEDS)).mean()


@style.picture
def draw(log_rates: np.ndarray, losses: np.ndarray, path: np.ndarray) -> Any:
    """The loss against the rate, and the points that were visited with their tangents."""
    figure = style.figure(6.4, 4.2)
    axes = figure.subplots()
    axes.plot(log_rates, losses, color=style.COLORS[0])
    for log_rate, loss, slope in path:
        ends = np.array([-0.1, 0.1])
        axes.plot(log_rate + ends, loss + slope * ends, color=style.COLORS[1], linewidth=1)
    axes.plot(path[:, 0], path[:, 1], "s", color=style.COLORS[1], markersize=4)
    axes.set(xlim=(log_rates[0], log_rates[-1]), ylim=(0, 2.5))
    axes.set(
        xlabel="log₁₀ of the learning rate", ylabel=f"validation loss, mean of {NUM_SEEDS} seeds"
    )
    axes.grid()
    style.title(figure, "A learning rate, improved by its own gradient")
    return figure


def main(
    out: Path = Path("jaxnn-results/examples"), num_steps: int = 100, num_updates: int = 15
) -> dict[str, np.ndarray]:
    """Descend on the logarithm of the learning rate; draw the path and the whole curve."""
    value_and_slope = jax.jit(jax.value_and_grad(final_loss), static_argnames="num_steps")
    log_rate = jnp.float32(-3.0)
    hyper = adam.Hyper(learning_rate=0.2, b1=0.5, b2=0.9)
    state, path = adam.init(log_rate, hyper), []
    for _ in range(num_updates):
        loss, slope = value_and_slope(log_rate, num_steps=num_steps)
        path.append([float(x) for x in (log_rate, loss, slope)])
        print(f"rate {10 ** path[-1][0]:.4f}: loss {loss:.4f}, slope {slope:+.4f} a decade")
        updates, state = adam.update(slope, state, log_rate, hyper)
        log_rate = apply_updates(log_rate, updates)

    log_rates = jnp.linspace(-3.5, 0, 64)
    losses = jax.jit(jax.vmap(lambda x: final_loss(x, num_steps)))(log_rates)
    picture = draw(np.asarray(log_rates), np.asarray(losses), np.array(path))
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'hypergradient.png')}")
    return {"path": np.array(path), "losses": np.asarray(losses)}


if __name__ == "__main__":
    typer.run(main)
