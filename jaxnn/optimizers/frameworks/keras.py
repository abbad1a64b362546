"""Optimizers as Keras 3 has them: their arguments, their defaults.

Weight decay stands beside the steps for all of them, clipping before, and gradients are accumulated
before that. What changes nothing here (name, loss_scale_factor, which keeps small gradients of low
precision alive, and the arguments of an average that is not used) is taken and ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from jaxnn.errors import bad_value, unknown_name
from jaxnn.optimizers.frameworks.common import (
    Recipe,
    called,
    decoupled,
    is_off,
    made,
    or_zero,
    require,
    require_number,
    with_own,
)
from jaxnn.optimizers.table import get
from jaxnn.optimizers.wrappers import accumulated, clipped
from jaxnn.optimizers.wrappers.clipped import By

__all__ = ["NAMES", "build"]

IGNORED = ("name", "loss_scale_factor", "ema_momentum", "ema_overwrite_frequency")
CLIPS: dict[str, tuple[By, str]] = {
    "clipnorm": ("leaf_norm", "max_norm"),
    "clipvalue": ("value", "max_delta"),
    "global_clipnorm": ("global_norm", "max_norm"),
}
"""Argument → (by what, its number) of `clipped`."""
COMMON = (*IGNORED, *CLIPS, "use_ema", "gradient_accumulation_steps")
ONLY = {
    "use_ema": (False, "Wrap the rule: optimizers.averaged(rule)."),
    "warmup_steps": (0, "Give a schedule to optimizers.scheduled(rule, learning_rate=...)."),
    "epsilon_2": (1e-3, ""),
}


def _sgd(
    learning_rate: Any = 1e-2,
    momentum: Any = 0.0,
    nesterov: bool = False,
    weight_decay: Any = None,
) -> Recipe:
    if is_off(momentum):
        return decoupled(made("sgd", learning_rate=learning_rate), weight_decay)
    name = "nesterov" if nesterov else "momentum"
    recipe = made(name, flavor="keras", learning_rate=learning_rate, momentum=momentum)
    return decoupled(recipe, weight_decay)


def _rmsprop(
    learning_rate: Any = 1e-3,
    rho: Any = 0.9,
    momentum: Any = 0.0,
    epsilon: Any = 1e-7,
    centered: bool = False,
    weight_decay: Any = None,
) -> Recipe:
    acceleration = "none" if is_off(momentum) else "momentum"
    rule = get("rmsprop", flavor="keras", centered=centered, acceleration=acceleration)
    hyper = rule.Hyper(
        learning_rate=learning_rate, decay=rho, eps=epsilon, momentum=or_zero(momentum)
    )
    return decoupled((rule, hyper), weight_decay)


def _adagrad(
    learning_rate: Any = 1e-3,
    initial_accumulator_value: Any = 0.1,
    epsilon: Any = 1e-7,
    weight_decay: Any = None,
) -> Recipe:
    numbers = {"initial_accumulator_value": initial_accumulator_value, "eps": epsilon}
    recipe = made("adagrad", flavor="keras", learning_rate=learning_rate, **numbers)
    return decoupled(recipe, weight_decay)


def _adadelta(
    learning_rate: Any = 1e-3, rho: Any = 0.95, epsilon: Any = 1e-7, weight_decay: Any = None
) -> Recipe:
    recipe = made("adadelta", flavor="keras", learning_rate=learning_rate, rho=rho, eps=epsilon)
    return decoupled(recipe, weight_decay)


def _adam(
    learning_rate: Any = 1e-3,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-7,
    amsgrad: bool = False,
    weight_decay: Any = None,
) -> Recipe:
    numbers = {"learning_rate": learning_rate, "b1": beta_1, "b2": beta_2, "eps": epsilon}
    if amsgrad:
        return decoupled(made("amsgrad", flavor="keras", **numbers), weight_decay)
    if is_off(weight_decay):
        return made("adam", flavor="keras", **numbers)
    return made("adamw", flavor="keras", weight_decay=weight_decay, **numbers)


def _adamw(
    learning_rate: Any = 1e-3,
    weight_decay: Any = 4e-3,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-7,
    amsgrad: bool = False,
) -> Recipe:
    return _adam(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay)


def _adamax(
    learning_rate: Any = 1e-3,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-7,
    weight_decay: Any = None,
) -> Recipe:
    numbers = {"learning_rate": learning_rate, "b1": beta_1, "b2": beta_2, "eps": epsilon}
    return decoupled(made("adamax", flavor="keras", **numbers), weight_decay)


def _nadam(
    learning_rate: Any = 1e-3,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-7,
    weight_decay: Any = None,
) -> Recipe:
    numbers = {"learning_rate": learning_rate, "b1": beta_1, "b2": beta_2, "eps": epsilon}
    if is_off(weight_decay):
        return made("nadam", flavor="keras", **numbers)
    return made("nadamw", flavor="keras", weight_decay=weight_decay, **numbers)


def _lion(
    learning_rate: Any = 1e-3, beta_1: Any = 0.9, beta_2: Any = 0.99, weight_decay: Any = None
) -> Recipe:
    numbers = {"b1": beta_1, "b2": beta_2, "weight_decay": or_zero(weight_decay)}
    return made("lion", flavor="keras", learning_rate=learning_rate, **numbers)


def _lamb(
    learning_rate: Any = 1e-3,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-7,
    weight_decay: Any = None,
) -> Recipe:
    numbers = {"learning_rate": learning_rate, "b1": beta_1, "b2": beta_2, "eps": epsilon}
    return made("lamb", flavor="keras", weight_decay=or_zero(weight_decay), **numbers)


def _adafactor(
    learning_rate: Any = 1e-3,
    beta_2_decay: Any = -0.8,
    epsilon_1: Any = 1e-30,
    epsilon_2: Any = 1e-3,
    clip_threshold: Any = 1.0,
    relative_step: bool = True,
    weight_decay: Any = None,
) -> Recipe:
    del epsilon_2, relative_step  # Keras bounds the rate by 1/√t either way
    return made(
        "adafactor",
        flavor="keras",
        learning_rate=learning_rate,
        decay_rate=-beta_2_decay,
        eps=epsilon_1,
        clipping_threshold=clip_threshold,
        weight_decay_rate=or_zero(weight_decay),
    )


def _schedule_free_adamw(
    learning_rate: Any = 2.5e-3,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-8,
    warmup_steps: Any = 0,
) -> Recipe:
    del warmup_steps
    numbers = {"learning_rate": learning_rate, "b1": beta_1, "b2": beta_2, "eps": epsilon}
    return made("schedule_free_adamw", weight_lr_power=0.0, **numbers)


NAMES = {
    "SGD": _sgd,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "Adadelta": _adadelta,
    "Adam": _adam,
    "AdamW": _adamw,
    "Adamax": _adamax,
    "Nadam": _nadam,
    "Lion": _lion,
    "Lamb": _lamb,
    "Adafactor": _adafactor,
    "ScheduleFreeAdamW": _schedule_free_adamw,
}


def build(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """The rule that keras.optimizers has by that name of NAMES, and its numbers."""
    where = f"like(keras.{name})"
    known = [*inspect.signature(NAMES[name]).parameters, *COMMON]
    for argument in arguments:
        if argument not in known:
            raise unknown_name(where, "arguments", argument, known)
    require(where, arguments, ONLY)
    require_number(where, "learning_rate", arguments.get("learning_rate"))
    own = {k: v for k, v in arguments.items() if k not in COMMON}
    recipe = called(where, NAMES[name], own, ())
    clips = [k for k in CLIPS if not is_off(arguments.get(k))]
    if len(clips) > 1:
        constraint = f"alone among {', '.join(CLIPS)}"
        raise bad_value(where, clips[1], constraint, f"{clips[0]} as well", "Keep one of them.")
    if clips:
        by, number = CLIPS[clips[0]]
        recipe = with_own(recipe, lambda rule: clipped(rule, by), **{number: arguments[clips[0]]})
    every_k = arguments.get("gradient_accumulation_steps")
    return recipe if is_off(every_k) else with_own(recipe, accumulated, every_k=every_k)
