"""Activations: what a unit makes of its pre-activation z.

    a = f(z)

All are elementwise but `softmax`, which acts on the last axis. Shape and dtype are kept, and a NaN
stays one; values and gradients are finite for |z| up to 1e4 in float16, bfloat16, float32, float64.
Ranges are those of the real functions: rounding reaches the open ends. `ACTIVATIONS` maps names to
functions; `get` looks one up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxnn.errors import look_up_function
from jaxnn.typing import Array, ArrayLike, Float

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "elu",
    "gelu",
    "get",
    "identity",
    "leaky_relu",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "step",
    "tanh",
]

Activation: TypeAlias = Callable[[Array], Array]


def identity(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """z itself: a linear unit, or logits. Range (−∞, ∞)."""
    return jnp.asarray(z)


def step(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 where z >= 0, else 0. Range {0, 1}; the derivative is 0 everywhere, at 0 too.

    McCulloch, Pitts 1943, Bulletin of Mathematical Biophysics 5, "A logical calculus of the ideas
    immanent in nervous activity".
    """
    return jnp.heaviside(z, jnp.ones_like(z))


def sigmoid(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """σ(z) = 1/(1 + e⁻ᶻ). Range (0, 1), so not zero-centred; saturates on both sides.

    Rumelhart, Hinton, Williams 1986, Nature 323, "Learning representations by back-propagating
    errors", equation 2.

    >>> sigmoid(jnp.array([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """
    return jax.nn.sigmoid(z)


def tanh(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """(eᶻ − e⁻ᶻ)/(eᶻ + e⁻ᶻ) = 2σ(2z) − 1. Range (−1, 1); saturates on both sides.

    LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", section 4.4.
    """
    return jnp.tanh(z)


def relu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(0, z), with derivative 0 at 0. Range [0, ∞).

    Nair, Hinton 2010, ICML, "Rectified linear units improve restricted Boltzmann machines".
    """
    return jax.nn.relu(z)


def leaky_relu(
    z: Float[Array, "*shape"], *, negative_slope: ArrayLike = 0.01
) -> Float[Array, "*shape"]:
    """z where z >= 0, else negative_slope · z; derivative 1 at 0. Range (−∞, ∞).

    `negative_slope` is a number, usually in [0, 1), and may be traced.
    Maas, Hannun, Ng 2013, ICML, "Rectifier nonlinearities improve neural network acoustic models".
    """
    z = jnp.asarray(z)
    return jax.nn.leaky_relu(z, jnp.asarray(negative_slope, z.dtype))


def elu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """z where z > 0, else eᶻ − 1. Range (−1, ∞).

    Clevert, Unterthiner, Hochreiter 2016, ICLR, "Fast and accurate deep network learning by
    exponential linear units (ELUs)", with α = 1.
    """
    return jax.nn.elu(z)


def gelu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """z Φ(z), where Φ is the standard normal distribution function. Range [−0.17, ∞).

    The exact form, by erfc, as in torch and Keras; the default of `jax.nn.gelu` is the tanh
    approximation. Hendrycks, Gimpel 2016, arXiv:1606.08415, "Gaussian error linear units (GELUs)".
    """
    return jax.nn.gelu(_wide(z), approximate=False).astype(jnp.result_type(z))


def silu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """z σ(z), also called swish. Range [−0.28, ∞).

    Elfwing, Uchibe, Doya 2018, Neural Networks 107, "Sigmoid-weighted linear units for neural
    network function approximation in reinforcement learning".
    """
    return jax.nn.silu(_wide(z)).astype(jnp.result_type(z))


def softplus(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log(1 + eᶻ), whose derivative is σ(z). Range (0, ∞).

    Dugas, Bengio, Bélisle, Nadeau, Garcia 2001, NIPS 13, "Incorporating second-order functional
    knowledge for better option pricing".
    """
    return jax.nn.softplus(z)


def softmax(z: Float[Array, "*batch classes"]) -> Float[Array, "*batch classes"]:
    """e^{zᵢ}/Σⱼe^{zⱼ} over the last axis. Range (0, 1), with sum 1; the same for z + c.

    Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """
    return jax.nn.softmax(z, axis=-1)


ACTIVATIONS: dict[str, Activation] = {
    f.__name__: f
    for f in (
        identity,
        step,
        sigmoid,
        tanh,
        relu,
        leaky_relu,
        elu,
        gelu,
        silu,
        softplus,
        softmax,
    )
}


def get(name: str | Activation) -> Activation:
    """The activation of that name; a function is returned as it is.

    Raises ValueError for a name that is not in `ACTIVATIONS`, TypeError for anything else.
    """
    return look_up_function("activations.get", name, ACTIVATIONS)


def _wide(z: Array) -> Array:
    # A gradient of 8 at z = 1e4 would overflow float16 before it meets the factor that is 0 there.
    return z if jnp.result_type(z) == jnp.float64 else jnp.asarray(z, jnp.float32)
