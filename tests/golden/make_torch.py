"""Make the golden files of torch: what its optimizers do with 50 given gradients, in float64.

    python tests/golden/make_torch.py

Run by hand, with torch 2.13.0 and NumPy, when a rule or a case is added; commit the files. One
thing of torch is changed for float64: its Muon computes in bfloat16.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any
from unittest import mock

from recording import (
    FLAT,
    MATRICES,
    Case,
    by_field,
    draw,
    moved,
    record_torch,
    save,
    save_signatures,
    with_outputs_last,
)

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


def _adafactor(state: Any) -> dict[str, Any]:
    if "variance" in state:
        return {"second_moment": state["variance"]}
    rows, columns = state["row_var"].squeeze(-1), state["col_var"].squeeze(-2)
    return {"second_moment": {"rows": rows, "columns": columns}}


def _muon(state: Any) -> dict[str, Any]:
    return {"mean": moved(state["momentum_buffer"], 0, -1)}


def _in_float64(optimizer: Any, number: int) -> None:
    """A step that is not computed in bfloat16, on weights that are laid out as here."""
    import torch

    with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
        with_outputs_last(optimizer, number)


TORCH = {"flavor": "torch"}
THEIRS = {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3}
OURS = {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3}
CASES = {
    "sgd": {"plain": Case("SGD", {"lr": 0.1}, {}, {"learning_rate": 0.1})},
    "momentum": {
        "plain": Case(
            "SGD",
            {"lr": 0.1, "momentum": 0.8},
            {},
            {"learning_rate": 0.1, "momentum": 0.8},
            _velocity,
        ),
        "other": Case(
            "SGD",
            {"lr": 3e-3, "momentum": 0.3},
            {},
            {"learning_rate": 3e-3, "momentum": 0.3},
            _velocity,
        ),
    },
    "nesterov": {
        "plain": Case(
            "SGD",
            {"lr": 0.1, "momentum": 0.8, "nesterov": True},
            {},
            {"learning_rate": 0.1, "momentum": 0.8},
            _velocity,
        ),
        "other": Case(
            "SGD",
            {"lr": 3e-3, "momentum": 0.3, "nesterov": True},
            {},
            {"learning_rate": 3e-3, "momentum": 0.3},
            _velocity,
        ),
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
        "all": Case(
            "NAdam",
            THEIRS | {"decoupled_weight_decay": True, "weight_decay": 0.2, "momentum_decay": 1.0},
            TORCH,
            OURS | {"weight_decay": 0.2, "momentum_decay": 1.0},
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

MORE = {
    "adafactor": {
        "defaults": Case("Adafactor", {}, TORCH, {"eps": 2.0**-52}, _adafactor),
        "other": Case(
            "Adafactor",
            {
                "lr": 0.3,
                "beta2_decay": -0.6,
                "eps": (1e-2, 0.5),
                "d": 1.5,
                "weight_decay": 0.1,
            },
            TORCH,
            {
                "learning_rate": 0.3,
                "decay_rate": 0.6,
                "clipping_threshold": 1.5,
                "weight_decay_rate": 0.1,
                "eps": 1e-2,
                "min_scale": 0.5,
            },
            _adafactor,
        ),
    },
    "muon": {
        "defaults": Case("Muon", {}, TORCH, {}, _muon),
        "other": Case(
            "Muon",
            {"lr": 0.3, "weight_decay": 0.2, "momentum": 0.5, "eps": 30.0},
            TORCH,
            {"learning_rate": 0.3, "weight_decay": 0.2, "beta": 0.5, "eps": 30.0},
            _muon,
        ),
        "plain": Case(
            "Muon",
            {
                "lr": 0.3,
                "momentum": 0.5,
                "nesterov": False,
                "ns_steps": 4,
                "adjust_lr_fn": "match_rms_adamw",
            },
            TORCH | {"nesterov": False, "ns_steps": 4, "scaling": "consistent_rms"},
            {"learning_rate": 0.3, "beta": 0.5},
            _muon,
        ),
    },
}
"""Cases of rules that look at whole leaves."""
SHAPES = {"adafactor": MATRICES, "muon": {"w": (3, 4), "v": (4, 2)}}
STEPS = {"muon": _in_float64}
DECAYED = {"lr": 0.3, "weight_decay": 0.1}
COMPOSED = {
    "sgd": Case("SGD", DECAYED, {}, {}),
    "momentum": Case("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, {}, {}),
    "nesterov": Case("SGD", DECAYED | {"momentum": 0.8, "nesterov": True}, {}, {}),
    "adam": Case("Adam", THEIRS | DECAYED, {}, {}),
    "adam, decoupled": Case(
        "Adam", THEIRS | DECAYED | {"amsgrad": True, "decoupled_weight_decay": True}, {}, {}
    ),
    "amsgrad": Case("AdamW", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}, {}, {}),
    "adamax": Case("Adamax", THEIRS | DECAYED, {}, {}),
    "nadam": Case("NAdam", THEIRS | DECAYED | {"momentum_decay": 1.0}, {}, {}),
    "radam": Case("RAdam", THEIRS | DECAYED, {}, {}),
    "radam, decoupled": Case("RAdam", THEIRS | DECAYED | {"decoupled_weight_decay": True}, {}, {}),
    "rmsprop": Case(
        "RMSprop",
        DECAYED | {"alpha": 0.5, "eps": 1e-3, "momentum": 0.5, "centered": True},
        {},
        {},
    ),
    "adagrad": Case("Adagrad", DECAYED | {"initial_accumulator_value": 0.2, "eps": 1e-3}, {}, {}),
    "adadelta": Case("Adadelta", DECAYED | {"rho": 0.8, "eps": 1e-3}, {}, {}),
    "rprop": Case("Rprop", {"lr": 2.0, "etas": (0.3, 1.5), "step_sizes": (0.1, 1.0)}, {}, {}),
    "asgd": Case("ASGD", DECAYED | {"lambd": 0.1, "alpha": 0.5, "t0": 10.0}, {}, {}),
}
"""Cases that are rules in wrappers here: `optimizers.like` says in which."""


def main() -> None:
    """Write tests/golden/torch/<rule>.npz, like.npz for what is composed, and signatures.json."""
    import torch

    torch.set_default_dtype(torch.float64)  # NAdam keeps a product of its own in it
    base = torch.optim.Optimizer
    found = {k: v for k, v in vars(torch.optim).items() if inspect.isclass(v) and v is not base}
    save_signatures("torch", {k: v for k, v in found.items() if issubclass(v, base)})
    for rule, cases in (CASES | MORE | {"like": COMPOSED}).items():
        start, grads = draw(SHAPES.get(rule, FLAT))
        runs = {}
        for label, case in cases.items():
            optimizer = getattr(torch.optim, case.theirs)
            make = functools.partial(optimizer, **case.arguments)
            step = STEPS.get(rule, lambda optimizer, number: optimizer.step())
            params, states = record_torch(make, start, grads, step)
            fields = by_field(params, [case.state(state) for state in states])
            if "momentum_product" in fields:  # one for all leaves
                fields["momentum_product"] = fields["momentum_product"]["x"]
            runs[label] = case, params, fields
        save("torch", rule, start, grads, runs)


if __name__ == "__main__":
    main()
