"""Schedules: contracts over the table, agreement with Optax, properties, error texts."""

from __future__ import annotations

import functools
import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import schedules
from jaxnn.schedules import SCHEDULES, base

NAMES = list(SCHEDULES)
UNIT = st.floats(0.0, 1.0, width=32)
POSITIVE = st.floats(1 / 1024, 1.0, width=32)
NUMBERS = {
    "constant": {},
    "linear": {"init": UNIT, "end": UNIT},
    "exponential": {"end": POSITIVE},
    "cosine": {"end": UNIT},
    "warmup_cosine": {"warmup": UNIT, "init": UNIT, "end": UNIT},
    "piecewise": {
        "boundaries": st.tuples(UNIT, UNIT, UNIT),
        "scales": st.tuples(UNIT, UNIT, UNIT),
    },
    "one_cycle": {"warmup": UNIT, "init": UNIT, "end": UNIT},
    "inverse_sqrt": {"warmup": POSITIVE},
    "wsd": {"warmup": UNIT, "decay": UNIT, "init": UNIT, "end": UNIT},
}


@functools.cache
def compiled(name):
    """Factors at an array of steps."""
    return jax.jit(jax.vmap(SCHEDULES[name].factor, in_axes=(0, None, None)))


@functools.cache
def derivative(name):
    """Derivatives with respect to every number at an array of steps."""
    return jax.jit(jax.vmap(jax.grad(SCHEDULES[name].factor, 2), in_axes=(0, None, None)))


def numbers(hyper, dtype=jnp.float32):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), hyper)


def steps(num_steps):
    return jnp.arange(num_steps + 4, dtype=jnp.int32)


def horizon(num_steps):
    return jnp.asarray(num_steps, jnp.int32)


def test_every_schedule_has_a_strategy_here():
    assert set(NUMBERS) == set(SCHEDULES)
    for name, strategies in NUMBERS.items():
        assert set(strategies) == set(SCHEDULES[name].Hyper._fields)


