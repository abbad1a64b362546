"""`from_optax`: Optax's factories as rules, against plain Optax; the contract; error texts."""

from __future__ import annotations

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from jaxnn.optimizers import apply_updates, base, bind, check, from_optax, scheduled
from jaxnn.schedules import cosine
from jaxnn.space import log_uniform, uniform

PARAMS = {"w": np.linspace(-1.0, 1.0, 6).reshape(2, 3), "b": np.array([0.5])}
RATE = {"learning_rate": 1e-2}


def loss_fn(params):
    return jnp.sum(jnp.sin(params["w"]) ** 2) + jnp.sum((params["b"] - 2.0) ** 2)


def params_of(dtype):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), PARAMS)


def train(rule, hyper, params, num_steps=20):
    def body(carry, _):
        params, state = carry
        value, grads = jax.value_and_grad(loss_fn)(params)
        extra = base.extras(rule, {"value": value, "value_fn": loss_fn})
        updates, state = rule.update(grads, state, params, hyper, **extra)
        return (apply_updates(params, updates), state), None

    return jax.lax.scan(body, (params, rule.init(params, hyper)), None, num_steps)[0]


def train_optax(tx, params, num_steps=20, extras=()):
    tx = optax.with_extra_args_support(tx)

    def body(_, carry):
        params, state = carry
        value, grads = jax.value_and_grad(loss_fn)(params)
        supply = {"value": value, "grad": grads, "value_fn": loss_fn, "obj_fn": loss_fn}
        extra = {name: supply[name] for name in extras}
        updates, state = tx.update(grads, state, params, **extra)
        return optax.apply_updates(params, updates), state

    return jax.lax.fori_loop(0, num_steps, body, (params, tx.init(params)))[0]


def assert_close(actual, expected, **tolerance):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


# The same parameters as Optax. Factory, arguments, what its update is called with.


FACTORIES = [
    (optax.adabelief, RATE, ()),
    (optax.adadelta, {"learning_rate": 1.0, "rho": 0.8}, ()),
    (optax.adafactor, RATE, ()),
    (optax.adagrad, RATE, ()),
    (optax.adam, RATE, ()),
    (optax.adamax, RATE, ()),
    (optax.adamw, {**RATE, "weight_decay": 0.1, "nesterov": True}, ()),
    (optax.adan, RATE, ()),
    (optax.amsgrad, RATE, ()),
    (optax.fromage, RATE, ()),
    (optax.lamb, {**RATE, "weight_decay": 0.1}, ()),
    (optax.lars, {**RATE, "weight_decay": 0.1}, ()),
    (optax.lbfgs, {"memory_size": 3}, ("grad", "value", "value_fn")),
    (optax.lion, RATE, ()),
    (optax.nadam, RATE, ()),
    (optax.noisy_sgd, {**RATE, "key": 0}, ()),
    (optax.novograd, RATE, ()),
    (optax.optimistic_adam_v2, RATE, ()),
    (optax.optimistic_gradient_descent, RATE, ()),
    (optax.polyak_sgd, {"f_min": 0.1}, ("value",)),
    (optax.radam, RATE, ()),
    (optax.rmsprop, {**RATE, "momentum": 0.9, "centered": True}, ()),
    (optax.rprop, RATE, ()),
    (optax.sgd, {**RATE, "momentum": 0.9, "nesterov": True}, ()),
    (optax.sign_sgd, RATE, ()),
    (optax.signum, RATE, ()),
    (optax.sm3, RATE, ()),
    (optax.yogi, RATE, ()),
    (optax.contrib.acprop, RATE, ()),
    (optax.contrib.ademamix, RATE, ()),
    (optax.contrib.adopt, RATE, ()),
    (optax.contrib.cocob, {}, ()),
    (optax.contrib.dadapt_adamw, {}, ()),
    (optax.contrib.dog, {}, ()),
    (optax.contrib.dowg, {}, ()),
    (optax.contrib.galore, {**RATE, "rank": 1}, ()),
    (optax.contrib.madgrad, RATE, ()),
    (optax.contrib.mechanize, {"base_optimizer": optax.sgd(0.1)}, ()),
    (optax.contrib.momo, {}, ("value",)),
    (optax.contrib.momo_adam, {}, ("value",)),
    (optax.contrib.muon, RATE, ()),
    (optax.contrib.prodigy, {}, ()),
    (
        optax.contrib.sam,
        {"optimizer": optax.sgd(0.1), "adv_optimizer": optax.sgd(0.05)},
        (),
    ),
    (optax.contrib.schedule_free_adamw, RATE, ()),
    (optax.contrib.schedule_free_sgd, {"warmup_steps": 4}, ()),
    (optax.contrib.simplified_ademamix, RATE, ()),
    (optax.contrib.sophia, RATE, ("obj_fn",)),
]
# Under x64 Optax computes a part of these in float32, from an int32 count and Python numbers.
ROUGH = {optax.adafactor: 1e-8, optax.contrib.madgrad: 1e-7}


