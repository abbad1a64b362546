"""Activations: the contract over the table, references, conventions and properties."""

from __future__ import annotations

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from beartype import beartype
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import jaxtyped

from jaxnn import activations
from jaxnn.activations import ACTIVATIONS
from jaxnn.errors import BadType, BadValue

DTYPES = [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64]
EXTREMES = [-1e4, -100.0, -1.0, -6.2e-5, 0.0, 6.2e-5, 1.0, 100.0, 1e4]

REFERENCES = {
    "identity": lambda z: z,
    "step": lambda z: np.where(z >= 0, 1.0, 0.0),
    "sigmoid": scipy.special.expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.maximum(z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, scipy.special.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * scipy.special.ndtr(z),
    "silu": lambda z: z * scipy.special.expit(z),
    "softplus": lambda z: np.logaddexp(z, 0),
    "softmax": lambda z: scipy.special.softmax(z, axis=-1),
}
SLOPE_AT_0 = {
    "identity": 1.0,
    "step": 0.0,
    "sigmoid": 0.25,
    "tanh": 1.0,
    "relu": 0.0,
    "leaky_relu": 1.0,
    "elu": 1.0,
    "gelu": 0.5,
    "silu": 0.5,
    "softplus": 0.5,
    "softmax": 0.0,  # of one class alone
}

every_name = pytest.mark.parametrize("name", ACTIVATIONS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)


@functools.cache
def values_and_pull(name):
    """The values, and their derivative's product with weights; compiled once for all tests."""
    f = ACTIVATIONS[name]
    return jax.jit(lambda z, weights: (f(z), jax.vjp(f, z)[1](weights)[0]))


def ordinary(dtype=jnp.float64):
    return jnp.asarray(4 * np.random.default_rng(0).normal(size=(6, 9)), dtype)


def extreme(dtype=jnp.float64):
    rows = [EXTREMES, EXTREMES[::-1], [1e4] * 9, [-1e4] * 9, [0.0] * 9, [-1e4] * 8 + [1e4]]
    return jnp.asarray(rows, dtype)


def signs(dtype, size=1.0):
    return jnp.asarray(size * np.random.default_rng(1).choice([-1, 0.5, 1], size=(6, 9)), dtype)


def wide(x):
    return np.asarray(x.astype(jnp.float64))


@every_name
def test_matches_its_reference(name, x64):
    for z in (ordinary(), extreme()):
        out, _ = values_and_pull(name)(z, signs(jnp.float64))
        expected = REFERENCES[name](np.asarray(z))
        np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-15)


@every_name
def test_gradient_matches_finite_differences(name, x64):
    step, z, weights = 1e-6, ordinary(), signs(jnp.float64)  # no entry within a step of a kink
    f, direction = values_and_pull(name), np.cos(np.arange(54)).reshape(6, 9)
    ahead, behind = (np.asarray(f(z + s * direction, weights)[0]) for s in (step, -step))
    slope = np.sum(np.asarray(weights) * (ahead - behind)) / (2 * step)
    np.testing.assert_allclose(np.sum(f(z, weights)[1] * direction), slope, rtol=1e-8, atol=1e-8)


@every_name
@every_dtype
def test_keeps_shape_and_dtype(name, dtype, x64, strict_dtypes):
    checked = jaxtyped(ACTIVATIONS[name], typechecker=beartype)
    for shape in [(3,), (2, 3), (2, 1, 3)]:
        out = jax.eval_shape(checked, jax.ShapeDtypeStruct(shape, dtype))
        assert (out.shape, out.dtype) == (shape, dtype)


@every_name
@every_dtype
def test_is_finite_at_the_extremes(name, dtype, x64, strict_dtypes):
    # The second pass has gradients of a size that float16 meets with a scaled loss.
    for size in (1.0, 3e4):
        out, pulled = values_and_pull(name)(extreme(dtype), signs(dtype, size))
        assert np.isfinite(wide(out)).all()
        assert np.isfinite(wide(pulled)).all()


@every_name
@pytest.mark.parametrize("dtype", DTYPES[:3], ids=lambda d: d.__name__)
def test_low_precision_follows_float64(name, dtype, x64):
    # Values to the rounding of two operations, slopes to that of a short chain of them.
    eps = float(jnp.finfo(dtype).eps)
    z, weights = ordinary(dtype), signs(dtype)
    out, pulled = map(wide, values_and_pull(name)(z, weights))
    expected, slope = values_and_pull(name)(wide(z), wide(weights))
    assert (np.abs(out - expected) <= 2 * eps * (1 + np.abs(expected))).all()
    assert (np.abs(pulled - slope) <= 8 * eps).all()


