"""Optimizers as Keras 3 has them: their arguments, their defaults.

Weight decay stands beside the steps for all of them, clipping before, and gradients are accumulated
before that. What changes nothing here (name, loss_scale_factor, which keeps small gradients of low
precision alive, and the arguments of an average that is not used) is taken and ignored. So is
exclude_embeddings: rules see no names, and `optimizers.partitioned` gives a leaf a rule of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxnn.errors import bad_value
from jaxnn.optimizers._newton_schulz import STANDARD
from jaxnn.optimizers.frameworks.common import (
    Recipe,
    called,
    check_arguments,
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

__all__ = ["NAMES", "REFUSED", "build"]

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
    "learning_rate_power": (-0.5, "Sums of squares stand under a root here."),
    **{
        f"muon_{letter}": (value, "optimizers.get('muon', ns_coeffs='dion') has others.")
        for letter, value in zip("abc", STANDARD, strict=True)
    },
}
"""Argument → the one value that it can have here, and what to do instead."""


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
    del relative_step  # Keras bounds the rate by 1/√t either way
    return made(
        "adafactor",
        flavor="keras",
        learning_rate=learning_rate,
        decay_rate=-beta_2_decay,
        eps=epsilon_1,
        clipping_threshold=clip_threshold,
        weight_decay_rate=or_zero(weight_decay),
        min_scale=epsilon_2,
    )


def _schedule_free_adamw(
    learning_rate: Any = 2.5e-3,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-8,
    warmup_steps: Any = 0,
    weight_decay: Any = None,
) -> Recipe:
    numbers = {"learning_rate": learning_rate, "b1": beta_1, "b2": beta_2, "eps": epsilon}
    numbers |= {"warmup_steps": warmup_steps, "weight_decay": or_zero(weight_decay)}
    return made("schedule_free_adamw", flavor="keras", **numbers)


def _ftrl(
    learning_rate: Any = 1e-3,
    learning_rate_power: Any = -0.5,
    initial_accumulator_value: Any = 0.1,
    l1_regularization_strength: Any = 0.0,
    l2_regularization_strength: Any = 0.0,
    l2_shrinkage_regularization_strength: Any = 0.0,
    beta: Any = 0.0,
    weight_decay: Any = None,
) -> Recipe:
    del learning_rate_power
    if not is_off(weight_decay):
        fix = "Weights are made of sums alone: l2_regularization_strength draws them to 0."
        raise bad_value("like(keras.Ftrl)", "weight_decay", "None", repr(weight_decay), fix)
    return made(
        "ftrl",
        learning_rate=learning_rate,
        beta=beta,
        l1=l1_regularization_strength,
        l2=2 * l2_regularization_strength,
        l2_shrinkage=2 * l2_shrinkage_regularization_strength,
        initial_accumulator_value=initial_accumulator_value,
    )


def _muon(
    learning_rate: Any = 1e-3,
    adam_beta_1: Any = 0.9,
    adam_beta_2: Any = 0.999,
    adam_weight_decay: Any = 4e-3,
    epsilon: Any = 1e-7,
    weight_decay: Any = 4e-3,
    exclude_layers: Any = None,
    exclude_embeddings: bool = True,
    muon_a: Any = STANDARD[0],
    muon_b: Any = STANDARD[1],
    muon_c: Any = STANDARD[2],
    adam_lr_ratio: Any = 1,
    momentum: Any = 0.95,
    ns_steps: int = 5,
    nesterov: bool = True,
    rms_rate: Any = 0.2,
) -> Recipe:
    del exclude_embeddings, muon_a, muon_b, muon_c
    if exclude_layers:
        fix = "Give these leaves a rule of their own: optimizers.partitioned(rules, labels)."
        raise bad_value("like(keras.Muon)", "exclude_layers", "empty", repr(exclude_layers), fix)
    own_rate = not is_off(adam_lr_ratio - 1)
    rule = get(
        "muon",
        flavor="keras",
        nesterov=nesterov,
        ns_steps=ns_steps,
        scaling="none" if rms_rate is None else "consistent_rms",
        own_adam_rate=own_rate,
    )
    numbers = {"adam_weight_decay": or_zero(adam_weight_decay)}
    if own_rate:  # which in Keras is not that of the decay
        numbers["adam_learning_rate"] = learning_rate * adam_lr_ratio
        numbers["adam_weight_decay"] = numbers["adam_weight_decay"] / adam_lr_ratio
    if rms_rate is not None:
        numbers["consistent_rms"] = rms_rate
    return rule, rule.Hyper(
        learning_rate=learning_rate,
        beta=momentum,
        eps=epsilon,
        weight_decay=or_zero(weight_decay),
        adam_b1=adam_beta_1,
        adam_b2=adam_beta_2,
        **numbers,
    )


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
    "Ftrl": _ftrl,
    "Muon": _muon,
}
REFUSED = {
    "LossScaleOptimizer": "It is for a loss that is scaled: scale loss and gradients around any "
    "rule, and wrap the rule in optimizers.skip_non_finite.",
    "MultiOptimizer": "Give groups of leaves a rule each: optimizers.partitioned(rules, labels).",
}
"""What Keras has and this library has under no name, and what to do instead."""


def build(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """The rule that keras.optimizers has by that name of NAMES, and its numbers."""
    where = f"like(keras.{name})"
    check_arguments(where, NAMES[name], COMMON, arguments)
    require(where, arguments, ONLY)
    require_number(where, "learning_rate", arguments.get("learning_rate"))
    recipe = called(NAMES[name], arguments)
    clips = [k for k in CLIPS if not is_off(arguments.get(k))]
    if len(clips) > 1:
        constraint = f"alone among {', '.join(CLIPS)}"
        raise bad_value(where, clips[1], constraint, f"{clips[0]} as well", "Keep one of them.")
    if clips:
        by, number = CLIPS[clips[0]]
        recipe = with_own(recipe, lambda rule: clipped(rule, by), **{number: arguments[clips[0]]})
    every_k = arguments.get("gradient_accumulation_steps")
    return recipe if is_off(every_k) else with_own(recipe, accumulated, every_k=every_k)
