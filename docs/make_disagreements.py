"""Make docs/disagreements.md: where Optax, PyTorch and Keras disagree under one name.

    python docs/make_disagreements.py

Needs none of the three: the flavours of this library do what they do, which golden files check.
"""

from __future__ import annotations

import itertools
import pathlib
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.optimizers import OPTIMIZERS, apply_updates, check, like, make_hyper

FILE = pathlib.Path(__file__).with_name("disagreements.md")
NUM_STEPS = 10
FRAMEWORKS = {"optax": "Optax", "torch": "PyTorch", "keras": "Keras"}

Call = tuple[str, dict[str, Any]]
MOMENTUM = {"momentum": 0.9}
NESTEROV = {"momentum": 0.9, "nesterov": True}
BOTH = {"momentum": 0.9, "centered": True}
ROWS: dict[str, dict[str, Call]] = {
    "sgd": {"optax": ("sgd", {}), "torch": ("SGD", {}), "keras": ("SGD", {})},
    "momentum": {f: (n, MOMENTUM) for f, n in zip(FRAMEWORKS, ("sgd", "SGD", "SGD"), strict=True)},
    "nesterov": {f: (n, NESTEROV) for f, n in zip(FRAMEWORKS, ("sgd", "SGD", "SGD"), strict=True)},
    "adagrad": {"optax": ("adagrad", {}), "torch": ("Adagrad", {}), "keras": ("Adagrad", {})},
    "rmsprop": {"optax": ("rmsprop", {}), "torch": ("RMSprop", {}), "keras": ("RMSprop", {})},
    "rmsprop, centred, with momentum": {
        "optax": ("rmsprop", BOTH),
        "torch": ("RMSprop", BOTH),
        "keras": ("RMSprop", BOTH),
    },
    "adadelta": {"optax": ("adadelta", {}), "torch": ("Adadelta", {}), "keras": ("Adadelta", {})},
    "adam": {"optax": ("adam", {}), "torch": ("Adam", {}), "keras": ("Adam", {})},
    "adamw": {"optax": ("adamw", {}), "torch": ("AdamW", {}), "keras": ("AdamW", {})},
    "amsgrad": {
        "optax": ("amsgrad", {}),
        "torch": ("Adam", {"amsgrad": True}),
        "keras": ("Adam", {"amsgrad": True}),
    },
    "nadam": {"optax": ("nadam", {}), "torch": ("NAdam", {}), "keras": ("Nadam", {})},
    "radam": {"optax": ("radam", {}), "torch": ("RAdam", {})},
    "adamax": {"optax": ("adamax", {}), "torch": ("Adamax", {}), "keras": ("Adamax", {})},
    "rprop": {"optax": ("rprop", {}), "torch": ("Rprop", {})},
    "lion": {"optax": ("lion", {}), "keras": ("Lion", {})},
    "lamb": {"optax": ("lamb", {}), "keras": ("Lamb", {})},
    "adafactor": {
        "optax": ("adafactor", {}),
        "torch": ("Adafactor", {}),
        "keras": ("Adafactor", {}),
    },
    "muon": {"optax": ("muon", {}), "torch": ("Muon", {}), "keras": ("Muon", {})},
}
"""Rule here → what it is called elsewhere."""
NO_PART = {("nadam", "optax", "momentum_decay")}
"""Numbers that a flavour does not read."""

HEAD = """# Where Optax, PyTorch and Keras disagree

Made by `python docs/make_disagreements.py` from the flavours of this library, which agree with the
three to 1e-10 in float64 (`tests/golden`). `optimizers.like("torch", "RMSprop", lr=1e-3)` gives the
rule that does what the framework does; `optimizers.get("rmsprop", flavor="torch")` names it here.

## After ten steps

The distance between where two of them are, over the way that the first has gone, in float64, from
ten gradients of sizes from 1e-3 to 1e1. *Equal numbers*: those of Optax for both. *Rate halved*:
the same, with half the rate from the sixth step on. *Own defaults*: what each does if nothing is
said; where Optax demands a learning rate, it is the other's. 0 stands for less than 1e-12.

| rule | between | equal numbers | rate halved | own defaults |
|---|---|---|---|---|
"""
DEFAULTS = """
## Defaults that differ

| rule | number | Optax | PyTorch | Keras |
|---|---|---|---|---|
"""
FORMULAS = """
## Formulas that differ

In words of the rules' own descriptions, where `jaxnn.optimizers.<rule>.__doc__` has the formula.

"""


class Runs(NamedTuple):
    """Parameters after the last step."""

    equal: Any
    halved: Any
    own: Any


def text() -> str:
    """The page."""
    with jax.enable_x64(True):
        lines = [line for rule, calls in ROWS.items() for line in _distances(rule, calls)]
    defaults = [line for rule, calls in ROWS.items() for line in _defaults(rule, calls)]
    formulas = [line for rule in ROWS if rule in OPTIMIZERS for line in _formulas(rule)]
    return HEAD + "".join(lines) + DEFAULTS + "".join(defaults) + FORMULAS + "".join(formulas)


