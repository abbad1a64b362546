"""Wrappers around rules that read more than a gradient, and around each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import training, tree
from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.optimizers import (
    accumulated,
    adam,
    adaptive_clipped,
    cautious,
    centralized,
    check,
    clipped,
    decayed,
    dpsgd,
    flattened,
    frozen,
    get,
    lbfgs,
    levenberg_marquardt,
    mechanize,
    noisy_sgd,
    partitioned,
    polyak_sgd,
    regularized,
    rounded,
    rprop,
    sam,
    scheduled,
    sgd,
    skip_non_finite,
    sophia,
    stored,
)
from jaxnn.schedules import cosine

KEY = jax.random.key(1)
TWO = {"x": "a", "y": "b"}


def once(rule: Any, numbers: Any, grads: Any, params: Any, **needs: Any) -> Any:
    hyper = check(rule, numbers or rule.Hyper())
    return rule.update(grads, rule.init(params, hyper), params, hyper, **needs)


# What draws at random draws for itself


@pytest.mark.parametrize(
    "rule",
    [
        partitioned({"a": rounded(noisy_sgd, "stochastic"), "b": noisy_sgd}, TWO),
        partitioned({"a": noisy_sgd, "b": rounded(noisy_sgd, "stochastic")}, TWO),
        partitioned({"a": stored(noisy_sgd, rounding="stochastic"), "b": noisy_sgd}, TWO),
        partitioned({"a": partitioned({"c": sgd, "d": noisy_sgd}, "d"), "b": noisy_sgd}, TWO),
    ],
)
def test_groups_draw_other_numbers_whatever_is_in_them(rule: Any) -> None:
    zeros = {"x": jnp.zeros(3), "y": jnp.zeros(3)}
    updates, _ = once(rule, None, zeros, zeros, key=KEY)
    assert not np.intersect1d(updates["x"], updates["y"]).size
    assert np.all(np.asarray(updates["x"]) != 0)


# What would go past a wrapper


AROUND = [
    (clipped, lbfgs, "value_fn"),
    (adaptive_clipped, "nonlinear_cg", "value_fn"),
    (centralized, levenberg_marquardt, "residual_fn"),
    (clipped, dpsgd, "per_example_grads"),
    (clipped, partitioned({"a": dpsgd, "b": sgd}, TWO), "per_example_grads"),
    (clipped, sam(sgd), "value_fn"),
    (sam, lbfgs, "value_fn"),
    (sam, dpsgd, "per_example_grads"),
    (regularized, dpsgd, "per_example_grads"),
    (regularized, levenberg_marquardt, "residual_fn"),
    (cautious, dpsgd, "per_example_grads"),
    (mechanize, dpsgd, "per_example_grads"),
    (accumulated, lbfgs, "value_fn"),
    (accumulated, dpsgd, "per_example_grads"),
    (accumulated, sam(sgd), "value_fn"),
]


@pytest.mark.parametrize(("wrap", "rule", "need"), AROUND)
def test_a_rule_that_would_not_notice_is_refused(wrap: Any, rule: Any, need: str) -> None:
    with pytest.raises(BadValue, match=f"that does not ask for {need}, which would go past"):
        wrap(rule)


def test_what_a_refusal_says() -> None:
    with pytest.raises(BadValue) as caught:
        clipped(lbfgs)
    assert str(caught.value) == (
        "clipped: `rule` must be one that does not ask for value_fn, which would go past clipped; "
        "got lbfgs. Put it inside, as in sam(clipped(rule)), or change the loss."
    )
    with pytest.raises(BadValue) as caught:
        cautious(dpsgd)
    assert str(caught.value) == (
        "cautious: `rule` must be one that does not ask for per_example_grads, which would go past "
        "cautious; got dpsgd. It would show signs of gradients that noise is to hide."
    )


def bowl(params: Any) -> Any:
    return jnp.sum((params["x"] - 1) ** 2) + jnp.sum(2 * params["y"] ** 2) / 2


def penalized(params: Any) -> Any:
    return bowl(params) + 0.5 * jnp.sum(params["x"] ** 2) / 2


@pytest.mark.parametrize("rule", [lbfgs, polyak_sgd, sophia])
def test_a_penalty_is_in_all_that_the_rule_reads(rule: Any, x64: None) -> None:
    # The penalised loss with the rule alone is the loss with the rule in its wrapper.
    del x64
    masked, params = (
        regularized(rule, {"x": True, "y": False}),
        {"x": jnp.ones(2) * 3, "y": jnp.ones(2)},
    )

    def steps(rule: Any, hyper: Any, loss: Any) -> Any:
        diagonal = {"x": jnp.full(2, 2.0 + 0.5 * (loss is penalized)), "y": jnp.full(2, 2.0)}
        here, state = params, rule.init(params, hyper)
        for _ in range(4):
            value, grads = jax.value_and_grad(loss)(here)
            needs = {"value": value, "value_fn": loss, "hessian_diagonal": diagonal}
            needs = {name: needs[name] for name in rule.NEEDS}
            updates, state = rule.update(grads, state, here, hyper, **needs)
            here = jax.tree.map(jnp.add, here, updates)
        return here

    ours = steps(masked, masked.Hyper(rule.Hyper(), weight_decay=0.5), bowl)
    chex.assert_trees_all_close(ours, steps(rule, rule.Hyper(), penalized), rtol=1e-9)


def test_values_and_hessians_come_together_as_gradients_do() -> None:
    params = {"x": jnp.ones(2)}
    rows = [{"x": jnp.array([1.0, 2.0])}, {"x": jnp.array([3.0, -1.0])}]
    mean = {"x": jnp.array([2.0, 0.5])}
    for rule, needs, together in (
        (polyak_sgd, [{"value": 1.0}, {"value": 2.0}], {"value": 1.5}),
        (
            sophia,
            [{"hessian_diagonal": {"x": jnp.full(2, h)}} for h in (1.0, 3.0)],
            {"hessian_diagonal": {"x": jnp.full(2, 2.0)}},
        ),
    ):
        several: Any = accumulated(rule)
        hyper = check(several, several.Hyper())
        state = several.init(params, hyper)
        for grads, extra in zip(rows, needs, strict=True):
            updates, state = several.update(grads, state, params, hyper, **extra)
        wanted, _ = once(rule, None, mean, params, **together)
        chex.assert_trees_all_close(updates, wanted, rtol=1e-6)
        assert float(tree.global_norm(state.needs)) == 0


# Rules and wrappers that count


def last_rate(rule: Any, **options: Any) -> float:
    numbers = {"learning_rate": 0.1, "every_k": 4}
    run = training.train("moons", rule, numbers, KEY, num_steps=40, record_every=0, **options)
    return float(run.history.values["learning_rate"][-1])


def test_a_schedule_of_a_rule_that_steps_now_and_then_ends_with_the_run() -> None:
    inside = last_rate(accumulated(scheduled(sgd, learning_rate=cosine)))
    # Ten steps of the rule, of which the last is at 9/10 of the run.
    assert inside == pytest.approx(0.1 * (1 + np.cos(0.9 * np.pi)) / 2, rel=1e-5)
    assert last_rate(accumulated(sgd), schedule="cosine") == pytest.approx(
        0.1 * (1 + np.cos(39 / 40 * np.pi)) / 2, rel=1e-4
    )


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (clipped(adam), ["learning_rate"]),
        (partitioned({"a": adam, "b": sgd}, lambda p: "a"), ["a.learning_rate", "b.learning_rate"]),
    ],
)
def test_a_schedule_finds_the_rates_inside(rule: Any, names: list[str]) -> None:
    run = training.train("moons", rule, {}, KEY, num_steps=4, record_every=0, schedule="linear")
    fields = {name.replace("inner.", ""): x for name, x in run.history.values.items()}
    assert sorted(fields) == names
    for values in fields.values():
        np.testing.assert_allclose(values / values[0], [1, 0.75, 0.5, 0.25], rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "lamb", "galore", "nadam", "schedule_free_adamw"])
def test_a_count_stays_at_its_largest(name: str) -> None:
    rule, params = get(name), {"w": jnp.ones((2, 2))}
    hyper = check(rule, rule.Hyper())
    largest = jnp.iinfo(jnp.int32).max

    def late(x: Any) -> Any:
        return jnp.full_like(x, largest - 1) if x.dtype == jnp.int32 else x

    state = jax.tree.map(late, rule.init(params, hyper))
    for _ in range(3):
        updates, state = rule.update(params, state, params, hyper)
        assert bool(tree.all_finite(updates))
    counts = [x for x in jax.tree.leaves(state) if x.dtype == jnp.int32 and x.ndim == 0]
    assert counts
    assert all(int(x) == largest for x in counts)


# Gradients and parameters of few digits


@pytest.mark.parametrize(
    "wrap",
    [lambda r: r, clipped, centralized, adaptive_clipped, lambda r: accumulated(r, mean=True)],
)
def test_compensation_holds_under_what_widens_gradients(wrap: Any) -> None:
    rule: Any = wrap(rounded(sgd))
    hyper = check(rule, rule.Hyper())
    path = "inner." * (rule.__name__ != "rounded(sgd)") + "inner.learning_rate"
    hyper = tree.replace_field(hyper, path, jnp.float32(0.3))
    params = {"w": jnp.full(6, 0.01, jnp.bfloat16)}
    state, rng = rule.init(params, hyper), np.random.default_rng(0)
    exact = np.asarray(params["w"], np.float64)
    step = jax.jit(rule.update)
    seen = []
    for _ in range(20):
        grads = {"w": jnp.asarray(rng.normal(size=6) * 0.1, jnp.bfloat16)}
        updates, state = step(grads, state, params, hyper)
        params = jax.tree.map(
            lambda p, u: (p.astype(jnp.float32) + u).astype(p.dtype), params, updates
        )
        seen.append(np.asarray(grads["w"], np.float64))
        if rule.__name__.startswith("accumulated"):
            exact = exact - 0.3 * (np.mean(seen[-2:], axis=0) if len(seen) % 2 == 0 else 0)
        elif rule.__name__.startswith("adaptive"):
            return  # it has other gradients; that it runs in these dtypes is enough
        else:
            exact = exact - 0.3 * seen[-1]
    inner = state.inner if hasattr(state.inner, "lost") else state
    whole = np.asarray(params["w"], np.float64) + np.asarray(inner.lost["w"], np.float64)
    np.testing.assert_allclose(whole, exact, atol=2e-6)


def test_leaves_that_stay_may_be_integers() -> None:
    params = {"a": jnp.ones(2), "n": jnp.arange(3)}
    rule = frozen(adam, {"a": False, "n": True})
    grads = jax.grad(lambda p: jnp.sum(p["a"]), allow_int=True)(params)
    updates, _ = once(rule, None, grads, params)
    assert bool(jnp.all(updates["a"] < 0))
    assert not np.any(np.asarray(updates["n"], bool))


# What is declared and what is checked


def test_skipping_is_declared_where_it_holds() -> None:
    assert skip_non_finite(sgd).SKIPS_NON_FINITE
    assert decayed(skip_non_finite(sgd)).SKIPS_NON_FINITE
    assert not mechanize(skip_non_finite(sgd)).SKIPS_NON_FINITE
    both = skip_non_finite(sgd), skip_non_finite(adam)
    assert partitioned(dict(zip("ab", both, strict=True)), TWO).SKIPS_NON_FINITE
    assert not partitioned({"a": skip_non_finite(sgd), "b": adam}, TWO).SKIPS_NON_FINITE


def test_a_label_is_no_field() -> None:
    params = {"x": jnp.ones(1), "y": jnp.ones(1)}
    for first in ("inner", "learning_rate"):
        rule = partitioned({first: adam, "b": sgd}, {"x": first, "y": "b"})
        with pytest.raises(BadValue, match="must be False without a learning rate"):
            decayed(rule)
        once(rule, None, params, params)


LIST: list[tuple[Callable[[], Any], type, str]] = [
    (
        lambda: flattened(decayed(sgd, {"x": True, "y": False})),
        BadValue,
        "flattened: `rule` must be one that treats all leaves alike; got "
        "decayed(sgd, mask={'x': True, 'y': False}). Put flattened inside of that.",
    ),
    (
        lambda: flattened(clipped(partitioned({"a": sgd, "b": adam}, TWO))),
        BadValue,
        "flattened: `rule` must be one that treats all leaves alike; got "
        "partitioned(a=sgd, b=adam). Put flattened inside of that.",
    ),
    (
        lambda: check(rprop, {"min_step_size": 10.0, "max_step_size": 1.0}),
        BadValue,
        "rprop: `min_step_size` must be < max_step_size = 1; got 10.",
    ),
    (
        lambda: check(cautious(lbfgs), {"inner.slope_rtol": 0.9, "inner.curv_rtol": 0.1}),
        BadValue,
        "cautious(lbfgs): `inner.slope_rtol` must be < inner.curv_rtol = 0.1; got 0.9.",
    ),
    (
        lambda: jax.eval_shape(lambda x: check(sgd, sgd.Hyper(x)), jnp.ones(3)),
        BadType,
        "sgd: `learning_rate` must be a scalar; got shape (3,). Batch over numbers with jax.vmap.",
    ),
    (
        lambda: jax.eval_shape(lambda x: check(sgd, sgd.Hyper(x)), 1j),
        BadType,
        "sgd: `learning_rate` must be a real number; got a traced complex64.",
    ),
    (
        lambda: scheduled(3, learning_rate=cosine),
        BadType,
        "scheduled: `optimizer` must be a rule with Hyper, init and update, or a name; got 3. "
        "Wrap a factory of Optax: optimizers.from_optax(optax.adam).",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), LIST, ids=itertools.count())
def test_errors(call: Callable[[], Any], kind: type, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == text


def test_a_run_goes_on_with_the_rule_that_it_is_of() -> None:
    options: dict[str, Any] = {"num_steps": 2, "record_every": 0}
    run = training.train("moons", adam, {}, KEY, **options)
    training.train("moons", adam, {"learning_rate": 1.0}, KEY, initial=run, **options)
    for other in (sgd, clipped(adam), "nadam", lbfgs):
        with pytest.raises(BadType) as caught:
            training.train("moons", other, {}, KEY, initial=run, **options)
    assert str(caught.value) == (
        "train: `initial` must be a Run with the state of lbfgs; got that of another: .step, "
        ".mean[0].weight, .mean[0].bias, .mean[1].weight. "
        "Pass its parameters alone, initial=run.params, to start the rule anew."
    )


def test_a_step_takes_a_dict_of_numbers() -> None:
    params = {"w": jnp.ones(2)}
    state = sgd.init(params, sgd.Hyper())
    found, _, loss = training.step(
        lambda p, batch, key: jnp.sum(p["w"]), sgd, params, state, None, {"learning_rate": 0.5}
    )
    assert found["w"].tolist() == [0.5, 0.5]
    assert float(loss) == 2.0
