"""What `optimizers.like` says of what it cannot do."""

from __future__ import annotations

import pytest

from jaxnn.errors import BadType, BadValue
from jaxnn.optimizers import like

ERRORS = [
    (
        ("jax", "adam"),
        {},
        BadValue,
        "like: `framework` must be one of keras, optax, torch; got 'jax'.",
    ),
    (
        ("torch", "Adan"),
        {},
        BadValue,
        "like(torch): `name` must be an optimizer of torch; got 'Adan'. `adan` is in optax.",
    ),
    (
        ("torch", "Lamb"),
        {},
        BadValue,
        "like(torch): `name` must be an optimizer of torch; got 'Lamb'. "
        "`Lamb` is in keras, `lamb` is in optax.",
    ),
    (
        ("keras", "SOAP"),
        {},
        BadValue,
        "like(keras): `name` must be an optimizer of keras; got 'SOAP'. "
        "optimizers.get('soap') is here.",
    ),
    (
        ("torch", "Adem"),
        {},
        BadValue,
        "like(torch): `name` must be one of ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, "
        "Adamax, Muon, NAdam, RAdam, RMSprop, Rprop, SGD; got 'Adem'. Did you mean 'Adam'?",
    ),
    (
        ("torch", "lbfgs"),
        {},
        BadValue,
        "like(torch): `name` must be an optimizer that has its like here; got 'lbfgs'. "
        "A step of torch's is up to max_iter steps of the length lr, or of a search that divides "
        "its brackets otherwise; optimizers.get('lbfgs') makes one step, with a search.",
    ),
    (
        ("optax", "lbfgs"),
        {},
        BadValue,
        "like(optax): `name` must be an optimizer that has its like here; got 'lbfgs'. "
        "Optax's search divides its brackets otherwise, and its pairs are of the gradients that it "
        "is given; optimizers.get('lbfgs') is the nearest.",
    ),
    (
        ("optax", "sam"),
        {},
        BadValue,
        "like(optax): `name` must be an optimizer that has its like here; got 'sam'. "
        "optimizers.sam is a wrapper for any rule.",
    ),
    (
        ("torch", "Muon"),
        {"maximize": True},
        BadValue,
        "like(torch.Muon): `arguments` must be one of adjust_lr_fn, eps, lr, momentum, nesterov, "
        "ns_coefficients, ns_steps, weight_decay; got 'maximize'.",
    ),
    (
        ("torch", "Muon"),
        {"learning_rate": 0.1},
        BadValue,
        "like(torch.Muon): `arguments` must be one of adjust_lr_fn, eps, lr, momentum, nesterov, "
        "ns_coefficients, ns_steps, weight_decay; got 'learning_rate'. Did you mean 'lr'?",
    ),
    (
        ("torch", "Muon"),
        {"max_grad_norm": 0.1},
        BadValue,
        "like(torch.Muon): `arguments` must be the optimizer's own; got 'max_grad_norm'. "
        "Wrap the rule: optimizers.clipped(rule).",
    ),
    (
        ("torch", "Muon"),
        {"ns_coefficients": [2.0, -1.5, 0.5]},
        BadValue,
        "like(torch.Muon): `ns_coefficients` must be (3.4445, -4.775, 2.0315); "
        "got (2.0, -1.5, 0.5). optimizers.get('muon', ns_coeffs='dion') has others.",
    ),
    (
        ("torch", "Muon"),
        {"adjust_lr_fn": "match_rms"},
        BadValue,
        "like(torch.Muon): `adjust_lr_fn` must be one of match_rms_adamw, original; "
        "got 'match_rms'. Did you mean 'match_rms_adamw'?",
    ),
    (
        ("torch", "Adafactor"),
        {"eps": 1e-3},
        BadType,
        "like(torch.Adafactor): `eps` must be two numbers; got 0.001.",
    ),
    (
        ("keras", "Muon"),
        {"exclude_layers": ["output"]},
        BadValue,
        "like(keras.Muon): `exclude_layers` must be empty; got ['output']. "
        "Give these leaves a rule of their own: optimizers.partitioned(rules, labels).",
    ),
    (
        ("keras", "Ftrl"),
        {"learning_rate_power": 0.0},
        BadValue,
        "like(keras.Ftrl): `learning_rate_power` must be -0.5; got 0.0. "
        "Sums of squares stand under a root here.",
    ),
    (
        ("keras", "Ftrl"),
        {"weight_decay": 0.1},
        BadValue,
        "like(keras.Ftrl): `weight_decay` must be None; got 0.1. "
        "Weights are made of sums alone: l2_regularization_strength draws them to 0.",
    ),
    (
        ("torch", "Adam"),
        {"beta": (0.9, 0.99)},
        BadValue,
        "like(torch.Adam): `arguments` must be one of amsgrad, betas, capturable, "
        "decoupled_weight_decay, differentiable, eps, foreach, fused, lr, maximize, weight_decay; "
        "got 'beta'. Did you mean 'betas'?",
    ),
    (
        ("torch", "Adam"),
        {"betas": 0.9},
        BadType,
        "like(torch.Adam): `betas` must be two numbers; got 0.9.",
    ),
    (
        ("torch", "Adam"),
        {"maximize": True},
        BadValue,
        "like(torch.Adam): `maximize` must be False; got True. Negate the loss.",
    ),
    (
        ("torch", "SGD"),
        {"momentum": 0.9, "dampening": 0.1},
        BadValue,
        "like(torch.SGD): `dampening` must be 0 with momentum; got 0.1. "
        "torch dampens all gradients but the first.",
    ),
    (
        ("torch", "SGD"),
        {"nesterov": True},
        BadValue,
        "like(torch.SGD): `nesterov` must be False without momentum; got True. Give a momentum.",
    ),
    (
        ("torch", "Adagrad"),
        {"lr_decay": 0.1},
        BadValue,
        "like(torch.Adagrad): `lr_decay` must be 0; got 0.1. "
        "Give a schedule to optimizers.scheduled(rule, learning_rate=...).",
    ),
    (
        ("keras", "SGD"),
        {"learning_rate": lambda: 0.1},
        BadType,
        "like(keras.SGD): `learning_rate` must be a number; got a function. "
        "Pass its first number, then optimizers.scheduled(rule, learning_rate=schedules.cosine), "
        "or schedules.from_optax(fn) for one of Optax's.",
    ),
    (
        ("keras", "Lion"),
        {"use_ema": True},
        BadValue,
        "like(keras.Lion): `use_ema` must be False; got True. "
        "Wrap the rule: optimizers.averaged(rule).",
    ),
    (
        ("keras", "Adam"),
        {"clipnorm": 1.0, "clipvalue": 0.5},
        BadValue,
        "like(keras.Adam): `clipvalue` must be alone among clipnorm, clipvalue, global_clipnorm; "
        "got clipnorm as well. Keep one of them.",
    ),
    (
        ("keras", "Lion"),
        {"beta_3": 0.9},
        BadValue,
        "like(keras.Lion): `arguments` must be one of beta_1, beta_2, clipnorm, clipvalue, "
        "ema_momentum, ema_overwrite_frequency, global_clipnorm, gradient_accumulation_steps, "
        "learning_rate, loss_scale_factor, name, use_ema, weight_decay; got 'beta_3'. "
        "Did you mean 'beta_2'?",
    ),
    (
        ("optax", "adam"),
        {},
        BadValue,
        "like(optax.adam): `learning_rate` must be given; got nothing. "
        "Optax has no default for it.",
    ),
    (
        ("optax", "adam"),
        {"learning_rate": 0.1, "mu_dtype": "bfloat16"},
        BadValue,
        "like(optax.adam): `mu_dtype` must be left at its default; got 'bfloat16'. "
        "It has no counterpart here.",
    ),
    (
        ("optax", "Galore"),
        {"learning_rate": 0.1, "rank": 64},
        BadValue,
        "galore: `rank` must be one of 128, 8, 1; got 64.",
    ),
    (
        ("torch", None),
        {},
        BadType,
        "like: `name` must be a string; got None.",
    ),
    (
        ("keras", "Adam"),
        {"beta_1": len},
        BadType,
        "like(keras.Adam): `b1` must be a number; got a builtin_function_or_method. "
        "Pass its first number, then optimizers.scheduled(rule, learning_rate=schedules.cosine), "
        "or schedules.from_optax(fn) for one of Optax's.",
    ),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number: int) -> None:
    given, arguments, error, message = ERRORS[number]
    with pytest.raises(error) as caught:
        like(*given, **arguments)
    assert str(caught.value) == message
