"""Optimizers as torch.optim has them in version 2.13: their arguments, their defaults.

Weight decay is added to the gradients, but for AdamW, Adafactor, Muon and where it is decoupled.
What changes only how torch computes (foreach, fused, capturable, differentiable) is taken and
ignored, where torch's class has it. The scaling of Muon is that of matrices with the outputs last,
as here; torch has them first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from jaxnn.errors import bad_value, look_up
from jaxnn.optimizers._newton_schulz import STANDARD
from jaxnn.optimizers.frameworks.common import (
    Recipe,
    called,
    check_arguments,
    decoupled,
    is_off,
    made,
    penalized,
    require,
    require_number,
)
from jaxnn.optimizers.table import get

__all__ = ["NAMES", "REFUSED", "build"]

ONLY = {
    "maximize": (False, "Negate the loss."),
    "lr_decay": (0, "Give a schedule to optimizers.scheduled(rule, learning_rate=...)."),
    "ns_coefficients": (STANDARD, "optimizers.get('muon', ns_coeffs='dion') has others."),
}
"""Argument → the one value that it can have here, and what to do instead."""
SCALINGS = {"original": "width", "match_rms_adamw": "consistent_rms"}


def _sgd(
    lr: Any = 1e-3,
    momentum: Any = 0,
    dampening: Any = 0,
    weight_decay: Any = 0,
    nesterov: bool = False,
) -> Recipe:
    if not is_off(momentum) and not is_off(dampening):
        constraint, fix = "0 with momentum", "torch dampens all gradients but the first."
        raise bad_value("like(torch.SGD)", "dampening", constraint, dampening, fix)
    if is_off(momentum):
        if nesterov:
            constraint = "False without momentum"
            raise bad_value("like(torch.SGD)", "nesterov", constraint, True, "Give a momentum.")
        return penalized(made("sgd", learning_rate=lr), weight_decay)
    name = "nesterov" if nesterov else "momentum"
    return penalized(made(name, learning_rate=lr, momentum=momentum), weight_decay)


def _adam(
    lr: Any = 1e-3,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0,
    amsgrad: bool = False,
    decoupled_weight_decay: bool = False,
) -> Recipe:
    numbers = {"learning_rate": lr, "b1": betas[0], "b2": betas[1], "eps": eps}
    if amsgrad:
        recipe = made("amsgrad", flavor="torch", **numbers)
        return (decoupled if decoupled_weight_decay else penalized)(recipe, weight_decay)
    if decoupled_weight_decay:
        return made("adamw", weight_decay=weight_decay, **numbers)
    return penalized(made("adam", **numbers), weight_decay)


def _adamw(
    lr: Any = 1e-3,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 1e-2,
    amsgrad: bool = False,
) -> Recipe:
    return _adam(lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True)


def _adamax(
    lr: Any = 2e-3, betas: Any = (0.9, 0.999), eps: Any = 1e-8, weight_decay: Any = 0
) -> Recipe:
    return penalized(
        made("adamax", learning_rate=lr, b1=betas[0], b2=betas[1], eps=eps), weight_decay
    )


def _nadam(
    lr: Any = 2e-3,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0,
    momentum_decay: Any = 4e-3,
    decoupled_weight_decay: bool = False,
) -> Recipe:
    numbers = {"learning_rate": lr, "b1": betas[0], "b2": betas[1], "eps": eps}
    numbers["momentum_decay"] = momentum_decay
    if decoupled_weight_decay:
        return made("nadamw", flavor="torch", weight_decay=weight_decay, **numbers)
    return penalized(made("nadam", flavor="torch", **numbers), weight_decay)


def _radam(
    lr: Any = 1e-3,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0,
    decoupled_weight_decay: bool = False,
) -> Recipe:
    recipe = made("radam", flavor="torch", learning_rate=lr, b1=betas[0], b2=betas[1], eps=eps)
    return (decoupled if decoupled_weight_decay else penalized)(recipe, weight_decay)


def _rmsprop(
    lr: Any = 1e-2,
    alpha: Any = 0.99,
    eps: Any = 1e-8,
    weight_decay: Any = 0,
    momentum: Any = 0,
    centered: bool = False,
) -> Recipe:
    acceleration = "none" if is_off(momentum) else "momentum"
    rule = get("rmsprop", flavor="torch", centered=centered, acceleration=acceleration)
    hyper = rule.Hyper(learning_rate=lr, decay=alpha, eps=eps, momentum=momentum)
    return penalized((rule, hyper), weight_decay)


def _adagrad(
    lr: Any = 1e-2,
    lr_decay: Any = 0,
    weight_decay: Any = 0,
    initial_accumulator_value: Any = 0,
    eps: Any = 1e-10,
) -> Recipe:
    del lr_decay
    numbers = {"initial_accumulator_value": initial_accumulator_value, "eps": eps}
    return penalized(made("adagrad", flavor="torch", learning_rate=lr, **numbers), weight_decay)


def _adadelta(lr: Any = 1.0, rho: Any = 0.9, eps: Any = 1e-6, weight_decay: Any = 0) -> Recipe:
    return penalized(made("adadelta", learning_rate=lr, rho=rho, eps=eps), weight_decay)


def _rprop(lr: Any = 1e-2, etas: Any = (0.5, 1.2), step_sizes: Any = (1e-6, 50)) -> Recipe:
    return made(
        "rprop",
        flavor="torch",
        learning_rate=lr,
        eta_minus=etas[0],
        eta_plus=etas[1],
        min_step_size=step_sizes[0],
        max_step_size=step_sizes[1],
    )


def _asgd(
    lr: Any = 1e-2, lambd: Any = 1e-4, alpha: Any = 0.75, t0: Any = 1e6, weight_decay: Any = 0
) -> Recipe:
    recipe = made("asgd", learning_rate=lr, lambd=lambd, alpha=alpha, t0=t0)
    return penalized(recipe, weight_decay)


def _adafactor(
    lr: Any = 1e-2,
    beta2_decay: Any = -0.8,
    eps: Any = (None, 1e-3),
    d: Any = 1.0,
    weight_decay: Any = 0.0,
) -> Recipe:
    # For None torch takes the precision of the parameters, which are not known here.
    precision = float(jnp.finfo(jnp.result_type(float)).eps)
    return made(
        "adafactor",
        flavor="torch",
        learning_rate=lr,
        decay_rate=-beta2_decay,
        clipping_threshold=d,
        weight_decay_rate=weight_decay,
        eps=precision if eps[0] is None else eps[0],
        min_scale=eps[1],
    )


def _muon(
    lr: Any = 1e-3,
    weight_decay: Any = 0.1,
    momentum: Any = 0.95,
    nesterov: bool = True,
    ns_coefficients: Any = STANDARD,
    eps: Any = 1e-7,
    ns_steps: int = 5,
    adjust_lr_fn: str | None = None,
) -> Recipe:
    del ns_coefficients
    scaling = look_up("like(torch.Muon)", "adjust_lr_fn", adjust_lr_fn or "original", SCALINGS)
    rule = get("muon", flavor="torch", nesterov=nesterov, ns_steps=ns_steps, scaling=scaling)
    return rule, rule.Hyper(learning_rate=lr, beta=momentum, eps=eps, weight_decay=weight_decay)


NAMES = {
    "SGD": _sgd,
    "Adam": _adam,
    "AdamW": _adamw,
    "Adamax": _adamax,
    "NAdam": _nadam,
    "RAdam": _radam,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "Adadelta": _adadelta,
    "Rprop": _rprop,
    "ASGD": _asgd,
    "Adafactor": _adafactor,
    "Muon": _muon,
}
REFUSED = {
    "LBFGS": "A step of torch's is up to max_iter steps of the length lr, or of a search that "
    "divides its brackets otherwise; optimizers.get('lbfgs') makes one step, with a search.",
    "SparseAdam": "It moves only what a sparse gradient names, and gradients are dense here; "
    "like('torch', 'Adam') is the nearest.",
}
"""What torch has and this library has not, and what is nearest."""

_LOOPS = ("maximize", "foreach")
_GRADIENTS = (*_LOOPS, "differentiable")
_GRAPHS = (*_GRADIENTS, "capturable")
BESIDE = dict.fromkeys(NAMES, _GRAPHS) | {
    "SGD": (*_GRADIENTS, "fused"),
    "Adam": (*_GRAPHS, "fused"),
    "AdamW": (*_GRAPHS, "fused"),
    "Adagrad": (*_GRADIENTS, "fused"),
    "Adafactor": _LOOPS,
    "Muon": (),
}
"""Arguments of each that change nothing, or must be as they are."""


def build(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """The rule that torch.optim has by that name of NAMES, and its numbers."""
    where = f"like(torch.{name})"
    check_arguments(where, NAMES[name], BESIDE[name], arguments)
    require(where, arguments, ONLY)
    require_number(where, "lr", arguments.get("lr"))
    return called(NAMES[name], arguments)
