"""Initializers: the contract over the table, distributions, the same start in any precision."""

from __future__ import annotations

import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from beartype import beartype
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import jaxtyped

from jaxnn import initializers
from jaxnn.errors import BadType, BadValue
from jaxnn.initializers import INITIALIZERS

DENSE, CONVOLUTION = (60, 40), (6, 8, 16)  # fans 60, 40 and 48, 96
CUT_OFF = 0.87962566103423978  # standard deviation of a normal cut off at ±2


def _uniform(variance):
    limit = math.sqrt(3 * variance)
    return variance, scipy.stats.uniform(-limit, 2 * limit).cdf


def _normal(variance):
    return variance, scipy.stats.norm(scale=math.sqrt(variance)).cdf


def _cut_off_normal(variance):
    return variance, scipy.stats.truncnorm(-2, 2, scale=math.sqrt(variance) / CUT_OFF).cdf


DISTRIBUTIONS = {  # of (fan_in, fan_out): the variance and the distribution function
    "uniform": lambda i, o: _uniform(0.05**2 / 3),
    "normal": lambda i, o: _normal(0.05**2),
    "glorot_uniform": lambda i, o: _uniform(2 / (i + o)),
    "glorot_normal": lambda i, o: _cut_off_normal(2 / (i + o)),
    "he_uniform": lambda i, o: _uniform(2 / i),
    "he_normal": lambda i, o: _cut_off_normal(2 / i),
    "lecun_uniform": lambda i, o: _uniform(1 / i),
    "lecun_normal": lambda i, o: _cut_off_normal(1 / i),
}
FIXED = {"zeros": 0.0, "constant": 1.0}
BY_FAN = sorted({*DISTRIBUTIONS, "orthogonal"} - {"uniform", "normal"})

every_name = pytest.mark.parametrize("name", INITIALIZERS)


def test_every_initializer_has_its_distribution_here():
    assert {*DISTRIBUTIONS, *FIXED, "orthogonal"} == set(INITIALIZERS)


@every_name
def test_same_values_with_double_precision_on_and_off(name, strict_dtypes):
    f, key = INITIALIZERS[name], jax.random.key(3)
    single = f(key, DENSE)
    with jax.enable_x64(True):
        double = f(key, DENSE)
    assert single.dtype == double.dtype == jnp.float32
    assert single.shape == double.shape == DENSE
    assert np.array_equal(single, double)


@every_name
def test_the_key_alone_decides(name):
    f = jaxtyped(INITIALIZERS[name], typechecker=beartype)
    first, again, other = (f(jax.random.key(k), DENSE) for k in (0, 0, 1))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name in FIXED)


