"""Cases of pytorch-optimizer: rules of the kind "adaptive".

Some of its optimizers put a number elsewhere than the paper. `step` gives them, at each step, the
value for which their arithmetic is the paper's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from recording import MATRICES, NUM_STEPS, Case, Golden

__all__ = ["CASES"]


def _at_roots(optimizer: Any, number: int) -> None:
    """A step without the package's own 1e-15 inside the roots."""
    del number
    bound = type(optimizer).apply_ams_bound
    optimizer.apply_ams_bound = functools.partial(bound, exp_avg_sq_eps=0.0)
    optimizer.step()


def _at_corrected_roots(optimizer: Any, number: int) -> None:
    """The same with eps beside √(v/(1 − b2ᵗ)): theirs stands beside √v."""
    group = optimizer.param_groups[0]
    eps = group["eps"]
    group["eps"] = eps * math.sqrt(1 - group["betas"][1] ** (number + 1))
    _at_roots(optimizer, number)
    group["eps"] = eps


def _as_adamod_is_written(optimizer: Any, number: int) -> None:
    """The same with m/(1 − b1ᵗ) for m: a mean whose decay is b1·(1 − b1ᵗ⁻¹)/(1 − b1ᵗ)."""
    group, t = optimizer.param_groups[0], number + 1
    betas = group["betas"]
    decay = betas[0] * (1 - betas[0] ** (t - 1)) / (1 - betas[0] ** t)
    group["betas"] = (decay, *betas[1:])
    _at_corrected_roots(optimizer, number)
    group["betas"] = betas


def _with_largest(optimizer: Any, number: int) -> None:
    """Without Adam's corrections of the rate, and with the mean of squares that gives max(w, v)."""
    group, t = optimizer.param_groups[0], number + 1
    optimizer.init_group(group)
    b1, b2 = group["betas"]
    for param in group["params"]:
        state, new = optimizer.state[param], (1 - b2) * param.grad**2
        state["v"] = b2 * state.get("v", 0 * new) + new
        state["w"] = state["v"].maximum(state.get("w", 0 * new))
        state["exp_avg_sq"] = (state["w"] - new) / b2
    rate = group["lr"]
    group["lr"] = rate * (1 - b1**t) / math.sqrt(1 - b2**t)
    optimizer.step()
    group["lr"] = rate


def _in_float64(optimizer: Any, number: int) -> None:
    """With the weights of the means in the precision of the rest."""
    del number
    group = optimizer.param_groups[0]
    optimizer.init_group(group)
    for param in group["params"]:
        state = optimizer.state[param]
        state["beta1_weight"] = state["beta1_weight"].double()
        state["beta2_weight"] = state["beta2_weight"].double()
    optimizer.step()


def _moments(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"], "mean_of_squares": state["exp_avg_sq"]}


def _laprop(rate: float) -> Callable[[Any], dict[str, Any]]:
    return lambda state: _moments(state) | {"mean": state["exp_avg"] / rate}


def _diffgrad(state: Any) -> dict[str, Any]:
    return _moments(state) | {"last": state["previous_grad"]}


def _adamod(b1: float) -> Callable[[Any], dict[str, Any]]:
    return lambda state: {
        "mean": state["exp_avg"] * (1 - b1**NUM_STEPS),
        "mean_of_squares": state["exp_avg_sq"],
        "mean_rate": state["exp_avg_lr"],
    }


def _padam(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"], "mean_of_squares": state["v"], "largest": state["w"]}


def _from_corrected(b1: float, b2: float) -> Callable[[Any], dict[str, Any]]:
    return lambda state: {
        "mean": state["exp_avg"] * (1 - b1**NUM_STEPS),
        "mean_of_squares": state["exp_avg_sq"] * (1 - b2**NUM_STEPS),
    }


def _mars(state: Any) -> dict[str, Any]:
    return _moments(state) | {"last": state["last_grad"]}


ONE = {"foreach": False}  # a leaf at a time
OTHER_THEIRS = ONE | {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3}
OTHER = {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3}

CASES: dict[str, Golden] = {
    "laprop": Golden(
        {
            "defaults": Case("LaProp", ONE, {}, {}, _laprop(4e-4)),
            "other": Case("LaProp", OTHER_THEIRS, {}, OTHER, _laprop(0.3)),
        },
        step=_at_corrected_roots,
    ),
    "diffgrad": Golden(
        {
            "defaults": Case("DiffGrad", ONE, {}, {}, _diffgrad),
            "other": Case("DiffGrad", OTHER_THEIRS, {}, OTHER, _diffgrad),
        },
        step=_at_corrected_roots,
    ),
    "adabound": Golden(
        {
            "defaults": Case("AdaBound", ONE, {}, {}, _moments),
            "other": Case(
                "AdaBound",
                OTHER_THEIRS | {"final_lr": 0.05, "gamma": 0.1},
                {},
                OTHER | {"final_lr": 0.05, "gamma": 0.1},
                _moments,
            ),
        },
        step=_at_roots,
    ),
    "adamod": Golden(
        {
            "defaults": Case(
                "AdaMod",
                ONE | {"betas": (0.9, 0.999, 0.999), "adam_debias": True},
                {},
                {},
                _adamod(0.9),
            ),
            "other": Case(
                "AdaMod",
                OTHER_THEIRS | {"betas": (0.5, 0.9, 0.7), "adam_debias": True},
                {},
                OTHER | {"b3": 0.7},
                _adamod(0.5),
            ),
        },
        step=_as_adamod_is_written,
    ),
    "padam": Golden(
        {
            "defaults": Case("PAdam", ONE | {"partial": 0.125}, {}, {}, _padam),
            "other": Case(
                "PAdam", OTHER_THEIRS | {"partial": 0.4}, {}, OTHER | {"power": 0.4}, _padam
            ),
        },
        step=_with_largest,
    ),
    "qhadam": Golden(
        {
            "defaults": Case(
                "QHAdam",
                ONE | {"betas": (0.995, 0.999), "nus": (0.7, 1.0)},
                {},
                {},
                _from_corrected(0.995, 0.999),
            ),
            "other": Case(
                "QHAdam",
                OTHER_THEIRS | {"nus": (0.4, 0.6)},
                {},
                OTHER | {"nu1": 0.4, "nu2": 0.6},
                _from_corrected(0.5, 0.9),
            ),
        },
        step=_in_float64,
    ),
    "stable_adamw": Golden(
        {
            "defaults": Case("StableAdamW", ONE, {}, {}, _from_corrected(0.9, 0.99)),
            "other": Case(
                "StableAdamW",
                OTHER_THEIRS | {"eps": 0.3, "weight_decay": 0.1},
                {},
                OTHER | {"eps": 0.3, "weight_decay": 0.1},
                _from_corrected(0.5, 0.9),
            ),
        },
        shapes=MATRICES,
    ),
    "mars": Golden(
        {
            "defaults": Case("MARS", ONE | {"optimize_1d": True}, {}, {}, _mars),
            "other": Case(
                "MARS",
                OTHER_THEIRS | {"optimize_1d": True, "gamma": 0.7, "weight_decay": 0.1},
                {},
                OTHER | {"gamma": 0.7, "weight_decay": 0.1},
                _mars,
            ),
        },
        shapes=MATRICES,
        step=_at_corrected_roots,
    ),
    "grams": Golden(
        {
            "defaults": Case("Grams", ONE, {}, {}, _moments),
            "other": Case("Grams", OTHER_THEIRS, {}, OTHER, _moments),
        }
    ),
}
