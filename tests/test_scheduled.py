"""The wrapper `scheduled`: agreement with Optax, contracts, nesting, error texts."""

from __future__ import annotations

import pickle
import types
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import schedules, tree
from jaxnn.errors import BadValue
from jaxnn.optimizers import adam, apply_updates, base, check, clipped, get, scheduled, sgd
from jaxnn.schedules import constant, cosine, linear, piecewise, warmup_cosine

STEPS = 50
PARAMS = {"w": np.linspace(-1.0, 1.0, 6).reshape(2, 3), "b": np.array([0.5])}


def target(params):
    return jnp.sum(jnp.sin(params["w"]) ** 2) + jnp.sum((params["b"] - 2.0) ** 2)


def params_of(dtype=jnp.float32):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), PARAMS)


def run(rule, hyper, num_steps=STEPS, params=None):
    """Parameters after `num_steps`, and the records of every step."""

    def body(carry, _):
        params, state = carry
        updates, state = rule.update(jax.grad(target)(params), state, params, hyper)
        return (apply_updates(params, updates), state), base.record(rule, state)

    params = params_of() if params is None else params
    (params, _), records = jax.lax.scan(body, (params, rule.init(params, hyper)), None, num_steps)
    return params, records


def run_optax(tx, num_steps=STEPS):
    params = params_of(jnp.float64)
    state = tx.init(params)
    for _ in range(num_steps):
        updates, state = tx.update(jax.grad(target)(params), state, params)
        params = optax.apply_updates(params, updates)
    return params


def assert_close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


# Agreement


@pytest.mark.usefixtures("x64")
def test_a_scheduled_rate_equals_optax():
    rule = scheduled(adam, learning_rate=warmup_cosine)
    hyper = rule.Hyper(adam.Hyper(3e-2), {"learning_rate": warmup_cosine.Hyper(0.1)}, STEPS)
    ours, records = run(rule, check(rule, hyper), params=params_of(jnp.float64))
    schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-2, 5, STEPS)
    # Optax divides an int32 count in float32, under x64 too.
    tx = optax.adam(lambda count: schedule(count.astype(jnp.float64)))
    assert_close(ours, run_optax(tx), rtol=1e-12, atol=1e-15)
    expected = [float(schedule(t)) for t in range(STEPS)]
    np.testing.assert_allclose(records["learning_rate"], expected, rtol=1e-12, atol=1e-17)


@pytest.mark.usefixtures("x64")
def test_an_optax_schedule_plugs_in_and_ignores_the_base():
    schedule = optax.cosine_decay_schedule(3e-2, 40, alpha=0.1)
    rule = scheduled(adam, learning_rate=schedules.from_optax(schedule, "learning_rate"))
    hyper = check(rule, rule.Hyper(adam.Hyper(123.0)))
    ours, _ = run(rule, hyper, params=params_of(jnp.float64))
    assert_close(ours, run_optax(optax.adam(schedule)), rtol=1e-12, atol=1e-15)


