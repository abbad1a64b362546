"""The contracts of a problem, for those of this library and for anyone's own.

    from jaxnn.testing import check_problem
    check_problem(my_problem)           # an object or a name; raises ContractError

Each contract is a function (problem) in PROBLEM_CONTRACTS, so that a suite can run them one by one.
They use the first rows of the data only, and the parameters of a few seeds.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn import tree
from jaxnn.problems import resolve
from jaxnn.testing.contract import leaves, require, require_close, run
from jaxnn.typing import Array, Params

__all__ = ["PROBLEM_CONTRACTS", "check_problem"]

_SPLITS = ("train", "validation", "test")
_NUM_ROWS = 8


def problem_contract(holds: Callable[[Any], None]) -> Callable[[Any], None]:
    """A check as a contract: called with a problem or its name.

    Raises ContractError where it does not hold, and also where the problem itself raises.
    """

    @functools.wraps(holds)
    def checked(problem: Any) -> None:
        problem = resolve(problem)
        name = getattr(problem, "name", type(problem).__name__)
        run(name, holds.__name__, lambda: holds(problem))

    return checked


@problem_contract
def offers(problem: Any) -> None:
    """It has a name, `init`, `loss`, `metrics` and three data sets, all or none of them None."""
    require(isinstance(getattr(problem, "name", None), str), "name", "a string", "something else")
    for method in ("init", "loss", "metrics"):
        found = getattr(problem, method, None)
        require(callable(found), method, "a method", repr(found))
    for split in _SPLITS:
        require(hasattr(problem, split), split, "there", "nothing", "None says: no data.")
        data = getattr(problem, split)
        same = (data is None) == (problem.train is None)
        require(same, split, "None where `train` is, and only there", type(data).__name__)
        rows = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(data)}
        require(data is None or len(rows) == 1, split, "of the same rows in every leaf", rows)
        require((0,) not in rows, split, "non-empty", "0 rows")
    target = getattr(problem, "target", None)
    if target is not None:
        params = jax.eval_shape(problem.init, jax.random.key(0))
        metrics = jax.eval_shape(problem.metrics, params, _few(problem))
        wanted = f"one of {sorted(metrics)}"
        require(target.metric in metrics, "target.metric", wanted, target.metric)


@problem_contract
def is_pytree(problem: Any) -> None:
    """Arrays are leaves and the structure compares by value: a copy is no new program for `jit`."""
    for path, leaf in leaves("problem", problem):
        numeric = isinstance(leaf, jax.Array | np.ndarray | np.number | int | float)
        fix = "Register the class with jax.tree_util.register_dataclass; mark the rest static."
        require(numeric, path, "an array or a number", type(leaf).__name__, fix)
    structure = jax.tree.structure(problem)
    traces = []

    def counted(problem: Any, params: Params) -> Array:
        traces.append(problem)
        return problem.loss(params, problem.train, None)

    program, params = jax.jit(counted), _start(problem)
    twin, fix = copy.deepcopy(problem), "Make static fields frozen dataclasses, strings or tuples."
    same = jax.tree.structure(twin) == structure
    require(same, "problem", "of the same structure as its copy", structure, fix)
    require_close("loss", program(twin, params), program(problem, params), "that of a copy")
    require(len(traces) == 1, "loss", "traced once for a problem and its copy", len(traces), fix)


@problem_contract
def same_start(problem: Any) -> None:
    """A key decides the start, and with float64 it is the same one, to float32's rounding."""
    single = _start(problem)
    require_close("init(key)", _start(problem), single, "those of the same key")
    with jax.enable_x64(True):
        double = _start(problem)
        for (path, a), (_, b) in zip(
            leaves("params", single), leaves("params", double), strict=True
        ):
            close = np.allclose(a, b, rtol=1e-6, atol=1e-7)
            fix = "Draw in float32, then cast: other precisions draw other values."
            require(close, path, "the same with jax_enable_x64 on and off", "another", fix)


