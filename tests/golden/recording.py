"""How golden files are made and what stands in them, for the scripts beside this one.

A file `<source>/<rule>.npz` holds the gradients of 50 steps and a start, by leaf; for each case the
parameters after every step and the last state under our names of its fields; and in `cases`, as
JSON, their optimizer and its arguments, and our structure and our numbers, of each case.

    start/<leaf>  grads/<leaf>  needs/<name>/<leaf>  cases
    <case>/params/<leaf>  <case>/state/<field>[/<leaf>][/<part>]

A file `<source>/signatures.json` holds the arguments of every optimizer of a framework and their
defaults, but for those that have none.
"""

from __future__ import annotations

import inspect
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "FLAT",
    "MATRICES",
    "NUM_STEPS",
    "Case",
    "Golden",
    "by_field",
    "draw",
    "moved",
    "record_torch",
    "save",
    "save_signatures",
    "with_outputs_last",
]

NUM_STEPS = 50
FLAT = {"x": (8,)}
"""One vector, which is enough where each weight is treated by itself."""
MATRICES = {"b": (3,), "w": (3, 4), "k": (2, 3, 2)}
"""For rules that look at whole leaves."""


class Case(NamedTuple):
    """One optimizer of theirs with its arguments, and what it is here."""

    theirs: Any  # an optimizer's name or class
    arguments: dict[str, Any]
    structure: dict[str, Any]
    hyper: dict[str, float]
    state: Callable[[Any], dict[str, Any]] = lambda state: {}  # theirs of a leaf → our fields
    step: Callable[[Any, int], None] | None = None  # in place of that of the rule


class Golden:
    """The cases of one rule and what all of them are fed with.

    shapes: of the leaves. step: how a step is taken, (optimizer, number of the step) → None.
    needs: what the rule asks for beside gradients: {name: {leaf: array with an axis of steps}}.
    build: (optimizer's class, list of parameters, **arguments) → the optimizer.
    """

    def __init__(
        self,
        cases: dict[str, Case],
        shapes: dict[str, tuple[int, ...]] = FLAT,
        step: Callable[[Any, int], None] = lambda optimizer, number: optimizer.step(),
        needs: dict[str, dict[str, Any]] | None = None,
        build: Callable[..., Any] = lambda optimizer, params, **given: optimizer(params, **given),
    ) -> None:
        self.cases, self.step, self.needs, self.build = cases, step, needs, build
        self.start, self.grads = draw(shapes)


def draw(shapes: dict[str, tuple[int, ...]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(start, gradients), leaf by leaf; the magnitudes of the gradients run from 1e-6 to 1e2."""
    rng = np.random.default_rng(20130)
    start, grads = {}, {}
    for leaf, shape in shapes.items():
        sizes = 10 ** rng.uniform(-6, 2, size=(NUM_STEPS, *shape))
        grads[leaf] = rng.normal(size=sizes.shape) * sizes
        start[leaf] = rng.normal(size=shape)
    return start, grads


def record_torch(
    make: Callable[[list[Any]], Any],
    start: dict[str, Any],
    grads: dict[str, Any],
    step: Callable[[Any, int], None] = lambda optimizer, number: optimizer.step(),
) -> tuple[dict[str, Any], list[Any]]:
    """Parameters after every step, by leaf, and the last state of each leaf.

    make: parameters of torch → the optimizer. step: (optimizer, number of the step) → None.
    """
    import torch

    params = {leaf: torch.tensor(x, requires_grad=True) for leaf, x in start.items()}
    optimizer = make(list(params.values()))
    rows: dict[str, list[Any]] = {leaf: [] for leaf in start}
    for number in range(NUM_STEPS):
        for leaf, param in params.items():
            param.grad = torch.tensor(grads[leaf][number])
        step(optimizer, number)
        for leaf, param in params.items():
            rows[leaf].append(param.detach().numpy().copy())
    states = [optimizer.state[param] for param in params.values()]
    return {leaf: np.stack(found) for leaf, found in rows.items()}, states


def with_outputs_last(
    optimizer: Any,
    number: int,
    step: Callable[[Any, int], None] = lambda optimizer, number: optimizer.step(),
) -> None:
    """A step on weights that are laid out as here; torch has the axis of outputs first."""
    _move(optimizer, -1, 0)
    step(optimizer, number)
    _move(optimizer, 0, -1)


def _move(optimizer: Any, source: int, destination: int) -> None:
    for group in optimizer.param_groups:
        for param in group["params"]:
            grad, param.grad = param.grad, None
            param.data = moved(param.data, source, destination)
            param.grad = moved(grad, source, destination)


def moved(x: Any, source: int, destination: int) -> Any:
    """A tensor with an axis elsewhere, in a memory of its own."""
    return x.movedim(source, destination).contiguous()


def by_field(leaves: Iterable[str], states: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """{field: {leaf: its part}} of the fields of each leaf; a leaf need not have all of them."""
    found: dict[str, dict[str, Any]] = {}
    for leaf, state in zip(leaves, states, strict=True):
        for field, value in state.items():
            found.setdefault(field, {})[leaf] = value
    return found


def save_signatures(source: str, optimizers: dict[str, Any]) -> None:
    """Write tests/golden/<source>/signatures.json, of optimizers by name."""
    found = {
        name: {
            argument: parameter.default
            for argument, parameter in inspect.signature(optimizer).parameters.items()
            if parameter.default is not parameter.empty
        }
        for name, optimizer in sorted(optimizers.items())
    }
    file = pathlib.Path(__file__).parent / source / "signatures.json"
    file.write_text(json.dumps(found, indent=1) + "\n")


def save(
    source: str,
    rule: str,
    start: dict[str, Any],
    grads: dict[str, Any],
    runs: dict[str, tuple[Case, dict[str, Any], dict[str, Any]]],
    needs: dict[str, dict[str, Any]] | None = None,
) -> None:
    """Write tests/golden/<source>/<rule>.npz.

    runs: case → (its description, parameters after every step, by leaf, {field: {leaf: array}}).
    needs: what the rule asks for beside gradients: {name: {leaf: array with an axis of steps}}.
    """
    tree = {"start": start, "grads": grads, "needs": needs or {}}
    for case, (_, params, state) in runs.items():
        tree[case] = {"params": params, "state": state}
    about = {
        case: {
            "theirs": described.theirs,
            "arguments": described.arguments,
            "structure": described.structure,
            "hyper": described.hyper,
        }
        for case, (described, _, _) in runs.items()
    }
    folder = pathlib.Path(__file__).parent / source
    folder.mkdir(exist_ok=True)
    arrays = dict(_flat("", tree))
    np.savez_compressed(
        folder / f"{rule}.npz", cases=np.asarray(json.dumps(about, default=str)), **arrays
    )


def _flat(path: str, tree: dict[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in tree.items():
        below = f"{path}/{name}" if path else name
        found += _flat(below, value) if isinstance(value, dict) else [(below, np.asarray(value))]
    return found
