"""Convolutions and normalisations of images [*batch, height, width, channels].

    y[i, j] = Σ_{a, b} x[s·i + a − p, s·j + b − q] W[a, b] + bias        beyond the edge x is 0

p and q centre the kernel, so that a stride of s gives ⌈n/s⌉ of n pixels: XLA's "SAME".
Reference: LeCun et al. 1989, Neural Computation 1, "Backpropagation applied to handwritten zip code
recognition"; for the normalisations Ba, Kiros, Hinton 2016, arXiv:1607.06450, "Layer
normalization", and Wu, He 2018, ECCV, "Group normalization".
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn.models.structure import Activation, weight
from jaxnn.typing import Array, Float, PRNGKeyArray

__all__ = [
    "EPSILON",
    "Conv",
    "Norm",
    "conv",
    "convolve",
    "group_norm",
    "layer_norm",
    "norm",
    "output_length",
]

EPSILON = 1e-5
"""Added to the variance by the normalisations, as in torch."""


class Conv(NamedTuple):
    """Parameters of a convolution."""

    weight: Float[Array, "height width inputs outputs"]
    bias: Float[Array, " outputs"]


class Norm(NamedTuple):
    """Parameters of a normalisation."""

    scale: Float[Array, " channels"]
    bias: Float[Array, " channels"]


def conv(
    key: PRNGKeyArray,
    kernel_size: int,
    inputs: int,
    outputs: int,
    activation: Activation,
    dtype: DTypeLike | None,
) -> Conv:
    """A square convolution as it starts; arguments as for `structure.weight`."""
    drawn = weight(key, (kernel_size, kernel_size, inputs, outputs), activation, dtype)
    return Conv(drawn, jnp.zeros(outputs, drawn.dtype))


def norm(channels: int, dtype: DTypeLike | None) -> Norm:
    """A normalisation as it starts: scale 1, bias 0."""
    scale = jnp.ones(channels, dtype or jnp.result_type(float))
    return Norm(scale, jnp.zeros_like(scale))


def output_length(length: int, stride: int) -> int:
    """Pixels along an axis after a convolution."""
    return -(-length // stride)


def convolve(
    layer: Conv, images: Float[Array, "*batch height width inputs"], *, stride: int = 1
) -> Float[Array, "*batch rows columns outputs"]:
    """The convolution, as one product of patches with the kernel.

    Equal to `jax.lax.conv_general_dilated` with "SAME" padding. Under a `vmap` over networks XLA
    makes that one a grouped convolution, whose gradient is slow on CPU.
    """
    # A training step of 32 digits networks, 8 and 16 channels: 10 to 20 times faster this way.
    height, width, inputs, outputs = layer.weight.shape
    top = _padding(images.shape[-3], height, stride)
    left = _padding(images.shape[-2], width, stride)
    no_padding = (0, 0, 0)
    padding = [no_padding] * (images.ndim - 3) + [(*top, 0), (*left, 0), no_padding]
    padded = jax.lax.pad(images, jnp.zeros((), images.dtype), padding)
    rows, columns = (output_length(n, stride) for n in images.shape[-3:-1])
    patches = [
        padded[..., _window(a, rows, stride), _window(b, columns, stride), :]
        for a in range(height)
        for b in range(width)
    ]
    kernel = layer.weight.reshape(height * width * inputs, outputs)
    product = jnp.dot(jnp.concatenate(patches, axis=-1), kernel)
    return product + jnp.broadcast_to(layer.bias, product.shape)


def _padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis, the odd one after."""
    total = max((output_length(length, stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def _window(first: int, number: int, stride: int) -> slice:
    return slice(first, first + (number - 1) * stride + 1, stride)


def layer_norm(
    layer: Norm, inputs: Float[Array, "*batch channels"]
) -> Float[Array, "*batch channels"]:
    """(x − mean) / √(variance + 1e-5) over the channels of each place, times scale plus bias."""
    return _scaled(layer, _standardized(inputs, (-1,)))


def group_norm(
    layer: Norm, images: Float[Array, "*batch height width channels"], *, groups: int
) -> Float[Array, "*batch height width channels"]:
    """As `layer_norm`, over all pixels of an image and one group of its channels.

    groups: a divisor of the channels; 1 is layer normalisation of whole images, as many as there
    are channels instance normalisation.
    """
    *shape, channels = images.shape
    grouped = images.reshape(*shape, groups, channels // groups)
    return _scaled(layer, _standardized(grouped, (-4, -3, -1)).reshape(images.shape))


def _standardized(x: Array, axes: tuple[int, ...]) -> Array:
    centred = x - jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean(centred * centred, axes, keepdims=True)
    return centred * jax.lax.rsqrt(variance + EPSILON)


def _scaled(layer: Norm, x: Array) -> Array:
    return x * jnp.broadcast_to(layer.scale, x.shape) + jnp.broadcast_to(layer.bias, x.shape)
