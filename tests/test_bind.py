"""`bind`: the same parameters as Optax wherever a transformation goes, one trace, error texts."""

from __future__ import annotations

from typing import NamedTuple

import chex
import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState

from jaxnn.optimizers import adam, adamw, bind, scheduled, sgd
from jaxnn.optimizers.bind import BoundState
from jaxnn.schedules import cosine

RATE = 1e-3
INPUTS = np.linspace(-2.0, 2.0, 24).reshape(8, 3)
TARGETS = np.sin(INPUTS.sum(axis=1, keepdims=True))

precisions = pytest.mark.parametrize(
    ("wide", "num_steps", "tolerance"), [(False, 20, 1e-6), (True, 200, 1e-10)]
)


def data(dtype):
    return jnp.asarray(INPUTS, dtype), jnp.asarray(TARGETS, dtype)


def start(dtype=jnp.float32):
    """A little network as plain arrays."""
    w = np.linspace(-0.5, 0.5, 12)
    first, second = w.reshape(3, 4), w[:4].reshape(4, 1)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), {"first": first, "second": second})


def loss_fn(params):
    inputs, targets = data(params["first"].dtype)
    return jnp.mean((jnp.tanh(inputs @ params["first"]) @ params["second"] - targets) ** 2)


def train(tx, params, num_steps, loss_fn=loss_fn):
    def body(_, carry):
        params, state = carry
        updates, state = tx.update(jax.grad(loss_fn)(params), state, params)
        return optax.apply_updates(params, updates), state

    return jax.jit(lambda: jax.lax.fori_loop(0, num_steps, body, (params, tx.init(params))))()[0]


def assert_close(actual, expected, tolerance):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def assert_moved(before, after):
    assert not np.allclose(jax.tree.leaves(before)[0], jax.tree.leaves(after)[0], atol=1e-2)


# The same parameters as Optax


@precisions
def test_in_a_chain_with_clipping(wide, num_steps, tolerance):
    with jax.enable_x64(wide):
        params = start(jnp.float64 if wide else jnp.float32)
        clip = optax.clip_by_global_norm(1.0)
        ours = train(optax.chain(clip, bind(adam, adam.Hyper(RATE))), params, num_steps)
        theirs = train(optax.chain(clip, optax.adam(RATE)), params, num_steps)
        assert_moved(params, ours)
        assert_close(ours, theirs, tolerance)


class Network(nn.Module):
    dtype: type

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4, dtype=self.dtype, param_dtype=self.dtype)(x)
        return nn.Dense(1, dtype=self.dtype, param_dtype=self.dtype)(jnp.tanh(x))


@jax.jit
def flax_step(state, inputs, targets):
    def loss(params):
        return jnp.mean((state.apply_fn({"params": params}, inputs) - targets) ** 2)

    return state.apply_gradients(grads=jax.grad(loss)(state.params))


@precisions
def test_in_the_train_state_of_flax(wide, num_steps, tolerance):
    with jax.enable_x64(wide):
        dtype = jnp.float64 if wide else jnp.float32
        network, (inputs, targets) = Network(dtype), data(dtype)
        params = network.init(jax.random.key(0), inputs)["params"]
        final = []
        for tx in (bind("adam", {"learning_rate": RATE}), optax.adam(RATE)):
            state = TrainState.create(apply_fn=network.apply, params=params, tx=tx)
            for _ in range(num_steps):
                state = flax_step(state, inputs, targets)
            final.append(state.params)
        assert_moved(params, final[0])
        assert_close(*final, tolerance)


