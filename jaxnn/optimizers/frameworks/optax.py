"""Optimizers as Optax has them: the aliases of its signatures, their arguments, their defaults.

Rules here have Optax's names for their numbers, so that most arguments are found by name in `Hyper`
or in STRUCTURE; what Optax says otherwise is translated below. Seeds, keys and what is printed are
taken and ignored: random keys come with each update.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from jaxnn.errors import bad_value, unknown_name
from jaxnn.optimizers.frameworks.common import (
    Recipe,
    decoupled,
    made,
    penalized,
    require_number,
)
from jaxnn.optimizers.table import OPTIMIZERS, get

__all__ = ["NAMES", "REFUSED", "build"]

NAMES = {
    name: rule.REFERENCE
    for name, rule in OPTIMIZERS.items()
    if rule.REFERENCE in (f"optax.{name}", f"optax.contrib.{name}")
}
"""The name of an alias, and where it is found: the same here and there."""
_WRAPPERS = {
    "MultiSteps": "accumulated",
    "apply_if_finite": "skip_non_finite",
    "lookahead": "lookahead",
    "mechanize": "mechanize",
    "multi_transform": "partitioned",
    "partition": "partitioned",
    "reduce_on_plateau": "reduce_on_plateau",
    "sam": "sam",
    "schedule_free": "schedule_free",
    "split_real_and_imaginary": "split_complex",
}
REFUSED = {
    "lbfgs": "Optax's search divides its brackets otherwise, and its pairs are of the gradients "
    "that it is given; optimizers.get('lbfgs') is the nearest.",
    **{name: f"optimizers.{ours} is a wrapper for any rule." for name, ours in _WRAPPERS.items()},
}
"""What Optax has and this library has not under `like`, and what to use."""
IGNORED = ("seed", "key", "verbose", "print_win_rate_every_n_steps")
NO_RATE = ("adadelta", "learning_rate", None)
"""A default with which Optax's rule climbs."""
MASKS = ("mask", "weight_decay_mask")
DECAYED_AFTER = {"adamw": "adam", "nadamw": "nadam", "adamaxw": "adamax", "lion": "lion"}
"""Rules whose decay stands beside their steps, and what they are without it: these take a mask."""


def _sgd(momentum: Any = None, nesterov: bool = False, **numbers: Any) -> Recipe:
    if momentum is None:
        return made("sgd", **numbers)
    return made("nesterov" if nesterov else "momentum", momentum=momentum, **numbers)


def _accelerated(name: str) -> Callable[..., Recipe]:
    def build(momentum: Any = None, nesterov: bool = False, **arguments: Any) -> Recipe:
        if momentum is None:
            return _by_name(name, arguments)
        acceleration = "nesterov" if nesterov else "momentum"
        return _by_name(name, arguments | {"acceleration": acceleration, "momentum": momentum})

    return build


def _ahead(plain: str, nesterov_name: str) -> Callable[..., Recipe]:
    def build(nesterov: bool, **arguments: Any) -> Recipe:
        return _by_name(nesterov_name if nesterov else plain, arguments)

    return build


def _adadelta(weight_decay: Any, weight_decay_mask: Any = None, **numbers: Any) -> Recipe:
    return penalized(made("adadelta", **numbers), weight_decay, weight_decay_mask)


def _adafactor(
    learning_rate: Any = None, clipping_threshold: Any = None, momentum: Any = None, **rest: Any
) -> Recipe:
    rest["learning_rate"] = 1.0 if learning_rate is None else learning_rate
    if clipping_threshold is None:
        rest["clipping"] = False
    else:
        rest["clipping_threshold"] = clipping_threshold
    return _accelerated("adafactor")(momentum, **rest)


def _dog(init_step: Any, **arguments: Any) -> Recipe:
    kind, value = init_step
    return _by_name("dog", arguments | {"init_step": kind, "init_value": value})


def _prodigy(betas: Any, beta3: Any = None, **arguments: Any) -> Recipe:
    b3 = betas[1] ** 0.5 if beta3 is None else beta3
    return _by_name("prodigy", arguments | {"b1": betas[0], "b2": betas[1], "b3": b3})


def _dadapt_adamw(betas: Any, **arguments: Any) -> Recipe:
    return _by_name("dadapt_adamw", arguments | {"b1": betas[0], "b2": betas[1]})


def _muon(adam_learning_rate: Any = None, consistent_rms: Any = None, **arguments: Any) -> Recipe:
    if adam_learning_rate is not None:
        arguments |= {"own_adam_rate": True, "adam_learning_rate": adam_learning_rate}
    if consistent_rms is not None:
        arguments |= {"scaling": "consistent_rms", "consistent_rms": consistent_rms}
    return _by_name("muon", arguments)


SPECIAL: dict[str, Callable[..., Recipe]] = {
    "sgd": _sgd,
    "rmsprop": _accelerated("rmsprop"),
    "dpsgd": _accelerated("dpsgd"),
    "adam": _ahead("adam", "nadam"),
    "nadam": _ahead("adam", "nadam"),
    "adamw": _ahead("adamw", "nadamw"),
    "nadamw": _ahead("adamw", "nadamw"),
    "adadelta": _adadelta,
    "adafactor": _adafactor,
    "dog": _dog,
    "prodigy": _prodigy,
    "dadapt_adamw": _dadapt_adamw,
    "muon": _muon,
}


def _by_name(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """The rule of that name with the arguments that are its numbers and its structure."""
    rule = OPTIMIZERS[name]
    structure = {k: v for k, v in arguments.items() if k in rule.STRUCTURE}
    numbers = {k: v for k, v in arguments.items() if k not in structure}
    rule = get(name, **structure)
    mask = numbers.pop("mask", None)
    if mask is None:
        return rule, rule.Hyper(**numbers)
    decay = numbers.pop("weight_decay", rule.Hyper().weight_decay)
    if name == "lion":
        numbers["weight_decay"] = 0.0
    return decoupled(made(DECAYED_AFTER[name], **numbers), decay, mask)


def build(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """The rule that Optax has by that name of NAMES, and its numbers."""
    where = f"like({NAMES[name]})"
    module, _, attribute = NAMES[name].rpartition(".")
    parameters = inspect.signature(getattr(import_module(module), attribute)).parameters
    for argument in arguments:
        if argument not in parameters:
            raise unknown_name(where, "arguments", argument, parameters)
    require_number(where, "learning_rate", arguments.get("learning_rate"))
    rule, special = OPTIMIZERS[name], SPECIAL.get(name)
    translated = inspect.signature(special).parameters if special else ()
    known = {*rule.Hyper._fields, *rule.STRUCTURE, *translated}
    given: dict[str, Any] = {}
    for argument, parameter in parameters.items():
        value, default = arguments.get(argument, parameter.default), parameter.default
        if argument in IGNORED:
            continue
        if value is parameter.empty or (name, argument, value) == NO_RATE:
            raise bad_value(where, argument, "given", "nothing", "Optax has no default for it.")
        if argument in translated:
            given[argument] = value
        elif argument in MASKS and name in DECAYED_AFTER:
            given["mask"] = value
        elif argument in known and not _same(value, default):
            given[argument] = value
        elif not _same(value, default):
            fix = "It has no counterpart here."
            raise bad_value(where, argument, "left at its default", repr(value), fix)
    return special(**given) if special else _by_name(name, given)


def _same(value: Any, default: Any) -> bool:
    # Where both are the same, so are the defaults here, but for None.
    return value is default or (type(value) is type(default) and value == default)
