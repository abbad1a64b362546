"""The eight rules of the lecture."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxnn.optimizers import adadelta, adagrad, adam, adamw, momentum, nesterov, rmsprop, sgd
from references.kind import Reference
from references.kind import find as _find

__all__ = ["ELSEWHERE", "REFERENCES"]


def _sgd(hyper: sgd.Hyper) -> optax.GradientTransformation:
    return optax.sgd(hyper.learning_rate)


def _momentum(hyper: momentum.Hyper) -> optax.GradientTransformation:
    return optax.sgd(hyper.learning_rate, hyper.momentum)


def _nesterov(hyper: nesterov.Hyper) -> optax.GradientTransformation:
    return optax.sgd(hyper.learning_rate, hyper.momentum, nesterov=True)


def _adagrad(hyper: adagrad.Hyper) -> optax.GradientTransformation:
    return optax.adagrad(*hyper)


def _rmsprop(
    hyper: rmsprop.Hyper,
    *,
    acceleration: str = "none",
    **structure: bool,
) -> optax.GradientTransformation:
    return optax.rmsprop(
        hyper.learning_rate,
        hyper.decay,
        hyper.eps,
        hyper.initial_scale,
        momentum=None if acceleration == "none" else hyper.momentum,
        nesterov=acceleration == "nesterov",
        **structure,
    )


def _rmsprop_state(
    state: Any,
    *,
    centered: bool = False,
    bias_correction: bool = False,
    acceleration: str = "none",
    eps_in_sqrt: bool = True,
) -> rmsprop.State:
    del eps_in_sqrt
    mean, second = None, _find(state, "nu")
    if centered:
        mean = _find(state, "mu")
        second = jax.tree.map(lambda n, m: n - m * m, second, mean)
    velocity = None
    if acceleration != "none":  # Optax's trace has the sign of the updates
        velocity = jax.tree.map(jnp.negative, _find(state, "trace"))
    return rmsprop.State(_find(state, "count") if bias_correction else None, mean, second, velocity)


def _adadelta(hyper: adadelta.Hyper) -> optax.GradientTransformation:
    return optax.adadelta(*hyper)


def _adam(hyper: adam.Hyper) -> optax.GradientTransformation:
    return optax.adam(*hyper)


def _adamw(hyper: adamw.Hyper) -> optax.GradientTransformation:
    return optax.adamw(*hyper[:5], weight_decay=hyper.weight_decay)


def _adam_state(state: Any) -> adam.State:
    return adam.State(_find(state, "count"), _find(state, "mu"), _find(state, "nu"))


REFERENCES = {
    "sgd": Reference(
        _sgd, lambda state: sgd.State(), ({"learning_rate": 0.3}, {"learning_rate": 1e-4})
    ),
    "momentum": Reference(
        _momentum,
        lambda state: momentum.State(_find(state, "trace")),
        ({"learning_rate": 0.3, "momentum": 0.5}, {"momentum": 0.0}),
    ),
    "nesterov": Reference(
        _nesterov,
        lambda state: nesterov.State(_find(state, "trace")),
        ({"learning_rate": 0.3, "momentum": 0.5}, {"momentum": 0.99}),
    ),
    "adagrad": Reference(
        _adagrad,
        lambda state: adagrad.State(_find(state, "sum_of_squares")),
        (
            {"learning_rate": 0.3, "eps": 1e-3},
            {"initial_accumulator_value": 0.0, "eps": 1e-10},
        ),
    ),
    "rmsprop": Reference(
        _rmsprop,
        _rmsprop_state,
        (
            {"learning_rate": 0.3, "decay": 0.99, "eps": 1e-3, "momentum": 0.5},
            {"decay": 0.5, "initial_scale": 1.0, "momentum": 0.99},
        ),
        (
            {"centered": True, "eps_in_sqrt": False, "acceleration": "nesterov"},
            {"bias_correction": True, "eps_in_sqrt": False, "acceleration": "momentum"},
        ),
    ),
    "adadelta": Reference(
        _adadelta,
        lambda state: adadelta.State(_find(state, "e_g"), _find(state, "e_x")),
        ({"learning_rate": 30.0, "rho": 0.99}, {"rho": 0.5, "eps": 1e-2}),
    ),
    "adam": Reference(
        _adam,
        _adam_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3},
            {"b1": 0.0, "b2": 0.9, "eps_root": 1e-4},
        ),
    ),
    "adamw": Reference(
        _adamw,
        lambda state: adamw.State(*_adam_state(state)),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "eps_root": 1e-4, "weight_decay": 0.0},
        ),
    ),
}

ELSEWHERE = {
    "momentum(flavor='lecture')": "by its formula, in test_optimizers_closed_forms.py",
    "adagrad(flavor='torch')": "by torch, in golden/torch/adagrad.npz",
    "rmsprop(flavor='torch')": "by torch, in golden/torch/rmsprop.npz",
}
