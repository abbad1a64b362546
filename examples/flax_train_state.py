"""Our rules in Flax: `bind` makes one an Optax transformation, which `TrainState` takes as its own.

Here in a chain with clipping, and scheduled: the learning rate follows a cosine over the run and is
found in the state. Needs `pip install flax`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import optax
import typer

from jaxnn import dissect, losses, plots, problems
from jaxnn.optimizers import adam, bind, scheduled
from jaxnn.schedules import cosine


def main(out: Path = Path("jaxnn-results/examples"), num_steps: int = 500) -> dict[str, Any]:
    """Fit a Flax network to two spirals with a cosine schedule, draw its regions."""
    import flax.linen as nn
    from flax.training.train_state import TrainState

    problem = problems.get("spirals")
    inputs, labels = problem.train
    network = nn.Sequential([nn.Dense(64), nn.tanh, nn.Dense(64), nn.tanh, nn.Dense(2)])

    rule = scheduled(adam, learning_rate=cosine)
    hyper = rule.Hyper(inner=adam.Hyper(learning_rate=0.02), num_steps=num_steps)
    tx = optax.chain(optax.clip_by_global_norm(1.0), bind(rule, hyper))
    params = network.init(jax.random.key(0), inputs)
    state = TrainState.create(apply_fn=network.apply, params=params, tx=tx)

    @jax.jit
    def step(state: TrainState) -> tuple[TrainState, jax.Array]:
        def mean_loss(params: Any) -> jax.Array:
            outputs = state.apply_fn(params, inputs)
            return losses.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()

        loss, grads = jax.value_and_grad(mean_loss)(state.params)
        return state.apply_gradients(grads=grads), loss

    history, rates = [], []
    for _ in range(num_steps):
        state, loss = step(state)
        history.append(float(loss))
        bound = state.opt_state[1]
        rates.append(float(rule.record(bound.inner)["learning_rate"]))

    def classify(points: jax.Array) -> Any:
        return network.apply(state.params, points)

    correct = classify(problem.test.inputs).argmax(axis=1) == problem.test.targets
    accuracy = float(correct.mean())
    print(f"loss {history[0]:.3f} → {history[-1]:.3f}, test accuracy {accuracy:.1%}")
    print(f"learning rate {rates[0]:.4f} → {rates[num_steps // 2]:.4f} → {rates[-1]:.6f}")

    regions = dissect.region_map(classify, (-1.8, -1.8), (1.8, 1.8))
    title = "Two spirals: a network of Flax, Adam of jaxnn"
    picture = plots.decision_regions(regions, inputs, labels, title=title)
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'flax_train_state.png')}")
    return {"loss": history, "rates": rates, "accuracy": accuracy}


if __name__ == "__main__":
    typer.run(main)
