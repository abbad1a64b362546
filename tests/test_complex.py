"""Complex parameters: as Optax takes them, as two real ones, downhill in training, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import training
from jaxnn.errors import BadType
from jaxnn.optimizers import (
    OPTIMIZERS,
    apply_updates,
    averaged,
    bind,
    check,
    clipped,
    frozen,
    get,
    partitioned,
    scheduled,
    skip_non_finite,
    split_complex,
)
from jaxnn.schedules import linear
from jaxnn.training.needs import hessian_diagonal

REFUSED = (
    "optimizers: `params['z']` must be real for this rule; got complex64. "
    "Wrap the rule: optimizers.split_complex(rule)."
)


def fed(num_steps: int) -> Any:
    """Gradients of a complex and of a real leaf in double precision, a row a step."""
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, num_steps, 3, 2))
    return {"x": jnp.asarray(rng.normal(size=(num_steps, 4))), "z": parts[0] + 1j * parts[1]}


def run(update: Callable[..., Any], state: Any, grads: Any) -> Any:
    """Updates and parameters at every step from the first gradients."""

    def step(carry: Any, grads: Any) -> Any:
        params, state = carry
        updates, state = update(grads, state, params)
        params = apply_updates(params, updates)
        return (params, state), (updates, params)

    start = jax.tree.map(lambda g: g[0], grads)
    return jax.lax.scan(step, (start, state(start)), grads)[1]


CASES: list[tuple[Any, dict[str, float], Any]] = [
    (get("sgd"), {"learning_rate": 0.1}, optax.sgd(0.1)),
    (get("momentum"), {"learning_rate": 0.1, "momentum": 0.8}, optax.sgd(0.1, 0.8)),
    (get("nesterov"), {"learning_rate": 0.1, "momentum": 0.8}, optax.sgd(0.1, 0.8, nesterov=True)),
    (
        get("adam"),
        {"learning_rate": 0.1, "b1": 0.8, "b2": 0.95, "eps_root": 1e-3},
        optax.adam(0.1, 0.8, 0.95, eps_root=1e-3),
    ),
    (
        get("adamw"),
        {"learning_rate": 0.1, "weight_decay": 0.1},
        optax.adamw(0.1, weight_decay=0.1),
    ),
    (get("rmsprop"), {"learning_rate": 0.1, "eps": 1e-3}, optax.rmsprop(0.1, eps=1e-3)),
    (
        get("rmsprop", centered=True, acceleration="nesterov"),
        {"learning_rate": 0.1, "momentum": 0.8},
        optax.rmsprop(0.1, centered=True, momentum=0.8, nesterov=True),
    ),
    (
        split_complex("lion"),
        {"inner.learning_rate": 0.1},
        optax.contrib.split_real_and_imaginary(optax.lion(0.1)),
    ),
    (
        split_complex("adam"),
        {"inner.learning_rate": 0.1},
        optax.contrib.split_real_and_imaginary(optax.adam(0.1)),
    ),
    (
        split_complex(clipped("momentum")),
        {"inner.inner.learning_rate": 0.1, "inner.max_norm": 2.0},
        optax.contrib.split_real_and_imaginary(
            optax.chain(optax.clip_by_global_norm(2.0), optax.sgd(0.1, 0.9))
        ),
    ),
]


@pytest.mark.usefixtures("x64")
def test_agrees_with_optax_on_complex_gradients() -> None:
    @jax.jit
    def both(grads: Any, hypers: Any) -> Any:
        ours = [
            run(lambda g, s, p: rule.update(g, s, p, h), lambda p: rule.init(p, h), grads)  # noqa: B023
            for (rule, _, _), h in zip(CASES, hypers, strict=True)
        ]
        return ours, [run(theirs.update, theirs.init, grads) for _, _, theirs in CASES]

    hypers = [check(rule, numbers) for rule, numbers, _ in CASES]
    for case, ours, theirs in zip(CASES, *both(fed(20), hypers), strict=True):
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14, err_msg=str(case[0]))


def test_those_that_handle_them_do_so_under_strict_promotion_and_keep_dtypes() -> None:
    params = {"x": jnp.ones(2), "z": jnp.ones(3, jnp.complex64)}
    handling = [rule for rule in OPTIMIZERS.values() if getattr(rule, "COMPLEX", False)]
    assert len(handling) >= 6
    with jax.numpy_dtype_promotion("strict"):
        for rule in [*handling, skip_non_finite("adam"), split_complex("muon")]:
            hyper = check(rule, {})
            state = jax.eval_shape(rule.init, params, hyper)
            updates, after = jax.eval_shape(rule.update, params, state, params, hyper)
            new = jax.eval_shape(apply_updates, params, updates)
            for got, wanted in ((updates, params), (new, params), (after, state)):
                assert jax.tree.map(lambda x: x.dtype, got) == jax.tree.map(
                    lambda x: x.dtype, wanted
                )
    # The mean of squares is real.
    assert get("adam").init(params, get("adam").Hyper()).mean_of_squares["z"].dtype == jnp.float32


def test_wrappers_declare_what_the_rules_inside_do() -> None:
    assert scheduled("adam", learning_rate=linear).COMPLEX
    assert not scheduled("lion", learning_rate=linear).COMPLEX
    assert frozen("sgd", {"x": True, "z": False}).COMPLEX
    assert partitioned({"a": split_complex("lion"), "b": "sgd"}, {"x": "b", "z": "a"}).COMPLEX
    assert not clipped("sgd").COMPLEX
    assert split_complex(clipped("sgd")).COMPLEX


class Problem:
    """|Σ a·z − y|² over rows: least squares with complex weights."""

    name = "complex"

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        a, z = (rng.normal(size=(*s, 2)) @ np.asarray([1, 1j]) for s in ((40, 3), (3,)))
        self.train = {"a": jnp.asarray(a, jnp.complex64), "y": jnp.asarray(a @ z, jnp.complex64)}
        self.solution = z

    def init(self, key: Any) -> Any:
        del key
        return {"z": jnp.zeros(3, jnp.complex64)}

    def loss(self, params: Any, batch: Any, key: Any) -> Any:
        del key
        return jnp.mean(jnp.abs(batch["a"] @ params["z"] - batch["y"]) ** 2)

    def metrics(self, params: Any, batch: Any) -> Any:
        return {"loss": self.loss(params, batch, None)}


def _flatten(problem: Problem) -> Any:
    return (problem.train,), None


def _unflatten(_: Any, children: Any) -> Problem:
    problem = Problem.__new__(Problem)
    (problem.train,) = children
    return problem


jax.tree_util.register_pytree_node(Problem, _flatten, _unflatten)


def _bowl(params: Any) -> Any:
    return jnp.sum(jnp.asarray([1.0, 3.0]) * jnp.real(params["z"]) ** 2) + jnp.sum(
        jnp.asarray([2.0, 5.0]) * jnp.imag(params["z"]) ** 2 + params["x"] ** 2
    )


def test_the_diagonal_of_the_hessian_has_both_parts() -> None:
    params = {"x": jnp.ones(2), "z": jnp.asarray([1 + 2j, 3 - 1j])}
    found = hessian_diagonal(_bowl, params, jax.random.key(0))
    np.testing.assert_allclose(found["z"], [2 + 4j, 6 + 10j], rtol=1e-6)
    np.testing.assert_allclose(found["x"], [2, 2], rtol=1e-6)


def test_training_goes_downhill() -> None:
    problem, key = Problem(), jax.random.key(0)
    for rule, rate in ((get("momentum"), 0.05), (split_complex(averaged("adam")), 0.2)):
        prefix = "" if rule is get("momentum") else "inner.inner."
        found = training.train(
            problem, rule, {f"{prefix}learning_rate": rate}, key, num_steps=150, record_every=0
        )
        np.testing.assert_allclose(found.raw_params["z"], problem.solution, atol=0.02)
        assert float(found.history.loss[-1]) < 1e-3


def test_other_rules_refuse_before_anything_compiles(caplog: pytest.LogCaptureFixture) -> None:
    problem, key = Problem(), jax.random.key(0)
    params = problem.init(None)
    for rule in (get("lion"), clipped("adam"), averaged("sgd")):
        with pytest.raises(BadType) as caught, jax.log_compiles():
            training.train(problem, rule, {}, key, num_steps=3)
        assert str(caught.value) == REFUSED
        with pytest.raises(BadType) as caught:
            bind(rule).init(params)
        assert str(caught.value) == REFUSED
    assert not [record for record in caplog.messages if "ompil" in record and "_train" in record]
    with jax.log_compiles():
        training.train(problem, "sgd", {}, key, num_steps=3, record_every=0)
    assert [record for record in caplog.messages if "ompil" in record and "_train" in record]