@every_name
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.float32], ids=lambda d: d.__name__)
def test_jit_and_vmap_agree_with_eager(name, dtype):
    f, z, eps = ACTIVATIONS[name], ordinary(dtype), float(jnp.finfo(dtype).eps)
    lanes = np.stack([f(row) for row in z[:3]]).astype(float)
    for together in (f(z), jax.jit(f)(z), jax.vmap(f)(z)):
        np.testing.assert_allclose(np.asarray(together[:3], float), lanes, rtol=4 * eps, atol=eps)


@every_name
def test_nan_stays_nan(name):
    assert jnp.isnan(ACTIVATIONS[name](jnp.full((3,), jnp.nan))).all()


@every_name
def test_derivative_at_0_is_the_stated_one(name):
    f = ACTIVATIONS[name]
    slope = jax.jit(jax.grad(lambda z: f(z[None])[0]))(jnp.float32(0))
    assert slope == SLOPE_AT_0[name]


def test_step_is_1_at_0():
    assert activations.step(jnp.array([-1e-30, -0.0, 0.0])).tolist() == [0.0, 1.0, 1.0]


@every_dtype
def test_tanh_is_a_scaled_sigmoid(dtype, x64):
    z = jnp.asarray(np.concatenate([np.linspace(-10, 10, 4001), EXTREMES]), dtype)
    difference = wide(activations.tanh(z)) - wide(2 * activations.sigmoid(2 * z) - 1)
    assert np.abs(difference).max() <= 4 * float(jnp.finfo(dtype).eps)


def test_gelu_is_the_exact_form():
    z = jnp.float32(-2)
    approximation = jax.nn.gelu(z, approximate=True)
    assert abs(float(activations.gelu(z)) - -2 * scipy.special.ndtr(-2)) < 1e-7
    assert abs(float(approximation) - -2 * scipy.special.ndtr(-2)) > 1e-5


def test_negative_slope_may_be_traced():
    traces = []

    @jax.jit
    def f(z, slope):
        traces.append(1)
        return activations.leaky_relu(z, negative_slope=slope)

    z = jnp.array([-2.0, 3.0])
    outs = [f(z, jnp.float32(s)).tolist() for s in (0.0, 0.5, 2.0)]
    assert outs == [[0.0, 3.0], [-1.0, 3.0], [-4.0, 3.0]]
    assert len(traces) == 1
    assert jax.vmap(f, (None, 0))(z, jnp.array([0.0, 0.5, 2.0])).tolist() == outs


numbers = st.floats(-1e4, 1e4, width=32)


@given(st.lists(numbers, min_size=2, max_size=2))
def test_monotone_ones_are_monotone(pair):
    low, high = (jnp.asarray([v], jnp.float32) for v in sorted(pair))
    for name in ("identity", "step", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus"):
        assert ACTIVATIONS[name](low)[0] <= ACTIVATIONS[name](high)[0], name


@given(st.lists(numbers, min_size=5, max_size=5), st.floats(-100, 100, width=32))
def test_softmax_is_a_distribution_and_invariant_under_translation(values, shift):
    with jax.enable_x64(True):
        z = jnp.asarray(values, jnp.float64)
        p = activations.softmax(z)
        assert ((p >= 0) & (p <= 1)).all()
        np.testing.assert_allclose(p.sum(), 1, rtol=1e-14)
        np.testing.assert_allclose(activations.softmax(z + shift), p, rtol=1e-10, atol=1e-300)


@given(numbers)
def test_symmetries(value):
    with jax.enable_x64(True):
        z = jnp.float64(value)
        sigmoid, softplus = activations.sigmoid, activations.softplus
        np.testing.assert_allclose(sigmoid(z) + sigmoid(-z), 1, rtol=1e-15)
        np.testing.assert_allclose(softplus(z) - softplus(-z), z, rtol=1e-14, atol=1e-14)
        for name in ("gelu", "silu"):  # f(z) − f(−z) = z, since Φ and σ are symmetric
            f = ACTIVATIONS[name]
            np.testing.assert_allclose(f(z) - f(-z), z, rtol=1e-14, atol=1e-14)


@every_name
def test_get_finds_it_by_name_and_pickle_too(name):
    f = activations.get(name)
    assert f is ACTIVATIONS[name] is activations.get(f)
    assert f.__name__ == name
    assert pickle.loads(pickle.dumps(f)) is f


def test_get_takes_any_function():
    assert activations.get(jnp.sin) is jnp.sin


def test_unknown_name():
    with pytest.raises(BadValue) as caught:
        activations.get("rleu")
    assert str(caught.value) == (
        "activations.get: `name` must be one of elu, gelu, identity, leaky_relu, relu, sigmoid, "
        "silu, softmax, softplus, step, tanh; got 'rleu'. Did you mean 'relu'?"
    )


def test_neither_name_nor_function():
    with pytest.raises(BadType) as caught:
        activations.get(3)
    assert str(caught.value) == (
        "activations.get: `name` must be a name or a function; got 3. Try 'identity'."
    )
