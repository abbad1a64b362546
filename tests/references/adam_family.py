"""Adam's descendants."""

from __future__ import annotations

from typing import Any

import optax

from jaxnn.optimizers import (
    adabelief,
    adamax,
    adamaxw,
    adan,
    amsgrad,
    nadam,
    nadamw,
    novograd,
    radam,
    yogi,
)
from references.kind import Reference
from references.kind import find as _find

__all__ = ["ELSEWHERE", "REFERENCES"]


def _moments(state: Any) -> tuple[Any, Any, Any]:
    return _find(state, "count"), _find(state, "mu"), _find(state, "nu")


def _amsgrad(hyper: amsgrad.Hyper, **structure: bool) -> optax.GradientTransformation:
    return optax.amsgrad(*hyper, **structure)


def _amsgrad_state(state: Any, **structure: bool) -> amsgrad.State:
    del structure
    return amsgrad.State(*_moments(state), _find(state, "nu_max"))


def _nadam(hyper: nadam.Hyper) -> optax.GradientTransformation:
    return optax.nadam(*hyper[:5])


def _nadamw(hyper: nadamw.Hyper) -> optax.GradientTransformation:
    return optax.nadamw(*hyper[:5], weight_decay=hyper.weight_decay)


def _adamax(hyper: adamax.Hyper) -> optax.GradientTransformation:
    return optax.adamax(*hyper)


def _adamaxw(hyper: adamaxw.Hyper) -> optax.GradientTransformation:
    return optax.adamaxw(*hyper)


def _radam(hyper: radam.Hyper, **structure: bool) -> optax.GradientTransformation:
    return optax.radam(*hyper, **structure)


def _radam_state(state: Any, **structure: bool) -> radam.State:
    del structure
    return radam.State(*_moments(state))


def _adabelief(hyper: adabelief.Hyper, **structure: bool) -> optax.GradientTransformation:
    return optax.adabelief(*hyper, **structure)


def _adabelief_state(state: Any, **structure: bool) -> adabelief.State:
    del structure
    return adabelief.State(*_moments(state))


def _yogi(hyper: yogi.Hyper) -> optax.GradientTransformation:
    # What optax.yogi is made of: its own arguments do not reach the initial value.
    start = hyper.initial_accumulator_value
    scale = optax.scale_by_yogi(hyper.b1, hyper.b2, hyper.eps, initial_accumulator_value=start)
    return optax.chain(scale, optax.scale_by_learning_rate(hyper.learning_rate))


def _novograd(hyper: novograd.Hyper) -> optax.GradientTransformation:
    return optax.novograd(*hyper)


def _adan(hyper: adan.Hyper) -> optax.GradientTransformation:
    return optax.adan(*hyper)


def _adan_state(state: Any) -> adan.State:
    return adan.State(*(_find(state, field) for field in "tmvng"))


REFERENCES = {
    "amsgrad": Reference(
        _amsgrad,
        _amsgrad_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3},
            {"b1": 0.0, "b2": 0.9, "eps_root": 1e-4},
        ),
        ({"bias_correction_mu": False, "bias_correction_nu": False},),
    ),
    "nadam": Reference(
        _nadam,
        lambda state: nadam.State(*_moments(state), None),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3},
            {"b1": 0.0, "b2": 0.9, "eps_root": 1e-4},
        ),
    ),
    "nadamw": Reference(
        _nadamw,
        lambda state: nadamw.State(*_moments(state), None),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "eps_root": 1e-4, "weight_decay": 0.0},
        ),
    ),
    "adamax": Reference(
        _adamax,
        lambda state: adamax.State(*_moments(state)),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3},
            {"b1": 0.0, "b2": 0.5},
        ),
    ),
    "adamaxw": Reference(
        _adamaxw,
        lambda state: adamaxw.State(*_moments(state)),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.5, "weight_decay": 0.0},
        ),
    ),
    "radam": Reference(
        _radam,
        _radam_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "threshold": 4.0},
            {"b1": 0.0, "b2": 0.7, "eps_root": 1e-4},
        ),
    ),
    "adabelief": Reference(
        _adabelief,
        _adabelief_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3},
            {"b1": 0.0, "b2": 0.9, "eps": 1e-8, "eps_root": 1e-4},
        ),
    ),
    "yogi": Reference(
        _yogi,
        lambda state: yogi.State(*_moments(state)),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-8},
            {"b1": 0.0, "b2": 0.5, "initial_accumulator_value": 0.1},
        ),
    ),
    "novograd": Reference(
        _novograd,
        lambda state: novograd.State(*_moments(state)),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.0, "eps_root": 1e-4},
        ),
    ),
    "adan": Reference(
        _adan,
        _adan_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.7, "b3": 0.9, "eps": 1e-3},
            {"b1": 0.0, "b2": 0.0, "b3": 0.5, "eps_root": 1e-4, "weight_decay": 0.1},
        ),
    ),
}

ELSEWHERE = {
    "amsgrad(flavor='torch')": "by torch, in golden/torch/amsgrad.npz",
    "nadam(flavor='torch')": "by torch, in golden/torch/nadam.npz",
    "nadamw(flavor='torch')": "by torch, in golden/torch/nadamw.npz",
    "radam(flavor='torch')": "by torch, in golden/torch/radam.npz",
}
