"""Backpropagation by hand: two sigmoid units in a row, forward, backward, one step of rate 1.

    x = 0.1   w₁ = 0.15   θ₁ = 0.40   w₂ = 0.45   θ₂ = 0.62   y = 0.25   E = ½(y − ŷ)²

The table sets what the lecture prints beside the right values. It cuts digits off instead of
rounding, in z₂ too early; and ∂E/∂θ₁ = 0.0102 comes into the update as 0.102, a slip, though the θ₁
that is printed after it is right.
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import typer
from rich.console import Console
from rich.table import Table

from jaxnn import dissect, plots
from jaxnn.models import MLP, Dense
from jaxnn.optimizers import apply_updates, sgd

MODEL = MLP((1, 1, 1), activation="sigmoid", output_activation="sigmoid")

LECTURE = {
    "z₁ = w₁x + θ₁": ("0.415", ""),
    "a₁ = σ(z₁)": ("0.6022", ""),
    "z₂ = w₂a₁ + θ₂": ("0.890", "0.891: cut too early"),
    "a₂ = ŷ = σ(z₂)": ("0.7088", "0.7091: from 0.890"),
    "∂E/∂w₁": ("0.00102", ""),
    "∂E/∂w₂": ("0.0570", ""),
    "∂E/∂θ₁": ("0.0102", "0.102 later: a slip"),
    "∂E/∂θ₂": ("0.0946", "0.0947: from 0.7088"),
    "w₁ after the step": ("0.148", ""),
    "w₂ after the step": ("0.393", ""),
    "θ₁ after the step": ("0.389", ""),
    "θ₂ after the step": ("0.525", ""),
}
"""What is printed, and a word where it is not just the right value cut or rounded."""


def main(out: Path = Path("jaxnn-results/examples")) -> dict[str, float]:
    """Both phases and the step as a table; draw them unit by unit."""
    with jax.enable_x64(True):  # for eight digits
        first = Dense(weight=jnp.array([[0.15]]), bias=jnp.array([0.40]))
        second = Dense(weight=jnp.array([[0.45]]), bias=jnp.array([0.62]))
        inputs, targets = jnp.array([[0.1]]), jnp.array([[0.25]])
        trace = dissect.backprop(MODEL, (first, second), inputs, targets, "squared_error")

        hyper = sgd.Hyper(learning_rate=1.0)
        state = sgd.init((first, second), hyper)
        updates, _ = sgd.update(trace.gradients, state, (first, second), hyper)
        after = apply_updates((first, second), updates)
        picture = plots.backprop(trace)

    unit1, unit2 = dissect.as_table(trace)
    right = [unit[phase] for unit in (unit1, unit2) for phase in ("pre_activation", "activation")]
    right += [unit["weight_gradients"][0] for unit in (unit1, unit2)]
    right += [unit["bias_gradient"] for unit in (unit1, unit2)]
    right += [float(layer.weight[0, 0]) for layer in after]
    right += [float(layer.bias[0]) for layer in after]
    values = dict(zip(LECTURE, right, strict=True))

    table = Table("quantity", "right value", "the lecture prints", "remark")
    for name, value in values.items():
        table.add_row(name, f"{value:.8f}", *LECTURE[name])
    Console().print(table)

    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'backpropagation.png')}")
    return values


if __name__ == "__main__":
    typer.run(main)