@pytest.mark.parametrize(
    ("factory", "given", "extras"),
    FACTORIES,
    ids=[from_optax(case[0], **case[1]).REFERENCE for case in FACTORIES],
)
@pytest.mark.usefixtures("x64")
def test_same_parameters_as_plain_optax(factory, given, extras):
    rule = from_optax(factory, **given)
    params = params_of(jnp.float64)
    hyper = check(rule, rule.Hyper())
    ours, state = jax.jit(functools.partial(train, rule))(hyper, params)
    assert rule.arguments == set(extras)
    theirs = jax.jit(lambda p: train_optax(factory(**given), p, extras=extras))(params)
    assert max(float(jnp.max(jnp.abs(a - b))) for a, b in zip(
        jax.tree.leaves(ours), jax.tree.leaves(params), strict=True)) > 1e-4  # fmt: skip
    assert_close(ours, theirs, rtol=ROUGH.get(factory, 1e-12), atol=ROUGH.get(factory, 1e-14))
    before = jax.eval_shape(rule.init, params, hyper)
    assert jax.tree.map(jnp.result_type, state) == jax.tree.map(jnp.result_type, before)


@pytest.mark.parametrize("factory", [optax.adamw, optax.sgd, optax.lamb, optax.yogi])
def test_same_parameters_in_float32(factory):
    rule, params = from_optax(factory), params_of(jnp.float32)
    ours, _ = train(rule, check(rule, rule.Hyper()), params)
    assert_close(ours, train_optax(factory(1e-3), params), rtol=1e-6, atol=1e-6)


@pytest.mark.usefixtures("x64")
def test_numbers_in_float64_do_not_widen_float32_parameters():
    rule, params = from_optax(optax.adamw), params_of(jnp.float32)
    hyper = check(rule, rule.Hyper())
    assert hyper.learning_rate.dtype == jnp.float64
    state = rule.init(params, hyper)
    updates, after = rule.update(params, state, params, hyper)
    assert {x.dtype for x in jax.tree.leaves(updates)} == {jnp.dtype("float32")}
    assert jax.tree.map(jnp.result_type, after) == jax.tree.map(jnp.result_type, state)


def test_bound_again_it_is_optax():
    rule, params = from_optax(optax.adamw), params_of(jnp.float32)
    ours = train_optax(bind(rule, {"weight_decay": 0.1}), params)
    assert_close(ours, train_optax(optax.adamw(1e-3, weight_decay=0.1), params), rtol=1e-6)


# The contract


def test_numbers_and_structure():
    rule = from_optax(optax.sgd, momentum=0.9, nesterov=True)
    assert rule.Hyper() == (1e-3, 0.9)
    assert rule.Hyper._fields == ("learning_rate", "momentum")
    assert dict(rule.structure) == {"nesterov": True, "accumulator_dtype": None}
    assert from_optax(optax.sgd).Hyper._fields == ("learning_rate",)
    assert from_optax(optax.sgd, learning_rate=1).Hyper() == (1.0,)
    assert from_optax(optax.adam, eps=1).Hyper().eps == 1.0
    assert from_optax(optax.adam, b1=np.float32(0.5), b2=jnp.float32(0.25)).Hyper()[1:3] == (
        0.5,
        0.25,
    )
    assert from_optax(optax.adafactor, clipping_threshold=None).Hyper._fields == (
        "decay_rate",
        "eps",
    )
    assert from_optax(optax.adam, static=("eps",)).Hyper._fields == (
        "learning_rate",
        "b1",
        "b2",
        "eps_root",
    )


