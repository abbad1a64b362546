"""Cases of pytorch-optimizer: rules of the kind "momentum"."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

from recording import MATRICES, Case, Golden, moved, with_outputs_last

__all__ = ["CASES"]


def _qhm(state: Any) -> dict[str, Any]:
    return {"mean": state["momentum_buffer"]}


def _tiger(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"]}


def _aggmo(state: Any) -> dict[str, Any]:
    return {f"velocities/{i}": v for i, v in enumerate(state["momentum_buffer"].values())}


def _sgdp(state: Any) -> dict[str, Any]:
    return {"velocity": state["momentum"]}


def _adamp(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"], "mean_of_squares": state["exp_avg_sq"]}


def _last(of_state: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """The same with the outputs last."""
    return lambda state: {name: moved(x, 0, -1) for name, x in of_state(state).items()}


def _kate(state: Any) -> dict[str, Any]:
    return {"sum_of_squares": state["b"] ** 2, "numerator": state["m"] ** 2}


def _ftrl(state: Any) -> dict[str, Any]:
    return {"linear": state["z"], "sum_of_squares": state["n"]}


def _with_eps_once(optimizer: Any, number: int) -> None:
    """A step at which b grows by g², and at the first by eps too."""
    if number:
        optimizer.param_groups[0]["eps"] = 0.0
    optimizer.step()


def _adam_mini(state: Any) -> dict[str, Any]:
    return {"mean": state["m"], "mean_of_squares": state["v_mean"]}


def _of_a_model(optimizer: Any, params: list[Any], **arguments: Any) -> Any:
    """For a model of parameters whose names say nothing: each is a block of its own."""
    named = [(str(number), param) for number, param in enumerate(params)]
    return optimizer(types.SimpleNamespace(named_parameters=lambda: named), **arguments)


def _in_float64(optimizer: Any, number: int) -> None:
    """A step of what computes in torch.float32, whatever the parameters are."""
    import torch

    del number
    with mock.patch.object(torch, "float32", torch.float64):
        optimizer.step()


def _at_corrected_roots(optimizer: Any, number: int) -> None:
    """A step with eps beside √(v/(1 − b2ᵗ)): theirs stands beside √v.

    It is an eps of lengths too: of these it must be too small to be seen.
    """
    group = optimizer.param_groups[0]
    eps = group["eps"]
    group["eps"] = eps * math.sqrt(1 - group["betas"][1] ** (number + 1))
    optimizer.step()
    group["eps"] = eps


def _step(optimizer: Any, number: int) -> None:
    del number
    optimizer.step()


FIRST = {"output_axis": 0}
ANGLES = {"weight_decay": 0.1, "delta": 1.0, "wd_ratio": 0.3}
OF_SGDP = ANGLES | {"lr": 0.03, "momentum": 0.5, "eps": 1e-3}
OURS_OF_SGDP = ANGLES | {"learning_rate": 0.03, "momentum": 0.5, "eps": 1e-3}
OF_ADAMP = ANGLES | {"lr": 0.03, "betas": (0.5, 0.9), "eps": 1e-11}
OURS_OF_ADAMP = ANGLES | {"learning_rate": 0.03, "b1": 0.5, "b2": 0.9, "eps": 1e-11}

CASES: dict[str, Golden] = {
    "qhm": Golden(
        {
            "defaults": Case("QHM", {"lr": 0.1, "momentum": 0.999, "nu": 0.7}, {}, {}, _qhm),
            "other": Case(
                "QHM",
                {"lr": 0.3, "momentum": 0.5, "nu": 0.25},
                {},
                {"learning_rate": 0.3, "momentum": 0.5, "nu": 0.25},
                _qhm,
            ),
        }
    ),
    "aggmo": Golden(
        {
            "defaults": Case("AggMo", {"lr": 0.01, "betas": (0.0, 0.9, 0.99)}, {}, {}, _aggmo),
            "other": Case(
                "AggMo",
                {"lr": 0.3, "betas": (0.25, 0.5, 0.75)},
                {},
                {"learning_rate": 0.3, "betas.0": 0.25, "betas.1": 0.5, "betas.2": 0.75},
                _aggmo,
            ),
        }
    ),
    "sgdp": Golden(
        {
            "defaults": Case("SGDP", {"lr": 0.01, "momentum": 0.9}, {}, {}, _last(_sgdp)),
            "other": Case("SGDP", OF_SGDP, {}, OURS_OF_SGDP, _last(_sgdp)),
            "outputs first": Case("SGDP", OF_SGDP, FIRST, OURS_OF_SGDP, _sgdp, _step),
        },
        MATRICES,
        with_outputs_last,
    ),
    "adamp": Golden(
        {
            "defaults": Case("AdamP", {"eps": 1e-12}, {}, {"eps": 1e-12}, _last(_adamp)),
            "other": Case("AdamP", OF_ADAMP, {}, OURS_OF_ADAMP, _last(_adamp)),
            "outputs first": Case(
                "AdamP", OF_ADAMP, FIRST, OURS_OF_ADAMP, _adamp, _at_corrected_roots
            ),
        },
        MATRICES,
        functools.partial(with_outputs_last, step=_at_corrected_roots),
    ),
    "tiger": Golden(
        {
            "defaults": Case("Tiger", {}, {}, {}, _tiger),
            "other": Case(
                "Tiger",
                {"lr": 0.3, "beta": 0.5, "weight_decay": 0.1},
                {},
                {"learning_rate": 0.3, "beta": 0.5, "weight_decay": 0.1},
                _tiger,
            ),
        }
    ),
    "kate": Golden(
        {
            "defaults": Case("Kate", {"delta": 1e-3}, {}, {}, _kate),
            "other": Case(
                "Kate",
                {"lr": 0.3, "delta": 0.5, "eps": 1e-3},
                {},
                {"learning_rate": 0.3, "eta": 0.5, "eps": 1e-3},
                _kate,
            ),
        },
        step=_with_eps_once,
    ),
    "ftrl": Golden(
        {
            "defaults": Case("FTRL", {"lr": 0.01}, {}, {}, _ftrl),
            "other": Case(
                "FTRL",
                {"lr": 0.3, "beta": 1.0, "lambda_1": 0.5, "lambda_2": 0.1},
                {},
                {"learning_rate": 0.3, "beta": 1.0, "l1": 0.5, "l2": 0.1},
                _ftrl,
            ),
        }
    ),
    "adam_mini": Golden(
        {
            "defaults": Case("AdamMini", {"lr": 1e-3, "weight_decay": 0.0}, {}, {}, _adam_mini),
            "other": Case(
                "AdamMini",
                {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1},
                {},
                {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.1},
                _adam_mini,
            ),
        },
        MATRICES,
        _in_float64,
        build=_of_a_model,
    ),
}
