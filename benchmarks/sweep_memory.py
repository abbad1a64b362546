"""The memory of a sweep's blocks: what is predicted, against how much a process grows.

    python benchmarks/sweep_memory.py [--models mlp,plain] [--lanes 256]

The prediction compiles small blocks (of 8 and 32 lanes) and nothing of the size that is measured.
The measurement is a fresh process: a wide block is compiled, the memory that this left is given
back, and then it runs once. Growth is the peak of the resident memory in that run above what it was
before. `bound` is what the sweep knows without compiling anything. Linux only.

What XLA does not tell is not predicted: kernels of products copy an operand, which matters for
large matrices (wide_mlp), what one program leaves is freed while the next begins, and an allocator
keeps small pieces (fewer lanes). So a sweep leaves half again to spare on CPU. What kernels of
convolutions take is far more, so that the bound stands for their prediction (equinox_conv).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxnn import problems, training
from jaxnn.sweeps import TUNING, Engine, Plan, Staged, Width
from jaxnn.sweeps.memory import bound, predict
from jaxnn.sweeps.trial import bound as staged_of
from jaxnn.sweeps.trial import guarded

RATES = {"learning_rate": np.array([1e-3])}
STATUS = Path("/proc/self/status")


def mlp() -> Staged:
    """Digits, 64-32-10, Adam, batches of 32, as the library trains them."""
    return training.stages("digits", "adam", num_steps=50, batch_size=32, record_every=25)


def wide_mlp() -> Staged:
    """Digits, 64-256-256-10, Adam, batches of 128."""
    problem = problems.get("digits", sizes=(64, 256, 256, 10))
    return training.stages(problem, "adam", num_steps=10, batch_size=128, record_every=0)


def equinox_mlp() -> Staged:
    """An Equinox network, 64-64-64-10, trained by Optax with batches of 64."""
    import equinox as eqx

    def model(key: Any) -> Any:
        return eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), eqx.nn.MLP(64, 10, 64, 2, key=key)])

    return _equinox(model)


def equinox_conv() -> Staged:
    """An Equinox network of two convolutions, trained by Optax with batches of 64."""
    import equinox as eqx

    def model(key: Any) -> Any:
        first, second, last = jax.random.split(key, 3)
        layers = [
            eqx.nn.Conv2d(1, 8, 3, padding=1, key=first),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Conv2d(8, 16, 3, stride=2, padding=1, key=second),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(16 * 4 * 4, 10, key=last),
        ]
        return eqx.nn.Sequential(layers)

    return _equinox(model)


def _equinox(model: Callable[[Any], Any]) -> Staged:
    import equinox as eqx

    _, static = eqx.partition(model(jax.random.key(0)), eqx.is_array)

    def loss_fn(params: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
        logits = jax.vmap(eqx.combine(params, static))(images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def init(key: Any, hyper: Any, data: Any) -> Any:
        del data
        start, batches = jax.random.split(key)
        params = eqx.filter(model(start), eqx.is_array)
        return params, optax.adam(hyper["learning_rate"]).init(params), batches

    def advance(state: Any, hyper: Any, step: Any, data: Any) -> Any:
        params, inner, key = state
        images, labels = data
        rows = jax.random.randint(jax.random.fold_in(key, step), (64,), 0, len(labels))
        loss, grads = jax.value_and_grad(loss_fn)(params, images[rows], labels[rows])
        updates, inner = optax.adam(hyper["learning_rate"]).update(grads, inner)
        return (optax.apply_updates(params, updates), inner, key), {"loss": loss}

    def measure(state: Any, hyper: Any, data: Any) -> Any:
        del hyper
        return {"loss": loss_fn(state[0], *data)}

    return guarded(Staged(init, advance, measure, num_steps=10, data=_digits()))


def plain() -> Staged:
    """A function of a key and a dict, which trains a network in a loop of its own."""
    images, labels = _digits()
    labels = jnp.asarray(labels)
    inputs = jnp.asarray(images.reshape(len(labels), -1))

    def loss_fn(params: Any, inputs: jax.Array, labels: jax.Array) -> jax.Array:
        logits = jnp.tanh(inputs @ params["first"]) @ params["last"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def trial(key: Any, hyper: Any) -> Any:
        first, last, batches = jax.random.split(key, 3)
        params = {
            "first": jax.random.normal(first, (64, 48)) / 8,
            "last": jax.random.normal(last, (48, 10)) / 7,
        }

        def body(params: Any, key: Any) -> Any:
            rows = jax.random.randint(key, (64,), 0, len(labels))
            loss, grads = jax.value_and_grad(loss_fn)(params, inputs[rows], labels[rows])
            return jax.tree.map(lambda x, g: x - hyper["learning_rate"] * g, params, grads), loss

        params, losses = jax.lax.scan(body, params, jax.random.split(batches, 50))
        return {"loss": loss_fn(params, inputs, labels), "first": losses[0]}

    return guarded(staged_of(trial, {}))


def _digits() -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = problems.get("digits").train
    return np.asarray(inputs).reshape(-1, 1, 8, 8), np.asarray(targets)


MODELS: dict[str, tuple[Callable[[], Staged], Width]] = {
    "mlp": (mlp, Width(4, 1024)),
    "equinox_mlp": (equinox_mlp, Width(2, 512)),
    "plain": (plain, Width(1, 1024)),
    "wide_mlp": (wide_mlp, Width(4, 64)),
    "equinox_conv": (equinox_conv, Width(2, 16)),
}


def growth(name: str, width: Width) -> int:
    """Bytes by which this process, which must be fresh, grows while a block runs."""
    staged = MODELS[name][0]()
    numbers = {key: np.full(width.settings, x[0]) for key, x in RATES.items()}
    engine = Engine(staged, numbers, width)
    plan = Plan(numbers, width.replicates, 0, TUNING, width)
    block = next(plan.blocks())
    jax.block_until_ready(plan.keys(block))
    engine.compile()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = resident("VmRSS")
    engine.run(plan, block)
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """Bytes of this process by the name that the kernel has for them."""
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    return 1024 * int(kilobytes)


def contest(name: str, width: Width) -> dict[str, Any]:
    """Bytes predicted and measured, and their ratio."""
    staged = MODELS[name][0]()
    shape = f"{width.replicates}x{width.settings}"
    command = [sys.executable, __file__, "--models", name, "--growth", shape]
    child = subprocess.run(command, check=True, capture_output=True, text=True)
    measured, predicted = int(child.stdout), predict(staged, RATES, width).at(width)
    row = {
        "model": name,
        "about": (MODELS[name][0].__doc__ or "").strip(),
        "width": list(width),
        "bytes": {
            "bound": bound(staged, RATES).at(width),
            "predicted": predicted,
            "measured": measured,
        },
        "ratio": predicted / measured,
    }
    mebibytes = {key: value / 2**20 for key, value in row["bytes"].items()}
    print(
        f"{name:12s} {tuple(width)!s:>8s} predicted {mebibytes['predicted']:7.1f} MiB   "
        f"measured {mebibytes['measured']:7.1f} MiB   ratio {row['ratio']:.3f}   "
        f"bound {mebibytes['bound']:8.1f} MiB",
        flush=True,
    )
    return row


def main(models: str = "all", lanes: int | None = None) -> list[dict[str, Any]]:
    """A row for each model: bytes predicted, measured and bounded, and the first two's ratio."""
    names = list(MODELS) if models == "all" else models.split(",")
    widths = {name: MODELS[name][1] for name in names}
    if lanes is not None:
        widths = {name: Width(w.replicates, lanes // w.replicates) for name, w in widths.items()}
    return [contest(name, widths[name]) for name in names]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", default="all", help="names with commas between them")
    parser.add_argument("--lanes", type=int, help="of a block; by default as many as matter")
    parser.add_argument("--growth", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    if given.growth:
        print(growth(given.models, Width(*map(int, given.growth.split("x")))))
        sys.exit()
    rows = main(given.models, given.lanes)
    if given.out:
        device = jax.devices()[0].device_kind
        document = {"rows": rows, "jax": jax.__version__, "device": device, "cores": os.cpu_count()}
        given.out.write_text(json.dumps(document, indent=1) + "\n")
