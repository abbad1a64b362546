"""Cases of pytorch-optimizer: rules that look at matrices, or at the curvature."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
from recording import FLAT, MATRICES, NUM_STEPS, Case, Golden, draw

__all__ = ["CASES"]

_DIAGONAL: dict[str, Any] = {leaf: rows[::-1].copy() for leaf, rows in draw(FLAT)[1].items()}


def _with_diagonal(optimizer: Any, number: int) -> None:
    import torch

    optimizer.step(hessian=[torch.tensor(rows[number]) for rows in _DIAGONAL.values()])


def _adahessian(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"], "mean_of_squares": state["exp_hessian_diag_sq"]}


def _sums_and_roots(state: Any) -> dict[str, Any]:
    axes = range(sum(name.startswith("pre_cond") for name in state))
    return {
        "sums": {str(axis): state[f"pre_cond_{axis}"] for axis in axes},
        "roots": {str(axis): state[f"inv_pre_cond_{axis}"] for axis in axes},
    }


def _soap(state: Any) -> dict[str, Any]:
    return {"mean": state["exp_avg"], "mean_of_squares": state["exp_avg_sq"]}


def _momentum(state: Any) -> dict[str, Any]:
    return {"mean": state["momentum_buffer"]}


def _adamuon(state: Any) -> dict[str, Any]:
    return {"mean": state["m"] if "m" in state else state["exp_avg"]}


def _calm(golden: Golden) -> Golden:
    """With normal gradients of unit size: eigenvectors of what ranges wide are all rounding."""
    rng = np.random.default_rng(20131)
    for leaf, rows in golden.grads.items():
        golden.grads[leaf] = rng.normal(size=rows.shape)
    return golden


def _shampoo(optimizer: Any, number: int) -> None:
    # Theirs takes its first roots, and steps at all, when the first interval is over.
    for group in optimizer.param_groups:
        group["step"] = number + optimizer.preconditioning_compute_steps - 1
    optimizer.step()


def _in_float64(optimizer: Any, number: int) -> None:
    """A step that rounds nothing to float32 on its way."""
    import torch

    del number
    with mock.patch.object(torch, "float32", torch.float64):
        optimizer.step()


_KEYS = np.arange(2 * NUM_STEPS, dtype=np.uint32).reshape(NUM_STEPS, 2)


def _with_noise(optimizer: Any, number: int) -> None:
    """A step on what JAX, installed beside torch for this case, draws from the key of the step."""
    import jax
    import torch

    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.wrap_key_data(_KEYS[number]), len(MATRICES))
        drawn = {
            leaf: torch.tensor(np.asarray(jax.random.normal(key, MATRICES[leaf])))
            for leaf, key in zip(sorted(MATRICES), keys, strict=True)
        }
    in_order = [drawn[leaf] for leaf in MATRICES]
    with mock.patch.object(torch, "randn_like", side_effect=in_order):
        _in_float64(optimizer, number)


def _ever_more_seldom(number: int) -> Any:
    from pytorch_optimizer.optimizer.psgd import precondition_update_prob_schedule

    return precondition_update_prob_schedule(min_prob=0.3, decay=0.1, flat_start=5)(number)


def _with_signs(optimizer: Any, number: int) -> None:
    """A step as in the paper, where signs are made orthogonal, and not in bfloat16."""
    import torch
    from pytorch_optimizer.optimizer.muon import adamuon

    del number
    name = "zero_power_via_newton_schulz_5"
    theirs = getattr(adamuon, name)
    ours = mock.Mock(side_effect=lambda m, **k: theirs(m.sign(), dtype=torch.float64, **k))
    with mock.patch.object(adamuon, name, ours):
        optimizer.step()


def _grouped(optimizer: Any, params: list[Any], **given: Any) -> Any:
    """Matrices in a group of their own, all groups with the same numbers."""
    groups = [
        {"params": [p for p in params if (p.ndim > 1) is muon], "use_muon": muon, **given}
        for muon in (True, False)
    ]
    return optimizer(groups)


CASES: dict[str, Golden] = {
    "adahessian": Golden(
        {
            "defaults": Case(
                "AdaHessian", {}, {}, {"learning_rate": 0.1, "eps": 1e-16}, _adahessian
            ),
            "other": Case(
                "AdaHessian",
                {"lr": 0.3, "betas": (0.5, 0.9), "eps": 1e-3, "hessian_power": 0.6},
                {},
                {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "hessian_power": 0.6},
                _adahessian,
            ),
        },
        step=_with_diagonal,
        needs={"hessian_diagonal": _DIAGONAL},
    ),
    "came": Golden(
        {
            "defaults": Case("CAME", {}, {}, {}, lambda state: {"mean": state["exp_avg"]}),
            "other": Case(
                "CAME",
                {
                    "lr": 0.1,
                    "betas": (0.5, 0.9, 0.8),
                    "eps1": 1e-6,
                    "eps2": 1e-3,
                    "clip_threshold": 0.3,
                },
                {},
                {
                    "learning_rate": 0.1,
                    "b1": 0.5,
                    "b2": 0.9,
                    "b3": 0.8,
                    "eps": 1e-6,
                    "instability_eps": 1e-3,
                    "clip_threshold": 0.3,
                },
                lambda state: {"mean": state["exp_avg"]},
            ),
        },
        MATRICES,
    ),
    "shampoo": _calm(
        Golden(
            {
                "defaults": Case("Shampoo", {"lr": 0.1}, {}, {}, _sums_and_roots),
                "other": Case(
                    "Shampoo",
                    {"lr": 0.3, "matrix_eps": 1e-2, "preconditioning_compute_steps": 3},
                    {},
                    {"learning_rate": 0.3, "eps": 1e-2, "update_interval": 3},
                    _sums_and_roots,
                ),
            },
            MATRICES,
            step=_shampoo,
        )
    ),
    "soap": _calm(
        Golden(
            {
                "defaults": Case("SOAP", {"weight_decay": 0.0}, {}, {}, _soap),
                "other": Case(
                    "SOAP",
                    {
                        "lr": 0.1,
                        "betas": (0.5, 0.9),
                        "shampoo_beta": 0.8,
                        "eps": 1e-3,
                        "precondition_frequency": 3,
                        "weight_decay": 0.0,
                    },
                    {},
                    {
                        "learning_rate": 0.1,
                        "b1": 0.5,
                        "b2": 0.9,
                        "shampoo_beta": 0.8,
                        "eps": 1e-3,
                        "update_interval": 3,
                    },
                    _soap,
                ),
            },
            MATRICES,
            step=_in_float64,
        )
    ),
    "kron": Golden(
        {
            "defaults": Case("Kron", {"precondition_dtype": None}, {}, {}, _momentum),
            "other": Case(
                "Kron",
                {
                    "lr": 0.1,
                    "momentum": 0.5,
                    "pre_conditioner_update_probability": _ever_more_seldom,
                    "precondition_dtype": None,
                    "balance_prob": 1.0,
                },
                {},
                {
                    "learning_rate": 0.1,
                    "b1": 0.5,
                    "flat_start": 5,
                    "update_decay": 0.1,
                    "min_update_probability": 0.3,
                },
                _momentum,
            ),
        },
        MATRICES,
        step=_with_noise,
        needs={"key": {"data": _KEYS}},
    ),
    "adamuon": _calm(
        Golden(
            {
                "defaults": Case(
                    "AdaMuon", {"lr": 1e-3, "betas": (0.95, 0.95), "eps": 1e-8}, {}, {}, _adamuon
                ),
                "other": Case(
                    "AdaMuon",
                    {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
                    {},
                    {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
                    _adamuon,
                ),
            },
            MATRICES,
            step=_with_signs,
            build=_grouped,
        )
    ),
}
