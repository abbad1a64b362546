"""Few bits: rounding, statistics kept in them, and steps that parameters in them do not lose."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import problems, training
from jaxnn.errors import BadType, BadValue
from jaxnn.optimizers import (
    OPTIMIZERS,
    adam,
    apply_updates,
    averaged,
    check,
    clipped,
    describe,
    momentum,
    partitioned,
    rounded,
    scheduled,
    sgd,
    stored,
)
from jaxnn.optimizers.wrappers.rounding import noise_for, round_to
from jaxnn.schedules import cosine

KEY = jax.random.key(0)


def walk(rule: Any, hyper: Any, params: Any, grads: Any, key: Any = KEY) -> tuple[Any, Any, Any]:
    """(last parameters, last state, parameters after each step)."""

    def step(carry: Any, fed: Any) -> Any:
        (params, state), (grads, key) = carry, fed
        extra = {"key": key} if "key" in rule.NEEDS else {}
        updates, state = rule.update(grads, state, params, hyper, **extra)
        params = apply_updates(params, updates)
        return (params, state), params

    keys = jax.random.split(key, len(jax.tree.leaves(grads)[0]))
    (params, state), rows = jax.lax.scan(step, (params, rule.init(params, hyper)), (grads, keys))
    return params, state, rows


run = jax.jit(walk, static_argnums=0)


# Rounding


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("float32", "bfloat16"),
        ("float32", "float16"),
        ("float64", "bfloat16"),
        ("float64", "float32"),
    ],
)
def test_to_the_nearest_is_what_a_cast_gives(wide: str, narrow: str) -> None:
    with jax.enable_x64(wide == "float64"), jax.numpy_dtype_promotion("strict"):
        info = jnp.finfo(wide)
        rng = np.random.default_rng(0)
        bits = rng.integers(0, 2**info.bits - 1, size=5000, dtype=f"uint{info.bits}")
        # Bits at random are numbers of every magnitude, infinities and NaN; halfway cases besides.
        last = float(jnp.finfo(narrow).eps)
        halfway = 1 + last * (np.arange(8) + 0.5)
        with np.errstate(all="ignore"):
            numbers = np.concatenate([bits.view(wide), halfway, -halfway]).astype(wide)
            wanted = numbers.astype(jnp.dtype(narrow)).astype(np.float64)
        got = round_to(jnp.asarray(numbers), narrow).astype(narrow)
    # Hardware takes numbers below the normal range for 0.
    limit = info.smallest_normal if narrow == "float16" else jnp.finfo(narrow).smallest_normal
    seen = ~(np.abs(numbers) < float(limit))
    np.testing.assert_array_equal(np.asarray(got).astype(np.float64)[seen], wanted[seen])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_at_random_gives_a_neighbour_and_the_number_on_average(dtype: str) -> None:
    # An ordinary number, a negative one, one just below a power of two, one below the normal range
    # of float16, one that is there, and what is no number.
    x = jnp.asarray([1.0021, -255.3, 1.9991, 3.1e-7, 0.25, jnp.inf, jnp.nan], jnp.float32)
    draws = jax.jit(jax.vmap(lambda key: round_to(x, dtype, noise_for(x, key))))(
        jax.random.split(KEY, 20000)
    )
    draws = np.asarray(draws).astype(np.float64)
    np.testing.assert_array_equal(draws[:, 4:], np.broadcast_to(x[4:], (20000, 3)))
    for column, number in zip(draws[:, :4].T, np.asarray(x, np.float64), strict=False):
        low, high = np.unique(column)
        assert low < number < high
        for value in (low, high):
            assert float(np.asarray(value, jnp.dtype(dtype))) == value
        # The standard error of the mean of a coin between the two; four of them.
        share = (number - low) / (high - low)
        error = 4 * (high - low) * np.sqrt(share * (1 - share) / 20000)
        assert abs(column.mean() - number) < error


def test_the_derivative_is_that_of_a_cast() -> None:
    x = jnp.float32(1.3)
    for noise in (None, noise_for(x, KEY)):
        assert float(jax.grad(lambda x: 3 * round_to(x, "bfloat16", noise))(x)) == 3  # noqa: B023


# Parameters in few bits


def _losing(dtype: str, num_steps: int = 300) -> tuple[Any, Any]:
    """Parameters about 1, and gradients whose steps at a rate of 1e-4 are far below a digit."""
    rng = np.random.default_rng(1)
    params = {"b": jnp.asarray(1.5, dtype), "w": jnp.asarray(rng.normal(1.5, 0.1, (64, 8)), dtype)}
    shapes = {"b": (num_steps,), "w": (num_steps, 64, 8)}
    return params, {k: jnp.asarray(rng.normal(1, 0.3, s), dtype) for k, s in shapes.items()}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_where_adam_stands_still_both_modes_follow_the_run_in_float32(dtype: str) -> None:
    params, grads = _losing(dtype)
    numbers, rate = {"learning_rate": 1e-4}, 1e-4
    wide = jax.tree.map(lambda x: x.astype(jnp.float32), (params, grads))
    exact = run(adam, check(adam, numbers), *wide)[0]
    plain = run(adam, check(adam, numbers), params, grads)[0]
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(exact["b"]) == pytest.approx(1.5 - 300 * rate, rel=1e-2)

    digit = float(jnp.finfo(dtype).eps)  # of numbers in [1, 2)
    rule = rounded(adam)
    near, state, _ = run(rule, check(rule, {"inner.learning_rate": rate}), params, grads)
    assert _gap(near, exact)[0] < 0.501 * digit
    whole = jax.tree.map(lambda p, lost: p.astype(jnp.float32) + lost, near, state.lost)
    # The run in float32 itself rounds at every step, by half of its digit at most.
    assert _gap(whole, exact)[0] < 300 * 2.0**-24
    rule = rounded(adam, "stochastic")
    drawn, _, _ = run(rule, check(rule, {"inner.learning_rate": rate}), params, grads)
    # A walk of 300 steps that are a whole digit in rate / digit of all cases.
    deviation = digit * np.sqrt(300 * rate / digit)
    largest, mean = _gap(drawn, exact)
    assert largest < 4.5 * deviation
    assert abs(mean) < 4 * deviation / np.sqrt(512)


def _gap(got: Any, wanted: Any) -> tuple[float, float]:
    """The largest difference, and the mean one of the matrix."""
    gaps = jax.tree.map(lambda a, b: a.astype(jnp.float32) - b, got, wanted)
    return max(float(jnp.max(jnp.abs(x))) for x in gaps.values()), float(jnp.mean(gaps["w"]))


def test_the_expected_parameter_is_that_of_the_step_in_float32() -> None:
    # A step far below a digit, one of some digits, one to the other side of 0, and from 0.
    params = jnp.asarray([1.0, 1.0, 0.01, 0.0, -3.0], jnp.bfloat16)
    grads = jnp.asarray([0.0004, 0.0371, 0.0117, 0.3003, -0.0015], jnp.bfloat16)
    rule = rounded(sgd, "stochastic")
    hyper = check(rule, {"inner.learning_rate": 0.7})
    state = rule.init(params, hyper)

    @jax.jit
    @jax.vmap
    def stepped(key: Any) -> Any:
        updates, _ = rule.update(grads, state, params, hyper, key=key)
        return updates, apply_updates(params, updates)

    updates, drawn = (np.asarray(x, np.float64) for x in stepped(jax.random.split(KEY, 40000)))
    p, g = np.asarray(params, np.float64), np.asarray(grads, np.float64)
    wanted = p - np.float64(hyper.inner.learning_rate) * g
    np.testing.assert_array_equal(p + updates, drawn)  # nothing is rounded when they are applied
    error = 4 * drawn.std(axis=0) / 200
    assert np.all(np.abs(drawn.mean(axis=0) - wanted) <= error)
    assert np.all(error > 0)


def test_nothing_is_lost_whatever_the_steps() -> None:
    # Parameter and rest together are the sum of all that was wanted: steps from 1e-6 of the
    # parameter to a hundred times as much, gradients in both dtypes.
    rng = np.random.default_rng(2)
    steps = rng.normal(size=(200, 50)) * 10.0 ** rng.uniform(-6, 2, (200, 50))
    rule = rounded(sgd)
    hyper = check(rule, {"inner.learning_rate": 1.0})
    for params_dtype, grads_dtype in (
        ("bfloat16", "bfloat16"),
        ("bfloat16", "float32"),
        ("float32", "bfloat16"),
        ("float16", "float16"),
    ):
        grads = jnp.asarray(steps, grads_dtype)
        params, state, rows = run(rule, hyper, jnp.ones(50, params_dtype), grads)
        whole = np.asarray(params, np.float64) + np.asarray(state.lost, np.float64)
        wanted = 1 - np.asarray(grads, np.float64).sum(axis=0)
        size = np.abs(np.asarray(rows, np.float64)).max(axis=0)
        assert np.all(np.abs(whole - wanted) < 2e-6 * size)


def test_float32_parameters_are_compensated_too() -> None:
    rule, grads = rounded(sgd), jnp.ones((1000, 1))
    hyper = check(rule, {"inner.learning_rate": 1e-8})
    still, moved = (
        run(r, h, jnp.ones(1), grads)[0]
        for r, h in ((sgd, check(sgd, {"learning_rate": 1e-8})), (rule, hyper))
    )
    assert float(still[0]) == 1
    np.testing.assert_allclose(moved, 1 - 1e-5, rtol=1e-7)


def test_in_training_among_other_wrappers_batched_and_donated() -> None:
    problem = problems.get("breast_cancer")
    params = problem.init(KEY)
    small = jax.tree.map(lambda x: x.astype(jnp.bfloat16 if x.ndim > 1 else x.dtype), params)
    rule = averaged(
        partitioned(
            {"matrices": rounded(clipped(adam), "stochastic"), "rest": rounded(stored(adam))},
            _by_shape,
        )
    )
    rule = scheduled(rule, **{"inner.inner.matrices.inner.inner.learning_rate": cosine})
    train = functools.partial(training.train, problem, rule, num_steps=30, initial=small)
    losses = jax.jit(jax.vmap(lambda key: _losses(train, key)))(jax.random.split(KEY, 2))
    assert np.all(losses[:, -1] < 0.75 * losses[:, 0])

    step = training.make_step(problem.loss, rounded(momentum, "stochastic"), donate=True)
    hyper = check(rounded(momentum), {})
    state = rounded(momentum, "stochastic").init(small, hyper)
    params, state, _ = step(small, state, problem.train, hyper, None, KEY)
    assert all(x.is_deleted() for x in jax.tree.leaves(small))
    params, state, loss = step(params, state, problem.train, hyper, None, KEY)
    assert bool(jnp.isfinite(loss))


def _losses(train: Any, key: Any) -> Any:
    return train({}, key).history.loss


def _by_shape(params: Any) -> Any:
    return jax.tree.map(lambda x: "matrices" if x.ndim > 1 else "rest", params)


# Statistics in few bits


def test_a_mean_of_squares_stands_still_in_bfloat16_unless_rounded_at_random() -> None:
    grads = jnp.concatenate([jnp.full((1, 256), 4.0), jnp.full((2000, 256), 0.01)])
    numbers = {"learning_rate": 1e-3}
    exact = run(adam, check(adam, numbers), jnp.zeros(256), grads)[1].mean_of_squares
    first = 0.001 * 4.0**2
    for rounding, factor in (("nearest", 1.0), ("stochastic", 0.135)):
        rule = stored(adam, rounding=rounding)
        hyper = check(rule, {f"inner.{k}": x for k, x in numbers.items()})
        kept = run(rule, hyper, jnp.zeros(256), grads)[1].inner.mean_of_squares
        assert kept.dtype == jnp.bfloat16
        mean = float(kept.astype(jnp.float32).mean())
        assert mean == pytest.approx(factor * first, rel=0.05)
    assert float(exact.mean()) == pytest.approx(0.135 * first, rel=0.05)


def test_the_mean_alone_in_bfloat16_is_what_optax_calls_its_dtype() -> None:
    rng = np.random.default_rng(3)
    grads = jnp.asarray(rng.normal(size=(20, 40)), jnp.float32)
    rule, params = stored(adam, fields=("mean",)), jnp.zeros(40)
    hyper = check(rule, {})
    # With b1 as an array the product b1·m is not rounded as well.
    theirs: Any = optax.adam(1e-3, jnp.float32(0.9), mu_dtype=jnp.bfloat16)
    state, expected = theirs.init(params), params
    for g in grads:
        updates, state = theirs.update(g, state, expected)
        expected = optax.apply_updates(expected, updates)
    ours, own, _ = run(rule, hyper, params, grads)
    assert own.inner.mean.dtype == optax.tree_utils.tree_get(state, "mu").dtype
    assert own.inner.mean_of_squares.dtype == jnp.float32
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_every_rule_keeps_statistics_in_float32_and_stored_keeps_them_in_less() -> None:
    params = {k: jax.ShapeDtypeStruct(s, jnp.bfloat16) for k, s in {"b": (4,), "w": (8, 4)}.items()}
    for name in OPTIMIZERS:
        kept = describe(name, params).state_dtypes
        exact = {"int32", "int8", "bool", "float32"}
        # Copies of the parameters have nothing to lose.
        assert {x for k, x in kept.items() if k != "initial_params"} <= exact, name
        less = describe(stored(name), params)
        assert less.state_bytes <= describe(name, params).state_bytes
    assert describe(stored(adam), params).state_dtypes == {
        "inner.step": "int32",
        "inner.mean": "bfloat16",
        "inner.mean_of_squares": "bfloat16",
    }
    assert describe(stored(rounded(adam), fields=("lost",)), params).state_bytes == 4 + 36 * 10


@pytest.mark.usefixtures("x64")
def test_statistics_of_float64_parameters_in_float32() -> None:
    rule = stored(adam, "float32")
    params = jnp.ones(5)
    state = rule.init(params, check(rule, {}))
    assert params.dtype == jnp.float64
    assert state.inner.mean.dtype == jnp.float32
    huge = jnp.full((3, 5), 1e200)
    params, state, _ = run(stored(momentum), check(stored(momentum), {}), params, huge)
    # Beyond the range: the largest number there is, and the step of float64 all the same.
    assert float(state.inner.velocity[0]) == float(jnp.finfo(jnp.bfloat16).max)
    assert bool(jnp.isfinite(params).all())


# Errors


def test_errors() -> None:
    params = jnp.zeros(2)
    noisy = rounded(sgd, "stochastic")
    cases: list[tuple[Any, type, str]] = [
        (
            lambda: rounded(adam, "nearest"),  # pyright: ignore[reportArgumentType]
            BadValue,
            "rounded: `mode` must be one of 'compensated', 'stochastic'; got 'nearest'.",
        ),
        (
            lambda: stored(adam, "float16"),  # pyright: ignore[reportArgumentType]
            BadValue,
            "stored: `dtype` must be one of 'bfloat16', 'float32'; got 'float16'.",
        ),
        (
            lambda: stored(adam, fields="mean"),  # pyright: ignore[reportArgumentType]
            BadType,
            "stored: `fields` must be a tuple of names in the rule's state, or None; got 'mean'.",
        ),
        (
            lambda: stored(adam, fields=("mu",)).init(params, stored(adam).Hyper()),
            BadValue,
            "stored(adam, fields=('mu',)): `fields` must be one of mean, mean_of_squares, step; "
            "got 'mu'.",
        ),
        (
            lambda: stored(adam, fields=("step",)).init(params, stored(adam).Hyper()),
            BadValue,
            "stored(adam, fields=('step',)): `fields` must be names of statistics, which are "
            "floating; got 'step'. Leave it out.",
        ),
        (
            lambda: noisy.update(params, noisy.init(params, noisy.Hyper()), params, noisy.Hyper()),
            BadType,
            "rounded(sgd, mode='stochastic'): `key` must be supplied with each update; "
            "got nothing. Pass it to `update` as a keyword: a key of jax.random, "
            "another one at each step.",
        ),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value) == text
