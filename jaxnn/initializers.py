"""Initializers: what parameters are before training.

    f(key, shape) → float32 array

A shape is (inputs, outputs); axes before these are the receptive field of a convolution: fan_in is
inputs × field, fan_out is outputs × field. Values are always drawn in float32, so that a key gives
the same start with double precision on or off; the caller casts. Variances by fan keep the scale of
signals from layer to layer. Their normal distributions are cut off at two standard deviations, then
scaled back to the variance given, as in Flax and Keras; torch does not cut off. `INITIALIZERS` maps
names to functions; `get` looks one up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxnn.errors import bad_value, look_up_function
from jaxnn.typing import Array, ArrayLike, Float, NonNegative, PRNGKeyArray

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "constant",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "orthogonal",
    "uniform",
    "zeros",
]

Shape: TypeAlias = tuple[int, ...]
Initializer: TypeAlias = Callable[[PRNGKeyArray, Shape], Array]


def zeros(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """0 everywhere: for biases; weights of 0 never break the symmetry between hidden units."""
    del key
    return jnp.zeros(shape, jnp.float32)


def constant(key: PRNGKeyArray, shape: Shape, *, value: ArrayLike = 1.0) -> Float[Array, "*shape"]:
    """`value` everywhere, a number that may be traced."""
    del key
    return jnp.broadcast_to(jnp.asarray(value, jnp.float32), shape)


def uniform(
    key: PRNGKeyArray, shape: Shape, *, limit: NonNegative = 0.05
) -> Float[Array, "*shape"]:
    """U(−limit, limit), whatever the shape; variance limit²/3. The default is that of Keras."""
    # Flat, then shaped, here and below: the same values, and four axes compile seven times faster.
    drawn = jax.random.uniform(key, (math.prod(shape),), jnp.float32, -1, 1)
    return jnp.asarray(limit, jnp.float32) * drawn.reshape(shape)


def normal(
    key: PRNGKeyArray, shape: Shape, *, stddev: NonNegative = 0.05
) -> Float[Array, "*shape"]:
    """N(0, stddev²), whatever the shape, not cut off. The default is that of Keras."""
    drawn = jax.random.normal(key, (math.prod(shape),), jnp.float32)
    return jnp.asarray(stddev, jnp.float32) * drawn.reshape(shape)


def glorot_uniform(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """U(−r, r), r = √(6/(fan_in + fan_out)); variance 2/(fan_in + fan_out).

    Glorot, Bengio 2010, AISTATS, "Understanding the difficulty of training deep feedforward neural
    networks", equation 16.
    """
    fan_in, fan_out = _fans("glorot_uniform", shape)
    return _uniform(key, shape, 2 / (fan_in + fan_out))


def glorot_normal(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """N(0, 2/(fan_in + fan_out)), cut off. Glorot, Bengio 2010, equation 12."""
    fan_in, fan_out = _fans("glorot_normal", shape)
    return _cut_off_normal(key, shape, 2 / (fan_in + fan_out))


def he_uniform(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """U(−r, r), r = √(6/fan_in); variance 2/fan_in, for the ReLU family.

    He, Zhang, Ren, Sun 2015, ICCV, "Delving deep into rectifiers", equation 10.
    """
    fan_in, _ = _fans("he_uniform", shape)
    return _uniform(key, shape, 2 / fan_in)


def he_normal(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """N(0, 2/fan_in), cut off, for the ReLU family. He, Zhang, Ren, Sun 2015, equation 10."""
    fan_in, _ = _fans("he_normal", shape)
    return _cut_off_normal(key, shape, 2 / fan_in)


def lecun_uniform(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """U(−r, r), r = √(3/fan_in); variance 1/fan_in, for tanh and its kin.

    LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", equation 16.
    """
    fan_in, _ = _fans("lecun_uniform", shape)
    return _uniform(key, shape, 1 / fan_in)


def lecun_normal(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """N(0, 1/fan_in), cut off, for tanh and its kin. LeCun et al. 1998, equation 16."""
    fan_in, _ = _fans("lecun_normal", shape)
    return _cut_off_normal(key, shape, 1 / fan_in)


def orthogonal(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*shape"]:
    """Orthonormal columns, or rows where there are fewer, of the (fan_in, outputs) matrix.

    Uniformly distributed over such matrices.
    Saxe, McClelland, Ganguli 2014, ICLR, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks".
    """
    fan_in, _ = _fans("orthogonal", shape)
    return jax.random.orthogonal(key, fan_in, (), jnp.float32, shape[-1]).reshape(shape)


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        zeros,
        constant,
        uniform,
        normal,
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        lecun_uniform,
        lecun_normal,
        orthogonal,
    )
}


def get(name: str | Initializer) -> Initializer:
    """The initializer of that name; a function is returned as it is.

    Raises ValueError for a name that is not in `INITIALIZERS`, TypeError for anything else.
    """
    return look_up_function("initializers.get", name, INITIALIZERS)


def _fans(name: str, shape: Shape) -> tuple[int, int]:
    if len(shape) < 2 or min(shape) < 1:
        fix = "Use zeros, constant, uniform or normal for other shapes."
        constraint = "of two axes or more, each >= 1"
        raise bad_value(f"initializers.{name}", "shape", constraint, shape, fix)
    return math.prod(shape[:-1]), math.prod(shape[:-2]) * shape[-1]


def _uniform(key: PRNGKeyArray, shape: Shape, variance: float) -> Array:
    return uniform(key, shape, limit=math.sqrt(3 * variance))


def _cut_off_normal(key: PRNGKeyArray, shape: Shape, variance: float) -> Array:
    stddev_of_cut_off = 0.87962566103423978
    drawn = jax.random.truncated_normal(key, -2, 2, (math.prod(shape),), jnp.float32)
    return drawn.reshape(shape) * (math.sqrt(variance) / stddev_of_cut_off)