@every_name
def test_jit_and_vmap_agree_with_eager(name):
    f, keys = INITIALIZERS[name], jax.random.split(jax.random.key(0), 3)
    lanes = np.stack([f(key, DENSE) for key in keys])
    together = jax.jit(jax.vmap(lambda key: f(key, DENSE)))(keys)
    np.testing.assert_allclose(together, lanes, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [DENSE, CONVOLUTION], ids=["dense", "convolution"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name, shape):
    field = math.prod(shape[:-2])
    variance, cdf = DISTRIBUTIONS[name](field * shape[-2], field * shape[-1])
    keys = jax.random.split(jax.random.key(7), 10)
    drawn = np.asarray(jax.vmap(lambda key: INITIALIZERS[name](key, shape))(keys), float).ravel()
    # Five standard errors; that of the variance is largest for the normal distribution.
    assert abs(drawn.mean()) < 5 * math.sqrt(variance / drawn.size)
    assert abs(np.mean(drawn**2) / variance - 1) < 5 * math.sqrt(2 / drawn.size)
    assert scipy.stats.kstest(drawn, cdf, method="asymp").pvalue > 1e-3


@pytest.mark.parametrize("shape", [DENSE, CONVOLUTION], ids=["dense", "convolution"])
@pytest.mark.parametrize("name", BY_FAN)
def test_agrees_with_jax(name, shape):
    key = jax.random.key(5)
    expected = getattr(jax.nn.initializers, name)()(key, shape, jnp.float32)
    np.testing.assert_allclose(INITIALIZERS[name](key, shape), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("shape", [(), (0,), (5,), DENSE])
def test_fixed_values(name, shape):
    assert np.array_equal(INITIALIZERS[name](jax.random.key(0), shape), np.full(shape, FIXED[name]))


@settings(max_examples=6)
@given(*[st.integers(1, 6)] * 3)
def test_orthogonal_has_orthonormal_columns_or_rows(field, inputs, outputs):
    q = initializers.orthogonal(jax.random.key(field), (field, inputs, outputs))
    q = np.asarray(q, float).reshape(field * inputs, outputs)
    q = q if q.shape[0] >= q.shape[1] else q.T
    np.testing.assert_allclose(q.T @ q, np.eye(q.shape[1]), atol=2e-6)


def test_orthogonal_is_uniformly_distributed():
    keys = jax.random.split(jax.random.key(0), 2_000)
    q = np.asarray(jax.vmap(lambda key: initializers.orthogonal(key, (3, 3)))(keys), float)
    # An entry has mean 0 and second moment 1/3, and a square of variance 4/45; the determinant ±1.
    assert np.abs(q.mean(0)).max() < 5 * math.sqrt(1 / 3 / 2_000)
    assert np.abs((q**2).mean(0) - 1 / 3).max() < 5 * math.sqrt(4 / 45 / 2_000)
    assert abs(np.linalg.det(q).mean()) < 5 / math.sqrt(2_000)


@pytest.mark.parametrize(
    ("name", "number"), [("constant", "value"), ("uniform", "limit"), ("normal", "stddev")]
)
def test_numbers_scale_and_may_be_traced(name, number, strict_dtypes):
    f, key, sizes = INITIALIZERS[name], jax.random.key(0), [0.0, 0.5, 2.0]
    traces = []

    @jax.jit
    def draw(size):
        traces.append(1)
        return f(key, (50,), **{number: size})

    with jax.enable_x64(True):
        drawn = np.stack([draw(jnp.float64(size)) for size in sizes])
        lanes = jax.vmap(draw)(jnp.array(sizes))
    assert drawn.dtype == np.float32
    unit = f(key, (50,), **{number: 1.0})
    np.testing.assert_allclose(drawn, np.outer(sizes, unit), rtol=1e-6)
    np.testing.assert_allclose(lanes, drawn, rtol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize("name", BY_FAN)
@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0)])
def test_shapes_without_fans_are_refused(name, shape):
    with pytest.raises(BadValue) as caught:
        INITIALIZERS[name](jax.random.key(0), shape)
    assert str(caught.value) == (
        f"initializers.{name}: `shape` must be of two axes or more, each >= 1; got {shape}. "
        "Use zeros, constant, uniform or normal for other shapes."
    )


@every_name
def test_get_finds_it_by_name_and_pickle_too(name):
    f = initializers.get(name)
    assert f is INITIALIZERS[name] is initializers.get(f)
    assert f.__name__ == name
    assert pickle.loads(pickle.dumps(f)) is f


def test_unknown_name():
    with pytest.raises(BadValue) as caught:
        initializers.get("he_norm")
    assert str(caught.value) == (
        "initializers.get: `name` must be one of constant, glorot_normal, glorot_uniform, "
        "he_normal, he_uniform, lecun_normal, lecun_uniform, normal, orthogonal, uniform, zeros; "
        "got 'he_norm'. Did you mean 'he_normal'?"
    )


def test_neither_name_nor_function():
    with pytest.raises(BadType) as caught:
        initializers.get(None)
    assert str(caught.value) == (
        "initializers.get: `name` must be a name or a function; got None. Try 'zeros'."
    )