# Contracts


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
@pytest.mark.usefixtures("strict_dtypes")
def test_factor_is_a_strong_float32_scalar(name, dtype):
    schedule = SCHEDULES[name]
    factor = schedule.factor(jnp.int32(3), jnp.int32(10), numbers(schedule.Hyper(), dtype))
    assert (factor.shape, factor.dtype, factor.weak_type) == ((), jnp.float32, False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("x64")
def test_factor_follows_the_dtype_of_its_numbers(name):
    schedule = SCHEDULES[name]
    assert schedule.factor(3, 10, numbers(schedule.Hyper(), jnp.float64)).dtype == jnp.float64
    if jax.tree.leaves(schedule.Hyper()):
        narrow = numbers(schedule.Hyper(), jnp.float32)
        assert schedule.factor(3, 10, narrow).dtype == jnp.float32


@pytest.mark.parametrize("name", NAMES)
def test_compiled_equals_eager_for_python_numbers_and_arrays(name):
    schedule = SCHEDULES[name]
    hyper = schedule.Hyper()
    eager = [schedule.factor(t, 7, hyper) for t in range(11)]
    np.testing.assert_allclose(
        eager, compiled(name)(steps(7), horizon(7), numbers(hyper)), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_trace_for_all_numbers_steps_and_horizons(name):
    schedule = SCHEDULES[name]
    traces = []

    @jax.jit
    def factor(step, num_steps, hyper):
        traces.append(step)
        return schedule.factor(step, num_steps, hyper)

    for step, num_steps, scale in [(0, 10, 1.0), (5, 20, 0.5), (19, 21, 0.25)]:
        hyper = jax.tree.map(lambda x, s=scale: jnp.float32(x * s), schedule.Hyper())
        factor(jnp.int32(step), jnp.int32(num_steps), hyper)
    assert len(traces) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_lane_of_a_batch_of_numbers_is_the_schedule_alone(name):
    schedule = SCHEDULES[name]
    hypers = [
        jax.tree.map(lambda x, s=s: jnp.float32(x * s), schedule.Hyper()) for s in (1, 0.5, 0.1)
    ]
    batch = jax.tree.map(lambda *xs: jnp.stack(xs), *hypers)
    axes = 0 if jax.tree.leaves(batch) else None
    factors = jax.vmap(schedule.factor, in_axes=(None, None, axes), axis_size=3)(4, 9, batch)
    alone = jnp.stack([schedule.factor(4, 9, hyper) for hyper in hypers])
    np.testing.assert_allclose(factors, alone, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_of_python_will_do(name):
    schedule = SCHEDULES[name]
    ones = jax.tree.map(lambda _: 1, schedule.Hyper())
    factor = schedule.factor(2, 4, ones)
    same = schedule.factor(2, 4, numbers(ones))
    assert factor.dtype == jnp.float32
    assert factor == same


# Properties


def drawn(data, name):
    values = {field: data.draw(strategy) for field, strategy in NUMBERS[name].items()}
    return numbers(SCHEDULES[name].Hyper(**values)), data.draw(st.integers(1, 40))


@pytest.mark.parametrize("name", NAMES)
@hypothesis.given(data=st.data())
def test_factors_lie_in_the_unit_interval(name, data):
    hyper, num_steps = drawn(data, name)
    factors = compiled(name)(jnp.arange(44, dtype=jnp.int32), horizon(num_steps), hyper)
    assert np.all((factors >= 0) & (factors <= 1))


@pytest.mark.parametrize("name", NAMES)
@hypothesis.given(data=st.data())
def test_derivatives_are_finite(name, data):
    hyper, num_steps = drawn(data, name)
    grads = derivative(name)(jnp.arange(44, dtype=jnp.int32), horizon(num_steps), hyper)
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(grads))


@pytest.mark.parametrize("name", ["constant", "exponential", "cosine", "piecewise"])
@hypothesis.given(data=st.data())
def test_those_without_a_warm_up_never_rise(name, data):
    hyper, num_steps = drawn(data, name)
    factors = compiled(name)(jnp.arange(44, dtype=jnp.int32), horizon(num_steps), hyper)
    assert np.all(np.diff(factors) <= 2e-7)
    if name != "piecewise":  # whose first boundary may be step 0
        assert factors[0] == 1


@hypothesis.given(data=st.data())
def test_linear_is_monotone_between_its_ends(data):
    hyper, num_steps = drawn(data, "linear")
    factors = compiled("linear")(jnp.arange(44, dtype=jnp.int32), horizon(num_steps), hyper)
    direction = np.sign(hyper.end - hyper.init)
    assert np.all(np.diff(factors) * direction >= -2e-7)
    assert factors[0] == hyper.init


@pytest.mark.parametrize("name", ["warmup_cosine", "one_cycle", "inverse_sqrt", "wsd"])
@hypothesis.given(data=st.data())
def test_those_with_a_warm_up_rise_then_fall(name, data):
    hyper, num_steps = drawn(data, name)
    t = np.arange(44)
    factors = np.asarray(compiled(name)(jnp.asarray(t), horizon(num_steps), hyper))
    peak = float(hyper.warmup) * num_steps
    if name == "wsd":
        hypothesis.assume(hyper.warmup + hyper.decay <= 1)
    # A warm-up over the whole run would reach 1 at its end, where `end` already holds.
    assert np.all(np.diff(factors[(t <= peak) & (t < num_steps)]) >= -2e-7)
    assert np.all(np.diff(factors[t >= peak]) <= 2e-7)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("constant", "inverse_sqrt")])
@hypothesis.given(data=st.data())
def test_it_ends_where_it_says_and_stays_there(name, data):
    hyper, num_steps = drawn(data, name)
    factors = compiled(name)(jnp.arange(num_steps, num_steps + 3), horizon(num_steps), hyper)
    end = np.prod(hyper.scales) if name == "piecewise" else hyper.end
    np.testing.assert_allclose(factors, np.broadcast_to(end, 3), rtol=1e-6, atol=1e-30)


