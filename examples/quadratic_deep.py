"""DeepOBS's `quadratic_deep`: three rules at their published rates, over many shuffles at once.

A shuffle is one permutation of the 1,000 rows, kept for all epochs: 7 batches of 128, the last 104
rows unused. Rates are DeepOBS's: 10^−1.8 for SGD, 10^−2.6 for momentum 0.99, 10^−1.4 for Adam. All
shuffles of a rule are one program; the spread between them is what the order of the data decides.
Reference: Schneider, Balles, Hennig 2019, ICLR, "DeepOBS: a deep learning optimizer benchmark
suite".
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from jaxnn import plots, problems, training
from jaxnn.optimizers import adam, momentum, sgd

BATCH_SIZE = 128
RULES = {
    "sgd": (sgd, sgd.Hyper(10**-1.8)),
    "momentum": (momentum, momentum.Hyper(10**-2.6, 0.99)),
    "adam": (adam, adam.Hyper(10**-1.4)),
}


@functools.partial(jax.jit, static_argnames=("name", "num_epochs"))
@functools.partial(jax.vmap, in_axes=(None, 0, None, None))
def descend(problem: Any, key: jax.Array, name: str, num_epochs: int) -> jax.Array:
    """The test loss before and after each epoch [num_epochs + 1] for the shuffle of a key."""
    (rule, hyper), params = RULES[name], problem.init(key)
    num_batches = problem.num_rows // BATCH_SIZE
    order = jax.random.permutation(key, problem.num_rows)[: num_batches * BATCH_SIZE]
    batches = order.reshape(num_batches, BATCH_SIZE)

    def step(carry: Any, rows: jax.Array) -> tuple[Any, None]:
        params, state = carry
        batch = problem.train[rows]
        params, state, _ = training.step(problem.loss, rule, params, state, batch, hyper)
        return (params, state), None

    def epoch(carry: Any, _: None) -> tuple[Any, jax.Array]:
        carry, _ = jax.lax.scan(step, carry, batches)
        return carry, problem.loss(carry[0], problem.test)

    start = (params, rule.init(params, hyper))
    _, losses = jax.lax.scan(epoch, start, length=num_epochs)
    return jnp.concatenate([problem.loss(params, problem.test)[None], losses])


def main(
    out: Path = Path("jaxnn-results/examples"), num_epochs: int = 100, num_shuffles: int = 200
) -> dict[str, Any]:
    """Run every rule on every shuffle; print the losses with their spread; draw the curves."""
    problem = problems.get("quadratic_deep")
    with jax.enable_x64(True):  # for seven digits
        start = problem.init(jax.random.key(0))
        initial = [float(problem.loss(start, rows)) for rows in (problem.train, problem.test)]
    print(f"at the start: training loss {initial[0]:.4f}, test loss {initial[1]:.4f}")
    keys = jax.random.split(jax.random.key(0), num_shuffles)
    curves = {name: np.asarray(descend(problem, keys, name, num_epochs)) for name in RULES}
    print(f"test loss after {num_epochs} epochs, {num_shuffles} shuffles")
    print(f"{'':8}  {'mean':>8}  {'deviation':>9}  {'least':>8}  {'most':>8}")
    for name, losses in curves.items():
        last = losses[:, -1].astype(np.float64)
        low, high = last.min(), last.max()
        print(f"{name:8}  {last.mean():8.4f}  {last.std(ddof=1):9.4f}  {low:8.4f}  {high:8.4f}")
    epochs = np.arange(num_epochs + 1)
    picture = plots.learning_curves(
        {name: (epochs, losses) for name, losses in curves.items()},
        xlabel="epoch",
        ylabel="test loss",
        title=f"quadratic_deep: the mean of {num_shuffles} shuffles",
    )
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'quadratic_deep.png')}")
    return {"initial": initial, "curves": curves}


if __name__ == "__main__":
    typer.run(main)
