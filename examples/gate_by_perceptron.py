"""A perceptron learns the sixteen gates of two inputs, all but XOR and XNOR.

First AND as the lecture does it by hand: from w = (1, 1), with θ held at 2.5, one mistake at (1, 1)
moves w to (2, 2), and 2x₁ + 2x₂ − 2.5 = 0 is the line. Then all gates in one program, with θ held
and with θ learned; that no line separates XOR and XNOR is a linear program's answer, not a guess.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import typer

from jaxnn import dissect, plots
from jaxnn.models import Perceptron, PerceptronParams, is_separable
from jaxnn.problems import GATE_INPUTS, GATES

MODEL = Perceptron(2)
INPUTS = jnp.array(GATE_INPUTS, float)
START = PerceptronParams(weight=jnp.array([1.0, 1.0]), threshold=jnp.array(2.5))


def and_by_hand() -> PerceptronParams:
    """The lecture's pass over the four rows, one at a time."""
    params = START
    for x, target in zip(INPUTS, GATES["and"], strict=True):
        z = MODEL.score(params, x)
        params = MODEL.update(params, x, jnp.array(target), learn_threshold=False)
        print(f"AND {x.astype(int)}: z = {z:+.1f}, should be {target}, then w = {params.weight}")
    return params


def learn(start: PerceptronParams, *, learn_threshold: bool) -> dict[str, Any]:
    """A fit of each gate, all in one program."""

    def fit(targets: jax.Array) -> Any:
        return MODEL.fit(start, INPUTS, targets, learn_threshold=learn_threshold)

    fits = jax.vmap(fit)(jnp.array(list(GATES.values())))
    return {name: jax.tree.map(lambda x, i=i: x[i], fits) for i, name in enumerate(GATES)}


def main(out: Path = Path("jaxnn-results/examples")) -> dict[str, Any]:
    """Learn AND by hand and all gates at once; draw the line of AND."""
    params = and_by_hand()
    scores = MODEL.score(params, INPUTS)
    print(f"all rows again: z = {scores}, so {MODEL.predict(params, INPUTS)}\n")

    held = learn(START, learn_threshold=False)
    learned = learn(MODEL.init(jax.random.key(0)), learn_threshold=True)
    for name, fit in learned.items():
        verdict = fit.verdict(separable=is_separable(INPUTS, jnp.array(GATES[name])))
        print(f"{name.upper():>12} {GATES[name]}  {verdict}")
    counts = [sum(bool(fit.separated) for fit in fits.values()) for fits in (held, learned)]
    print(f"learned: {counts[0]} of 16 gates with θ held at 2.5, {counts[1]} with θ learned")

    boundary = dissect.linear_boundary(params.weight, -float(params.threshold), -0.5, 1.5)
    picture = plots.decision_boundary_2d(
        boundary,
        INPUTS,
        jnp.array(GATES["and"]),
        names=("0", "1"),
        labels=("x₁", "x₂"),
        title="AND, learned by a perceptron",
    )
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'gate_by_perceptron.png')}")
    return {"weight": params.weight, "scores": scores, "held": held, "learned": learned}


if __name__ == "__main__":
    typer.run(main)
