"""The contract on what a rule tells besides its updates, on rules that do not tell the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest

from jaxnn import tree
from jaxnn.optimizers import adam, averaged, lbfgs, scheduled
from jaxnn.optimizers.base import name_of
from jaxnn.schedules import constant
from jaxnn.testing import CONTRACTS, ContractError


@dataclasses.dataclass(frozen=True)
class Telling:
    """Adam, with one more thing to tell."""

    name: str
    own: Callable[..., Any]

    Hyper, NEEDS = adam.Hyper, frozenset()
    init = staticmethod(adam.init)
    update = staticmethod(adam.update)

    def __getattr__(self, name: str) -> Any:
        if name == self.name:
            return self.own
        raise AttributeError(name)


@pytest.mark.parametrize(
    ("name", "own", "text"),
    [
        (
            "evaluation_params",
            lambda state, params, hyper: tree.map(lambda p: p * (state.step / state.step), params),
            "`evaluation_params['b']` must be finite before the first step; got nan. "
            "The average of no steps is the start itself.",
        ),
        (
            "evaluation_params",
            lambda state, params, hyper: tree.map(lambda p: p / (state.step < 4), params),
            "`evaluation_params['b']` must be finite after 4 steps; got inf.",
        ),
        (
            "value_and_grad",
            lambda state: (jnp.zeros(()), state.mean),
            "`value_and_grad(state)[0]` must be equal to those of the loss at the parameters that "
            "the last update led to; got a relative difference of 1.0e+00. Keep in the state what "
            "was evaluated last, or leave value_and_grad out.",
        ),
        (
            "value_and_grad",
            lambda state: "none",
            "`value_and_grad` must be a function that returns (value, gradient); got 'none'.",
        ),
        (
            "value_and_grad",
            lambda state: (jnp.zeros(2), state.mean),
            "`value_and_grad(state)[0]` must be a real scalar; got an array of shape (2,) and "
            "dtype float64.",
        ),
        (
            "value_and_grad",
            lambda state: (1.0, list(state.mean.values())),
            "`value_and_grad(state)[1]` must be of the structure PyTreeDef({'b': *, 'w': *}), as "
            "the parameters; got PyTreeDef([*, *]).",
        ),
        (
            "value_and_grad",
            lambda state: (1.0, {"b": state.mean["b"], "w": state.mean["w"].T}),
            "`value_and_grad(state)[1]['w']` must be of shape (3, 2), as the parameter; "
            "got (2, 3).",
        ),
        (
            "record",
            lambda state: [0.5],
            "`record` must be a function that returns a dict by name; got [0.5]. "
            'For example {"learning_rate": state.learning_rate}.',
        ),
        (
            "record",
            lambda state: {0: 0.5},
            "`record` must be a function that returns a dict by name; got {0: 0.5}. "
            'For example {"learning_rate": state.learning_rate}.',
        ),
        (
            "record",
            lambda state: {"mean": state.mean["w"]},
            "`record['mean']` must be a real scalar; got an array of shape (3, 2) and dtype "
            "float64.",
        ),
        (
            "record",
            lambda state: {"which": "adam"},
            "`record['which']` must be a real scalar; got 'adam'.",
        ),
    ],
)
def test_what_is_told_is_of_the_documented_kind(name: str, own: Any, text: str) -> None:
    with pytest.raises(ContractError) as caught:
        CONTRACTS["reports"](Telling(name, own))
    assert str(caught.value) == f"Telling: contract `reports`: {text}"


@dataclasses.dataclass(frozen=True)
class Forgetful:
    """L-BFGS that gives back what it was told at the start of its step."""

    factor: float

    Hyper, NEEDS = lbfgs.Hyper, lbfgs.NEEDS
    init = staticmethod(lbfgs.init)
    update = staticmethod(lbfgs.update)

    def value_and_grad(self, state: lbfgs.State) -> Any:
        value, grads = lbfgs.value_and_grad(state)
        return value, tree.map(lambda g: self.factor * g + 1e-3, grads)


def test_a_gradient_that_is_not_that_of_the_loss() -> None:
    with pytest.raises(ContractError) as caught:
        CONTRACTS["reports"](Forgetful(2.0))
    text = (
        "Forgetful: contract `reports`: `value_and_grad(state)[1]['b']` must be equal to those of "
        "the loss at the parameters that the last update led to; got a relative difference of "
    )
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    "rule", [lbfgs, averaged(adam), scheduled(adam, learning_rate=constant)], ids=name_of
)
def test_the_truth_passes(rule: Any) -> None:
    CONTRACTS["reports"](rule)