def test_a_schedule_is_structure():
    schedule = optax.linear_schedule(0.1, 0.0, 20)
    rule, params = from_optax(optax.sgd, learning_rate=schedule), params_of(jnp.float32)
    assert rule.Hyper() == ()
    assert rule.SEARCH_SPACE == {}
    ours, _ = train(rule, rule.Hyper(), params)
    assert_close(ours, train_optax(optax.sgd(schedule), params), rtol=1e-6)


def test_what_it_declares():
    rule = from_optax(optax.adamw)
    assert (rule.__name__, rule.REFERENCE) == ("optax.adamw", "optax.adamw")
    assert base.name_of(rule) == "optax.adamw"
    assert rule.STRUCTURE == {}
    assert dict(rule.SEARCH_SPACE) == {"learning_rate": log_uniform(1e-4, 1e0)}
    assert not rule.NEEDS
    assert rule.REVERSE_DIFFERENTIABLE is False
    assert from_optax(optax.adamw, reverse_differentiable=True).REVERSE_DIFFERENTIABLE is True
    space = {"b1": uniform(0.0, 0.9)}
    assert dict(from_optax(optax.adamw, search_space=space).SEARCH_SPACE) == space


def test_names():
    assert from_optax(optax.contrib.dowg).__name__ == "optax.contrib.dowg"
    assert from_optax(optax.adam, learning_rate=0.1).__name__ == "optax.adam"
    assert from_optax(optax.adam, b1=0.5, nesterov=True).__name__ == (
        "optax.adam(b1=0.5, nesterov=True)"
    )
    assert from_optax(optax.adamw, mask=only_matrices).__name__ == (
        "optax.adamw(mask=only_matrices)"
    )
    assert from_optax(optax.nadam).__name__ == "optax.nadam"
    assert from_optax(halving).REFERENCE.endswith("test_from_optax.halving")


def halving(learning_rate):
    """A factory of one's own."""
    return optax.chain(optax.scale(0.5), optax.sgd(learning_rate))


def only_matrices(params):
    return jax.tree.map(lambda x: jnp.ndim(x) == 2, params)


def test_what_it_needs_is_found_within_chains():
    def polyak(max_learning_rate=1.0):
        return optax.chain(optax.clip(1.0), optax.polyak_sgd(max_learning_rate))

    def masked(max_learning_rate=1.0):
        labels = {"w": "a", "b": "b"}
        return optax.partition(
            {"a": optax.polyak_sgd(max_learning_rate), "b": optax.sgd(0.1)}, labels
        )

    def needed(*args, **kwargs):
        return set(from_optax(*args, **kwargs).NEEDS)

    assert needed(polyak) == {"value"}
    assert needed(masked) == {"value"}
    assert needed(optax.lbfgs) == {"value", "value_fn"}
    assert needed(optax.contrib.sophia) == {"value_fn"}
    assert needed(optax.adam, needs=["value"]) == {"value"}


def test_a_missing_need_is_named():
    rule, params = from_optax(optax.polyak_sgd), params_of(jnp.float32)
    hyper = rule.Hyper()
    with pytest.raises(TypeError) as error:
        rule.update(params, rule.init(params, hyper), params, hyper)
    assert str(error.value) == (
        "optax.polyak_sgd: `value` must be supplied with each update; got nothing. "
        "Pass it to `update` as a keyword: the loss at `params`, a scalar."
    )


def test_evaluation_params():
    free = optax.contrib.schedule_free_sgd
    given = optax.contrib.schedule_free_eval_params
    rule, params = from_optax(free, evaluation_params=given), params_of(jnp.float32)
    hyper = check(rule, rule.Hyper(learning_rate=0.1))
    trained, state = train(rule, hyper, params)
    averaged = base.evaluation_params(rule, state, trained, hyper)
    assert_close(averaged, given(state, trained), rtol=1e-7)
    assert not np.allclose(averaged["w"], trained["w"])
    plain = from_optax(free)
    assert base.evaluation_params(plain, state, trained, hyper) is trained


def test_one_object_for_the_same_arguments():
    rule = from_optax(optax.adamw, weight_decay=0.1, mask=only_matrices)
    assert rule is from_optax(optax.adamw, mask=only_matrices, weight_decay=0.1)
    assert rule != from_optax(optax.adamw, weight_decay=0.2, mask=only_matrices)
    assert len({rule, from_optax(optax.adamw, weight_decay=0.1, mask=only_matrices)}) == 1
    assert type(rule.Hyper()) is type(rule.Hyper(learning_rate=0.5))


