"""Arithmetic on pytrees: its algebra, its dtypes, its derivatives, its errors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import chex
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxnn import tree
from jaxnn.errors import BadType


class Pair(NamedTuple):
    first: Any
    second: Any


NUMBERS = st.floats(-1e3, 1e3, width=32)
SHAPES = st.sampled_from([(), (3,), (2, 3)])


@st.composite
def trees(draw: st.DrawFn, count: int = 1) -> tuple[Any, ...]:
    """`count` trees of one structure: a leaf, a pair of a leaf and None, and an empty list."""
    shapes = draw(SHAPES), draw(SHAPES)

    def leaf(shape: tuple[int, ...]) -> Any:
        return jnp.asarray(draw(hnp.arrays(np.float32, shape, elements=NUMBERS)))

    return tuple(
        {"a": leaf(shapes[0]), "b": Pair(leaf(shapes[1]), None), "c": []} for _ in range(count)
    )


# map


@given(trees(2))
def test_map_works_on_corresponding_leaves(pair: tuple[Any, Any]) -> None:
    x, y = pair
    added = tree.map(jnp.add, x, y)
    chex.assert_trees_all_equal(added["a"], x["a"] + y["a"])
    chex.assert_trees_all_equal(added["b"].first, x["b"].first + y["b"].first)
    assert added["b"].second is None
    assert added["c"] == []
    chex.assert_trees_all_equal(added, tree.map(jnp.add, y, x))


@given(trees())
def test_map_composes_and_keeps_the_identity(one: tuple[Any]) -> None:
    (x,) = one
    chex.assert_trees_all_equal(tree.map(lambda leaf: leaf, x), x)
    twice = tree.map(jnp.negative, tree.map(jnp.abs, x))
    chex.assert_trees_all_equal(twice, tree.map(lambda leaf: -jnp.abs(leaf), x))


def test_map_refuses_other_structures_and_shapes() -> None:
    with pytest.raises(BadType) as caught:
        tree.map(jnp.add, {"a": 1.0}, {"a": 1.0, "b": 2.0})
    assert str(caught.value) == (
        "tree.map: `tree 2` must be of the structure PyTreeDef({'a': *}); got "
        "PyTreeDef({'a': *, 'b': *}). Pass gradients, state and parameters of one model."
    )
    with pytest.raises(BadType) as caught:
        tree.map(lambda *x: x, jnp.ones(3), jnp.ones(3), jnp.ones((1, 3)))
    assert str(caught.value) == (
        "tree.map: `tree 3` must be of matching shapes, here (3,); got (1, 3). "
        "Leaves are never broadcast against each other."
    )
    with pytest.raises(BadType):
        tree.map(jnp.add, {"a": None}, {"a": 1.0})


# Dtypes


@pytest.mark.parametrize(
    ("grads", "state", "wide"),
    [
        ("float16", "float16", "float32"),
        ("float16", "bfloat16", "float32"),
        ("bfloat16", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("float64", "float32", "float64"),
    ],
)
def test_promote_brings_all_to_the_widest(grads: str, state: str, wide: str, x64: None) -> None:
    del x64
    hyper = {"rate": 0.1, "integer": 1, "array": jnp.ones((), "float64")}
    g, s, h = tree.promote(
        {"w": jnp.ones(2, grads), "none": None}, (jnp.ones(2, state), jnp.int32(3)), hyper
    )
    dtypes = [g["w"].dtype, s[0].dtype, *(x.dtype for x in h.values())]
    assert dtypes == [wide] * 5
    assert s[1].dtype == jnp.int32
    assert g["none"] is None


def test_numbers_never_widen_gradients(x64: None) -> None:
    del x64
    g, _, h = tree.promote(jnp.ones(2, jnp.float32), (), np.float64(0.1))
    assert g.dtype == h.dtype == jnp.float32


def test_promote_of_nothing_is_float32() -> None:
    g, s, h, more = tree.promote({}, None, 0.5, {"x": jnp.ones(1, jnp.float16)})
    assert (g, s) == ({}, None)
    assert h.dtype == more["x"].dtype == jnp.float32


def test_promote_refuses_complex_numbers() -> None:
    with pytest.raises(BadType) as caught:
        tree.promote({"w": jnp.ones(2, jnp.complex64)}, (), ())
    assert str(caught.value) == (
        "optimizers: `params['w']` must be real for this rule; got complex64. "
        "Wrap the rule: optimizers.split_complex(rule)."
    )


def test_statistics_of_integers_are_refused() -> None:
    with pytest.raises(BadType) as caught:
        tree.zeros_like({"n": jnp.ones(2, jnp.int32)}, min_dtype=jnp.float32)
    assert str(caught.value) == (
        "optimizers: `params` must be floating; got int32. "
        "Keep integers and booleans out of what is trained."
    )


@given(trees())
def test_cast_like_brings_back_what_was_cast(one: tuple[Any]) -> None:
    (x,) = one
    halves = tree.cast(x, jnp.float16)
    assert {leaf.dtype for leaf in jax.tree.leaves(halves)} == {jnp.dtype("float16")}
    chex.assert_trees_all_equal(tree.cast_like(tree.cast(halves, jnp.float32), halves), halves)


def test_cast_leaves_integers_alone() -> None:
    count, flag = tree.cast((jnp.int32(2), True), jnp.float16)
    assert count.dtype == jnp.int32
    assert flag is True


@pytest.mark.parametrize(
    ("dtype", "min_dtype", "expected"),
    [
        ("float16", None, "float16"),
        ("float16", "float32", "float32"),
        ("bfloat16", "float32", "float32"),
        ("float64", "float32", "float64"),
        ("float32", "float32", "float32"),
    ],
)
def test_full_like_raises_dtypes_to_a_least_one(
    dtype: str, min_dtype: str | None, expected: str, x64: None
) -> None:
    del x64
    full = tree.full_like({"a": jnp.ones((2, 1), dtype), "b": None}, 0.5, min_dtype=min_dtype)
    assert full["a"].dtype == expected
    assert full["a"].shape == (2, 1)
    assert full["b"] is None
    assert bool((full["a"] == 0.5).all())
    zeros = tree.zeros_like(full)
    assert zeros["a"].dtype == expected
    assert not zeros["a"].any()


def test_full_like_shares_no_buffer_with_its_value() -> None:
    value = jnp.float32(2.0)
    first, second = tree.full_like((jnp.float32(1.0), jnp.float32(1.0)), value)
    assert len({x.unsafe_buffer_pointer() for x in (value, first, second)}) == 3


def test_full_like_takes_a_traced_value() -> None:
    slope = jax.grad(lambda v: tree.full_like(jnp.ones(3), v).sum())(2.0)
    assert float(slope) == 3.0


# select


@given(trees(2), st.booleans())
def test_select_chooses_a_whole_tree(pair: tuple[Any, Any], condition: bool) -> None:
    chosen = jax.jit(tree.select)(condition, *pair)
    chex.assert_trees_all_equal(chosen, pair[0] if condition else pair[1])
    chex.assert_trees_all_equal(tree.select(condition, *pair), chosen)


def test_select_refuses_trees_that_differ() -> None:
    with pytest.raises(TypeError):
        tree.select(True, {"a": jnp.ones(2)}, {"b": jnp.ones(2)})
    with pytest.raises(TypeError):
        tree.select(True, jnp.ones(2), jnp.ones(2, jnp.float16))


# sqrt


@given(st.floats(2.0**-99, 2.0**99, width=32))
def test_sqrt_is_the_root_with_its_derivative(x: float) -> None:
    value, slope = jax.value_and_grad(tree.sqrt)(jnp.float32(x))
    assert float(value) == pytest.approx(math.sqrt(x), rel=1e-6)
    assert float(slope) == pytest.approx(0.5 / math.sqrt(x), rel=1e-6)


def test_sqrt_has_the_derivative_zero_at_zero() -> None:
    x = jnp.asarray([0.0, 4.0])
    np.testing.assert_array_equal(jax.grad(lambda x: tree.sqrt(x).sum())(x), [0.0, 0.25])
    np.testing.assert_array_equal(jax.jvp(tree.sqrt, (x,), (x + 1,))[1], [0.0, 1.25])
    np.testing.assert_array_equal(jax.vmap(jax.grad(tree.sqrt))(x), [0.0, 0.25])
    # Composed with what vanishes as fast, it stays 0 where jnp.sqrt gives NaN.
    assert float(jax.grad(lambda v: tree.sqrt(v * v))(0.0)) == 0.0
    assert bool(jnp.isnan(jax.grad(lambda v: jnp.sqrt(v * v))(0.0)))


def test_sqrt_shows_what_is_not_a_number() -> None:
    assert bool(jnp.isnan(tree.sqrt(jnp.asarray(-1.0))))
    assert bool(jnp.isinf(tree.sqrt(jnp.asarray(jnp.inf))))
    assert float(jax.grad(tree.sqrt)(jnp.inf)) == 0.0


# global_norm


@given(trees())
def test_global_norm_is_that_of_all_numbers_together(one: tuple[Any]) -> None:
    (x,) = one
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(x)]).astype(np.float64)
    assert float(tree.global_norm(x)) == pytest.approx(float(np.linalg.norm(flat)), rel=1e-5)


@given(trees(2), st.floats(-100, 100, width=32))
def test_global_norm_is_a_norm(pair: tuple[Any, Any], factor: float) -> None:
    x, y = pair
    scaled, added = tree.map(lambda leaf: factor * leaf, x), tree.map(jnp.add, x, y)
    of_x, of_y, of_scaled, of_added = (float(tree.global_norm(z)) for z in (x, y, scaled, added))
    assert of_scaled == pytest.approx(abs(factor) * of_x, rel=1e-5, abs=1e-30)
    assert of_added <= (of_x + of_y) * (1 + 1e-5) + 1e-30


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("edge", ["max", "smallest_normal"])
def test_global_norm_neither_overflows_nor_vanishes(dtype: str, edge: str, x64: None) -> None:
    del x64
    value = float(getattr(jnp.finfo(dtype), edge)) / 4
    value = value if edge == "max" else value * 8
    x = {"a": jnp.full(3, value, dtype), "b": jnp.asarray(value, dtype)}
    norm = tree.global_norm(x)
    assert norm.dtype == ("float64" if dtype == "float64" else "float32")
    assert float(norm) == pytest.approx(2 * value, rel=1e-5)


def test_global_norm_at_the_edges() -> None:
    assert float(tree.global_norm({})) == 0.0
    assert float(tree.global_norm({"a": jnp.zeros(3), "b": jnp.zeros(0)})) == 0.0
    assert float(tree.global_norm((jnp.asarray([1.0, -jnp.inf]),))) == math.inf
    assert math.isnan(float(tree.global_norm((jnp.asarray([1.0, jnp.nan]),))))
    np.testing.assert_array_equal(jax.grad(tree.global_norm)(jnp.zeros(3)), jnp.zeros(3))
    slope = jax.grad(tree.global_norm)(jnp.asarray([3.0, 4.0]))
    np.testing.assert_allclose(slope, [0.6, 0.8], rtol=1e-6)


# Counting and looking inside


def test_all_finite_sees_every_leaf() -> None:
    good = {"a": jnp.ones(2), "count": jnp.int32(1), "none": None}
    assert bool(tree.all_finite(good))
    assert bool(tree.all_finite({}))
    for bad in (jnp.nan, jnp.inf, -jnp.inf):
        assert not bool(tree.all_finite({**good, "b": jnp.asarray([0.0, bad], jnp.float16)}))


def test_after_gives_the_values_and_their_derivatives() -> None:
    values = {"a": jnp.array([-1.0, 0.0, jnp.inf]), "n": jnp.array([2, -3, 4])}
    others = {"a": jnp.array([5.0, -jnp.inf, 0.0]), "n": jnp.array([0, 0, 9])}
    for other in (others, jnp.float32(1e9)):
        chex.assert_trees_all_equal(jax.jit(tree.after)(values, other), values)

    def loss(x: Any, y: Any) -> Any:
        return jnp.sum(tree.after(x, y) ** 2)

    x, y = jnp.array([1.0, -2.0, 3.0]), jnp.array([1.0, 5.0, -5.0])
    np.testing.assert_array_equal(jax.grad(loss)(x, y), 2 * x)
    np.testing.assert_array_equal(jax.grad(loss, 1)(x, y), jnp.zeros(3))
    z = jnp.array([1 + 2j])
    assert tree.after(z, jnp.float32(0)) is z
    with pytest.raises(BadType, match="of the structure"):
        tree.after({"a": x}, {"b": x})


def test_after_hides_from_xla_that_nothing_changed() -> None:
    def twice(x: Any, y: Any) -> Any:
        return jnp.sqrt(x), jnp.sqrt(tree.after(x, y))

    x = jnp.ones(8)
    assert jax.jit(twice).lower(x, x + 1).compile().as_text().count(" sqrt(") == 2


def test_sizes() -> None:
    x = {"a": jnp.ones((2, 3), jnp.float16), "b": (jnp.int32(1), None), "c": jnp.zeros((0, 4))}
    assert tree.num_elements(x) == 7
    assert tree.num_bytes(x) == 2 * 6 + 4


def test_fields_by_dotted_name() -> None:
    nested = {"inner": Pair(first=(1, {"x": 2}), second=3), "other": 4}
    assert tree.get_field(nested, "inner.first.1.x") == 2
    changed = tree.replace_field(nested, "inner.first.1.x", 5)
    assert changed == {"inner": Pair(first=(1, {"x": 5}), second=3), "other": 4}
    assert nested["inner"].first[1]["x"] == 2
    assert tree.fields(Pair(1, 2)) == {"first": 1, "second": 2}
    assert tree.fields((1, 2)) == {"0": 1, "1": 2}
    assert tree.fields(3.0) == {}
    for value in (Pair(1, 2), (1, 2), {"first": 1, "second": 2}):
        assert tree.with_fields(value, dict(tree.fields(value))) == value


@given(NUMBERS, NUMBERS)
def test_a_replaced_field_is_the_field_that_is_read(old: float, new: float) -> None:
    value = Pair({"x": old}, old)
    assert tree.get_field(tree.replace_field(value, "first.x", new), "first.x") == new
    assert tree.replace_field(value, "first.x", old) == value
