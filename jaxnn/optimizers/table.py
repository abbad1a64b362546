"""The table of rules: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Hashable
from types import ModuleType
from typing import Any

from jaxnn.errors import bad_type, look_up, shown
from jaxnn.optimizers import (
    acprop,
    adabelief,
    adabound,
    adadelta,
    adafactor,
    adagrad,
    adahessian,
    adam,
    adam_mini,
    adamax,
    adamaxw,
    adamod,
    adamp,
    adamuon,
    adamw,
    adan,
    ademamix,
    adopt,
    aggmo,
    amsgrad,
    asgd,
    came,
    cocob,
    dadapt_adamw,
    diffgrad,
    dog,
    dowg,
    dpsgd,
    fromage,
    ftrl,
    galore,
    grams,
    kate,
    kron,
    lamb,
    laprop,
    lars,
    lbfgs,
    levenberg_marquardt,
    lion,
    madgrad,
    mars,
    momentum,
    momo,
    momo_adam,
    muon,
    nadam,
    nadamw,
    nesterov,
    noisy_sgd,
    nonlinear_cg,
    novograd,
    optimistic_adam_v2,
    optimistic_gradient_descent,
    padam,
    polyak_sgd,
    prodigy,
    qhadam,
    qhm,
    radam,
    rmsprop,
    rprop,
    schedule_free_adamw,
    schedule_free_sgd,
    sgd,
    sgdp,
    shampoo,
    sign_sgd,
    signum,
    simplified_ademamix,
    sm3,
    soap,
    sophia,
    stable_adamw,
    tiger,
    yogi,
)
from jaxnn.optimizers.base import DECLARATIONS, name_of, variant

__all__ = ["OPTIMIZERS", "check_rule", "get", "resolve"]

OPTIMIZERS: dict[str, ModuleType] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "qhm": qhm,
    "aggmo": aggmo,
    "sgdp": sgdp,
    "adagrad": adagrad,
    "kate": kate,
    "ftrl": ftrl,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adamw,
    "stable_adamw": stable_adamw,
    "grams": grams,
    "amsgrad": amsgrad,
    "padam": padam,
    "qhadam": qhadam,
    "nadam": nadam,
    "nadamw": nadamw,
    "adamax": adamax,
    "adamaxw": adamaxw,
    "radam": radam,
    "adabelief": adabelief,
    "yogi": yogi,
    "novograd": novograd,
    "adam_mini": adam_mini,
    "adan": adan,
    "adamp": adamp,
    "mars": mars,
    "acprop": acprop,
    "laprop": laprop,
    "diffgrad": diffgrad,
    "adabound": adabound,
    "adamod": adamod,
    "adopt": adopt,
    "polyak_sgd": polyak_sgd,
    "dog": dog,
    "dowg": dowg,
    "prodigy": prodigy,
    "dadapt_adamw": dadapt_adamw,
    "cocob": cocob,
    "momo": momo,
    "momo_adam": momo_adam,
    "schedule_free_sgd": schedule_free_sgd,
    "schedule_free_adamw": schedule_free_adamw,
    "asgd": asgd,
    "sign_sgd": sign_sgd,
    "signum": signum,
    "lion": lion,
    "tiger": tiger,
    "rprop": rprop,
    "lamb": lamb,
    "lars": lars,
    "fromage": fromage,
    "optimistic_gradient_descent": optimistic_gradient_descent,
    "optimistic_adam_v2": optimistic_adam_v2,
    "sm3": sm3,
    "adafactor": adafactor,
    "came": came,
    "ademamix": ademamix,
    "simplified_ademamix": simplified_ademamix,
    "madgrad": madgrad,
    "lbfgs": lbfgs,
    "levenberg_marquardt": levenberg_marquardt,
    "nonlinear_cg": nonlinear_cg,
    "muon": muon,
    "adamuon": adamuon,
    "sophia": sophia,
    "adahessian": adahessian,
    "shampoo": shampoo,
    "soap": soap,
    "kron": kron,
    "noisy_sgd": noisy_sgd,
    "dpsgd": dpsgd,
    "galore": galore,
}


def get(name: str, **structure: Hashable) -> Any:
    """The rule of that name, with other structure where asked: `get("rmsprop", centered=True)`.

    The answer is the same object for the same arguments, so that `jit` finds what it compiled.
    Raises ValueError for an unknown name, option or value.
    """
    return variant(look_up("optimizers.get", "name", name, OPTIMIZERS), **structure)


def resolve(rule_or_name: Any) -> Any:
    """A rule from a rule or from its name."""
    return get(rule_or_name) if isinstance(rule_or_name, str) else rule_or_name


def check_rule(where: str, rule_or_name: Any, *, declared: bool = False) -> Any:
    """`resolve`, and the rule found to be one.

    declared: whether it must also have what training, tuning and lists read. Raises TypeError for
    what has no Hyper, init and update, does not hash or lacks declarations, all of them named;
    ValueError for an unknown name.
    """
    rule = resolve(rule_or_name)
    if not all(hasattr(rule, name) for name in ("Hyper", "init", "update")):
        got, fix = shown(rule), "Wrap a factory of Optax: optimizers.from_optax(optax.adam)."
        if hasattr(rule, "init") and hasattr(rule, "update"):
            bound = getattr(rule.update, "func", None)
            got = f"a {type(rule).__name__}"
            if getattr(bound, "__module__", "") == f"{__package__}.bind":
                got, fix = "what bind returns", "Pass the rule itself."
        constraint = "a rule with Hyper, init and update, or a name"
        raise bad_type(where, "optimizer", constraint, got, fix)
    try:
        hash(rule)
    except TypeError:
        constraint, fix = "hashable, since jit caches on it", "Use a module or a frozen dataclass."
        raise bad_type(where, "optimizer", constraint, f"a {type(rule).__name__}", fix) from None
    missing = [name for name in DECLARATIONS if not hasattr(rule, name)]
    if declared and missing:
        fix = f"Add to it: {'; '.join(DECLARATIONS[name] for name in missing)}."
        constraint = f"a rule that declares {', '.join(missing)}"
        raise bad_type(where, "optimizer", constraint, name_of(rule), fix)
    return rule