def _recipe(framework: str, call: Call, learning_rate: float | None = None) -> Any:
    name, arguments = call
    if framework == "optax" and learning_rate is not None:
        arguments = arguments | {"learning_rate": learning_rate}
    return like(framework, name, **arguments)


def _demands_rate(call: Call) -> bool:
    try:
        like("optax", call[0], **call[1])
    except ValueError:
        return True
    return False


def _distances(rule: str, calls: dict[str, Call]) -> list[str]:
    """A line for each pair of frameworks."""
    rng = np.random.default_rng(0)
    start = {"w": rng.normal(size=(3, 4))}
    sizes = {k: 10 ** rng.uniform(-3, 1, size=(NUM_STEPS, *x.shape)) for k, x in start.items()}
    grads = {k: jnp.asarray(rng.normal(size=x.shape) * x) for k, x in sizes.items()}
    start = jax.tree.map(jnp.asarray, start)
    common = OPTIMIZERS[rule.partition(",")[0]].Hyper().learning_rate
    _, reference = _recipe("optax", calls["optax"], common)
    demands = _demands_rate(calls["optax"])
    rate = common if demands else None
    runs = {f: _runs(*_recipe(f, calls[f], rate), reference, start, grads) for f in calls}
    lines = []
    for first, second in itertools.combinations(calls, 2):
        pair = [runs[first], runs[second]]
        if first == "optax" and demands:
            rate = _recipe(second, calls[second])[1].learning_rate
            if rate != common:
                pair[0] = _runs(*_recipe(first, calls[first], rate), reference, start, grads)
        cells = " | ".join(_relative(a, b, start) for a, b in zip(*pair, strict=True))
        lines.append(f"| {rule} | {FRAMEWORKS[first]}, {FRAMEWORKS[second]} | {cells} |\n")
    return lines


def _runs(rule: Any, own: Any, reference: Any, start: Any, grads: Any) -> Runs:
    equal = make_hyper(rule, reference._asdict())
    later = equal._replace(learning_rate=equal.learning_rate / 2)
    pairs = [(equal, equal), (equal, later), (own, own)]
    checked = [jax.tree.map(lambda *x: jnp.stack(x), *(check(rule, h) for h in p)) for p in pairs]
    hypers = jax.tree.map(lambda *x: jnp.stack(x), *checked)
    ends = _run(rule, hypers, start, grads)
    return Runs(*(jax.tree.map(lambda x, i=i: x[i], ends) for i in range(len(pairs))))


def _run(rule: Any, hypers: Any, start: Any, grads: Any) -> Any:
    """The last parameters, for each pair of numbers: for the first half of the steps, the second.

    Step by step, without a program for each rule, which would take longer to compile.
    """
    first, second = (jax.tree.map(lambda x, i=i: x[:, i], hypers) for i in range(2))
    params = jax.tree.map(lambda x: jnp.stack([x] * len(hypers[0])), start)
    state = jax.vmap(rule.init)(params, first)
    update = jax.vmap(rule.update, in_axes=(None, 0, 0, 0))
    for number in range(NUM_STEPS):
        row = jax.tree.map(lambda x, n=number: x[n], grads)
        hyper = first if 2 * number < NUM_STEPS else second
        updates, state = update(row, state, params, hyper)
        params = apply_updates(params, updates)
    return params


def _relative(a: Any, b: Any, start: Any) -> str:
    a, b, start = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(t)]) for t in (a, b, start))
    distance = float(np.linalg.norm(a - b) / np.linalg.norm(a - start))
    return "0" if distance < 1e-12 else f"{distance:.1e}"


def _defaults(rule: str, calls: dict[str, Call]) -> list[str]:
    """A line for each number that is not the same everywhere."""
    found = {}
    for framework, call in calls.items():
        demanded = framework == "optax" and _demands_rate(call)
        _, hyper = _recipe(framework, call, 1.0 if demanded else None)
        found[framework] = {
            name: f"{float(value):g}"
            for name, value in hyper._asdict().items()
            if (rule, framework, name) not in NO_PART
        }
        if demanded:
            found[framework]["learning_rate"] = "demanded"
    lines = []
    for name in found["torch" if "torch" in found else "keras"]:
        cells = [found.get(framework, {}).get(name, "–") for framework in FRAMEWORKS]
        if len({cell for cell in cells if cell not in ("–", "demanded")}) > 1:
            lines.append(f"| {rule} | `{name}` | {' | '.join(cells)} |\n")
    return lines


def _formulas(rule: str) -> list[str]:
    """What the docstring says of each flavour: from its name to a line that ends a sentence."""
    found = re.findall(r'^(flavor=".*?\.)$', OPTIMIZERS[rule].__doc__ or "", re.M | re.S)
    sentences = [" ".join(sentence.split()) for sentence in found]
    return [f"- `{rule}`, {s}\n" for s in sentences if "the formula is this one" not in s]


def main() -> None:
    """Write the page."""
    FILE.write_text(text())


if __name__ == "__main__":
    main()
