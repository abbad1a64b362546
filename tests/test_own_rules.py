"""What the author of a rule, and of a loop of one's own, meets: errors in one sentence each."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

from jaxnn import training
from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.optimizers import (
    accumulated,
    adam,
    asgd,
    averaged,
    bind,
    check,
    clipped,
    evaluation_params,
    get,
    lookahead,
    partitioned,
    scheduled,
    sgd,
)
from jaxnn.schedules import cosine

PARAMS = {"w": jnp.ones(2)}


def text_of(kind: type, call: Callable[[], Any]) -> str:
    with pytest.raises(BadInput) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


# What `update` returns


@dataclasses.dataclass(frozen=True)
class Own:
    """Adam, with something else done to what it returns."""

    changed: Callable[[Any], Any]

    Hyper, NEEDS = adam.Hyper, frozenset()
    init = staticmethod(adam.init)

    def update(self, grads: Any, state: Any, params: Any, hyper: Any) -> Any:
        return self.changed(adam.update(grads, state, params, hyper))


def loss_fn(params: Any, batch: Any, key: Any) -> Any:
    del batch, key
    return jnp.sum(params["w"])


@pytest.mark.parametrize(
    ("changed", "got"),
    [
        (lambda pair: None, "one that returns None."),
        (lambda pair: (*pair, None), "one that returns 3 things."),
        (lambda pair: pair[1].step, "one that returns Array(1, dtype=int32)."),
        (
            lambda pair: pair[::-1],
            "updates of the structure PyTreeDef(CustomNode(namedtuple[State], "
            "[*, {'w': *}, {'w': *}])). They are like the gradients, PyTreeDef({'w': *}).",
        ),
    ],
)
def test_an_update_that_returns_something_else(changed: Any, got: str) -> None:
    rule = Own(changed)
    wanted = f"Own: `update` must be a function that returns (updates, state); got {got}"
    state, hyper = rule.init(PARAMS, adam.Hyper()), adam.Hyper()
    tx = bind(rule)
    assert text_of(BadType, lambda: tx.update(PARAMS, tx.init(PARAMS), PARAMS)) == wanted
    step = lambda: training.step(loss_fn, rule, PARAMS, state, None, hyper)  # noqa: E731
    assert text_of(BadType, step) == wanted


def test_a_rule_that_does_not_hash() -> None:
    rule = types.SimpleNamespace(Hyper=adam.Hyper, init=adam.init, update=adam.update)
    assert text_of(BadType, lambda: bind(rule)) == (
        "bind: `optimizer` must be hashable, since jit caches on it; got a SimpleNamespace. "
        "Use a module or a frozen dataclass."
    )


# What it asks for


@pytest.mark.parametrize(
    ("name", "need", "value", "text"),
    [
        (
            "polyak_sgd",
            "value",
            loss_fn,
            "the loss at `params`, a scalar; got the function loss_fn.",
        ),
        ("polyak_sgd", "value", None, "the loss at `params`, a scalar; got None."),
        (
            "polyak_sgd",
            "value",
            jnp.ones(2),
            "the loss at `params`, a scalar; got an array of shape (2,) and dtype float32.",
        ),
        ("noisy_sgd", "key", 0, "a key of jax.random, another one at each step; got 0."),
        (
            "noisy_sgd",
            "key",
            jnp.zeros(2),
            "a key of jax.random, another one at each step; got an array of shape (2,) and dtype "
            "float32.",
        ),
        (
            "sophia",
            "hessian_diagonal",
            loss_fn,
            "like `params`, the diagonal of the Hessian or an estimate of it; got the function "
            "loss_fn.",
        ),
        (
            "levenberg_marquardt",
            "residual_fn",
            jnp.ones(2),
            "outputs − targets on this batch as a function of parameters alone; got an array of "
            "shape (2,) and dtype float32.",
        ),
    ],
)
def test_a_need_of_another_kind(name: str, need: str, value: Any, text: str) -> None:
    tx = bind(name)
    call = lambda: tx.update(PARAMS, tx.init(PARAMS), PARAMS, **{need: value})  # noqa: E731
    assert text_of(BadType, call) == f"{name}: `{need}` must be {text}"


@pytest.mark.parametrize("key", [jax.random.key(0), jax.random.PRNGKey(0)])
def test_a_key_of_either_make(key: jax.Array) -> None:
    tx = bind("noisy_sgd")
    updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS, key=key)
    assert bool(jnp.isfinite(updates["w"]).all())


# The parameters to evaluate at, in a loop of one's own


@pytest.mark.parametrize(
    "rule", [averaged(sgd), lookahead(averaged(adam)), asgd, get("schedule_free_sgd"), adam]
)
def test_evaluation_params_from_any_state_of_optax(rule: Any) -> None:
    hyper = check(rule, rule.Hyper())
    tx = optax.chain(optax.clip(10.0), optax.masked(bind(rule, hyper), True))
    params, state = PARAMS, tx.init(PARAMS)
    own_params, own = PARAMS, rule.init(PARAMS, hyper)
    for grad in (1.0, -2.0, 3.0):
        grads = {"w": jnp.array([grad, 1.0])}
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        updates, own = rule.update(grads, own, own_params, hyper)
        own_params = optax.apply_updates(own_params, updates)
    found = evaluation_params(rule, state, params)
    chex.assert_trees_all_close(found, evaluation_params(rule, own, own_params, hyper), rtol=1e-6)
    moved = not bool(jnp.array_equal(found["w"], params["w"]))
    assert moved == (rule is not adam)


def test_a_state_in_which_the_numbers_cannot_be_found() -> None:
    own = averaged(sgd).init(PARAMS, averaged(sgd).Hyper())
    two = bind(averaged(sgd)).init(PARAMS), bind(sgd).init(PARAMS)
    for state, number in ((own, 0), (two, 2)):
        assert text_of(BadType, lambda s=state: evaluation_params(averaged(sgd), s, PARAMS)) == (
            "evaluation_params: `state` must be one that holds one state of bind; "
            f"got {number} in it. Pass the rule's own and its hyper."
        )


# Wrappers: structure in the function, numbers in Hyper


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: accumulated("adam", 4),  # pyright: ignore
            "accumulated: `arguments` must be structure, accumulated(rule, /, *, mean=True); got "
            "too many positional arguments. Numbers go to Hyper, or by dotted name to bind and "
            "train.",
        ),
        (
            lambda: averaged("adam", decay=0.9),  # pyright: ignore
            "averaged: `arguments` must be structure, averaged(rule, /, *, debias=True); got an "
            "unexpected keyword argument 'decay'. Numbers go to Hyper, or by dotted name to bind "
            "and train.",
        ),
    ],
)
def test_numbers_where_structure_is_meant(call: Callable[[], Any], text: str) -> None:
    assert text_of(BadType, call) == text


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: clipped("adam").Hyper(learning_rate=0.1),
            "clipped(adam): `hyper` must be one of inner, max_norm; got 'learning_rate'. "
            "It is the rule's: Hyper(inner=adam.Hyper(learning_rate=...)).",
        ),
        (
            lambda: clipped("adam").Hyper(maxnorm=0.1),
            "clipped(adam): `hyper` must be one of inner, max_norm; got 'maxnorm'. "
            "Did you mean 'max_norm'?",
        ),
        (
            lambda: bind(clipped(sgd)).init(PARAMS).set(lr=0.1),
            "BoundState.set: `hyper` must be one of inner.learning_rate, max_norm; got 'lr'. "
            "Did you mean 'inner.learning_rate'?",
        ),
        (
            lambda: check(clipped(sgd), {"inner.lr": 0.1}),
            "clipped(sgd): `hyper` must be one of inner.learning_rate, max_norm; got 'inner.lr'. "
            "Did you mean 'inner.learning_rate'?",
        ),
        (
            lambda: check(partitioned({"a": sgd, "b": sgd}, "a"), {"inner.b.lr": 0.1}),
            "partitioned(a=sgd, b=sgd): `hyper` must be one of inner.a.learning_rate, "
            "inner.b.learning_rate; got 'inner.b.lr'. Did you mean 'inner.b.learning_rate'?",
        ),
        (
            lambda: check(clipped(sgd), {"inner.colour": 0.1}),
            "clipped(sgd): `hyper` must be one of inner.learning_rate, max_norm; got "
            "'inner.colour'.",
        ),
        (
            lambda: scheduled(clipped(sgd), learning_rate=cosine),
            "scheduled(clipped(sgd)): `field` must be one of inner.learning_rate, max_norm; got "
            "'learning_rate'. Did you mean 'inner.learning_rate'?",
        ),
    ],
)
def test_a_number_that_lies_deeper(call: Callable[[], Any], text: str) -> None:
    assert text_of(BadValue, call) == text
