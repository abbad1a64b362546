"""What models are made of: dense layers, and the signal through a row of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn.errors import bad_type
from jaxnn.typing import Array, Float

__all__ = ["Dense", "Layer", "Trace", "dtype_name", "forward"]


class Dense(NamedTuple):
    """Parameters of one layer: every input is connected with every unit."""

    weight: Float[Array, "inputs units"]
    bias: Float[Array, " units"]


class Layer(NamedTuple):
    """What one layer computed."""

    pre_activation: Float[Array, "*batch units"]
    activation: Float[Array, "*batch units"]


Trace: TypeAlias = tuple[Layer, ...]


def forward(
    layers: Sequence[Dense],
    activations: Sequence[Callable[[Array], Array]],
    inputs: Float[Array, "*batch inputs"],
    *,
    where: str,
) -> Trace:
    """The functional signal: z = a W + b and a = activation(z), layer after layer.

    Raises TypeError, while tracing, where the layers or the inputs do not fit; `where` is the name
    of the model in its message.
    """
    if len(layers) != len(activations):
        raise bad_type(where, "params", f"of {len(activations)} layers", f"{len(layers)}")
    trace, signal = [], inputs
    num_inputs, shape = layers[0].weight.shape[0], jnp.shape(inputs)
    if not shape or shape[-1] != num_inputs:
        raise bad_type(where, "inputs", f"an array of shape (..., {num_inputs})", f"shape {shape}")
    for (weight, bias), activation in zip(layers, activations, strict=True):
        product = jnp.dot(signal, weight)
        before = product + jnp.broadcast_to(bias, product.shape)
        signal = activation(before)
        trace.append(Layer(before, signal))
    return tuple(trace)


def dtype_name(where: str, dtype: DTypeLike | None) -> str | None:
    """The name of a floating dtype, None for None; raises TypeError for what is none."""
    if dtype is None:
        return None
    try:
        found = jnp.dtype(dtype)
    except TypeError:
        found = None
    if found is None or not jnp.issubdtype(found, jnp.floating):
        raise bad_type(where, "dtype", "a floating dtype", repr(dtype), "Did you mean 'float32'?")
    return found.name