@precisions
def test_in_an_equinox_loop(wide, num_steps, tolerance):
    with jax.enable_x64(wide):
        dtype = jnp.float64 if wide else jnp.float32
        inputs, targets = data(dtype)
        model = eqx.nn.MLP(3, 1, 4, 1, activation=jnp.tanh, dtype=dtype, key=jax.random.key(0))

        def loss(model):
            return jnp.mean((jax.vmap(model)(inputs) - targets) ** 2)

        def trained(tx):
            @eqx.filter_jit
            def step(model, state):
                grads = eqx.filter_grad(loss)(model)
                params = eqx.filter(model, eqx.is_inexact_array)
                updates, state = tx.update(grads, state, params)
                return eqx.apply_updates(model, updates), state

            trained, state = model, tx.init(eqx.filter(model, eqx.is_inexact_array))
            for _ in range(num_steps):
                trained, state = step(trained, state)
            return eqx.filter(trained, eqx.is_inexact_array)

        ours = trained(bind(adam, adam.Hyper(RATE)))
        assert_moved(eqx.filter(model, eqx.is_inexact_array), ours)
        assert_close(ours, trained(optax.adam(RATE)), tolerance)


def test_in_the_optimizer_of_nnx():
    inputs, targets = data(jnp.float32)

    def trained(tx):
        model = nnx.Linear(3, 1, rngs=nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
        for _ in range(20):
            grads = nnx.grad(lambda model: jnp.mean((model(inputs) - targets) ** 2))(model)
            optimizer.update(model, grads)
        return nnx.state(model, nnx.Param)

    assert_close(trained(bind(adam, adam.Hyper(RATE))), trained(optax.adam(RATE)), 1e-6)


def test_masked_and_partitioned():
    labels = {"first": "ours", "second": "frozen"}
    params = start()

    def partitioned(tx):
        return optax.partition({"ours": tx, "frozen": optax.set_to_zero()}, labels)

    def masked(tx):
        mask, rest = {"first": True, "second": False}, {"first": False, "second": True}
        return optax.chain(optax.masked(tx, mask), optax.masked(optax.set_to_zero(), rest))

    for make in (partitioned, masked):
        ours = train(make(bind(adamw, adamw.Hyper(RATE))), params, 20)
        assert_moved(params, ours)
        np.testing.assert_array_equal(ours["second"], params["second"])
        assert_close(ours, train(make(optax.adamw(RATE)), params, 20), 1e-6)


def test_under_gradient_accumulation():
    params = start()
    ours = train(optax.MultiSteps(bind(adam, adam.Hyper(RATE)), 2), params, 20)
    assert_close(ours, train(optax.MultiSteps(optax.adam(RATE), 2), params, 20), 1e-6)


def test_optax_finds_the_rate_in_the_state():
    tx = optax.chain(optax.clip_by_global_norm(1.0), bind(adam, adam.Hyper(RATE)))
    state = tx.init(start())
    assert optax.tree.get(state, "learning_rate") == jnp.float32(RATE)
    state = optax.tree.set(state, learning_rate=jnp.float32(0.5))
    assert state[1].hyper.learning_rate == 0.5


# New numbers, no new trace


def test_a_new_rate_is_no_new_trace():
    tx = optax.chain(optax.clip_by_global_norm(1.0), bind(adam, adam.Hyper(RATE)))

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(params, state):
        updates, state = tx.update(params, state, params)
        return optax.apply_updates(params, updates), state

    params = start()
    clip, state = tx.init(params)
    changes = []
    for rate in (RATE, 1e-2, 0.5, 1.0):
        new, _ = step(params, (clip, state.set(learning_rate=rate)))
        changes.append(jnp.max(jnp.abs(new["first"] - params["first"])))
    np.testing.assert_allclose(changes, [RATE, 1e-2, 0.5, 1.0], rtol=1e-5)
    chex.clear_trace_counter()


def test_two_bindings_of_a_rule_share_one_compiled_update():
    first, second = bind(adam, adam.Hyper(1.0)), bind("adam", {"learning_rate": 0.5})
    assert first.update is second.update
    params = {"x": jnp.ones(2)}
    step = jax.jit(first.update)
    for tx, rate in ((first, 1.0), (second, 0.5)):
        updates, _ = step(params, tx.init(params))
        np.testing.assert_allclose(updates["x"], [-rate, -rate], rtol=1e-6)
    assert step._cache_size() == 1


def test_lanes_with_rates_of_their_own():
    tx, params = bind(sgd, sgd.Hyper(1.0)), {"x": jnp.ones(2)}
    rates = jnp.array([0.1, 0.2, 0.4])
    states = jax.vmap(lambda rate: tx.init(params).set(learning_rate=rate))(rates)
    updates, _ = jax.vmap(tx.update, in_axes=(None, 0))(params, states)
    np.testing.assert_allclose(updates["x"][:, 0], -rates, rtol=1e-6)


def test_numbers_may_be_traced_when_bound():
    def final(rate):
        return loss_fn(train(bind(adam, adam.Hyper(rate)), start(), 5))

    derivative = jax.grad(final)(0.1)
    difference = (final(0.101) - final(0.099)) / 0.002
    np.testing.assert_allclose(derivative, difference, rtol=1e-2)


def test_a_loop_may_donate_its_state():
    tx, params = bind(sgd, sgd.Hyper(1.0)), {"x": jnp.ones(2)}
    step = jax.jit(lambda state: tx.update(params, state)[1], donate_argnums=0)
    for _ in range(2):
        state = step(tx.init(params))
    assert state.hyper.learning_rate == 1.0


# The state


def test_set_keeps_dtypes_and_leaves_the_rest():
    state = bind(adam, adam.Hyper(RATE)).init(start(jnp.float16))
    new = state.set(learning_rate=0.5, b1=jnp.float16(0.5))
    assert isinstance(new, BoundState)
    assert new.inner is state.inner
    assert new.hyper == state.hyper._replace(learning_rate=0.5, b1=0.5)
    assert jax.tree.map(jnp.result_type, new) == jax.tree.map(jnp.result_type, state)
    assert not any(x.weak_type for x in new.hyper)


@pytest.mark.usefixtures("x64")
def test_set_keeps_a_narrow_number_narrow():
    hyper = adam.Hyper(*(jnp.float32(x) for x in adam.Hyper()))
    state = BoundState(hyper, ()).set(learning_rate=np.float64(0.1))
    assert state.hyper.learning_rate.dtype == jnp.float32


def test_set_reaches_nested_numbers():
    rule = scheduled(sgd, learning_rate=cosine)
    tx, params = bind(rule, {"num_steps": 10}), {"x": jnp.ones(2)}
    state = tx.init(params).set({"inner.learning_rate": 0.5, "schedules.learning_rate.end": 1})
    updates, _ = tx.update(params, state)
    np.testing.assert_allclose(updates["x"], [-0.5, -0.5])


def test_set_within_a_compiled_function():
    state = bind(sgd).init({"x": jnp.ones(2)})
    halved = jax.jit(lambda s: s.set(learning_rate=s.hyper.learning_rate / 2))(state)
    np.testing.assert_allclose(halved.hyper.learning_rate, sgd.Hyper().learning_rate / 2)


def test_state_dtypes_do_not_change():
    for dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
        tx, params = bind(adam), start(dtype)
        before = tx.init(params)
        updates, after = tx.update(params, before, params)
        assert jax.tree.map(jnp.result_type, before) == jax.tree.map(jnp.result_type, after)
        assert jax.tree.map(jnp.result_type, updates) == jax.tree.map(jnp.result_type, params)


# What a rule needs


class _Hyper(NamedTuple):
    scale: float = 2.0


class _Needy:
    """A rule that needs the loss and nothing else."""

    Hyper, NEEDS, __name__ = _Hyper, frozenset({"value"}), "needy"

    def init(self, params, hyper):
        return ()

    def update(self, grads, state, params, hyper, *, value):
        return jax.tree.map(lambda g: -hyper.scale * value * g, grads), state


def test_extras_reach_the_rules_that_need_them_and_no_others():
    params = {"x": jnp.ones(2)}
    tx = optax.chain(bind(_Needy()), bind(sgd, sgd.Hyper(0.5)))
    updates, _ = tx.update(params, tx.init(params), params, value=3.0, other="unknown")
    np.testing.assert_array_equal(updates["x"], [3.0, 3.0])


# Errors


def text_of(kind, call):
    with pytest.raises(kind) as error:
        call()
    return str(error.value)


def test_wrong_numbers():
    assert text_of(ValueError, lambda: bind(adam, adam.Hyper(learning_rate=-0.1))) == (
        "adam: `learning_rate` must be > 0; got -0.1. Did you mean 0.1?"
    )
    assert text_of(ValueError, lambda: bind(adam, {"b2": 1.5})) == (
        "adam: `b2` must be in [0, 1); got 1.5. Did you mean 0.999?"
    )
    assert text_of(ValueError, lambda: bind(adam, {"lr": 0.1})) == (
        "adam: `hyper` must be one of b1, b2, eps, eps_root, learning_rate; got 'lr'. "
        "Did you mean 'learning_rate'?"
    )
    assert text_of(TypeError, lambda: bind(adam, 0.1)) == (
        "adam: `hyper` must be of its own Hyper class; got float. Build it with adam.Hyper(...)."
    )
    assert text_of(ValueError, lambda: bind("adm")).endswith("got 'adm'. Did you mean 'adam'?")


def test_wrong_numbers_for_set():
    state = bind(adam).init(start())
    assert text_of(ValueError, lambda: state.set(learning_rate=-1.0)) == (
        "BoundState.set: `learning_rate` must be > 0; got -1. Did you mean 1?"
    )
    assert text_of(ValueError, lambda: state.set(learning_rat=1.0)) == (
        "BoundState.set: `hyper` must be one of b1, b2, eps, eps_root, learning_rate; "
        "got 'learning_rat'. Did you mean 'learning_rate'?"
    )
    assert text_of(TypeError, lambda: state.set(learning_rate="1e-3")) == (
        "BoundState.set: `learning_rate` must be a real number; got '1e-3'. Pass the number 0.001."
    )
    assert text_of(TypeError, lambda: state.set(learning_rate=jnp.ones(3))) == (
        "BoundState.set: `learning_rate` must be a scalar; got shape (3,). "
        "Batch over numbers with jax.vmap."
    )
    assert text_of(ValueError, lambda: jax.jit(lambda s: s.set(b1=2.0))(state)) == (
        "BoundState.set: `b1` must be in [0, 1); got 2."
    )


def test_params_that_a_rule_needs():
    params = start()
    for rule in (adamw, scheduled(adamw, learning_rate=cosine)):
        hyper = rule.Hyper() if rule is adamw else rule.Hyper(num_steps=3)
        tx = bind(rule, hyper)
        state = tx.init(params)
        name = "adamw" if rule is adamw else "scheduled(adamw, learning_rate=cosine)"
        for update in (tx.update, jax.jit(tx.update)):
            assert text_of(TypeError, lambda u=update, s=state: u(params, s)) == (
                f"{name}: `params` must be given to `update`; got None. "
                "Call tx.update(grads, state, params)."
            )


def test_params_that_a_rule_ignores():
    tx, params = bind(adam), start()
    alone, _ = tx.update(params, tx.init(params))
    given, _ = tx.update(params, tx.init(params), params)
    assert_close(alone, given, 0)


def test_trees_that_do_not_match():
    tx = bind(adamw)
    state = tx.init({"a": jnp.ones(2)})
    for params in (None, {"a": jnp.ones(2)}):
        assert text_of(TypeError, lambda p=params: tx.update({"b": jnp.ones(2)}, state, p)) == (
            "tree.map: `tree 2` must be of the structure PyTreeDef({'a': *}); "
            "got PyTreeDef({'b': *}). Pass gradients, state and parameters of one model."
        )


def test_what_a_rule_needs_and_did_not_get():
    tx, params = bind(_Needy()), {"x": jnp.ones(2)}
    assert text_of(TypeError, lambda: tx.update(params, tx.init(params), params)) == (
        "needy: `value` must be supplied with each update; got nothing. "
        "Pass it to `update` as a keyword: the loss at `params`, a scalar."
    )


def test_a_schedule_needs_the_length_of_the_run():
    tx = bind(scheduled(adam, learning_rate=cosine))
    assert text_of(ValueError, lambda: tx.init(start())).startswith(
        "scheduled(adam, learning_rate=cosine): `num_steps` must be given"
    )
