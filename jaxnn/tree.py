"""Arithmetic on pytrees, as update rules need it.

`promote` brings gradients, state and numbers to one dtype of at least float32, `cast_like` takes
the results back; in between a rule reads like its paper. Nothing here broadcasts between leaves:
trees that differ in structure or shapes raise TypeError while tracing. None is a leaf that is not
there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Bool, Float

from jaxnn.errors import bad_type
from jaxnn.typing import Params, PyTree

__all__ = [
    "all_finite",
    "cast",
    "cast_like",
    "fields",
    "full_like",
    "get_field",
    "global_norm",
    "map",
    "num_bytes",
    "num_elements",
    "promote",
    "replace_field",
    "select",
    "sqrt",
    "with_fields",
    "zeros_like",
]


def map(fn: Callable[..., Any], first: PyTree, *rest: PyTree) -> PyTree:
    """`fn` on corresponding leaves; None where the first tree has None.

    Raises TypeError where the trees differ in structure or in the shapes of their leaves.
    """
    leaves, structure = jax.tree.flatten(first)
    columns = [leaves]
    for number, other in enumerate(rest, start=2):
        others, other_structure = jax.tree.flatten(other)
        if other_structure != structure:
            raise bad_type(
                "tree.map",
                f"tree {number}",
                f"of the structure {structure}",
                other_structure,
                "Pass gradients, state and parameters of one model.",
            )
        for a, b in zip(leaves, others, strict=True):
            if jnp.shape(a) != jnp.shape(b):
                raise bad_type(
                    "tree.map",
                    f"tree {number}",
                    f"of matching shapes, here {jnp.shape(a)}",
                    jnp.shape(b),
                    "Leaves are never broadcast against each other.",
                )
        columns.append(others)
    return structure.unflatten([fn(*row) for row in zip(*columns, strict=True)])


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def cast(tree: PyTree, dtype: DTypeLike) -> PyTree:
    """Inexact leaves (Python floats too) as arrays of `dtype`; integers and booleans stay."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if _is_inexact(x) else x, tree)


def cast_like(tree: PyTree, like: PyTree) -> PyTree:
    """Each leaf in the dtype of its counterpart in `like`."""
    return map(lambda x, y: x.astype(jnp.result_type(y)), tree, like)


def promote(grads: Params, state: PyTree, hyper: PyTree, *more: PyTree) -> tuple[Any, ...]:
    """All arguments in one dtype: the widest among `grads` and `state`, at least float32.

    The numbers in `hyper` follow, integers of Python too, and never widen it. Integer leaves of the
    others (counts) are left alone.
    """
    dtypes = [jnp.result_type(x) for x in jax.tree.leaves((grads, state)) if _is_inexact(x)]
    for dtype in dtypes:
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise bad_type("optimizers", "grads", "real", dtype, "Split complex parameters in two.")
    wide = _widest(dtypes)
    hyper = jax.tree.map(lambda x: jnp.asarray(x, wide), hyper)
    return cast(grads, wide), cast(state, wide), hyper, *(cast(tree, wide) for tree in more)


def _widest(dtypes: list[Any]) -> Any:
    # float16 and bfloat16 have no common dtype under strict promotion; both fit in float32.
    return jnp.float64 if any(d == jnp.float64 for d in dtypes) else jnp.float32


def zeros_like(tree: PyTree, *, min_dtype: DTypeLike | None = None) -> PyTree:
    """Zeros of the same shapes; dtypes are kept, or raised to `min_dtype`."""
    return full_like(tree, 0.0, min_dtype=min_dtype)


def full_like(tree: PyTree, value: ArrayLike, *, min_dtype: DTypeLike | None = None) -> PyTree:
    """The scalar `value` in every element; dtypes are kept, or raised to `min_dtype`."""

    def full(x: ArrayLike) -> Array:
        dtype = jnp.result_type(x)
        if min_dtype is not None and jnp.finfo(dtype).bits < jnp.finfo(min_dtype).bits:
            dtype = jnp.dtype(min_dtype)
        # A copy even of a scalar: what a state is made of may be donated, `value` may not.
        return jnp.broadcast_to(jnp.array(value, dtype), jnp.shape(x))

    return jax.tree.map(full, tree)


