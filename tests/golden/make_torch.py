"""Make the golden files of torch: what its optimizers do with 50 given gradients, in float64.

    python tests/golden/make_torch.py

Run by hand, with torch 2.13.0 and NumPy, when a rule or a case is added; commit the files.
"""

from __future__ import annotations

import functools
from typing import Any

from recording import FLAT, Case, draw, record_torch, save

__all__ = ["main"]


def _velocity(state: Any) -> dict[str, Any]:
    return {"velocity": state["momentum_buffer"]}


def _adam(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"], "mean_of_squares": state["exp_avg_sq"]}


def _adadelta(state: Any) -> dict[str, Any]:
    return {"mean_of_squares": state["square_avg"], "mean_of_squared_steps": state["acc_delta"]}


def _adamax(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"], "maximum": state["exp_inf"]}


def _amsgrad(state: Any) -> dict[str, Any]:
    return _adam(state) | {"largest": state["max_exp_avg_sq"]}


def _nadam(state: Any) -> dict[str, Any]:
    return _adam(state) | {"momentum_product": state["mu_product"]}


def _asgd(state: Any) -> dict[str, Any]:
    return {"average": state["ax"]}


def _rprop(state: Any) -> dict[str, Any]:
    return {"step_sizes": state["step_size"], "signs": state["prev"].sign()}


def _rmsprop(state: Any) -> dict[str, Any]:
    found = {"second_moment": state["square_avg"]}
    if "grad_avg" in state:
        found["mean"] = state["grad_avg"]
        found["second_moment"] = state["square_avg"] - state["grad_avg"] ** 2
    if "momentum_buffer" in state:
        found["velocity"] = state["momentum_buffer"]
    return found


TORCH = {"flavor": "torch"}
CASES = {
    "sgd": {"plain": Case("SGD", {"lr": 0.1}, {}, {"learning_rate": 0.1})},
    "momentum": {
        "plain": Case(
            "SGD",
            {"lr": 0.1, "momentum": 0.8},
            {},
            {"learning_rate": 0.1, "momentum": 0.8},
            _velocity,
        )
    },
    "nesterov": {
        "plain": Case(
            "SGD",
            {"lr": 0.1, "momentum": 0.8, "nesterov": True},
            {},
            {"learning_rate": 0.1, "momentum": 0.8},
            _velocity,
        )
    },
    "adagrad": {
        "defaults": Case("Adagrad", {}, TORCH, {}, lambda state: {"sum_of_squares": state["sum"]}),
        "other": Case(
            "Adagrad",
            {"lr": 0.3, "initial_accumulator_value": 0.2, "eps": 1e-3},
            TORCH,
            {"learning_rate": 0.3, "initial_accumulator_value": 0.2, "eps": 1e-3},
            lambda state: {"sum_of_squares": state["sum"]},
        ),
    },
    "rmsprop": {
        "defaults": Case("RMSprop", {}, TORCH, {}, _rmsprop),
        "other": Case(
            "RMSprop",
            {"lr": 0.3, "alpha": 0.5, "eps": 1e-3},
            TORCH,
            {"learning_rate": 0.3, "decay": 0.5, "eps": 1e-3},
            _rmsprop,
        ),
        "centered": Case("RMSprop", {"centered": True}, TORCH | {"centered": True}, {}, _rmsprop),
        "momentum": Case(
            "RMSprop",
            {"momentum": 0.9},
            TORCH | {"acceleration": "momentum"},
            {},
            _rmsprop,
        ),
        "both": Case(
            "RMSprop",
            {"centered": True, "momentum": 0.5, "alpha": 0.9},
            TORCH | {"centered": True, "acceleration": "momentum"},
            {"momentum": 0.5, "decay": 0.9},
            _rmsprop,
        ),
    },
    "adadelta": {
        "defaults": Case("Adadelta", {}, {}, {}, _adadelta),
        "other": Case(
            "Adadelta",
            {"lr": 30.0, "rho": 0.8, "eps": 1e-3},
            {},
            {"learning_rate": 30.0, "rho": 0.8, "eps": 1e-3},
            _adadelta,
        ),
    },
    "adam": {
        "defaults": Case("Adam", {}, {}, {}, _adam),
        "other": Case(
            "Adam",
            {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3},
            {},
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
            _adam,
        ),
    },
    "adamw": {
        "defaults": Case("AdamW", {}, {}, {"weight_decay": 1e-2}, _adam),
        "other": Case(
            "AdamW",
            {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1},
            {},
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.1},
            _adam,
        ),
    },
    "amsgrad": {
        "defaults": Case("Adam", {"amsgrad": True}, TORCH, {}, _amsgrad),
        "other": Case(
            "Adam",
            {"amsgrad": True, "lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3},
            TORCH,
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
            _amsgrad,
        ),
    },
    "nadam": {
        "defaults": Case("NAdam", {}, TORCH, {}, _nadam),
        "other": Case(
            "NAdam",
            {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3, "momentum_decay": 1.0},
            TORCH,
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "momentum_decay": 1.0},
            _nadam,
        ),
    },
    "nadamw": {
        "other": Case(
            "NAdam",
            {"decoupled_weight_decay": True, "weight_decay": 0.1},
            TORCH,
            {"weight_decay": 0.1},
            _nadam,
        ),
    },
    "adamax": {
        "defaults": Case("Adamax", {}, {}, {}, _adamax),
        "other": Case(
            "Adamax",
            {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3},
            {},
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
            _adamax,
        ),
    },
    "radam": {
        "defaults": Case("RAdam", {}, TORCH, {}, _adam),
        "other": Case(
            "RAdam",
            {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3},
            TORCH,
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
            _adam,
        ),
    },
    "asgd": {
        "defaults": Case("ASGD", {}, {}, {"t0": 1e6}, _asgd),
        "other": Case(
            "ASGD",
            {"lr": 0.3, "lambd": 0.1, "alpha": 0.5, "t0": 10.0},
            {},
            {"learning_rate": 0.3, "lambd": 0.1, "alpha": 0.5, "t0": 10.0},
            _asgd,
        ),
        "averaged at once": Case("ASGD", {"t0": 0.0}, {}, {}, _asgd),
    },
    "rprop": {
        "defaults": Case("Rprop", {}, TORCH, {}, _rprop),
        "other": Case(
            "Rprop",
            {"lr": 2.0, "etas": (0.3, 1.5), "step_sizes": (0.1, 1.0)},
            TORCH,
            {
                "learning_rate": 2.0,
                "eta_minus": 0.3,
                "eta_plus": 1.5,
                "min_step_size": 0.1,
                "max_step_size": 1.0,
            },
            _rprop,
        ),
    },
}

COMPOSED = {
    "momentum": Case("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, {}, {}),
    "adam": Case("Adam", {"lr": 0.1, "weight_decay": 0.1}, {}, {}),
    "amsgrad": Case("AdamW", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}, {}, {}),
    "radam": Case(
        "RAdam", {"lr": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.1}, {}, {}
    ),
}
"""Cases that are rules in wrappers here: `optimizers.like` says in which."""


def main() -> None:
    """Write tests/golden/torch/<rule>.npz for every rule, and like.npz for what is composed."""
    import torch

    torch.set_default_dtype(torch.float64)  # NAdam keeps a product of its own in it
    start, grads = draw(FLAT)
    for rule, cases in (CASES | {"like": COMPOSED}).items():
        runs = {}
        for label, case in cases.items():
            optimizer = getattr(torch.optim, case.theirs)
            make = functools.partial(optimizer, **case.arguments)
            params, states = record_torch(make, start, grads)
            fields = case.state(states[0])
            runs[label] = (
                case,
                params,
                {name: {"x": x} if x.ndim else x for name, x in fields.items()},
            )
        save("torch", rule, start, grads, runs)


if __name__ == "__main__":
    main()
