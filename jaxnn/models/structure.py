"""What the structures of models are made of: sizes and activations, checked, and how weights start.

Activations that are in the table are kept by name, so that both spellings are the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn import activations, initializers
from jaxnn.errors import bad_type, bad_value, check_integer
from jaxnn.models.layers import Dense
from jaxnn.typing import Array, Float, PRNGKeyArray, Shaped

__all__ = [
    "Activation",
    "affine",
    "check_features",
    "check_sizes",
    "dense",
    "name_of_activation",
    "settle",
    "weight",
]

Activation: TypeAlias = str | Callable[[Array], Array]

_RECTIFIED = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"})


def settle(model: Any, **fields: Any) -> None:
    """Write checked values into the fields of a frozen dataclass, in its `__post_init__`."""
    for name, value in fields.items():
        object.__setattr__(model, name, value)


def check_sizes(
    where: str, name: str, got: Any, *, least: int = 0, exactly: int | None = None, fix: str = ""
) -> tuple[int, ...]:
    """`got` as a tuple of integers >= 1, of `least` entries or more, or of `exactly` so many.

    Raises TypeError for what is no tuple of integers, ValueError for others.
    """
    if isinstance(got, str) or not isinstance(got, Sequence):
        raise bad_type(where, name, "a tuple of integers", repr(got), fix)
    sizes = tuple(check_integer(where, name, size, low=1) for size in got)
    if exactly is not None and len(sizes) != exactly:
        raise bad_value(where, name, f"of {exactly} entries", sizes, fix)
    if len(sizes) < least:
        raise bad_value(where, name, f"of {least} entries or more", sizes, fix)
    return sizes


def name_of_activation(got: Activation) -> Activation:
    """Its name where it is in the table, else the function; raises for what is neither."""
    function = activations.get(got)
    table = activations.ACTIVATIONS
    return next((name for name, known in table.items() if known is function), function)


def check_features(where: str, inputs: Shaped[Array, "*shape"], features: tuple[int, ...]) -> None:
    """Raises TypeError unless the last axes of `inputs` are `features`."""
    shape = jnp.shape(inputs)
    if shape[len(shape) - len(features) :] != features or len(shape) < len(features):
        wanted = f"an array of shape (..., {', '.join(map(str, features))})"
        raise bad_type(where, "inputs", wanted, f"shape {shape}")


def weight(
    key: PRNGKeyArray, shape: tuple[int, ...], activation: Activation, dtype: DTypeLike | None
) -> Float[Array, "*shape"]:
    """Initial weights before an activation: He's for the ReLU family, LeCun's for others.

    Drawn in float32, then cast to `dtype`, None being JAX's default float.
    """
    draw = initializers.he_normal if activation in _RECTIFIED else initializers.lecun_normal
    return draw(key, shape).astype(dtype or jnp.result_type(float))


def dense(
    key: PRNGKeyArray, inputs: int, units: int, activation: Activation, dtype: DTypeLike | None
) -> Dense:
    """A dense layer as it starts, with biases of 0; arguments as for `weight`."""
    drawn = weight(key, (inputs, units), activation, dtype)
    return Dense(drawn, jnp.zeros(units, drawn.dtype))


def affine(layer: Dense, inputs: Float[Array, "*batch inputs"]) -> Float[Array, "*batch units"]:
    """inputs · weight + bias."""
    product = jnp.dot(inputs, layer.weight)
    return product + jnp.broadcast_to(layer.bias, product.shape)
