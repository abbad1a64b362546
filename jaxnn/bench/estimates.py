"""How long a contestant will take on a problem, before anything compiles: for `planning.plan`.

An update is traced, and its equations and numbers counted. What an equation costs to compile and to
run was measured on one machine; a small program that is timed here and now says how much faster or
slower this one is. Within a factor of 2 on most problems, which is enough to plan by; programs that
are kept from before compile at once and are not counted on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn.bench.cost import traced_update
from jaxnn.bench.planning import Duration
from jaxnn.bench.tasks import Task
from jaxnn.optimizers.base import name_of
from jaxnn.training.evaluations import per_update

__all__ = [
    "REFERENCE",
    "Machine",
    "Size",
    "duration",
    "durations",
    "fixed_seconds",
    "machine",
    "size",
]


class Machine(NamedTuple):
    """Seconds that the reference program takes here, > 0."""

    compiling: float
    running: float


REFERENCE = Machine(0.78, 0.036)
"""Where the constants below were measured: a busy machine of two cores at 2.4 GHz."""

COMPILE, COMPILE_EQUATION = 1.0, 0.0165
"""Seconds for both programs of a contest, and more for each equation of an update."""

EQUATION, ELEMENT, FLOP = 33e-9, 0.9e-9, 0.05e-9
"""Seconds of a network's update for each equation, element written, and operation of a product."""

START, REPORT = 4.0, 1.5
"""Seconds for imports and all that happens once, and for what is drawn of a problem."""


class Size(NamedTuple):
    """Of an update, its gradient included: bodies of loops count so often as they are said to run.

    equations: of the program. elements: written by them. flops: of products of matrices.
    """

    equations: int
    elements: int
    flops: int


def size(problem: Any, rule: Any, batch_size: int | None) -> Size:
    """What an update consists of. batch_size: rows of a batch, None for all."""
    update, shapes = traced_update(problem, rule, batch_size)
    return _size(jax.make_jaxpr(update)(*shapes).jaxpr)


def _size(jaxpr: Any, times: int = 1) -> Size:
    equations = elements = flops = 0
    for equation in jaxpr.eqns:
        inner = [_size(one, times * equation.params.get("length", 1)) for one in _inside(equation)]
        for found in inner:
            equations, elements = equations + found.equations, elements + found.elements
            flops += found.flops
        if inner:
            continue
        written = sum(math.prod(v.aval.shape) for v in equation.outvars if hasattr(v.aval, "shape"))
        equations += 1
        elements += times * written
        flops += times * _flops(equation, written)
    return Size(equations, elements, flops)


def _inside(equation: Any) -> Iterable[Any]:
    """The programs in an equation's parameters."""
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(one, "jaxpr", one)
            if hasattr(inner, "eqns"):
                yield inner


def _flops(equation: Any, written: int) -> int:
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2 * written * math.prod(shape[axis] for axis in contracted)
    if equation.primitive.name == "conv_general_dilated":
        # Each output reads a window of all channels of its group.
        kernel = equation.invars[1].aval.shape
        out = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
        return 2 * written * math.prod(kernel) // out
    return 0


def machine() -> Machine:
    """How long the reference program takes on this machine; a second altogether."""

    def loss(weights: Any, x: Any) -> Any:
        for one in weights:
            x = jnp.tanh(x @ one)
        return jnp.mean(x**2)

    def train(weights: Any, x: Any) -> Any:
        def update(w: Any, _: None) -> tuple[Any, None]:
            slopes = jax.grad(loss)(w, x)
            return jax.tree.map(lambda a, b: a - 0.1 * b, w, slopes), None

        return jax.lax.scan(update, weights, length=50)[0]

    weights = [jnp.full((16, size, 32), 0.01) for size in (32, 32, 32)]
    x = jnp.ones((16, 32, 32))
    lowered = jax.jit(jax.vmap(train)).lower(weights, x)
    started = time.perf_counter()
    compiled = lowered.compile()
    compiling = time.perf_counter() - started
    times = []
    for _ in range(3):
        started = time.perf_counter()
        jax.block_until_ready(compiled(weights, x))
        times.append(time.perf_counter() - started)
    return Machine(compiling, min(times))


def durations(
    rules: Sequence[Any], entries: Sequence[Task], here: Machine | None = None
) -> dict[tuple[str, str], Duration]:
    """By contestant and problem, for `planning.plan`. here: what `machine()` gives by default."""
    here = here or machine()
    return {
        (name_of(rule), entry.about.name): duration(rule, entry, here)
        for entry in entries
        for rule in rules
    }


def duration(rule: Any, entry: Task, here: Machine) -> Duration:
    """Of one contestant on one problem; 0 where it cannot be traced, as it cannot be run."""
    every = per_update(rule) or 2  # a search takes two gradients at least
    num_updates = max(entry.about.num_steps // every, 1)
    try:
        of_update = size(entry.problem, rule, entry.about.batch_size)
    except Exception:  # whatever the user's code raises is said when it is run
        return Duration(0.0, 0.0)
    products = FLOP * of_update.flops
    seconds = EQUATION * of_update.equations + ELEMENT * of_update.elements + products
    compiling, running = (a / b for a, b in zip(here, REFERENCE, strict=True))
    return Duration(
        compiling * (COMPILE + COMPILE_EQUATION * of_update.equations),
        running * num_updates * seconds,
    )


def fixed_seconds(num_problems: int, here: Machine) -> float:
    """What a comparison takes besides its contests."""
    return here.compiling / REFERENCE.compiling * (START + REPORT * num_problems)