def test_rules_and_numbers_pickle():
    factories = (optax.adamw, optax.nadam, optax.polyak_sgd, halving)
    for rule in map(from_optax, factories):
        assert pickle.loads(pickle.dumps(rule)) is rule
        hyper = check(rule, rule.Hyper())
        again = pickle.loads(pickle.dumps(hyper))
        assert type(again) is type(hyper)
        assert again == hyper
    wrapped = scheduled(from_optax(optax.adamw), learning_rate=cosine)
    assert pickle.loads(pickle.dumps(wrapped)) is wrapped


def test_one_trace_for_all_numbers():
    rule, params, traces = from_optax(optax.adamw), params_of(jnp.float32), []

    @functools.partial(jax.jit, static_argnames="rule")
    def final(rule, hyper):
        traces.append(hyper)
        return train(rule, hyper, params, 2)[0]

    for rate, decay in [(1e-3, 0.0), (0.1, 0.5), (1.0, 1e-4)]:
        final(from_optax(optax.adamw), check(rule, {"learning_rate": rate, "weight_decay": decay}))
    assert len(traces) == 1


@pytest.mark.parametrize("factory", [optax.adamw, optax.contrib.dowg, optax.polyak_sgd])
def test_lanes_over_every_number_are_the_trials_alone(factory):
    rule, params = from_optax(factory), params_of(jnp.float32)
    hypers = [
        check(rule, rule.Hyper(*(x * scale for x in rule.Hyper()))) for scale in (1.0, 0.9, 0.5)
    ]
    final = jax.jit(lambda hyper: train(rule, hyper, params, 5)[0])
    batch = jax.tree.map(lambda *xs: jnp.stack(xs), *hypers)
    together = jax.vmap(final)(batch)
    alone = jax.tree.map(lambda *xs: jnp.stack(xs), *[final(hyper) for hyper in hypers])
    assert_close(together, alone, rtol=2e-5, atol=1e-6)


