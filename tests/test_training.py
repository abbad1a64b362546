"""Training: the loop does what its docstring says, whatever the numbers, lanes and segments."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import optimizers, problems, schedules, training, tree
from jaxnn.models import MLP
from jaxnn.optimizers import adam, momentum, sgd
from jaxnn.training import Keys
from jaxnn.training.batches import draw, start, take
from jaxnn.training.train import _train

KEY = jax.random.key(7)


@pytest.fixture(scope="module")
def small() -> Any:
    """120 rows in 3 classes, 84 of them for training."""
    generator = np.random.default_rng(0)
    return problems.classification(
        generator.normal(size=(120, 4)) + _labels()[:, None],
        _labels(),
        model=MLP((4, 8, 3), activation="tanh"),
        seed=0,
    )


def _labels() -> np.ndarray:
    return np.arange(120) % 3


def test_train_is_the_plain_loop_of_its_docstring(small: Any) -> None:
    num_steps, batch_size = 25, 16
    run = training.train(
        small, adam, {"learning_rate": 0.03}, KEY, num_steps=num_steps, batch_size=batch_size
    )
    children = [jax.random.fold_in(KEY, child) for child in range(4)]
    params = small.init(children[0])
    reference = optax.adam(jnp.float32(0.03))
    state = reference.init(params)
    rows = small.num_rows
    for t in range(num_steps):
        position = t % (rows // batch_size)
        if position == 0:
            order = jax.random.permutation(jax.random.fold_in(children[1], t), jnp.arange(rows))
        chosen = order[position * batch_size : (position + 1) * batch_size]
        batch = jax.tree.map(lambda x, at=chosen: x[at], small.train)
        loss, grads = jax.value_and_grad(small.loss)(params, batch, None)
        updates, state = reference.update(grads, state)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(run.history.loss[t], loss, rtol=2e-5)
    chex.assert_trees_all_close(run.params, params, rtol=1e-4, atol=1e-6)
    expected = small.metrics(params, small.validation)
    for name, value in expected.items():
        np.testing.assert_allclose(run.history.validation[name][-1], value, rtol=1e-4)
    assert int(run.step) == num_steps
    assert bool(run.status.ok)


def test_an_epoch_shows_every_row_once_in_an_order_of_its_own() -> None:
    data = problems.base.Batch(jnp.arange(12.0)[:, None], jnp.arange(12))
    key = Keys.of(KEY).batches
    order, seen = start(data, 4), []
    for step in range(6):
        order, rows = draw(order, key, jnp.int32(step), 4)
        batch = take(data, rows)
        seen.append(np.asarray(batch.targets))
        np.testing.assert_array_equal(batch.inputs[:, 0], batch.targets)
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    assert sorted(first) == sorted(second) == list(range(12))
    assert list(first) != list(second)


def test_a_last_smaller_batch_is_dropped_but_its_rows_come_in_later_epochs() -> None:
    data = problems.base.Batch(jnp.zeros((5, 1)), jnp.arange(5))
    key, order, seen = Keys.of(KEY).batches, start(data, 2), []
    for step in range(24):
        order, chosen = draw(order, key, jnp.int32(step), 2)
        batch = take(data, chosen)
        seen.append(np.asarray(batch.targets))
    for epoch in range(12):
        rows = np.concatenate(seen[2 * epoch : 2 * epoch + 2])
        assert len(set(rows)) == 4
    assert set(np.concatenate(seen)) == set(range(5))


def test_gradient_descent_stochastic_and_mini_batch_differ_in_the_batch_alone(small: Any) -> None:
    params = small.init(Keys.of(KEY).params)
    hyper = optimizers.check(sgd, {"learning_rate": 0.1})

    def first_step(rows: Any) -> Any:
        grads = jax.grad(small.loss)(params, rows)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    run = training.train(small, sgd, hyper, KEY, num_steps=1, record_every=0)
    chex.assert_trees_all_close(run.params, first_step(small.train), rtol=1e-5, atol=1e-7)
    order = jax.random.permutation(
        jax.random.fold_in(Keys.of(KEY).batches, 0), jnp.arange(small.num_rows)
    )
    for size in (1, 16):
        run = training.train(small, sgd, hyper, KEY, num_steps=1, batch_size=size, record_every=0)
        batch = jax.tree.map(lambda x, n=size: x[order[:n]], small.train)
        chex.assert_trees_all_close(run.params, first_step(batch), rtol=1e-5, atol=1e-7)


def test_going_on_from_a_run_is_the_whole_run_to_the_bit(small: Any) -> None:
    settings: dict[str, Any] = {"batch_size": 16, "record_every": 4, "schedule": "cosine"}
    hyper = {"learning_rate": 0.05}
    whole = training.train(small, adam, hyper, KEY, num_steps=30, **settings)
    first = training.train(small, adam, hyper, KEY, num_steps=13, horizon=30, **settings)
    second = training.train(
        small, adam, hyper, KEY, num_steps=17, horizon=30, initial=first, **settings
    )
    chex.assert_trees_all_equal(second.raw_params, whole.raw_params)
    chex.assert_trees_all_equal(second.optimizer_state, whole.optimizer_state)
    joined = jnp.concatenate([first.history.loss, second.history.loss])
    np.testing.assert_array_equal(joined, whole.history.loss)
    for name, values in whole.history.validation.items():
        parts = [first.history.validation[name], second.history.validation[name]]
        joined = np.concatenate(parts)  # with room for a record that is not due
        np.testing.assert_array_equal(joined[np.isfinite(joined)], values)
    assert int(second.step) == 30


def test_initial_parameters_can_be_given(small: Any) -> None:
    params = small.init(jax.random.key(99))
    run = training.train(small, sgd, {}, KEY, num_steps=1, initial=params, record_every=0)
    np.testing.assert_allclose(run.history.loss[0], small.loss(params, small.train), rtol=1e-6)


class Cliff(NamedTuple):
    """A slope of 1 that is not there below −1: the loss is NaN beyond the cliff."""

    start: Any
    train: None = None
    validation: None = None
    test: None = None

    def init(self, key: Any) -> Any:
        del key
        return self.start

    def loss(self, params: Any, batch: Any = None, key: Any = None) -> Any:
        del batch, key
        return jnp.where(params[0] < -1, jnp.nan, params[0])

    def metrics(self, params: Any, batch: Any = None) -> Any:
        return {"loss": self.loss(params, batch)}


def test_a_failed_run_keeps_the_last_parameters_whose_loss_was_finite() -> None:
    # Steps of 0.4 from 0: parameters −0.4, −0.8, −1.2; the loss at −1.2, step 3, is NaN.
    cliff = Cliff(jnp.zeros(1))
    run = training.train(cliff, sgd, {"learning_rate": 0.4}, KEY, num_steps=8)
    assert (int(run.status.code), int(run.status.step)) == (training.NON_FINITE, 3)
    np.testing.assert_allclose(run.params, [-0.8], rtol=1e-6)
    np.testing.assert_allclose(run.history.loss[:3], [0, -0.4, -0.8], rtol=1e-6)
    assert np.all(np.isnan(run.history.loss[3:]))
    assert training.describe(int(run.status.code), int(run.status.step)) == "non-finite at step 3"
    assert training.label(run.history.loss) == "failed"


def test_a_non_finite_parameter_fails_at_its_own_step() -> None:
    # Loss and gradient at 1e18 are finite, the update with rate 1e30 is not.
    function = problems.get("quadratic", dim=1, condition=1.0)
    run = training.train(
        function, sgd, {"learning_rate": 1e30}, KEY, num_steps=3, initial=jnp.full(1, 1e18)
    )
    assert (int(run.status.code), int(run.status.step)) == (training.NON_FINITE, 0)
    np.testing.assert_array_equal(run.params, np.float32([1e18]))


@pytest.mark.parametrize(("ceiling", "step"), [(3.9, 2), (1e6, -1)])
def test_the_ceiling_counts_for_the_norm_of_the_parameters(ceiling: float, step: int) -> None:
    # The saddle's y grows by 1.2 a step from 3: 3.6 (norm 3.94 with x = 1.6) …
    saddle = problems.get("saddle")
    run = training.train(saddle, sgd, {"learning_rate": 0.1}, KEY, num_steps=10, ceiling=ceiling)
    norms = [np.hypot(2 * 0.8**t, 3 * 1.2**t) for t in range(12)]
    first = next((t - 1 for t in range(1, 11) if norms[t] > ceiling), -1)
    losses = [abs((2 * 0.8**t) ** 2 - (3 * 1.2**t) ** 2) for t in range(11)]
    first_loss = next((t for t in range(10) if losses[t] > ceiling), -1)
    expected = min((t for t in (first, first_loss) if t >= 0), default=-1)
    assert int(run.status.step) == expected
    assert int(run.status.code) == (training.OK if step == -1 else training.ABOVE_CEILING)


def test_one_diverging_lane_leaves_the_others_bit_equal() -> None:
    x = np.random.default_rng(1).normal(size=(60, 3))
    line = problems.regression(x, x[:, :1] - x[:, 1:2], model=MLP((3, 1)))

    def final(rates: Any) -> Any:
        def one(rate: Any) -> Any:
            return training.train(
                line, momentum, {"learning_rate": rate}, KEY, num_steps=12, batch_size=16
            )

        return jax.vmap(one)(rates)

    calm = jnp.full(8, 0.1)
    wild = calm.at[3].set(1e6)
    a, b = final(calm), final(wild)
    others = np.array([0, 1, 2, 4, 5, 6, 7])
    chex.assert_trees_all_equal(
        jax.tree.map(lambda x: x[others], a.params), jax.tree.map(lambda x: x[others], b.params)
    )
    assert list(np.asarray(b.status.code)) == [0, 0, 0, training.NON_FINITE, 0, 0, 0, 0]
    assert 0 < int(b.status.step[3]) < 11
    assert bool(tree.all_finite(b.params))


def test_vmap_over_keys_and_numbers_is_each_run_alone(small: Any) -> None:
    rates, keys = jnp.array([0.01, 0.1]), jax.random.split(KEY, 3)

    def run(key: Any, rate: Any) -> Any:
        return training.train(
            small, adam, {"learning_rate": rate}, key, num_steps=12, batch_size=16, record_every=6
        )

    grid = jax.vmap(jax.vmap(run, (None, 0)), (0, None))(keys, rates)
    for i, j in ((0, 0), (2, 1)):
        alone = run(keys[i], float(rates[j]))
        lane = jax.tree.map(lambda x, i=i, j=j: x[i, j], grid)
        chex.assert_trees_all_close(lane, alone, rtol=2e-4, atol=1e-6)


def test_new_numbers_keys_and_data_compile_nothing(small: Any) -> None:
    def run(rate: float, seed: int, problem: Any) -> None:
        training.train(
            problem, adam, {"learning_rate": rate}, jax.random.key(seed), num_steps=3, ceiling=9.0
        )

    run(0.1, 0, small)
    compiled = _train._cache_size()
    run(0.2, 1, small)
    generator = np.random.default_rng(5)
    other = problems.classification(
        generator.normal(size=(120, 4)),
        _labels(),
        model=MLP((4, 8, 3), activation="tanh"),
        seed=3,
    )
    run(0.3, 2, other)
    training.train(small, adam, {"learning_rate": np.float64(1)}, KEY, num_steps=3, ceiling=8.0)
    assert _train._cache_size() == compiled


def test_the_value_of_a_scheduled_number_is_recorded(small: Any) -> None:
    run = training.train(
        small, adam, {"learning_rate": 0.1}, KEY, num_steps=10, schedule="cosine", record_every=0
    )
    cosine = schedules.get("cosine")
    expected = [0.1 * cosine.factor(jnp.int32(t), 10, cosine.Hyper()) for t in range(10)]
    np.testing.assert_allclose(run.history.values["learning_rate"], expected, rtol=1e-6)
    assert run.history.validation == {}


def test_an_absolute_optax_schedule_is_used_as_it_is(small: Any) -> None:
    fn = schedules.from_optax(optax.linear_schedule(0.5, 0.0, 10), "learning_rate")
    run = training.train(small, sgd, {}, KEY, num_steps=10, schedule=fn, record_every=0)
    np.testing.assert_allclose(
        run.history.values["learning_rate"], 0.5 - 0.05 * np.arange(10), rtol=1e-5
    )


def test_evaluation_in_blocks_is_the_whole(monkeypatch: pytest.MonkeyPatch, small: Any) -> None:
    params = small.init(KEY)
    whole = training.evaluate(small, params, "train")
    for block in (10, 83, 84):
        monkeypatch.setattr("jaxnn.training.evaluation.BLOCK_ROWS", block)
        chex.assert_trees_all_close(training.evaluate(small, params, "train"), whole, rtol=1e-6)


def test_blocks_of_half_precision_do_not_overflow_where_the_mean_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.ones((1200, 1))
    line = problems.regression(
        x, 200.0 * x, model=MLP((1, 1), weight_init="zeros", dtype="float16"), standardize=False
    )
    params = line.init(KEY)
    monkeypatch.setattr("jaxnn.training.evaluation.BLOCK_ROWS", 100)
    metrics = training.evaluate(line, params, "train")
    assert metrics["loss"].dtype == jnp.float16
    np.testing.assert_allclose(metrics["loss"], 20000.0, rtol=1e-3)


def test_a_problem_without_rows_of_its_own_is_evaluated_whole() -> None:
    class Plain(NamedTuple):
        validation: Any

        def metrics(self, params: Any, batch: Any) -> Any:
            return {"worst": params * jnp.max(batch.inputs)}

    rows = problems.base.Batch(jnp.arange(2000.0)[:, None], jnp.zeros(2000))
    assert float(training.evaluate(Plain(rows), jnp.float32(2), "validation")["worst"]) == 3998.0


def test_no_record_is_lost_when_a_run_goes_on_from_an_odd_step(small: Any) -> None:
    settings: dict[str, Any] = {"batch_size": 16, "record_every": 2}
    whole = training.train(small, adam, {}, KEY, num_steps=4, **settings)
    first = training.train(small, adam, {}, KEY, num_steps=1, batch_size=16, record_every=1)
    second = training.train(small, adam, {}, KEY, num_steps=3, initial=first, **settings)
    np.testing.assert_allclose(
        second.history.validation["loss"], whole.history.validation["loss"], rtol=1e-6
    )


def test_a_padded_row_with_an_infinite_loss_does_not_spoil_the_mean() -> None:
    x = np.zeros((60, 1))
    problem = problems.regression(x, np.ones((60, 1)), model=MLP((1, 1)), standardize=False)
    bad = problem.train.targets.at[-1].set(jnp.inf)
    params = problem.init(KEY)
    rows = problem.per_row(params, problem.train._replace(targets=bad))["loss"]
    assert np.isinf(rows[-1])
    assert np.all(np.isfinite(rows[:-1]))


def test_a_trial_in_stages_is_the_run_of_train(small: Any) -> None:
    staged = training.stages(small, adam, num_steps=9, batch_size=16, record_every=3)
    hyper = {"learning_rate": jnp.float32(0.05), "b1": jnp.float32(0.8)}
    assert staged.prepare is not None
    assert staged.feed is not None
    prepared = staged.prepare(KEY, staged.data)
    state = staged.init(prepared, hyper, staged.data)
    advance = jax.jit(staged.advance)
    losses, validation = [], []
    for t in range(9):
        if t % 5 == 0:  # segments need not end with an epoch
            steps = jnp.arange(t, t + 5, dtype=jnp.int32)
            fed = staged.feed(prepared, steps, staged.data)
        one = jax.tree.map(lambda x, at=t % 5: x[at], fed)
        state, scalars = advance(state, hyper, jnp.int32(t), staged.data, one)
        losses.append(scalars["loss"])
        validation.append(scalars["validation_accuracy"])
    run = training.train(
        small, adam, adam.Hyper(0.05, 0.8), KEY, num_steps=9, batch_size=16, record_every=3
    )
    np.testing.assert_allclose(losses, run.history.loss, rtol=1e-5)
    np.testing.assert_array_equal(np.isnan(validation), [True, True, False] * 3)
    np.testing.assert_allclose(validation[2::3], run.history.validation["accuracy"], rtol=1e-6)
    metrics = staged.measure(state, hyper, staged.data)
    np.testing.assert_allclose(metrics["loss"], run.history.validation["loss"][-1], rtol=1e-5)
    assert (int(metrics["status"]), int(metrics["status_step"])) == (0, -1)


@pytest.mark.parametrize("donate", [False, True])
def test_make_step_is_the_step_compiled(small: Any, donate: bool) -> None:
    params = small.init(KEY)
    hyper = optimizers.check(adam, {"learning_rate": 0.1})
    state = adam.init(params, hyper)
    expected = training.step(_mean_loss, adam, params, state, (small, small.train), hyper)
    compiled = training.make_step(_mean_loss, "adam", donate=donate)
    assert compiled is training.make_step(_mean_loss, adam, donate=donate)
    mine = jax.tree.map(jnp.copy, (params, state))
    got = compiled(*mine, (small, small.train), hyper)
    chex.assert_trees_all_close(got, expected, rtol=1e-5, atol=1e-7)
    assert all(x.is_deleted() == donate for x in jax.tree.leaves(mine))


def _mean_loss(params: Any, data: Any, key: Any) -> Any:
    problem, batch = data
    return problem.loss(params, batch, key)


def test_labels_read_the_history() -> None:
    t = np.arange(101)
    assert training.label(4 * 0.64**t - 9 * 1.44**t) == "diverging"  # the lecture's saddle
    assert training.label(1e-3 * 1.1**t) == "diverging"
    assert training.label(0.5**t) == "converged"
    assert training.label(1 / (1 + t)) == "not converged"
    assert training.label(np.ones(10)) == "converged"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"optimizer": "adm"},
            ValueError,
            "optimizers.get: `name` must be a known name; got 'adm'. Did you mean 'adam'?",
        ),
        (
            {"hyper": {"learning_rate": -0.1}},
            ValueError,
            "adam: `learning_rate` must be > 0; got -0.1. Did you mean 0.1?",
        ),
        (
            {"num_steps": 0},
            ValueError,
            "train: `num_steps` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            {"num_steps": 2.5},
            TypeError,
            "train: `num_steps` must be an integer; got 2.5. Pass 1 or more.",
        ),
        (
            {"batch_size": 99},
            ValueError,
            "train: `batch_size` must be in [1, 84]; got 99. Did you mean 84?",
        ),
        (
            {"record_every": 9},
            ValueError,
            "train: `record_every` must be in [0, 4]; got 9. Did you mean 4?",
        ),
        (
            {"ceiling": 0.0},
            ValueError,
            "train: `ceiling` must be > 0; got 0.0. Pass None for no ceiling.",
        ),
        (
            {"optimizer": optax.sgd(0.1)},
            TypeError,
            "train: `optimizer` must be a rule with Hyper, init and update, or a name; got a "
            "GradientTransformationExtraArgs. "
            "Wrap a factory of Optax: optimizers.from_optax(optax.adam).",
        ),
        (
            {"key": jax.random.split(KEY, 3)},
            TypeError,
            "train: `key` must be one JAX key; got an array of shape (3,) and dtype key<fry>. "
            "Pass one of them, or vmap over keys.",
        ),
        ({"key": 3}, TypeError, "train: `key` must be one JAX key; got 3. Pass jax.random.key(0)."),
        (
            {"problem": 3},
            TypeError,
            "train: `problem` must be a problem of jaxnn.problems, or its name; got int without "
            "`init`, `loss`, `metrics`, `train`. Make one from arrays with "
            "problems.classification(x, y), or pass the name of one.",
        ),
    ],
)
def test_bad_input_is_named_before_anything_compiles(
    small: Any, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments: dict[str, Any] = {
        "problem": small,
        "optimizer": adam,
        "hyper": {},
        "key": KEY,
        "num_steps": 4,
    } | change
    compiled = _train._cache_size()
    with pytest.raises(error) as caught:
        training.train(**arguments)
    assert str(caught.value) == message
    assert _train._cache_size() == compiled


@pytest.mark.parametrize(("split", "fix"), [("tset", " Did you mean 'test'?"), (None, "")])
def test_another_part_is_not_evaluated(small: Any, split: Any, fix: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        training.evaluate(small, {}, split)
    assert str(caught.value) == (
        f"evaluate: `split` must be one of test, train, validation; got {split!r}.{fix}"
    )


@pytest.mark.usefixtures("x64", "strict_dtypes")
def test_double_precision_starts_from_the_same_point_and_stays_double(small: Any) -> None:
    settings: dict[str, Any] = {"num_steps": 6, "batch_size": 16, "record_every": 2}
    run = training.train(small, adam, {"learning_rate": 0.05}, KEY, ceiling=1e3, **settings)
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        single = training.train(small, adam, {"learning_rate": 0.05}, KEY, **settings)
    for tree_ in (run.params, run.optimizer_state.mean, run.history):
        assert {x.dtype for x in jax.tree.leaves(tree_)} == {jnp.dtype("float64")}
    np.testing.assert_allclose(run.history.loss, single.history.loss, rtol=1e-5)


def test_a_function_has_no_batches() -> None:
    with pytest.raises(ValueError, match="batch_size") as caught:
        training.train("saddle", sgd, {}, KEY, num_steps=1, batch_size=2)
    assert str(caught.value) == (
        "train: `batch_size` must be None; got 2. "
        "Leave it None: the problem is a function and has no rows."
    )
