"""Arithmetic on pytrees, as update rules need it.

`promote` brings gradients, state and numbers to one dtype of at least float32, `cast_like` takes
the results back; in between a rule reads like its paper. Nothing here broadcasts between leaves:
trees that differ in structure or shapes raise TypeError while tracing. None is a leaf that is not
there.

Complex leaves are refused unless a rule asks for them. Then `promote` makes Parts of them, real and
imaginary, on which the same formulas stand, and `cast_like` puts these together again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jaxnn.errors import bad_type
from jaxnn.typing import Params, PyTree

__all__ = [
    "Parts",
    "after",
    "all_finite",
    "beside",
    "cast",
    "cast_like",
    "fields",
    "full_like",
    "get_field",
    "global_norm",
    "increment",
    "is_complex",
    "map",
    "num_bytes",
    "num_elements",
    "promote",
    "replace_field",
    "require_real",
    "select",
    "sqrt",
    "squared",
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
    """Each leaf in the dtype of its counterpart in `like`; Parts as one where that is complex."""
    if not any(is_complex(x) for x in jax.tree.leaves(like)):
        return map(lambda x, y: x.astype(jnp.result_type(y)), tree, like)
    parts = cast_like(_in_parts(tree), _in_parts(like))
    whole = jax.tree.structure(like).flatten_up_to(parts)
    joined = [jax.lax.complex(*x) if isinstance(x, Parts) else x for x in whole]
    return jax.tree.structure(like).unflatten(joined)


def promote(
    grads: Params,
    state: PyTree,
    hyper: PyTree,
    *more: PyTree,
    complex_as: Literal["error", "parts"] = "error",
) -> tuple[Any, ...]:
    """All arguments in one dtype: the widest among `grads` and `state`, at least float32.

    The numbers in `hyper` follow, integers of Python too, and never widen it. Integer leaves of the
    others (counts) are left alone. A complex leaf raises TypeError, or becomes Parts.
    """
    if complex_as == "parts":
        grads, state, more = _in_parts((grads, state, more))
    else:
        require_real(grads, *more)
    dtypes = [jnp.result_type(x) for x in jax.tree.leaves((grads, state)) if _is_inexact(x)]
    wide = _widest(dtypes)
    hyper = jax.tree.map(lambda x: jnp.asarray(x, wide), hyper)
    return cast(grads, wide), cast(state, wide), hyper, *(cast(tree, wide) for tree in more)


class Parts(NamedTuple):
    """A complex leaf, for formulas on real numbers."""

    real: Float[Array, "*shape"]
    imag: Float[Array, "*shape"]


def is_complex(leaf: Any) -> bool:
    """Whether the leaf holds complex numbers."""
    return np.iscomplexobj(leaf)


def _in_parts(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda x: Parts(jnp.real(x), jnp.imag(x)) if is_complex(x) else x, tree)


def require_real(*trees: Params) -> None:
    """Raises TypeError, which names the leaf, for parameters or gradients with complex numbers.

    For the `init` of a rule that does not handle them and makes nothing of the parameters;
    `promote` and what makes a state like the parameters raise the same.
    """
    for tree in trees:
        if not any(is_complex(x) for x in jax.tree.leaves(tree)):
            continue
        named = jax.tree_util.tree_flatten_with_path(tree)[0]
        path, leaf = next((path, x) for path, x in named if is_complex(x))
        name, fix = jax.tree_util.keystr(path), "Wrap the rule: optimizers.split_complex(rule)."
        raise bad_type("optimizers", f"params{name}", "real for this rule", leaf.dtype, fix)


def squared(tree: PyTree, weight: Float[Array, ""]) -> PyTree:
    """weight · |x|² of every leaf, and of both Parts of a complex one together."""

    def of(x: Array | Parts) -> Array:
        if isinstance(x, Parts):
            return weight * x.real * x.real + weight * x.imag * x.imag
        return weight * x * x

    return jax.tree.map(of, tree, is_leaf=_is_parts)


def beside(tree: PyTree, like: PyTree) -> PyTree:
    """The tree with each leaf twice where `like` has Parts: what both are multiplied with."""
    leaves, structure = jax.tree.flatten(like, is_leaf=_is_parts)
    own = structure.flatten_up_to(tree)
    twice = [Parts(x, x) if isinstance(y, Parts) else x for x, y in zip(own, leaves, strict=True)]
    return structure.unflatten(twice)


def _is_parts(x: Any) -> bool:
    return isinstance(x, Parts)


def _widest(dtypes: list[Any]) -> Any:
    # float16 and bfloat16 have no common dtype under strict promotion; both fit in float32.
    return jnp.float64 if any(d == jnp.float64 for d in dtypes) else jnp.float32


def zeros_like(
    tree: PyTree,
    *,
    min_dtype: DTypeLike | None = None,
    complex_as: Literal["error", "complex", "real"] = "error",
) -> PyTree:
    """Zeros of the same shapes; dtypes are kept, or raised to `min_dtype`."""
    return full_like(tree, 0.0, min_dtype=min_dtype, complex_as=complex_as)


def full_like(
    tree: PyTree,
    value: ArrayLike,
    *,
    min_dtype: DTypeLike | None = None,
    complex_as: Literal["error", "complex", "real"] = "error",
) -> PyTree:
    """The scalar `value` in every element; dtypes are kept, or raised to `min_dtype`.

    With `min_dtype`, as for statistics, a complex leaf raises TypeError or has a counterpart that
    is complex or real, as asked.
    """
    if min_dtype is not None and complex_as == "error":
        require_real(tree)

    def full(x: ArrayLike) -> Array:
        dtype = jnp.result_type(x)
        if not jnp.issubdtype(dtype, jnp.inexact):
            fix = "Keep integers and booleans out of what is trained."
            raise bad_type("optimizers", "params", "floating", dtype, fix)
        if min_dtype is not None and jnp.finfo(dtype).bits < jnp.finfo(min_dtype).bits:
            dtype = jnp.dtype(min_dtype)
        if complex_as == "real":
            dtype = jnp.finfo(dtype).dtype
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


def after(values: PyTree, others: PyTree) -> PyTree:
    """`values`, which XLA cannot have before `others` and takes for new; NaN where `others` are.

    others: like `values`, or one scalar for all. On CPU a result that two kernels need is stored
    where it takes a root or a quotient, and so is a copy of a donated buffer that one kernel reads
    and another writes; each costs as much time as several passes over it. A rule computes the one
    again, from what comes `after` the first use, and lets the writer of the other come `after` its
    reader. Derivatives are those of `values`. Leaves that are not real floats stay as they are.
    """
    if isinstance(others, jax.Array) and others.ndim == 0:
        return jax.tree.map(lambda x: _after(x, jnp.broadcast_to(others, jnp.shape(x))), values)
    return map(_after, values, others)


def _after(x: Array, y: Array) -> Array:
    if not (jnp.issubdtype(x.dtype, jnp.floating) and jnp.issubdtype(y.dtype, jnp.floating)):
        return x
    return _unless_nan(x, y.astype(x.dtype))


@jax.custom_jvp
def _unless_nan(x: Array, y: Array) -> Array:
    return jnp.where(y == y, x, y)


@_unless_nan.defjvp
def _unless_nan_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> Any:
    return _unless_nan(*primals), tangents[0]


def global_norm(tree: PyTree) -> Float[Array, ""]:
    """√Σx² over all leaves, in at least float32; overflows only where the norm itself does."""
    leaves = [jnp.abs(jnp.asarray(x)) for x in jax.tree.leaves(tree) if _is_inexact(x)]
    wide = _widest([x.dtype for x in leaves])
    leaves = [x.astype(wide) for x in leaves]
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


def increment(count: Int[Array, ""], by: Int[ArrayLike, ""] = 1) -> Int[Array, ""]:
    """`count + by`, or the largest of its dtype where that would turn negative."""
    room = jnp.asarray(jnp.iinfo(count.dtype).max, count.dtype) - count
    return count + jnp.minimum(room, jnp.asarray(by, count.dtype))


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
