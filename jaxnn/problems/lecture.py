"""The small problems of the lecture: two-input gates and the saddle.

    gate      four rows, (0,0), (0,1), (1,0), (1,1), and the gate's output for each
    saddle    x² − y² from (2, 3): gradient descent finds no minimum, y runs away
    backpropagation   two sigmoid units in a row, one example: the numbers worked out by hand

There are sixteen gates of two inputs; a line separates all but XOR and XNOR.
Reference for XOR: Minsky, Papert 1969, "Perceptrons".
"""

from __future__ import annotations

import jax
import numpy as np

from jaxnn.errors import unknown_name
from jaxnn.models import MLP
from jaxnn.problems.base import Function, Supervised, Target
from jaxnn.problems.check import check_number
from jaxnn.problems.data import Parts, assemble
from jaxnn.typing import Array, Float

__all__ = ["GATES", "GATE_INPUTS", "and_gate", "backpropagation", "gate", "saddle", "xor_gate"]

GATE_INPUTS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The rows (a, b) of every gate, in the order of the outputs in `GATES`."""

GATES: dict[str, tuple[int, int, int, int]] = {
    "false": (0, 0, 0, 0),
    "and": (0, 0, 0, 1),
    "a_and_not_b": (0, 0, 1, 0),
    "a": (0, 0, 1, 1),
    "b_and_not_a": (0, 1, 0, 0),
    "b": (0, 1, 0, 1),
    "xor": (0, 1, 1, 0),
    "or": (0, 1, 1, 1),
    "nor": (1, 0, 0, 0),
    "xnor": (1, 0, 0, 1),
    "not_b": (1, 0, 1, 0),
    "a_or_not_b": (1, 0, 1, 1),
    "not_a": (1, 1, 0, 0),
    "b_or_not_a": (1, 1, 0, 1),
    "nand": (1, 1, 1, 0),
    "true": (1, 1, 1, 1),
}
"""The outputs of the sixteen two-input gates, as binary numbers from 0 to 15."""


def gate(
    *, name: str = "xor", sizes: tuple[int, ...] = (2, 4, 1), activation: str = "tanh"
) -> Supervised:
    """A two-input gate learned by a small network: four rows, all of them in every part.

    name: one of `GATES`. sizes: 2 inputs, hidden layers, 1 output, the logit of 1; (2, 2, 1)
    suffices for XOR but often gets stuck. There is nothing to hold out: validation and test are the
    same rows.
    Raises ValueError for an unknown gate.
    """
    if name not in GATES:
        raise unknown_name("gate", "name", name, GATES)
    everything = np.arange(4)
    return assemble(
        "gate",
        np.array(GATE_INPUTS, float),
        np.array(GATES[name]),
        MLP(sizes, activation),
        Parts(everything, everything, everything),
        name=name,
        target=Target("loss", 0.1, "min"),
    )


def xor_gate(*, sizes: tuple[int, ...] = (2, 4, 1), activation: str = "tanh") -> Supervised:
    """Exclusive or: the gate that no single line separates. Arguments as for `gate`."""
    return gate(name="xor", sizes=sizes, activation=activation)


def and_gate(*, sizes: tuple[int, ...] = (2, 4, 1), activation: str = "tanh") -> Supervised:
    """And: true where both inputs are, and separable by a line. Arguments as for `gate`."""
    return gate(name="and", sizes=sizes, activation=activation)


def saddle_value(point: Float[Array, "2"]) -> Float[Array, ""]:
    """x² − y²: rises along x, falls without end along y."""
    x, y = point
    return x**2 - y**2


def saddle(*, spread: float = 0.0) -> Function:
    """The saddle x² − y² from (2, 3): unbounded below, so every rule that descends runs away.

    spread: >= 0, deviation of the start between seeds. The target is a loss of −100: the saddle is
    left for good.
    """
    return Function(
        name="saddle",
        function=saddle_value,
        start=np.array([2.0, 3.0]),
        spread=check_number("saddle", "spread", spread, low=0),
        target=Target("loss", -100.0, "min"),
        domain=((-4.0, 4.0), (-4.0, 4.0)),
    )


def backpropagation_value(point: Float[Array, "4"]) -> Float[Array, ""]:
    """½(y − ŷ)² for ŷ = σ(w₂ σ(w₁ x + θ₁) + θ₂), x = 0.1, y = 0.25; point: (w₁, θ₁, w₂, θ₂)."""
    w1, b1, w2, b2 = point
    hidden = jax.nn.sigmoid(w1 * 0.1 + b1)
    return 0.5 * (jax.nn.sigmoid(w2 * hidden + b2) - 0.25) ** 2


def backpropagation(*, spread: float = 0.0) -> Function:
    """The worked example of backpropagation: two units in a row learn one number.

    From (w₁, θ₁, w₂, θ₂) = (0.15, 0.4, 0.45, 0.62), where the loss is 0.105387 and its gradient
    (0.001021, 0.010208, 0.057038, 0.094702). The minimum 0 is a surface, so there is no distance.
    spread: >= 0, deviation of the start between seeds.
    """
    return Function(
        name="backpropagation",
        function=backpropagation_value,
        start=np.array([0.15, 0.40, 0.45, 0.62]),
        spread=check_number("backpropagation", "spread", spread, low=0),
        minimum=0.0,
        target=Target("loss", 1e-4, "min"),
        domain=((-4.0, 4.0),) * 4,
    )