@pytest.mark.usefixtures("x64")
def test_a_scheduled_optax_rule_is_optax_with_the_schedule():
    rule = scheduled(from_optax(optax.adamw), learning_rate=cosine)
    params = params_of(jnp.float64)
    ours, state = train(rule, check(rule, {"inner.learning_rate": 0.1, "num_steps": 20}), params)
    schedule = optax.cosine_decay_schedule(0.1, 20)
    assert_close(ours, train_optax(optax.adamw(schedule), params), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(rule.record(state)["learning_rate"], schedule(19), rtol=1e-12)


def test_derivatives_pass_where_optax_lets_them():
    rule = from_optax(optax.sgd, momentum=0.9, reverse_differentiable=True)
    params = params_of(jnp.float32)
    final = jax.jit(lambda hyper: loss_fn(train(rule, hyper, params, 3)[0]))
    hyper = check(rule, rule.Hyper(0.01, 0.9))
    grads = jax.grad(final)(hyper)
    for field in hyper._fields:
        x = getattr(hyper, field)
        up, down = (final(hyper._replace(**{field: x + d})) for d in (1e-3, -1e-3))
        np.testing.assert_allclose(getattr(grads, field), (up - down) / 2e-3, rtol=1e-2)


# Errors


def text_of(kind, call):
    with pytest.raises(kind) as error:
        call()
    return str(error.value)


def branching(learning_rate, momentum=0.9):
    """A factory that tests a number in Python."""
    return optax.sgd(learning_rate, momentum if momentum > 0 else None)


def late(learning_rate, factor=0.5):
    """A transformation that tests a number in its update."""

    def update(updates, state, params=None):
        return (updates if factor > 1 else jax.tree.map(lambda g: -g, updates)), state

    return optax.GradientTransformation(lambda params: (), update)


def test_a_number_whose_value_is_tested():
    assert text_of(TypeError, lambda: from_optax(branching)) == (
        f"{__name__}.branching: `momentum` must be traceable; got a test of its value in Python. "
        f"Hold it fixed: from_optax({__name__}.branching, static=('momentum',))."
    )
    rule, params = from_optax(branching, static=("momentum",)), params_of(jnp.float32)
    assert rule.Hyper._fields == ("learning_rate",)
    ours, _ = train(rule, check(rule, rule.Hyper()), params)
    assert_close(ours, train_optax(optax.sgd(1e-3, 0.9), params), rtol=1e-6)
    assert text_of(TypeError, lambda: from_optax(optax.contrib.reduce_on_plateau)) == (
        "optax.contrib.reduce_on_plateau: `factor` must be traceable; got a test of its value in "
        "Python. Hold it fixed: from_optax(optax.contrib.reduce_on_plateau, static=('factor',))."
    )


def test_a_number_whose_value_is_tested_in_the_update():
    rule, params = from_optax(late), params_of(jnp.float32)
    assert text_of(TypeError, lambda: jax.jit(rule.update)(params, (), params, rule.Hyper())) == (
        f"{__name__}.late: `learning_rate, factor` must be traceable; got a test of its value in "
        f"Python. Hold it fixed: from_optax({__name__}.late, static=('learning_rate, factor',))."
    )


def test_unknown_and_missing_arguments():
    assert text_of(ValueError, lambda: from_optax(optax.sgd, momentm=0.9)) == (
        "optax.sgd: `defaults` must be one of accumulator_dtype, learning_rate, momentum, "
        "nesterov; got 'momentm'. Did you mean 'momentum'?"
    )
    assert text_of(ValueError, lambda: from_optax(optax.sgd, static=("nestrov",))) == (
        "optax.sgd: `static` must be one of accumulator_dtype, learning_rate, momentum, nesterov; "
        "got 'nestrov'. Did you mean 'nesterov'?"
    )
    assert text_of(ValueError, lambda: from_optax(optax.lookahead)) == (
        "optax.lookahead: `fast_optimizer` must be given; got nothing. "
        "Write from_optax(optax.lookahead, fast_optimizer=...)."
    )
    space = {"learning_rat": log_uniform(1e-3, 1e-1)}
    assert text_of(ValueError, lambda: from_optax(optax.sgd, search_space=space)) == (
        "optax.sgd: `search_space` must be one of learning_rate; got 'learning_rat'. "
        "Did you mean 'learning_rate'?"
    )
    assert text_of(ValueError, lambda: from_optax(optax.sgd, needs=("valu",))).endswith(
        "got 'valu'. Did you mean 'value'?"
    )


def test_what_is_no_factory():
    assert text_of(TypeError, lambda: from_optax("adamw")) == (
        "from_optax: `factory` must be a callable; got str. "
        "Pass optax.adamw itself, not what optax.adamw(1e-3) returns."
    )
    assert text_of(TypeError, lambda: from_optax(optax.adamw(1e-3))).startswith(
        "from_optax: `factory` must be a callable; got GradientTransformation"
    )
    assert text_of(TypeError, lambda: from_optax(optax.constant_schedule, value=0.1)) == (
        "from_optax: `factory` must be a factory of gradient transformations; got one of function."
    )


def test_structure_that_does_not_hash():
    assert text_of(TypeError, lambda: from_optax(optax.adamw, mask={"w": True, "b": False})) == (
        "optax.adamw: `mask` must be hashable, being structure; got a dict. "
        "Pass an integer for a key, a function of the parameters for a mask."
    )


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_parameters_below_float32_are_refused(dtype):
    rule = from_optax(optax.adam)
    params, hyper = params_of(dtype), rule.Hyper()
    expected = (
        "optax.adam: `{}` must be of float32 or wider; got {}. "
        "Most Optax rules change the dtype of their state or overflow below it."
    )
    name = jnp.dtype(dtype).name
    assert text_of(TypeError, lambda: rule.init(params, hyper)) == expected.format("params", name)
    wide = params_of(jnp.float32)
    state = rule.init(wide, hyper)
    assert text_of(TypeError, lambda: rule.update(params, state, wide, hyper)) == (
        expected.format("grads", name)
    )


def test_wrong_numbers():
    rule = from_optax(optax.adamw)
    assert text_of(ValueError, lambda: check(rule, rule.Hyper(learning_rate=-0.1))) == (
        "optax.adamw: `learning_rate` must be > 0; got -0.1. Did you mean 0.1?"
    )
    assert text_of(ValueError, lambda: check(rule, {"b3": 0.9})) == (
        "optax.adamw: `hyper` must be one of b1, b2, eps, eps_root, learning_rate, weight_decay; "
        "got 'b3'."
    )
