"""Our rules in an Equinox loop: `bind` makes one an Optax transformation, and nothing else changes.

The numbers of a bound rule live in its state, so that a new learning rate, set half-way through, is
a new argument and no new program. Needs `pip install equinox`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import typer

from jaxnn import dissect, losses, plots, problems
from jaxnn.optimizers import adam, bind


def main(out: Path = Path("jaxnn-results/examples"), num_steps: int = 400) -> dict[str, Any]:
    """Fit an Equinox network to two moons, lower the rate half-way, draw its regions."""
    import equinox as eqx

    problem = problems.get("moons")
    inputs, labels = problem.train
    model = eqx.nn.MLP(2, 2, width_size=32, depth=2, key=jax.random.key(0))
    tx = bind(adam, adam.Hyper(learning_rate=0.01))
    state: Any = tx.init(eqx.filter(model, eqx.is_inexact_array))
    num_traces = 0

    @eqx.filter_value_and_grad
    def loss_and_grads(model: Any) -> jax.Array:
        outputs = jax.vmap(model)(inputs)
        return losses.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()

    @eqx.filter_jit
    def step(model: Any, state: Any) -> tuple[Any, Any, jax.Array]:
        nonlocal num_traces
        num_traces += 1  # when traced, not when run
        loss, grads = loss_and_grads(model)
        updates, state = tx.update(grads, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state, loss

    history = []
    for number in range(num_steps):
        if number == num_steps // 2:
            state = state.set(learning_rate=0.001)
        model, state, loss = step(model, state)
        history.append(float(loss))

    correct = jax.vmap(model)(problem.test.inputs).argmax(axis=1) == problem.test.targets
    accuracy = float(correct.mean())
    print(f"loss {history[0]:.3f} → {history[-1]:.3f}, test accuracy {accuracy:.1%}")
    print(f"the step was traced {num_traces} time{'s' * (num_traces != 1)} for two learning rates")

    regions = dissect.region_map(jax.vmap(model), (-1.7, -1.4), (2.8, 1.9))
    title = "Two moons: a network of Equinox, Adam of jaxnn"
    picture = plots.decision_regions(regions, inputs, labels, title=title)
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'equinox_loop.png')}")
    return {"loss": history, "accuracy": accuracy, "num_traces": num_traces}


if __name__ == "__main__":
    typer.run(main)
