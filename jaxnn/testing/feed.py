"""What the contracts feed a rule with: parameters, gradients, numbers, and what it asks for.

What a rule names in NEEDS comes from f(x) = ½‖x − p + g‖²: its gradient at the present parameters p
is the gradient g that is fed, and its Hessian is the identity.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnn import tree
from jaxnn.optimizers import base
from jaxnn.testing.contract import require_pure
from jaxnn.typing import Array, ArrayLike, Bool, Float, Params

__all__ = [
    "NUM_STEPS",
    "altered",
    "filled",
    "gradients",
    "is_count",
    "loop",
    "parameters",
    "run",
    "scan",
    "supplies",
    "update",
    "value_fn",
]

NUM_STEPS = 4


def parameters(dtype: DTypeLike, seed: int = 0) -> Params:
    """A scalar and a matrix of normal numbers."""
    return jax.tree.map(lambda x: jnp.asarray(x[0], dtype), _rows(seed))


def gradients(dtype: DTypeLike, seed: int) -> Params:
    """Normal numbers like the parameters, with a leading axis of steps."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), _rows(seed))


def _rows(seed: int) -> dict[str, NDArray[np.float64]]:
    # NumPy's, since to cut a row out of an array of JAX takes longer than all the rest.
    rng = np.random.default_rng(seed)
    shapes = {"b": (), "w": (3, 2)}
    return {name: rng.normal(size=(NUM_STEPS, *shape)) for name, shape in shapes.items()}


def filled(dtype: DTypeLike, value: float, *, alternating: bool = False) -> Params:
    """Gradients of one magnitude, all positive or of alternating sign in space and in time."""

    def leaf(x: Array) -> Array:
        sign = (-1.0) ** np.indices(x.shape).sum(axis=0) if alternating else np.ones(x.shape)
        return jnp.asarray(value * sign, dtype)

    return jax.tree.map(leaf, gradients(dtype, 0))


def altered(numbers: Any, lane: int) -> Any:
    """The numbers with one of them changed: none for lane 0, the first for 1, and so on around."""
    found, structure = jax.tree.flatten(numbers)
    lane %= len(found) + 1
    if lane:
        value = found[lane - 1]
        found[lane - 1] = jnp.asarray(float(value) * 15 / 16 or 1 / 16, value.dtype)
    return structure.unflatten(found)


def update(rule: Any, grads: Params, state: Any, params: Params, hyper: Any) -> tuple[Params, Any]:
    """The rule's `update`, with what it asks for."""
    return base.update(rule, grads, state, params, hyper, **supplies(rule, grads, params))


def supplies(rule: Any, grads: Params, params: Params) -> dict[str, Any]:
    """What the rule asks for at `params`, fitting the gradients there."""
    return {name: _SUPPLIES[name](grads, params) for name in rule.NEEDS}


def value_fn(grads: Params, params: Params) -> Callable[[Params], Float[Array, ""]]:
    """The loss whose gradient at `params` is `grads`."""
    return functools.partial(_half_square, grads, params)


def _half_square(grads: Params, center: Params, params: Params) -> Float[Array, ""]:
    return jnp.sum(_residuals(grads, center, params) ** 2) / 2


def _value(grads: Params) -> Float[Array, ""]:
    # At p = 0, since it is the same for every p: parameters may overflow where gradients do not.
    origin = jax.tree.map(jnp.zeros_like, grads)
    return _half_square(grads, origin, origin)


def _residuals(grads: Params, center: Params, params: Params) -> Float[Array, " n"]:
    x, p, g = tree.promote(params, center, grads)
    parts = jax.tree.leaves(tree.map(lambda x, p, g: jnp.ravel(x - p + g), x, p, g))
    return jnp.concatenate(parts) if parts else jnp.zeros(0)


_SUPPLIES = {
    "value": lambda g, p: _value(g),
    "value_fn": value_fn,
    "residual_fn": lambda g, p: functools.partial(_residuals, g, p),
    "key": lambda g, p: jax.random.key(0),
    "per_example_grads": lambda g, p: jax.tree.map(lambda g: jnp.stack([g, g]), g),
    "hessian_diagonal": lambda g, p: jax.tree.map(jnp.ones_like, g),
}


def scan(
    rule: Any,
    params: Params,
    grads: Params,
    hyper: Any,
    late: Bool[ArrayLike, ""] | None = None,
) -> tuple[Params, Any, Params]:
    """(updates of every step, last state, last parameters) of one run over the given gradients.

    late: whether it starts from the first state with its counts at the largest of their dtype.
    """

    def step(carry: tuple[Params, Any], grads: Params) -> tuple[tuple[Params, Any], Params]:
        params, state = carry
        updates, state = update(rule, grads, state, params, hyper)
        return (base.apply_updates(params, updates), state), updates

    state = rule.init(params, hyper)
    if late is not None:
        state = jax.tree.map(lambda x: jnp.where(late, _largest(x), x) if is_count(x) else x, state)
    (params, state), updates = jax.lax.scan(step, (params, state), grads)
    return updates, state, params


def is_count(leaf: Any) -> bool:
    """Whether the leaf is a scalar integer, which in a state counts something."""
    return jnp.ndim(leaf) == 0 and jnp.issubdtype(jnp.result_type(leaf), jnp.integer)


def _largest(count: Any) -> Array:
    dtype = jnp.result_type(count)
    return jnp.asarray(jnp.iinfo(dtype).max, dtype)


_run = jax.jit(scan, static_argnums=0)


def run(
    rule: Any, params: Params, grads: Params, hyper: Any, *, late: bool = False
) -> tuple[Params, Any, Params]:
    """`scan`, compiled once for a rule, a dtype and a kind of numbers, whether `late` or not."""
    return _run(rule, params, grads, hyper, np.asarray(late))


def loop(rule: Any, params: Params, grads: Params, hyper: Any) -> tuple[Params, Any, Params]:
    """The same as `scan` by a Python loop, without `jit`, in which nothing may be written into."""
    state = require_pure(rule.init, params=params, hyper=hyper)
    rows, step = [], functools.partial(update, rule)
    given = jax.tree.map(np.asarray, grads)
    for index in range(NUM_STEPS):
        now = jax.tree.map(lambda g: jnp.asarray(g[index]), given)  # noqa: B023
        updates, state = require_pure(step, grads=now, state=state, params=params, hyper=hyper)
        params = base.apply_updates(params, updates)
        rows.append(updates)
    return jax.tree.map(lambda *row: jnp.stack(row), *rows), state, params
