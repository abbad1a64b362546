"""A sweep of a Flax model, whose width decides shapes: each width is a program of its own.

`structural` says which numbers of a space decide what is compiled; the trial finds them in `hyper`
as plain numbers beside the traced ones. Here with a rule of jaxnn. Needs `pip install flax`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import typer

from jaxnn import losses, optimizers, plots, problems, sweeps
from jaxnn.optimizers import nesterov
from jaxnn.space import grid, log_uniform, structural


def make(num_steps: int) -> Any:
    """Two spirals, a network of Flax linen, Nesterov's momentum of jaxnn."""
    import flax.linen as nn

    problem = problems.get("spirals")

    def trial(key: jax.Array, hyper: dict[str, Any]) -> dict[str, jax.Array]:
        network = nn.Sequential([nn.Dense(hyper["width"]), nn.tanh, nn.Dense(2)])
        params = network.init(key, problem.train.inputs)
        numbers = nesterov.Hyper(learning_rate=hyper["learning_rate"])

        def loss_fn(params: Any, rows: Any) -> jax.Array:
            outputs = network.apply(params, rows.inputs)
            return losses.softmax_cross_entropy_with_integer_labels(outputs, rows.targets).mean()

        def step(carry: Any, _: None) -> tuple[Any, None]:
            params, state = carry
            grads = jax.grad(loss_fn)(params, problem.train)
            updates, state = nesterov.update(grads, state, params, numbers)
            return (optimizers.apply_updates(params, updates), state), None

        start = params, nesterov.init(params, numbers)
        (params, _), _ = jax.lax.scan(step, start, None, length=num_steps)
        return {"loss": loss_fn(params, problem.validation)}

    return trial


def main(
    out: Path = Path("jaxnn-results/examples"), num_trials: int = 16, num_steps: int = 200
) -> dict[str, Any]:
    """The same rates for three widths, and the best of each with its interval."""
    space = {
        "learning_rate": log_uniform(1e-3, 1e1),
        "width": structural(grid([4, 16, 64])),
    }
    found = sweeps.run(make(num_steps), space, num_trials=num_trials, num_seeds=2)
    best: dict[int, sweeps.Leader] = {}
    for leader in found.leaders("loss", number=found.num_settings):
        best.setdefault(leader.setting["width"], leader)
    for width, leader in sorted(best.items()):
        rate, interval = leader.setting["learning_rate"], f"{leader.low:.3f} to {leader.high:.3f}"
        print(f"width {width:2d}: rate {rate:.3f}, validation loss {leader.mean:.3f} ({interval})")

    columns = found.table() | {"width": found.table()["width"].astype(np.float64)}
    picture = plots.heat_map(columns, "learning_rate", "width", "loss", title="Two spirals, Flax")
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'sweep_flax.png')}")
    return {"best": best, "loss": found.by_setting("loss")}


if __name__ == "__main__":
    typer.run(main)
