"""Saturation: units whose activation is flat where they stand, so that no error signal passes.

    share_k = mean over units and examples of [ |f'(z_k)| < threshold ]

Sigmoid and tanh are flat far from 0 on both sides, ReLU at z <= 0 only: there its share is that of
units which are off. Reference: Glorot, Bengio 2010, AISTATS 9, "Understanding the difficulty of
training deep feedforward neural networks", section 3.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxnn import activations
from jaxnn.dissect.layered import check_layered
from jaxnn.errors import bad_value
from jaxnn.typing import Array, Bool, Float, Params

__all__ = ["dead_units", "saturated_units"]


def saturated_units(
    model: Any, params: Params, inputs: Float[Array, "*batch inputs"], threshold: float = 1e-2
) -> Float[Array, " layers"]:
    """The share of units × examples with |f'(z)| < threshold, for each layer, in [0, 1].

    The derivative is that of a unit's activation by its own pre-activation, so activations are
    elementwise or `softmax`. Pure: over the parameters of every step of a training,
    `jax.vmap(saturated_units, in_axes=(None, 0, None))(model, history, inputs)` is [steps, layers].
    Raises TypeError for models that are no row of dense layers, ValueError for a threshold <= 0.
    """
    flat = _flat("saturated_units", model, params, inputs, threshold)
    return jnp.stack([jnp.mean(layer.astype(jnp.result_type(float))) for layer in flat])


def dead_units(
    model: Any, params: Params, inputs: Float[Array, "*batch inputs"], threshold: float = 1e-2
) -> Float[Array, " layers"]:
    """The share of units that are saturated on every one of the inputs, for each layer.

    Such a unit learns nothing from them. Arguments and errors are those of `saturated_units`.
    """
    flat = _flat("dead_units", model, params, inputs, threshold)
    always = [jnp.all(layer.reshape(-1, layer.shape[-1]), axis=0) for layer in flat]
    return jnp.stack([jnp.mean(unit.astype(jnp.result_type(float))) for unit in always])


def _flat(
    where: str, model: Any, params: Params, inputs: Array, threshold: float
) -> list[Bool[Array, "*batch units"]]:
    check_layered(where, model)
    if not threshold > 0:
        raise bad_value(where, "threshold", "> 0", f"{threshold:g}", "Did you mean 0.01?")
    trace = model.trace(params, inputs)
    return [
        jnp.abs(_derivative(model.activation_of(number), layer.pre_activation)) < threshold
        for number, layer in enumerate(trace)
    ]


def _derivative(function: activations.Activation, z: Array) -> Array:
    """∂aᵢ/∂zᵢ for every unit i."""
    if function is activations.softmax:
        p = function(z)
        return p * (1 - p)
    return jax.jvp(function, (z,), (jnp.ones_like(z),))[1]