@problem_contract
def finite(problem: Any) -> None:
    """At the start, loss and metrics are finite scalars on every data set, in both precisions."""
    for x64 in (False, True):
        with jax.enable_x64(x64):
            params = _start(problem)
            for split in _SPLITS:
                loss, metrics, _ = _measure(problem, params, _few(problem, split))
                found = leaves("loss", loss) + leaves("metrics", metrics)
                for name, value in found:
                    require(value.shape == (), name, "a scalar", value.shape)
                    require(bool(jnp.isfinite(value)), name, f"finite on {split} rows", value)


@problem_contract
def strict_promotion(problem: Any) -> None:
    """Clean under `jax_numpy_dtype_promotion="strict"` and `jax_numpy_rank_promotion="raise"`."""
    for x64 in (False, True):
        with (
            jax.enable_x64(x64),
            jax.numpy_dtype_promotion("strict"),
            jax.numpy_rank_promotion("raise"),
        ):
            params, batch = jax.eval_shape(problem.init, jax.random.key(0)), _few(problem)
            jax.eval_shape(problem.loss, params, batch, None)
            jax.eval_shape(problem.metrics, params, batch)


@problem_contract
def means(problem: Any) -> None:
    """Loss and metrics are means over rows: those of two blocks, weighted, are those of both.

    The loss without a key is the metric "loss"; `per_row` gives what the metrics are means of.
    """
    with jax.enable_x64(True):
        params, batch = _start(problem), _few(problem)
        loss, whole, rows = _measure(problem, params, batch)
        require("loss" in whole, "metrics", "a dict with 'loss'", sorted(whole))
        require_close("loss", loss, whole["loss"], "metrics['loss']")
        if batch is None or _num_rows(batch) == 1:
            return
        # Unequal blocks, so that a mean of their means would show.
        cut = max(_num_rows(batch) // 4, 1)
        a, b = (
            _measure(problem, params, _rows(batch, *ends))[1] for ends in ((0, cut), (cut, None))
        )
        share = cut / _num_rows(batch)
        weighted = jax.tree.map(lambda a, b: share * a + (1 - share) * b, a, b)
        require_close("metrics", weighted, whole, "the mean over the rows")
        if rows is not None:
            averages = {name: np.mean(np.asarray(values)) for name, values in rows.items()}
            require_close("mean of per_row", averages, whole, "the metrics")


@problem_contract
def transforms(problem: Any) -> None:
    """`jit` gives what Python gives, and a lane of a `vmap` over starts what it gives alone."""
    with jax.enable_x64(True):
        batch = _few(problem)
        starts = [_init(problem, jax.random.key(seed)) for seed in range(3)]
        stacked = jax.tree.map(lambda *rows: jnp.asarray(np.stack(rows)), *starts)
        for lane, params in zip(_lanes(problem, stacked, batch), starts, strict=True):
            alone = _measure(problem, params, batch)[0]
            require_close("loss", lane, alone, "that of the lane alone")
        alone = _measure(problem, starts[0], batch)[0]
        require_close("loss", alone, problem.loss(starts[0], batch, None), "that without jit")


@problem_contract
def gradient(problem: Any) -> None:
    """The derivative of the loss along a line agrees with the difference quotient, in float64."""
    step = 1e-5
    with jax.enable_x64(True):
        batch = _few(problem)
        # Off the start, where units of a network may sit exactly on a kink.
        start = _start(problem)
        line = _direction(start, 3)
        params = _along(start, _direction(start, 2), 0.01)
        value, slope = _slope(problem, params, line, batch)
        above, below = (_measure(problem, _along(params, line, t), batch)[0] for t in (step, -step))
        quotient = float((above - below) / (2 * step))
        gap = abs(quotient - float(slope))
        allowed = 1e-5 * abs(float(slope)) + 1e-7 * max(abs(float(value)), 1.0)
        require(gap <= allowed, "grad(loss)", f"{quotient:.9g} along a line", f"{slope:.9g}")


@problem_contract
def known_optima(problem: Any) -> None:
    """Where `optima` are known, the loss there is `minimum` and its gradient is 0, in float64."""
    if getattr(problem, "optima", None) is None:
        return
    with jax.enable_x64(True):
        for point in jnp.asarray(problem.optima):
            value, grad = jax.value_and_grad(problem.loss)(point)
            good = abs(float(value) - problem.minimum) < 1e-9
            require(good, "loss", f"{problem.minimum:g} at the optimum {point}", value)
            flat = float(tree.global_norm(grad)) < 1e-6
            require(flat, "grad(loss)", f"0 at the optimum {point}", grad)
            distance = problem.metrics(point).get("distance", 0.0)
            require(float(distance) == 0, "metrics['distance']", "0 at an optimum", distance)


@problem_contract
def residuals(problem: Any) -> None:
    """Where there are residuals, they are finite and have the rows of the batch."""
    function = getattr(problem, "residuals", None)
    if function is None:
        return
    batch = _few(problem)
    found = function(_start(problem), batch)
    require(found.shape[0] == _num_rows(batch), "residuals", "of the batch's rows", found.shape)
    require(bool(jnp.isfinite(found).all()), "residuals", "finite", found)


_IN_ORDER = (
    offers,
    is_pytree,
    same_start,
    finite,
    strict_promotion,
    means,
    transforms,
    gradient,
    known_optima,
    residuals,
)

PROBLEM_CONTRACTS: dict[str, Callable[[Any], None]] = {check.__name__: check for check in _IN_ORDER}
"""Name → check(problem), from the most basic to the most demanding."""


def check_problem(problem: Any) -> None:
    """Run every contract on a problem: some seconds, most of them compilation.

    problem: an object of `jaxnn.problems`, anything with the same methods, or a name.
    Raises ContractError at the first contract that does not hold.
    """
    for check in PROBLEM_CONTRACTS.values():
        check(problem)


def _start(problem: Any) -> Params:
    return _init(problem, jax.random.key(0))


def _direction(like: Params, seed: int) -> Params:
    """Normal numbers in the shapes and dtypes of the parameters."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), like)


def _along(point: Params, line: Params, length: float) -> Params:
    return tree.map(lambda x, d: x + length * d, point, line)


def _few(problem: Any, split: str = "train") -> Any:
    data = getattr(problem, split)
    return None if data is None else _rows(data, 0, _NUM_ROWS)


def _rows(batch: Any, start: int, end: int | None) -> Any:
    # On the host, where a slice compiles nothing.
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[start:end]), batch)


def _num_rows(batch: Any) -> int:
    return jax.tree.leaves(batch)[0].shape[0]


# Programs at module level, so that the contracts share what one of them compiled.


@jax.jit
def _init(problem: Any, key: Array) -> Params:
    return problem.init(key)


@jax.jit
def _lanes(problem: Any, params: Params, batch: Any) -> Array:
    return jax.vmap(lambda params: problem.loss(params, batch, None))(params)


@jax.jit
def _measure(problem: Any, params: Params, batch: Any) -> tuple[Array, Any, Any]:
    """Loss, metrics and, where the problem has them, the metrics of each row."""
    per_row = getattr(problem, "per_row", None)
    rows = per_row(params, batch) if per_row and batch is not None else None
    return problem.loss(params, batch, None), problem.metrics(params, batch), rows


@jax.jit
def _slope(problem: Any, params: Params, line: Params, batch: Any) -> tuple[Array, Array]:
    value, grads = jax.value_and_grad(problem.loss)(params, batch, None)
    products = tree.map(lambda g, d: jnp.sum(g * d), grads, line)
    return value, sum(jax.tree.leaves(products), jnp.zeros_like(value))