@pytest.mark.usefixtures("x64")
def test_a_scheduled_momentum_is_the_loop_with_new_numbers():
    rule = scheduled(adam, b1=linear)
    hyper = rule.Hyper(adam.Hyper(1e-2, b1=0.95), {"b1": linear.Hyper(0.9, 1.0)}, STEPS)
    ours, records = run(rule, check(rule, hyper), params=params_of(jnp.float64))
    params = params_of(jnp.float64)
    state = adam.init(params, hyper.inner)
    for t in range(STEPS):
        now = adam.Hyper(1e-2, b1=0.95 * (0.9 + 0.1 * t / STEPS))
        updates, state = adam.update(jax.grad(target)(params), state, params, now)
        params = apply_updates(params, updates)
    assert_close(ours, params, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(records["b1"][:2], [0.855, 0.855 + 0.095 / STEPS], rtol=1e-14)


@pytest.mark.usefixtures("x64")
def test_twice_nested_equals_both_at_once():
    once = scheduled(adam, learning_rate=cosine, b1=linear)
    numbers = {"learning_rate": cosine.Hyper(0.1), "b1": linear.Hyper(0.9, 1.0)}
    expected, records = run(once, check(once, once.Hyper(schedules=numbers, num_steps=STEPS)), 20)
    inside = scheduled(adam, learning_rate=cosine)
    twice = scheduled(inside, **{"inner.b1": linear})
    inner = inside.Hyper(None, {"learning_rate": cosine.Hyper(0.1)}, STEPS)
    hyper = twice.Hyper(inner, {"inner.b1": linear.Hyper(0.9, 1.0)}, STEPS)
    actual, nested_records = run(twice, check(twice, hyper), 20)
    assert_close(actual, expected, rtol=1e-14)
    assert set(records) == {"learning_rate", "b1"}
    assert_close(nested_records, records, rtol=1e-14)


def test_of_a_field_scheduled_twice_the_value_used_is_recorded():
    rule = scheduled(scheduled(sgd, learning_rate=linear), **{"inner.learning_rate": linear})
    hyper = rule.Hyper(rule.rule.Hyper(sgd.Hyper(1.0), num_steps=4), num_steps=4)
    _, records = run(rule, check(rule, hyper), 4)
    np.testing.assert_allclose(records["learning_rate"], [1, 0.75**2, 0.5**2, 0.25**2])


def test_numbers_of_a_schedule_can_be_scheduled():
    rule = scheduled(
        scheduled(sgd, learning_rate=linear), **{"schedules.learning_rate.init": linear}
    )
    hyper = rule.Hyper(rule.rule.Hyper(sgd.Hyper(1.0), num_steps=4), num_steps=4)
    _, records = run(rule, check(rule, hyper), 4)
    np.testing.assert_allclose(records["learning_rate"], [1, 0.75**2, 0.5**2, 0.25**2])


# Contracts


def test_values_stand_in_the_state_from_the_start_and_keep_its_shape():
    rule = scheduled(adam, learning_rate=warmup_cosine)
    hyper = rule.Hyper(num_steps=10)
    start = rule.init(params_of(), hyper)
    assert rule.record(start) == {"learning_rate": 0.0}
    assert all(isinstance(x, jax.Array) and not x.weak_type for x in jax.tree.leaves(start))
    _, after = rule.update(params_of(), start, params_of(), hyper)
    assert jax.tree.map(jnp.result_type, start) == jax.tree.map(jnp.result_type, after)
    assert after.step == 1


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
@pytest.mark.usefixtures("strict_dtypes")
def test_a_value_has_the_dtype_of_its_number(dtype):
    rule = scheduled(adam, learning_rate=cosine)
    numbers = jax.tree.map(lambda x: jnp.asarray(x, dtype), adam.Hyper())
    hyper = rule.Hyper(numbers, num_steps=10)
    params = params_of(dtype)
    updates, state = rule.update(params, rule.init(params, hyper), params, hyper)
    assert state.values["learning_rate"].dtype == dtype
    assert jax.tree.leaves(updates)[0].dtype == dtype


def test_a_whole_number_as_base_will_do():
    rule = scheduled(sgd, learning_rate=linear)
    _, records = run(rule, rule.Hyper(sgd.Hyper(1), num_steps=2), 2)
    np.testing.assert_allclose(records["learning_rate"], [1.0, 0.5])


def test_one_trace_for_all_numbers():
    rule = scheduled(adam, learning_rate=piecewise, b1=linear)
    traces = []

    @jax.jit
    def final(hyper):
        traces.append(hyper)
        return run(rule, hyper, 3)[0]

    for rate, scale, num_steps in [(1e-3, 0.1, 10), (1e-2, 0.5, 20), (1.0, 0.0, 3)]:
        pieces = piecewise.Hyper((0.3, 0.6), (scale, scale))
        hyper = rule.Hyper(adam.Hyper(rate), {"learning_rate": pieces}, num_steps)
        final(check(rule, hyper))
    assert len(traces) == 1


def test_lanes_over_base_and_schedule_numbers_are_the_trials_alone():
    rule = scheduled(adam, learning_rate=warmup_cosine)

    def hyper_of(rate, warmup, num_steps):
        numbers = {"learning_rate": warmup_cosine.Hyper(warmup)}
        return check(rule, rule.Hyper(adam.Hyper(rate), numbers, num_steps))

    settings = [(1e-2, 0.1, 20), (3e-2, 0.5, 20), (1e-1, 0.0, 40)]
    hypers = [hyper_of(*setting) for setting in settings]
    batch = jax.tree.map(lambda *xs: jnp.stack(xs), *hypers)
    together = jax.jit(jax.vmap(lambda h: run(rule, h, 10)[0]))(batch)
    alone = [run(rule, h, 10)[0] for h in hypers]
    assert_close(together, jax.tree.map(lambda *xs: jnp.stack(xs), *alone), rtol=2e-5, atol=1e-6)


@pytest.mark.usefixtures("x64")
def test_derivatives_with_respect_to_every_number_are_right():
    rule = scheduled(adam, learning_rate=warmup_cosine, b1=linear)
    numbers = {"learning_rate": warmup_cosine.Hyper(0.33, 0.1, 0.1), "b1": linear.Hyper(0.9, 0.8)}
    hyper = check(rule, rule.Hyper(adam.Hyper(0.1), numbers))

    @jax.jit
    def loss(hyper):
        return target(run(rule, hyper._replace(num_steps=10.0), 8, params_of(jnp.float64))[0])

    grads = jax.grad(loss)(hyper)
    for path in ("inner.learning_rate", "inner.b1", "schedules.learning_rate.warmup",
                 "schedules.learning_rate.init", "schedules.learning_rate.end",
                 "schedules.b1.init", "schedules.b1.end"):  # fmt: skip
        x = tree.get_field(hyper, path)
        up, down = (loss(tree.replace_field(hyper, path, x + d)) for d in (1e-6, -1e-6))
        difference = (up - down) / 2e-6
        assert difference != 0
        np.testing.assert_allclose(tree.get_field(grads, path), difference, rtol=1e-5)


def test_it_is_one_object_hashed_by_value_and_pickled():
    rule = scheduled(adam, b1=linear, learning_rate=cosine)
    assert rule is scheduled("adam", learning_rate=cosine, b1=linear)
    assert rule != scheduled(adam, b1=cosine, learning_rate=cosine)
    assert pickle.loads(pickle.dumps(rule)) is rule
    nested = scheduled(rule, **{"inner.eps": constant})
    assert pickle.loads(pickle.dumps(nested)) is nested
    hyper = check(nested, nested.Hyper(rule.Hyper(num_steps=2)))
    assert jax.tree.structure(pickle.loads(pickle.dumps(hyper))) == jax.tree.structure(hyper)


def test_it_says_what_it_is():
    rule = scheduled(adam, learning_rate=cosine, b1=linear)
    assert base.name_of(rule) == "scheduled(adam, b1=linear, learning_rate=cosine)"
    assert rule.rule is adam
    assert rule.schedules == {"b1": linear, "learning_rate": cosine}


def test_it_forwards_what_the_rule_declares():
    rule = scheduled(adam, learning_rate=cosine)
    inside = {"optax": {}, "keras": {"inner.eps": 1e-7}}
    assert dict(rule.STRUCTURE) == {"inner.flavor": inside}
    assert rule.SEARCH_SPACE["inner.learning_rate"] is adam.SEARCH_SPACE["learning_rate"]
    assert rule.REFERENCE == adam.REFERENCE
    assert rule.NEEDS == adam.NEEDS
    assert rule.REVERSE_DIFFERENTIABLE is adam.REVERSE_DIFFERENTIABLE
    assert rule.EVALUATIONS == 1
    assert not hasattr(rule, "value_and_grad")
    params = params_of()
    hyper = rule.Hyper(num_steps=3)
    assert base.evaluation_params(rule, rule.init(params, hyper), params, hyper) is params


class _Hyper(NamedTuple):
    learning_rate: float = 0.5


class _Searching:
    """A rule that needs the loss, saves a gradient, and evaluates elsewhere."""

    Hyper = _Hyper
    STRUCTURE = types.MappingProxyType({})
    SEARCH_SPACE = types.MappingProxyType({})
    REFERENCE = ""
    NEEDS = frozenset({"value"})
    REVERSE_DIFFERENTIABLE = False
    EVALUATIONS = 3

    def init(self, params, hyper):
        del params
        return {"rate": hyper.learning_rate}

    def update(self, grads, state, params, hyper, *, value):
        del params, state
        return jax.tree.map(lambda g: -value * g, grads), {"rate": hyper.learning_rate}

    def evaluation_params(self, state, params, hyper):
        del state
        return jax.tree.map(lambda p: p + hyper.learning_rate, params)

    def value_and_grad(self, state):
        return state["rate"], "gradient"

    def record(self, state):
        return {"step_size": state["rate"]}


def test_it_forwards_what_the_rule_needs_and_does():
    rule = scheduled(_Searching(), learning_rate=linear)
    assert set(rule.NEEDS) == {"value"}
    assert (rule.EVALUATIONS, rule.REVERSE_DIFFERENTIABLE) == (3, False)
    params, hyper = {"x": jnp.zeros(2)}, rule.Hyper(num_steps=2)
    state = rule.init(params, hyper)
    for _ in range(2):
        updates, state = rule.update({"x": jnp.ones(2)}, state, params, hyper, value=3.0)
    np.testing.assert_array_equal(updates["x"], [-3.0, -3.0])
    np.testing.assert_array_equal(rule.evaluation_params(state, params, hyper)["x"], [0.25, 0.25])
    assert rule.value_and_grad(state) == (0.25, "gradient")
    assert rule.record(state) == {"learning_rate": 0.25, "step_size": 0.25}


def test_a_structural_variant_can_be_scheduled():
    variant = get("rmsprop", centered=True)
    rule = scheduled(variant, learning_rate=linear)
    assert rule.rule is variant
    _, records = run(rule, check(rule, rule.Hyper(num_steps=2)), 2)
    rate = variant.Hyper().learning_rate
    np.testing.assert_allclose(records["learning_rate"], [rate, rate / 2], rtol=1e-6)


# Numbers and errors


def text_of(kind, call):
    with pytest.raises(kind) as error:
        call()
    return str(error.value)


def test_dotted_names_reach_every_number():
    rule = scheduled(scheduled(adam, learning_rate=cosine), **{"inner.b1": linear})
    hyper = check(
        rule,
        {
            "num_steps": 10,
            "inner.num_steps": 20,
            "inner.inner.learning_rate": 0.1,
            "inner.schedules.learning_rate.end": 0.2,
            "schedules.inner.b1.init": 0.3,
        },
    )
    assert hyper.num_steps == 10
    assert hyper.inner.num_steps == 20
    np.testing.assert_allclose(hyper.inner.inner.learning_rate, 0.1)
    np.testing.assert_allclose(hyper.inner.schedules["learning_rate"].end, 0.2)
    np.testing.assert_allclose(hyper.schedules["inner"]["b1"].init, 0.3)
    assert all(not x.weak_type for x in jax.tree.leaves(hyper))


def test_check_reaches_the_schedules():
    rule = scheduled(adam, learning_rate=cosine, b1=piecewise)
    hyper = rule.Hyper(schedules={"learning_rate": cosine.Hyper(1.5)})
    assert text_of(BadValue, lambda: check(rule, hyper)) == (
        "scheduled(adam, b1=piecewise, learning_rate=cosine): `schedules.learning_rate.end` must "
        "be in [0, 1]; got 1.5. Did you mean 0?"
    )
    hyper = rule.Hyper(schedules={"b1": piecewise.Hyper((0.5, 0.7, 1.1), (1.0, 1.0, 1.0))})
    assert text_of(BadValue, lambda: check(rule, hyper)) == (
        "scheduled(adam, b1=piecewise, learning_rate=cosine): `schedules.b1.boundaries.2` must be "
        "in [0, 1]; got 1.1."
    )
    assert text_of(BadValue, lambda: check(rule, rule.Hyper(num_steps=0))) == (
        "scheduled(adam, b1=piecewise, learning_rate=cosine): `num_steps` must be >= 1; got 0."
    )


def test_check_knows_the_rule_and_the_schedules_apart():
    rule = scheduled(adam, learning_rate=cosine)
    assert text_of(TypeError, lambda: check(rule, rule.Hyper(sgd.Hyper()))) == (
        "scheduled(adam, learning_rate=cosine): `inner` must be a jaxnn.optimizers.adam.Hyper; "
        "got jaxnn.optimizers.sgd.Hyper. Start from the default."
    )
    other = scheduled(adam, b1=cosine)
    assert text_of(TypeError, lambda: check(rule, other.Hyper())) == (
        "scheduled(adam, learning_rate=cosine): `schedules` must be a dict of learning_rate; "
        "got dict of b1. Start from the default."
    )
    wrong = rule.Hyper(schedules={"learning_rate": 0.5})
    assert text_of(TypeError, lambda: check(rule, wrong)) == (
        "scheduled(adam, learning_rate=cosine): `schedules.learning_rate` must be a "
        "jaxnn.schedules.cosine.Hyper; got float. Start from the default."
    )


def test_num_steps_that_nobody_filled_in_is_an_error_where_it_is_needed():
    rule = scheduled(adam, learning_rate=cosine)
    expected = (
        "scheduled(adam, learning_rate=cosine): `num_steps` must be given, since cosine is "
        "stretched over the run; got None. Pass Hyper(num_steps=...); jaxnn.training fills it in."
    )
    hyper, params = check(rule, rule.Hyper()), params_of()
    assert text_of(BadValue, lambda: rule.init(params, hyper)) == expected
    state = rule.init(params, rule.Hyper(num_steps=3))
    assert text_of(BadValue, lambda: rule.update(params, state, params, hyper)) == expected
    free = scheduled(adam, learning_rate=constant)
    assert free.record(free.init(params, free.Hyper()))["learning_rate"] == jnp.float32(1e-3)


def test_unknown_fields_and_schedules():
    assert text_of(ValueError, lambda: scheduled(adam, learning_rat=cosine)) == (
        "scheduled(adam): `field` must be one of b1, b2, eps, eps_root, learning_rate; "
        "got 'learning_rat'. Did you mean 'learning_rate'?"
    )
    nested = scheduled(sgd, learning_rate=cosine)
    assert text_of(ValueError, lambda: scheduled(nested, learning_rate=cosine)) == (
        "scheduled(scheduled(sgd, learning_rate=cosine)): `field` must be one of "
        "inner.learning_rate, schedules.learning_rate.end; got 'learning_rate'. "
        "Did you mean 'inner.learning_rate'?"
    )
    assert text_of(TypeError, lambda: scheduled(adam, learning_rate="cosine")) == (
        "scheduled(adam): `learning_rate` must be a schedule; got 'cosine'. "
        "Pass jaxnn.schedules.get('cosine'); training alone takes names."
    )
    assert text_of(TypeError, lambda: scheduled(adam, learning_rate=0.1)) == (
        "scheduled(adam): `learning_rate` must be a schedule; got 0.1. "
        "Pass for example jaxnn.schedules.cosine."
    )
    theirs = {"inner.learning_rate": optax.linear_schedule(1.0, 0.0, 9)}
    assert text_of(TypeError, lambda: scheduled(clipped(adam), **theirs)) == (
        "scheduled(clipped(adam)): `inner.learning_rate` must be a schedule; got the function "
        'schedule. Pass jaxnn.schedules.from_optax(fn, "learning_rate").'
    )
    assert text_of(TypeError, lambda: scheduled(sgd)) == (
        "scheduled(sgd): `schedules` must be given for one or more of learning_rate; got none."
    )
    rates = schedules.from_optax(optax.constant_schedule(0.1), "learning_rate")
    assert text_of(ValueError, lambda: scheduled(adam, b1=rates)) == (
        "scheduled(adam): `b1` must be a schedule of that field; got one of 'learning_rate'. "
        'Make it with schedules.from_optax(fn, "b1").'
    )
    rule = scheduled(adam, learning_rate=cosine)
    assert text_of(ValueError, lambda: rule.Hyper(schedules={"b1": cosine.Hyper()})) == (
        "scheduled(adam, learning_rate=cosine): `schedules` must be one of learning_rate; got 'b1'."
    )
