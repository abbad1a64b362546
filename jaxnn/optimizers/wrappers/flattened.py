"""All leaves as one vector (for each dtype), so that a step is few kernels however many there are.

    x = (x₁, …, x_n)        u = the rule's on the gradients by x        u_i = its part for x_i

A rule that treats elements alike, and one that looks at all of them at once (a global norm, one
distance), gives the same updates. For a rule that looks at leaves (the layer-wise and factored
ones) this is another rule: that of a single layer. The state is the rule's for the vector.
It pays where leaves are many and small: hundreds of them compile in a fraction of the time, and
a step is not held up by the start of a kernel for each. Large leaves gain nothing, and pay for
gathering gradients and parameters.
Agrees with `optax.flatten`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxnn.errors import bad_value
from jaxnn.optimizers import base
from jaxnn.optimizers.table import check_rule
from jaxnn.optimizers.wrappers.base import Hyper, State, structural, wrapped
from jaxnn.optimizers.wrappers.viewed import Viewed
from jaxnn.typing import Array, Params

__all__ = ["Flattened", "Hyper", "State", "flattened"]


@dataclasses.dataclass(frozen=True)
class Flattened(Viewed):
    """A rule that sees one vector for each dtype of the parameters."""

    PASSES_COMPLEX: ClassVar[bool] = True

    def view(self, whole: Params, params: Params, *, num_axes: int = 0) -> Params:
        """{dtype of the parameters: vector of all leaves that have it}."""
        like, structure = jax.tree.flatten(params)
        groups: dict[str, list[Array]] = {}
        for leaf, param in zip(structure.flatten_up_to(whole), like, strict=True):
            row = jnp.reshape(leaf, (*jnp.shape(leaf)[:num_axes], -1))
            groups.setdefault(_dtype_name(param), []).append(row)
        return {name: _joined(rows) for name, rows in groups.items()}

    def whole(self, view: Params, params: Params, like: Params) -> Params:
        """The vectors, cut up again."""
        leaves, structure = jax.tree.flatten(params)
        ends, parts = dict.fromkeys(view, 0), []
        for param, dtype in zip(leaves, map(jnp.result_type, jax.tree.leaves(like)), strict=True):
            name, shape = _dtype_name(param), jnp.shape(param)
            start, ends[name] = ends[name], ends[name] + math.prod(shape)
            part = jax.lax.slice(view[name], (start,), (ends[name],))
            parts.append(jnp.reshape(part, shape).astype(dtype))
        return structure.unflatten(parts)


def _dtype_name(x: Any) -> str:
    return jnp.result_type(x).name


def _joined(rows: list[Array]) -> Array:
    dtypes = {row.dtype for row in rows}
    if len(dtypes) > 1:
        widest = max(dtypes, key=lambda dtype: jnp.finfo(dtype).bits)
        wide = jnp.promote_types(widest, jnp.float32)
        rows = [row.astype(wide) for row in rows]
    return jnp.concatenate(rows, axis=-1)


@structural
def flattened(rule: Any, /) -> Flattened:
    """The rule on all leaves as one vector: `flattened(adam)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule,
    ValueError for one with a mask or labels, which would see no leaves.

    >>> from jaxnn.optimizers import sgd
    >>> rule, params = flattened(sgd), {"b": jnp.zeros(()), "w": jnp.ones((2, 2))}
    >>> hyper = rule.Hyper(sgd.Hyper(learning_rate=0.5))
    >>> updates, _ = rule.update(params, rule.init(params, hyper), params, hyper)
    >>> updates["w"].tolist(), float(updates["b"])
    ([[-0.5, -0.5], [-0.5, -0.5]], -0.0)
    """
    rule = check_rule("flattened", rule)
    chooser = _chooser(rule)
    if chooser is not None:
        constraint, fix = "one that treats all leaves alike", "Put flattened inside of that."
        raise bad_value("flattened", "rule", constraint, base.name_of(chooser), fix)
    return wrapped(Flattened, rule)


def _chooser(rule: Any) -> Any:
    """The rule inside that is something else for some leaves than for others, if there is one."""
    if hasattr(rule, "labels") or getattr(rule, "mask", None) is not None:
        return rule
    found = (_chooser(inside) for inside in getattr(rule, "rules", {}).values())
    return next((x for x in found if x is not None), None)