def select(condition: Bool[ArrayLike, ""], yes: PyTree, no: PyTree) -> PyTree:
    """`yes` where the scalar `condition` holds, else `no`; a select, so both must be computed.

    Raises TypeError where the two differ in structure, shapes or dtypes.
    """
    return map(lambda a, b: jax.lax.select(condition, a, b), yes, no)


@jax.custom_jvp
def sqrt(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """√x with derivative 0 at 0, so that gradients through training stay finite there.

    >>> float(jax.grad(sqrt)(0.0)), float(jax.grad(sqrt)(4.0))
    (0.0, 0.25)
    """
    return jnp.sqrt(x)


@sqrt.defjvp
def _sqrt_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    root = jnp.sqrt(x)
    positive = root > 0
    safe = jnp.where(positive, root, jnp.ones_like(root))
    return root, jnp.where(positive, dx / (2 * safe), jnp.zeros_like(root))


def global_norm(tree: PyTree) -> Float[Array, ""]:
    """√Σx² over all leaves, in at least float32; overflows only where the norm itself does."""
    leaves = [x for x in jax.tree.leaves(tree) if _is_inexact(x)]
    wide = _widest([jnp.result_type(x) for x in leaves])
    leaves = [jnp.abs(jnp.asarray(x, wide)) for x in leaves]
    if not leaves:
        return jnp.zeros((), wide)
    peaks = jnp.stack([jnp.max(x, initial=0) for x in leaves])
    peak = jax.lax.stop_gradient(jnp.max(peaks))
    scale = jnp.where((peak > 0) & jnp.isfinite(peak), peak, jnp.ones_like(peak))
    return scale * sqrt(sum((jnp.sum((x / scale) ** 2) for x in leaves), jnp.zeros((), wide)))


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """True where no leaf holds an infinity or a NaN."""
    flags = [_finite(jnp.asarray(x)) for x in jax.tree.leaves(tree) if _is_inexact(x)]
    return jnp.all(jnp.stack(flags)) if flags else jnp.asarray(True)


def _finite(x: Array) -> Bool[Array, ""]:
    # ∞ · 0 and NaN · 0 are NaN. As a product with zeros the check costs a quarter of a reduction
    # by `all`, which XLA does not vectorise on CPU. The barrier keeps XLA from seeing the zeros,
    # the precision keeps an accelerator from rounding large numbers to infinity.
    zeros = jax.lax.optimization_barrier(jnp.zeros(x.size, x.dtype))
    return jnp.isfinite(jnp.dot(x.ravel(), zeros, precision=jax.lax.Precision.HIGHEST))


def num_elements(tree: PyTree) -> int:
    """The number of array elements in the tree."""
    return sum(int(jnp.size(x)) for x in jax.tree.leaves(tree))


def num_bytes(tree: PyTree) -> int:
    """The number of bytes that the tree's arrays take."""
    return sum(int(jnp.size(x)) * jnp.result_type(x).itemsize for x in jax.tree.leaves(tree))


def fields(value: Any) -> dict[str, Any]:
    """The parts of a NamedTuple, dict or tuple by name or position; {} of anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple):
        names = getattr(value, "_fields", range(len(value)))
        return {str(name): part for name, part in zip(names, value, strict=True)}
    return {}


def with_fields(value: Any, parts: dict[str, Any]) -> Any:
    """The NamedTuple, dict or tuple `value` with new parts, all of them, in their order."""
    if isinstance(value, dict):
        return parts
    return value._make(parts.values()) if hasattr(value, "_make") else tuple(parts.values())


def get_field(value: Any, path: str) -> Any:
    """The part of nested NamedTuples, dicts or tuples at a dotted path.

    >>> get_field({"inner": ({"b1": 0.9}, 2)}, "inner.0.b1")
    0.9
    """
    for name in path.split("."):
        value = fields(value)[name]
    return value


def replace_field(value: Any, path: str, new: Any) -> Any:
    """A copy of nested NamedTuples, dicts or tuples with the part at a dotted path replaced."""
    name, _, rest = path.partition(".")
    inner = replace_field(get_field(value, name), rest, new) if rest else new
    return with_fields(value, {**fields(value), name: inner})