@hypothesis.given(data=st.data())
def test_inverse_sqrt_ends_at_the_root_of_its_warm_up(data):
    hyper, num_steps = drawn(data, "inverse_sqrt")
    end = schedules.inverse_sqrt.factor(num_steps, num_steps, hyper)
    np.testing.assert_allclose(end, np.sqrt(hyper.warmup), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@hypothesis.given(data=st.data(), scale=st.sampled_from([2, 3, 8]))
def test_numbers_mean_the_same_on_any_horizon(name, data, scale):
    hyper, num_steps = drawn(data, name)
    if name == "piecewise":  # whose boundaries are rounded to steps
        whole = tuple(jnp.round(b * num_steps) / num_steps for b in hyper.boundaries)
        hyper = hyper._replace(boundaries=whole)
    t = jnp.arange(44, dtype=jnp.int32)
    short = compiled(name)(t, horizon(num_steps), hyper)
    long = compiled(name)(scale * t, horizon(scale * num_steps), hyper)
    near_jump = np.zeros(44, bool)
    for field in ("warmup", "decay"):
        if field in hyper._fields:
            at = getattr(hyper, field) * num_steps
            at = num_steps - at if field == "decay" else at
            near_jump |= np.isclose(np.asarray(t), at, atol=1e-3)
    np.testing.assert_allclose(
        np.where(near_jump, 0, short), np.where(near_jump, 0, long), rtol=2e-5, atol=2e-5
    )


# Agreement with Optax: T steps, warm-up W, decay from S on, all whole numbers of steps.

T, W, S = 50, 10, 40


def joined_wsd(init, end):
    return optax.join_schedules(
        [
            optax.linear_schedule(init, 1.0, W),
            optax.constant_schedule(1.0),
            optax.linear_schedule(1.0, end, T - S),
        ],
        [W, S],
    )


PEERS = [
    ("constant", {}, lambda: optax.constant_schedule(1.0)),
    ("linear", {"init": 0.9, "end": 0.2}, lambda: optax.linear_schedule(0.9, 0.2, T)),
    ("linear", {}, lambda: optax.linear_schedule(1.0, 0.0, T)),
    ("exponential", {}, lambda: optax.exponential_decay(1.0, T, 0.01, end_value=0.01)),
    ("cosine", {}, lambda: optax.cosine_decay_schedule(1.0, T)),
    ("cosine", {"end": 0.3}, lambda: optax.cosine_decay_schedule(1.0, T, alpha=0.3)),
    (
        "warmup_cosine",
        {"warmup": W / T, "init": 0.1, "end": 0.05},
        lambda: optax.warmup_cosine_decay_schedule(0.1, 1.0, W, T, 0.05),
    ),
    (
        "warmup_cosine",
        {"warmup": 0.0},
        lambda: optax.warmup_cosine_decay_schedule(0.0, 1.0, 0, T),
    ),
    (
        "piecewise",
        {"boundaries": (W / T, S / T), "scales": (0.5, 0.1)},
        lambda: optax.piecewise_constant_schedule(1.0, {W: 0.5, S: 0.1}),
    ),
    (
        "one_cycle",
        {"warmup": W / T},
        lambda: optax.cosine_onecycle_schedule(T, 1.0, W / T, 25.0, 1e4),
    ),
    (
        "wsd",
        {"warmup": W / T, "decay": (T - S) / T, "init": 0.1, "end": 0.01},
        lambda: joined_wsd(0.1, 0.01),
    ),
    (
        "wsd",
        {"warmup": W / T, "decay": 0.0, "end": 1.0},
        lambda: optax.warmup_constant_schedule(0.0, 1.0, W),
    ),
]


def test_all_that_optax_has_are_compared():
    assert {name for name, _, _ in PEERS} == set(SCHEDULES) - {"inverse_sqrt"}


@pytest.mark.parametrize(("name", "values", "peer"), PEERS)
@pytest.mark.usefixtures("x64")
def test_agrees_with_optax(name, values, peer):
    schedule = SCHEDULES[name]
    hyper = numbers(schedule.Hyper(**values), jnp.float64)
    ours = compiled(name)(steps(T), horizon(T), hyper)
    theirs = jnp.stack([jnp.asarray(peer()(t), jnp.float64) for t in range(T + 4)])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.usefixtures("x64")
def test_inverse_sqrt_is_the_formula_of_the_paper():
    hyper = schedules.inverse_sqrt.Hyper(W / T)
    ours = compiled("inverse_sqrt")(steps(T), horizon(T), numbers(hyper, jnp.float64))
    t = np.arange(1, T + 4)
    paper = np.minimum(t**-0.5, t * W**-1.5) * W**0.5
    np.testing.assert_allclose(ours[1:], paper, rtol=1e-12)
    assert ours[0] == 0


@pytest.mark.parametrize("num_steps", [1, 7, 100, 1000])
@pytest.mark.parametrize("wide", [False, True])
def test_a_boundary_falls_on_the_nearest_step(num_steps, wide):
    with jax.enable_x64(wide):
        for boundary in (0.07, 0.29, 0.57, 0.7):
            hyper = schedules.piecewise.Hyper((boundary,), (0.0,))
            at = round(boundary * num_steps)
            assert schedules.piecewise.factor(at, num_steps, hyper) == 0
            if at:
                assert schedules.piecewise.factor(at - 1, num_steps, hyper) == 1


def test_piecewise_with_any_number_of_pieces():
    pieces = schedules.piecewise.Hyper((0.2, 0.4, 0.6, 0.8), (0.5, 0.5, 0.5, 0.5))
    factors = [float(schedules.piecewise.factor(t, 10, pieces)) for t in range(0, 10, 2)]
    assert factors == [1, 0.5, 0.25, 0.125, 0.0625]
    assert schedules.piecewise.factor(5, 10, schedules.piecewise.Hyper((), ())) == 1


def test_pieces_must_be_as_many_as_boundaries():
    hyper = schedules.piecewise.Hyper((0.5,), (0.1, 0.1))
    with pytest.raises(ValueError) as error:  # noqa: PT011
        schedules.piecewise.factor(0, 10, hyper)
    assert str(error.value) == (
        "piecewise: `scales` must be 1 numbers, as many as `boundaries`; got 2. "
        "Give each boundary one scale."
    )


def test_ramp_jumps_where_its_ends_meet():
    x = jnp.asarray(3.0)
    values = [float(base.ramp(jnp.asarray(t), x, x)) for t in (2.0, 3.0, 4.0)]
    assert values == [0, 1, 1]


def test_mix_is_exact_at_both_ends():
    for start, end in itertools.permutations([1.0, 4e-6, 0.3], 2):
        assert base.mix(jnp.float32(start), jnp.float32(end), jnp.float32(0)) == jnp.float32(start)
        assert base.mix(jnp.float32(start), jnp.float32(end), jnp.float32(1)) == jnp.float32(end)


# The table and Optax schedules


def test_get_knows_names_and_passes_schedules_through():
    assert schedules.get("cosine") is schedules.cosine
    assert schedules.get(schedules.wsd) is schedules.wsd
    with pytest.raises(ValueError) as error:  # noqa: PT011
        schedules.get("cosin")
    assert str(error.value) == (
        "schedules.get: `schedule` must be one of constant, cosine, exponential, inverse_sqrt, "
        "linear, one_cycle, piecewise, warmup_cosine, wsd; got 'cosin'. Did you mean 'cosine'?"
    )


def test_from_optax_is_the_same_object_for_the_same_function():
    fn = optax.linear_schedule(1.0, 0.0, 10)
    schedule = schedules.from_optax(fn, "b1")
    assert schedule is schedules.from_optax(fn, "b1")
    assert schedule != schedules.from_optax(fn, "learning_rate")
    assert schedule.field == "b1"
    assert schedule.value(jnp.int32(5), None, 7.0, schedule.Hyper()) == 0.5


def test_from_optax_gives_arrays_where_optax_gives_python_numbers():
    schedule = schedules.from_optax(optax.constant_schedule(0.5))
    value = schedule.value(0, 10, 1.0, schedule.Hyper())
    assert (value.dtype, value.weak_type) == (jnp.float32, False)


def test_from_optax_refuses_what_is_no_schedule():
    with pytest.raises(TypeError) as error:
        schedules.from_optax(0.1)
    assert str(error.value) == (
        "schedules.from_optax: `fn` must be a callable of the step; got 0.1. "
        "Pass for example optax.cosine_decay_schedule(1e-3, 1000)."
    )
    with pytest.raises(TypeError) as error:
        schedules.from_optax(optax.constant_schedule(0.1), 3)
    assert str(error.value) == (
        "schedules.from_optax: `field` must be the name of a number; got 3. "
        'Pass for example "learning_rate".'
    )
