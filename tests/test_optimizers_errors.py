"""Bad input to the optimizers, each by its exact text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.optimizers import (
    OPTIMIZERS,
    adam,
    bind,
    check,
    check_rule,
    get,
    make_hyper,
    momentum,
    rmsprop,
    sgd,
)
from jaxnn.optimizers.base import extras, variant
from jaxnn.schedules import cosine
from jaxnn.testing import ContractError
from jaxnn.testing.declarations import identity

SCHEDULE = "a real number; got"
USE = (
    "For a schedule use optimizers.scheduled, or `schedule` in training; "
    "schedules.from_optax makes one of Optax's."
)
NUMBERS = [
    ("learning_rate", -1.0, BadValue, "> 0; got -1. Did you mean 1?"),
    ("learning_rate", 0, BadValue, "> 0; got 0. Did you mean 0.001?"),
    ("learning_rate", float("nan"), BadValue, "finite; got nan. Did you mean 0.001?"),
    ("learning_rate", float("inf"), BadValue, "finite; got inf. Did you mean 0.001?"),
    (
        "learning_rate",
        1e300,
        BadValue,
        "finite; got 1e+300, which is inf in float32. Did you mean 0.001?",
    ),
    ("learning_rate", "0.1", BadType, "a real number; got '0.1'. Pass the number 0.1."),
    ("learning_rate", "high", BadType, "a real number; got 'high'. Did you mean 0.001?"),
    ("learning_rate", cosine, BadType, f"{SCHEDULE} the module jaxnn.schedules.cosine. {USE}"),
    (
        "learning_rate",
        optax.linear_schedule(0.1, 0.0, 9),
        BadType,
        f"{SCHEDULE} the function schedule. {USE}",
    ),
    ("learning_rate", None, BadType, "a real number; got None. Did you mean 0.001?"),
    ("learning_rate", True, BadType, "a real number; got True. Did you mean 0.001?"),
    ("learning_rate", 1j, BadType, "a real number; got 1j. Did you mean 0.001?"),
    ("learning_rate", [1, "a"], BadType, "a real number; got [1, 'a']. Did you mean 0.001?"),
    (
        "learning_rate",
        np.ones(3),
        BadType,
        "a scalar; got shape (3,). Batch over numbers with jax.vmap.",
    ),
    ("b1", 1.0, BadValue, "in [0, 1); got 1. Did you mean 0.9?"),
    ("b1", -0.9, BadValue, "in [0, 1); got -0.9. Did you mean 0.9?"),
    (
        "b2",
        1 - 1e-9,
        BadValue,
        "in [0, 1); got 0.999999999, which is 1 in float32. Did you mean 0.999?",
    ),
    ("eps", 1e-50, BadValue, "> 0; got 1e-50, which is 0 in float32. Did you mean 1e-08?"),
    ("eps_root", -1e-3, BadValue, ">= 0; got -0.001. Did you mean 0.001?"),
]


@pytest.mark.parametrize(("name", "value", "kind", "text"), NUMBERS)
def test_a_number_outside_its_range(name: str, value: Any, kind: type, text: str) -> None:
    for hyper in ({name: value}, adam.Hyper(**{name: value})):
        with pytest.raises(BadInput) as caught:
            check(adam, hyper)
        assert type(caught.value) is kind
        assert str(caught.value) == f"adam: `{name}` must be {text}"


def test_an_integer_too_large_for_any_float() -> None:
    text = "sgd: `learning_rate` must be a real number; got 1000"
    with pytest.raises(BadType, match=re.escape(text)):
        check(sgd, {"learning_rate": 10**400})


def test_what_is_one_in_float32_is_less_in_float64(x64: None) -> None:
    del x64
    assert float(check(adam, {"b2": 1 - 1e-9}).b2) == 1 - 1e-9


RULE = "a rule with Hyper, init and update, or a name"
WRAP = "Wrap a factory of Optax: optimizers.from_optax(optax.adam)."

CALLS: list[tuple[Callable[[], Any], type, str]] = [
    (
        lambda: get("adem"),
        BadValue,
        "optimizers.get: `name` must be a known name; got 'adem'. Did you mean 'adam'?",
    ),
    (
        lambda: get("nope"),
        BadValue,
        f"optimizers.get: `name` must be one of {', '.join(sorted(OPTIMIZERS))}; got 'nope'.",
    ),
    (
        lambda: check_rule("train", bind("adam")),
        BadType,
        f"train: `optimizer` must be {RULE}; got what bind returns. Pass the rule itself.",
    ),
    (
        lambda: check_rule("train", optax.adam(0.1)),
        BadType,
        f"train: `optimizer` must be {RULE}; got a GradientTransformationExtraArgs. {WRAP}",
    ),
    (
        lambda: check_rule("train", optax.adam),
        BadType,
        f"train: `optimizer` must be {RULE}; got the function adam. {WRAP}",
    ),
    (
        lambda: get("rmsprop", centred=True),
        BadValue,
        "rmsprop: `structure` must be one of acceleration, bias_correction, centered, eps_in_sqrt, "
        "flavor; got 'centred'. Did you mean 'centered'?",
    ),
    (
        lambda: get("sgd", nesterov=True),
        BadValue,
        "sgd: `structure` must be empty, since the rule has no options; got 'nesterov'.",
    ),
    (
        lambda: get("adagrad", flavor="tensorflow"),
        BadValue,
        "adagrad: `flavor` must be one of 'optax', 'torch', 'keras'; got 'tensorflow'.",
    ),
    (
        lambda: get("adagrad", flavor=["torch"]),
        BadValue,
        "adagrad: `flavor` must be one of 'optax', 'torch', 'keras'; got ['torch'].",
    ),
    (
        lambda: check(adam, sgd.Hyper()),
        BadType,
        "adam: `hyper` must be of its own Hyper class; got sgd.Hyper. "
        "Build it with adam.Hyper(...).",
    ),
    (
        lambda: check(get("momentum", flavor="lecture"), 0.1),
        BadType,
        "momentum(flavor='lecture'): `hyper` must be of its own Hyper class; got float. "
        "Build it with momentum(flavor='lecture').Hyper(...).",
    ),
    (
        lambda: check(adam, {"lr": 0.1}),
        BadValue,
        "adam: `hyper` must be one of b1, b2, eps, eps_root, learning_rate; got 'lr'. "
        "Did you mean 'learning_rate'?",
    ),
    (
        lambda: make_hyper(momentum, {"momentum.decay": 0.1}),
        BadValue,
        "momentum: `hyper` must be one of learning_rate, momentum; got 'momentum.decay'. "
        "Did you mean 'momentum'?",
    ),
    (
        lambda: extras(Needy, {"value": 1.0}),
        BadType,
        "Needy: `key` must be supplied with each update; got nothing. "
        "Pass it to `update` as a keyword: a key of jax.random, another one at each step.",
    ),
    (
        lambda: adam.update({"a": jnp.ones(2)}, _state({"b": jnp.ones(2)}), None, adam.Hyper()),
        BadType,
        "tree.map: `tree 2` must be of the structure PyTreeDef({'b': *}); got "
        "PyTreeDef({'a': *}). Pass gradients, state and parameters of one model.",
    ),
    (
        lambda: adam.update({"a": jnp.ones(2)}, _state({"a": jnp.ones(3)}), None, adam.Hyper()),
        BadType,
        "tree.map: `tree 2` must be of matching shapes, here (3,); got (2,). "
        "Leaves are never broadcast against each other.",
    ),
    (
        lambda: get("lion").init([jnp.ones(2), jnp.ones(2) * 1j], get("lion").Hyper()),
        BadType,
        "optimizers: `params[1]` must be real for this rule; got complex64. "
        "Wrap the rule: optimizers.split_complex(rule).",
    ),
]


class Needy:
    NEEDS = frozenset({"value", "key"})


class Plain:
    """A rule whose copy from another process is another one: it is equal by identity."""

    Hyper = adam.Hyper
    init = staticmethod(adam.init)
    update = staticmethod(adam.update)


@dataclasses.dataclass
class Changing(Plain):
    """A rule that `jit` cannot cache on: a dataclass that is not frozen does not hash."""


OBJECT = "Use a module or a frozen dataclass, or define __eq__ and __hash__."


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Plain(), "equal to its copy from another process; got one that differs"),
        (Changing(), "hashable, since jit caches on it; got what is not"),
    ],
)
def test_an_object_that_is_not_the_same_each_time(rule: Any, text: str) -> None:
    with pytest.raises(ContractError) as caught:
        identity(rule)
    name = type(rule).__name__
    assert str(caught.value) == f"{name}: contract `identity`: `rule` must be {text}. {OBJECT}"


def _state(params: Any) -> adam.State:
    return adam.init(params, adam.Hyper())


@pytest.mark.parametrize(("call", "kind", "text"), CALLS, ids=range(len(CALLS)))
def test_a_bad_call(call: Callable[[], Any], kind: type, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == text


def test_what_is_right_passes_and_becomes_strong_scalars() -> None:
    hyper = check(adam, {"learning_rate": 1, "b1": np.float64(0.5), "b2": jnp.float16(0.5)})
    assert type(hyper) is adam.Hyper
    for value in hyper:
        assert value.dtype == jnp.float32
        assert value.shape == ()
        assert not value.weak_type
    assert check(adam, hyper) == hyper


def test_traced_numbers_pass_unchecked() -> None:
    @jax.jit
    def rate(value: Any) -> Any:
        return check(adam, adam.Hyper(learning_rate=value)).learning_rate

    assert float(rate(-1.0)) == -1.0


# Identity of variants.


def test_a_variant_is_one_object_and_knows_its_defaults() -> None:
    rule = get("adagrad", flavor="torch")
    assert rule is get("adagrad", flavor="torch")
    assert get("adagrad", flavor="optax") is get("adagrad") is OPTIMIZERS["adagrad"]
    assert rule.Hyper() == OPTIMIZERS["adagrad"].Hyper(1e-2, 0.0, 1e-10)
    assert rule.Hyper(0.5, eps=1e-3) == OPTIMIZERS["adagrad"].Hyper(0.5, 0.0, 1e-3)
    assert rule.__doc__ == OPTIMIZERS["adagrad"].__doc__


def test_a_variant_of_a_variant_has_both() -> None:
    both = variant(get("rmsprop", centered=True), acceleration="momentum")
    assert both is get("rmsprop", acceleration="momentum", centered=True)
    assert variant(both, acceleration="none", centered=False) is rmsprop
    assert both.Hyper().momentum == 0.9
