"""A sweep of an Equinox model with Optax, step by step, so that bad settings are stopped early.

A `Staged` trial has a state, one step, and a measurement. The state is the model's arrays and the
optimizer's; what is no array stands outside. The rate is read from `hyper` at every step, so that
all settings share one compiled program. Needs `pip install equinox`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import optax
import typer

from jaxnn import losses, plots, problems, sweeps
from jaxnn.space import log_uniform, one_minus


def make(num_steps: int) -> sweeps.Staged:
    """Two spirals, a network of Equinox, Adam of Optax."""
    import equinox as eqx

    problem = problems.get("spirals")

    def build(key: jax.Array) -> Any:
        return eqx.nn.MLP(2, 2, width_size=32, depth=2, key=key)

    # The static half holds functions alone, the same for every key.
    _, static = eqx.partition(build(jax.random.key(0)), eqx.is_array)
    adam = optax.inject_hyperparams(optax.adam)(learning_rate=0.0, b1=0.9)

    def loss_fn(arrays: Any, rows: Any) -> jax.Array:
        outputs = jax.vmap(eqx.combine(arrays, static))(rows.inputs)
        return losses.softmax_cross_entropy_with_integer_labels(outputs, rows.targets).mean()

    def init(key: jax.Array, hyper: Any, data: Any) -> Any:
        arrays, _ = eqx.partition(build(key), eqx.is_array)
        return arrays, adam.init(arrays)

    def advance(state: Any, hyper: Any, step: Any, data: Any) -> Any:
        arrays, inner = state
        loss, grads = jax.value_and_grad(loss_fn)(arrays, data.train)
        inner = inner._replace(hyperparams=inner.hyperparams | hyper)
        updates, inner = adam.update(grads, inner, arrays)
        return (optax.apply_updates(arrays, updates), inner), {"loss": loss}

    def measure(state: Any, hyper: Any, data: Any) -> Any:
        return {"loss": loss_fn(state[0], data.validation)}

    return sweeps.Staged(init, advance, measure, num_steps, data=problem)


def main(
    out: Path = Path("jaxnn-results/examples"), num_trials: int = 64, num_steps: int = 160
) -> dict[str, Any]:
    """Halve the settings at three rungs, and draw who went how far."""
    space = {"learning_rate": log_uniform(1e-4, 1e0), "b1": one_minus(log_uniform(1e-2, 0.5))}
    stop = sweeps.SuccessiveHalving("loss", eta=2)
    found = sweeps.run(make(num_steps), space, num_trials=num_trials, num_seeds=2, stop=stop)
    (rungs,) = found.rungs
    best = found.leaders("loss", number=1)[0]
    print(f"settings at steps {rungs.steps.tolist()}: {rungs.reached.tolist()}")
    interval = f"{best.low:.3f} to {best.high:.3f}"
    print(f"best: {best.setting}, validation loss {best.mean:.3f} ({interval})")

    title = "Two spirals: a network of Equinox, Adam of Optax"
    picture = plots.rungs(rungs.steps, rungs.scores, ylabel="validation loss", title=title)
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'sweep_equinox.png')}")
    return {"best": best, "reached": rungs.reached}


if __name__ == "__main__":
    typer.run(main)
