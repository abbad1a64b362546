"""Contracts on structures, shapes and dtypes, and on what makes `jit` compile again.

Almost nothing is computed here, only traced.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn.optimizers import base, hypers
from jaxnn.testing import feed
from jaxnn.testing.contract import (
    both_kinds,
    contract,
    leaves,
    require,
    require_no_nan,
    running,
)
from jaxnn.typing import Array, Params, PyTree

__all__ = [
    "any_tree",
    "donatable",
    "empty_trees",
    "keeps_types",
    "one_trace",
    "stable_in_cond",
    "strict_promotion",
]

_DTYPES = [  # of parameters and gradients
    ("float32", "float32"),
    ("float16", "float16"),
    ("bfloat16", "bfloat16"),
    ("float32", "bfloat16"),
    ("bfloat16", "float32"),
]


@contract
def keeps_types(rule: Any, hyper: Any) -> None:
    """Updates are like the gradients, each state is like the first: structure, shapes, dtypes.

    With float64 off and on, parameters and gradients of the same dtype and of two, numbers of
    Python and arrays. Where a rule has parameters for evaluation, they are like the parameters.
    """
    for x64 in (False, True):
        with jax.enable_x64(x64):
            for params_dtype, grads_dtype in _DTYPES + [("float64", "float64")] * x64:
                params, grads = feed.parameters(params_dtype), feed.parameters(grads_dtype)
                for numbers in both_kinds(rule, hyper):
                    _require_types(rule, params, grads, numbers)


@contract
def strict_promotion(rule: Any, hyper: Any) -> None:
    """Clean under `jax_numpy_dtype_promotion="strict"` and `jax_numpy_rank_promotion="raise"`."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        for dtype in ("float32", "float16", "float64"):
            with jax.enable_x64(dtype == "float64"):
                params = feed.parameters(dtype)
                for numbers in both_kinds(rule, hyper):
                    _require_types(rule, params, params, numbers)


def _require_types(rule: Any, params: Params, grads: Params, hyper: Any) -> None:
    update = functools.partial(feed.update, rule, hyper=hyper)
    own = functools.partial(base.evaluation_params, rule, hyper=hyper)
    state = jax.eval_shape(functools.partial(rule.init, hyper=hyper), params)
    updates, after = jax.eval_shape(update, grads, state=state, params=params)
    _require_like("updates", updates, grads, "as the gradient")
    _require_like("state", after, state, "as in the first state")
    evaluated = jax.eval_shape(own, state, params)
    _require_like("evaluation_params", evaluated, params, "as the parameter")


def _require_like(name: str, got: PyTree, wanted: PyTree, why: str) -> None:
    structure, other = jax.tree.structure(got), jax.tree.structure(wanted)
    require(structure == other, name, f"of the structure {other}, {why}", structure)
    for (path, a), (_, b) in zip(leaves(name, got), leaves(name, wanted), strict=True):
        require(a.shape == b.shape, path, f"of shape {b.shape}, {why}", a.shape)
        require(a.dtype == b.dtype, path, f"of dtype {b.dtype}, {why}", a.dtype)


@contract
def stable_in_cond(rule: Any, hyper: Any) -> None:
    """One branch of `lax.cond` may update and the other leave everything as it is."""
    for dtype in ("float32", "float16"):
        numbers, params = hypers.check(rule, hyper), feed.parameters(dtype)
        maybe = functools.partial(_update_or_skip, rule, hyper=numbers)
        updates, _ = jax.eval_shape(maybe, jnp.asarray(True), params)
        _require_like("updates", updates, params, "as the gradient")


def _update_or_skip(rule: Any, flag: Array, params: Params, hyper: Any) -> tuple[Params, Any]:
    state = rule.init(params, hyper)
    return jax.lax.cond(
        flag,
        lambda: feed.update(rule, params, state, params, hyper),
        lambda: (jax.tree.map(jnp.zeros_like, params), state),
    )


@contract
def empty_trees(rule: Any, hyper: Any) -> None:
    """Trees without arrays, None for a leaf and empty leaves put no NaN into the state."""
    numbers = hypers.check(rule, hyper)
    for params in ({}, {"a": None, "e": jnp.ones((0, 2)), "w": jnp.ones((3, 2)), "z": ()}):
        state = rule.init(params, numbers)
        updates, state = feed.update(rule, params, state, params, numbers)
        _require_like("updates", updates, params, "as the gradients")
        require_no_nan(state, f"for the parameters {jax.tree.structure(params)}")


class _Layer(NamedTuple):
    kernel: Any
    bias: Any


@contract
def any_tree(rule: Any, hyper: Any) -> None:
    """Parameters are any pytree and their leaves have any number of axes.

    A leaf of 0 to 4 axes; a tuple, a list and a NamedTuple in each other, and an array that is all
    there is: models have convolutions and experts, and their authors choose the containers.
    """
    numbers = hypers.check(rule, hyper)
    for shape in ((), (3,), (3, 2), (2, 3, 2), (2, 2, 3, 2)):
        params = {"w": jnp.ones(shape)}
        with running(f"for a leaf of shape {shape}", "Leaves differ: look at the ndim of each."):
            _require_types(rule, params, params, numbers)
    fix = "Go through them with jaxnn.tree.map."
    for params in ((_Layer([jnp.ones((3, 2)), jnp.ones(2)], jnp.ones(())),), jnp.ones((3, 2))):
        with running("for trees of tuples, lists, NamedTuples or one array", fix):
            _require_types(rule, params, params, numbers)


@contract
def one_trace(rule: Any, hyper: Any) -> None:
    """Steps with other numbers, and from a later state, are the same program."""
    params, traces = feed.parameters("float32"), 0
    numbers = hypers.check(rule, hyper)
    state = jax.jit(rule.init)(params, numbers)

    @jax.jit
    def update(state: Any, hyper: Any) -> Any:
        nonlocal traces
        traces += 1
        return feed.update(rule, params, state, params, hyper)[1]

    for lane in range(3):
        state = update(state, feed.altered(numbers, lane))
    fix = "Keep shapes, dtypes and weak types of the state, and take numbers from `hyper` alone."
    require(traces == 1, "update", "traced once for three steps", f"{traces} traces", fix)


@contract
def donatable(rule: Any, hyper: Any) -> None:
    """A step may take the buffers of parameters and state: none is there twice, or a number's."""
    numbers, grads = hypers.check(rule, hyper), feed.parameters("float32", 1)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Params, state: Any, hyper: Any) -> tuple[Params, Any]:
        updates, state = feed.update(rule, grads, state, params, hyper)
        return base.apply_updates(params, updates), state

    params = feed.parameters("float32")
    state = rule.init(params, numbers)
    for _ in range(2):
        params, state = step(params, state, numbers)
    for path, leaf in leaves("hyper", numbers):
        fix = "Copy it into the state, with jnp.array."
        require(not leaf.is_deleted(), path, "left alone", "a buffer that the state shares", fix)
