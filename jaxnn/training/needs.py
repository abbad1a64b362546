"""What a rule may ask for beyond gradients, made from a loss and a batch.

    value, value_fn        the loss at the parameters, and the loss on this batch as a function
    key                    the rule's own
    per_example_grads      the gradient of each row of the batch, with a leading axis of rows
    hessian_diagonal       z ∘ (H z), z of random signs: its expectation is the diagonal of H
    residual_fn            outputs − targets on this batch as a function of the parameters

Only what a rule names in its NEEDS is computed. The Hessian's product is the derivative of the
gradient along z, forward over reverse, in the time of some three gradients.
Reference of the estimator: Hutchinson 1990, Communications in Statistics 19, "A Stochastic
Estimator of the Trace of the Influence Matrix"; for the diagonal: Bekas, Kokiopoulou, Saad 2007,
Applied Numerical Mathematics 57.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_type
from jaxnn.optimizers.base import extras, name_of
from jaxnn.training.batches import num_rows
from jaxnn.typing import Array, Float, Params, PRNGKeyArray

__all__ = ["LossFn", "hessian_diagonal", "ignores_key", "per_example_grads", "supply"]

LossFn: TypeAlias = Callable[[Params, Any, PRNGKeyArray | None], Float[Array, ""]]
"""(params, batch, key) → the mean loss over the batch."""


def supply(
    rule: Any,
    loss_fn: LossFn,
    params: Params,
    batch: Any,
    key: PRNGKeyArray | None,
    *,
    rule_key: PRNGKeyArray | None,
    residual_fn: Callable[[Params, Any], Array] | None,
    value: Float[Array, ""],
    value_fn: Callable[[Params], Float[Array, ""]],
) -> dict[str, Any]:
    """The keywords that the rule's `update` asks for; `value` and `value_fn` are there already.

    Raises TypeError, while tracing, for a need that cannot be met.
    """
    where = name_of(rule)
    found: dict[str, Any] = {"value": value, "value_fn": value_fn}
    if rule_key is not None:
        found["key"] = rule_key
    elif "key" in rule.NEEDS:
        fix = "Pass jax.random.key(0), and another one at each step."
        raise bad_type(where, "rule_key", "a key, since the rule draws numbers", None, fix)
    if "per_example_grads" in rule.NEEDS:
        if not jax.tree.leaves(batch):
            constraint = "rows, since the rule asks for the gradient of each"
            raise bad_type(where, "batch", constraint, "none", "Pass a problem with data.")
        found["per_example_grads"] = per_example_grads(loss_fn, params, batch, key)
    if "hessian_diagonal" in rule.NEEDS:
        if rule_key is None:
            constraint = "a key, since the diagonal of the Hessian is estimated at random"
            fix = "Pass jax.random.key(0), and another one at each step."
            raise bad_type(where, "rule_key", constraint, None, fix)
        found["hessian_diagonal"] = hessian_diagonal(value_fn, params, rule_key)
    if "residual_fn" in rule.NEEDS:
        if residual_fn is None:
            constraint = "a function (params, batch) → residuals, since the rule fits least squares"
            fix = "Pass it as `residual_fn`; training.train has that of a regression problem."
            raise bad_type(where, "residual_fn", constraint, None, fix)
        found["residual_fn"] = functools.partial(_residuals, residual_fn, batch)
    return extras(rule, found)


def per_example_grads(
    loss_fn: LossFn, params: Params, batch: Any, key: PRNGKeyArray | None
) -> Params:
    """The gradient for each row as a batch of one: like params with a leading axis of rows.

    Row i is given fold_in(key, i), so that what is drawn for one row is drawn for that row alone.
    """
    rows = jnp.arange(num_rows(batch), dtype=jnp.int32)
    grad = functools.partial(_grad_of_row, loss_fn, params, key)
    return jax.vmap(grad)(batch, rows)


def _grad_of_row(
    loss_fn: LossFn, params: Params, key: PRNGKeyArray | None, row: Any, number: Array
) -> Params:
    own = None if key is None else jax.random.fold_in(key, number)
    grads = jax.grad(loss_fn)(params, jax.tree.map(lambda x: x[None], row), own)
    return jax.tree.map(jnp.conj, grads)


def hessian_diagonal(
    value_fn: Callable[[Params], Float[Array, ""]], params: Params, key: PRNGKeyArray
) -> Params:
    """z ∘ (H z) for one draw of signs z: an unbiased estimate, exact where H is diagonal.

    Of a complex leaf x + i·y it is ∂²f/∂x² + i·∂²f/∂y², from signs of their own for x and y.
    """
    leaves, structure = jax.tree.flatten(params)
    parts = [[jnp.real(x), jnp.imag(x)] if tree.is_complex(x) else [jnp.asarray(x)] for x in leaves]
    numbers = iter(range(sum(map(len, parts))))
    signs = [
        [jax.random.rademacher(jax.random.fold_in(key, next(numbers)), p.shape, p.dtype) for p in x]
        for x in parts
    ]
    value_of = functools.partial(_value_of_parts, value_fn, structure)
    _, along = jax.jvp(jax.grad(value_of), (parts,), (signs,))
    return _whole(structure, jax.tree.map(jnp.multiply, signs, along))


def _value_of_parts(value_fn: Any, structure: Any, parts: list[list[Array]]) -> Array:
    return value_fn(_whole(structure, parts))


def _whole(structure: Any, parts: list[list[Array]]) -> Params:
    return structure.unflatten([jax.lax.complex(*x) if len(x) == 2 else x[0] for x in parts])


def ignores_key(loss_fn: LossFn, params: Params, batch: Any, key: PRNGKeyArray | None) -> bool:
    """Whether the loss is the same function at every step: nothing in it reads the key.

    Told from its program, without running it; one that reads the key and does nothing with what
    it read counts as random.
    """
    program = jax.make_jaxpr(loss_fn)(params, batch, key).jaxpr
    keys = program.invars[len(program.invars) - len(jax.tree.leaves(key)) :]
    read = [x for equation in program.eqns for x in equation.invars]
    return not any(x is mine for x in read for mine in keys)


def _residuals(residual_fn: Callable[..., Array], batch: Any, params: Params) -> Array:
    return residual_fn(params, batch)
