"""Sweeps: settings × replicates in one program, whatever the blocks; keys by identity."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import problems, sweeps, training
from jaxnn.models import MLP
from jaxnn.optimizers import adam
from jaxnn.space import log_uniform, one_minus, uniform
from jaxnn.sweeps import EVALUATION, TUNING, Engine, Plan, Staged, Width, compiling

SPACE = {"x": uniform(-1.0, 1.0), "y": log_uniform(1e-3, 1e1)}


def walk_init(key: Any, hyper: Any, data: Any) -> Any:
    return {"at": jnp.asarray(data) + hyper["x"], "key": key}


def walk(state: Any, hyper: Any, step: Any, data: Any) -> Any:
    noise = jax.random.normal(jax.random.fold_in(state["key"], step))
    return fed_walk(state, hyper, step, data, noise)


def fed_walk(state: Any, hyper: Any, step: Any, data: Any, noise: Any) -> Any:
    del data
    at = state["at"] + hyper["y"] * noise
    return state | {"at": at}, {"at": at, "step": step.astype(jnp.float32)}


def draw_noise(key: Any, steps: Any, data: Any) -> Any:
    del data
    return jax.vmap(lambda step: jax.random.normal(jax.random.fold_in(key, step)))(steps)


def where(state: Any, hyper: Any, data: Any) -> Any:
    del hyper, data
    return {"at": state["at"], "square": state["at"] ** 2}


WALK = Staged(walk_init, walk, where, 8, 2.0)
FED = WALK._replace(advance=fed_walk, feed=draw_noise)


def by_hand(setting: dict[str, float], replicate: int, seed: int, purpose: int) -> list[float]:
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), purpose), replicate)
    at, path = np.float32(2.0) + np.float32(setting["x"]), []
    for step in range(8):
        noise = float(jax.random.normal(jax.random.fold_in(key, step)))
        at = at + np.float32(setting["y"]) * np.float32(noise)
        path.append(float(at))
    return path


@pytest.mark.parametrize("trial", [WALK, FED], ids=["alone", "fed"])
def test_a_row_is_its_setting_and_replicate_by_hand(trial: Staged) -> None:
    results = sweeps.run(trial, SPACE, num_trials=5, num_seeds=3, seed=4, width=(2, 2))
    table = results.table()
    assert list(table["setting"]) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert list(table["replicate"]) == [0, 1, 2] * 5
    for row in (0, 7, 14):
        setting = {name: table[name][row] for name in ("x", "y")}
        path = by_hand(setting, int(table["replicate"][row]), 4, TUNING)
        np.testing.assert_allclose(results.curves["at"][row], path, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(table["at"][row], path[-1], rtol=2e-5, atol=1e-6)
    np.testing.assert_array_equal(results.curves["step"][3], np.arange(8))
    assert np.all(results.status == 0)


def test_the_same_width_is_bit_equal_however_the_rows_fall_into_blocks() -> None:
    settings = sweeps.propose(SPACE, 6, 0)
    width = Width(2, 4)

    def table(chosen: list[int], num_seeds: int) -> dict[tuple[float, int], float]:
        columns = {name: column[chosen] for name, column in settings.columns.items()}
        plan = Plan(columns, num_seeds, 0, TUNING, width)
        rows = sweeps.execute(Engine(WALK, columns, width), plan).table()
        return {
            (x, r): at for x, r, at in zip(rows["x"], rows["replicate"], rows["at"], strict=True)
        }

    whole, part = table([0, 1, 2, 3, 4, 5], 5), table([5, 2, 3], 2)
    assert part == {row: whole[row] for row in part}


def test_compile_options_that_this_jaxlib_does_not_know_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = dict(compiling.LONG)
    monkeypatch.setattr(compiling, "LONG", {**known, "xla_an_option_of_tomorrow": 1})
    options = compiling.options.__wrapped__  # it remembers, and this is a table of its own
    assert options("cpu", short=False) == known
    assert options("cpu", short=True) == compiling.SHORT
    assert options("gpu", short=True) is None


def test_tuning_and_evaluation_never_share_a_key() -> None:
    def keys(purpose: int) -> set[tuple[int, ...]]:
        plan = Plan({}, 50, 0, purpose, Width(50, 1))
        data = jax.random.key_data(plan.keys(next(plan.blocks())))
        return {tuple(map(int, row)) for row in data}

    tuning, evaluation = keys(TUNING), keys(EVALUATION)
    assert len(tuning) == len(evaluation) == 50
    assert not tuning & evaluation


def test_the_first_points_stay_when_more_are_asked_for() -> None:
    few, many = sweeps.propose(SPACE, 5, 3).columns, sweeps.propose(SPACE, 40, 3).columns
    for name in SPACE:
        np.testing.assert_array_equal(few[name], many[name][:5])
        assert not np.array_equal(many[name], sweeps.propose(SPACE, 40, 4).columns[name])


def test_points_fill_their_space_evenly_and_constants_stay() -> None:
    space = {"a": uniform(2.0, 3.0), "b": one_minus(log_uniform(1e-3, 1e-1)), "c": 0.5}
    columns = sweeps.propose(space, 64, 0).columns
    assert np.all(columns["c"] == 0.5)
    assert np.all((columns["b"] >= 0.9) & (columns["b"] <= 0.999))
    eighths = np.floor((columns["a"] - 2.0) * 8).astype(int)
    assert list(np.bincount(eighths)) == [8] * 8
    decades = np.log10(1 - columns["b"])
    assert list(np.histogram(decades, bins=8, range=(-3, -1))[0]) == [8] * 8


def test_what_a_replicate_draws_is_drawn_once_for_all_settings() -> None:
    drawn: list[float] = []

    def feed(key: Any, steps: Any, data: Any) -> Any:
        noise = draw_noise(key, steps, data)
        jax.vmap(lambda one: jax.debug.callback(lambda x: drawn.append(float(x)), one))(noise)
        return noise

    sweeps.run(FED._replace(feed=feed), SPACE, num_trials=5, num_seeds=3, width=(3, 5))
    jax.effects_barrier()
    # And a segment of one step, by which the program is compiled.
    assert len(drawn) == 3 * 8 + 3 * 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"advance": walk},
            "sweeps: `advance` must be called as advance(state, hyper, step, data, fed), since "
            "there is a feed; got advance(state: 'Any', hyper: 'Any', step: 'Any', data: 'Any') "
            "-> 'Any'.",
        ),
        (
            {"feed": None},
            "sweeps: `advance` must be called as advance(state, hyper, step, data), since there "
            "is no feed; got advance(state: 'Any', hyper: 'Any', step: 'Any', data: 'Any', "
            "noise: 'Any') -> 'Any'.",
        ),
        (
            {"feed": lambda key, steps, data: jax.random.normal(key)},
            "sweeps: `feed` must be arrays with an entry for each of the 2 steps it is given; "
            "got shape ().",
        ),
    ],
)
def test_a_feed_that_does_not_fit_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        sweeps.run(FED._replace(**changed), SPACE, num_trials=2)
    assert str(caught.value) == message


def test_a_sweep_of_training_is_each_run_alone() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    problem = problems.classification(x, np.argmax(x, axis=1), model=MLP((3, 6, 3)))
    staged = training.stages(problem, adam, num_steps=10, batch_size=8, record_every=5)
    space = {"learning_rate": log_uniform(1e-3, 1e-1), "b1": 0.8}
    results = sweeps.run(staged, space, num_trials=3, num_seeds=2, seed=1)
    table = results.table()
    for row in (0, 5):
        key = jax.random.fold_in(jax.random.key(1), TUNING)
        run = training.train(
            problem,
            adam,
            {name: table[name][row] for name in space},
            jax.random.fold_in(key, int(table["replicate"][row])),
            num_steps=10,
            batch_size=8,
            record_every=5,
        )
        np.testing.assert_allclose(results.curves["loss"][row], run.history.loss, rtol=1e-4)
        for name, values in run.history.validation.items():
            np.testing.assert_allclose(table[name][row], values[-1], rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The trial does not read its key")
def test_failures_rank_last() -> None:
    def trial(key: Any, hyper: Any) -> Any:
        del key
        return {"loss": jnp.where(hyper["x"] > 0, jnp.nan, hyper["x"] ** 2)}

    results = sweeps.run(trial, {"x": uniform(-1.0, 1.0)}, num_trials=16, num_seeds=2)
    table = results.table()
    np.testing.assert_array_equal(results.status == 1, table["x"] > 0)
    ranked = results.ranking("loss")
    x = table["x"][::2]
    assert np.all(x[ranked[:8]] < 0)
    assert np.all(x[ranked[8:]] > 0)
    assert results.best("loss") == {"x": max(x[x < 0])}
    assert results.best("loss", mode="max") == {"x": min(x)}


def test_progress_counts_segments_and_may_stop_the_sweep() -> None:
    seen: list[sweeps.Progress] = []
    sweeps.run(WALK, SPACE, num_trials=5, width=(1, 2), progress=seen.append)
    # Three blocks of eight segments of one step.
    segments = [told for told in seen if told.block is None]
    assert [told[:2] for told in segments] == [(k, 24) for k in range(1, 25)]
    blocks = [told for told in seen if told.block is not None]
    # Blocks that end together are stored together, and told one by one after that.
    ended = np.cumsum([told.block.metrics["status"].size for told in blocks if told.block])
    rows = [told.rows for told in blocks]
    assert len(rows) == 3
    assert rows == sorted(rows)
    assert np.all(rows >= ended)
    assert rows[-1] == ended[-1] == 5
    assert {told.num_rows for told in seen} == {5}

    def stop(told: sweeps.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweeps.run(WALK, SPACE, num_trials=5, width=(1, 2), progress=stop)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"num_trials": 0},
            ValueError,
            "sweeps: `num_trials` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            {"seed": -1},
            ValueError,
            "sweeps: `seed` must be in [0, 4294967296); got -1. Pass for example 0.",
        ),
        (
            {"seed": 2**32},
            ValueError,
            "sweeps: `seed` must be in [0, 4294967296); got 4294967296. Pass for example 0.",
        ),
        (
            {"space": {"x": jnp.ones(2)}},
            TypeError,
            "sweeps: `x` must be a distribution, a number or a string; got an array of shape (2,) "
            "and dtype float32. Use log_uniform, uniform, integers, choice, grid or a constant.",
        ),
        (
            {"trial": 3},
            TypeError,
            "sweeps.run: `trial` must be callable; got 3. "
            "Pass f(key, hyper) -> metrics or a Staged.",
        ),
        (
            {"width": (0, 4)},
            ValueError,
            "sweeps: `width` must be >= 1; got 0. Pass 1 or more.",
        ),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    call = {"trial": WALK, "space": SPACE, "num_trials": 2} | arguments
    with pytest.raises(error) as caught:
        sweeps.run(**call)
    assert str(caught.value) == message


def test_numbers_of_a_trial_are_checked_before_anything_compiles() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    problem = problems.classification(x, np.argmax(x, axis=1), model=MLP((3, 6, 3)))
    staged = training.stages(problem, adam, num_steps=2)
    for space, message in (
        ({"b1": 1.5}, "adam: `b1` must be in [0, 1); got 1.5. Did you mean 0.9?"),
        (
            {"lr": 0.1},
            "adam: `hyper` must be one of b1, b2, eps, eps_root, learning_rate; got 'lr'. "
            "Did you mean 'learning_rate'?",
        ),
    ):
        with pytest.raises(ValueError, match="adam") as caught:
            sweeps.run(staged, space, num_trials=2)
        assert str(caught.value) == message


def test_where_a_check_is_convex_only_the_corners_are_checked() -> None:
    asked: list[dict[str, float]] = []

    def check(hyper: dict[str, float]) -> None:
        asked.append(hyper)
        if hyper["x"] + hyper["y"] > 1.5:
            raise ValueError(f"x + y is {hyper['x'] + hyper['y']:g}.")

    settings = [{"x": k / 8, "y": 0.5} for k in range(9)]
    checked = WALK._replace(check=check)
    sweeps.run(checked, settings, num_seeds=1)
    assert asked == settings
    asked.clear()
    convex = checked._replace(convex=True)
    sweeps.run(convex, settings, num_seeds=1)
    assert asked == [{"x": x, "y": y} for x in (0.0, 1.0) for y in (0.5, 0.5)]
    # A corner that is refused is nobody's setting, unless one of the settings is refused too.
    settings[0]["y"] = 1.0
    sweeps.run(convex, settings, num_seeds=1)
    settings[8]["y"] = 1.0
    with pytest.raises(ValueError, match=r"x \+ y is 2\."):
        sweeps.run(convex, settings, num_seeds=1)


def test_a_metric_that_is_better_when_larger_is_told() -> None:
    def trial(key: Any, hyper: Any) -> Any:
        return {"loss": hyper["x"] + jax.random.normal(key), "val_acc": hyper["x"]}

    found = sweeps.run(trial, {"x": uniform(0.0, 1.0)}, num_trials=4)
    text = "'val_acc' is better when larger, by its name, and mode is 'min'. Pass mode='max'."
    with pytest.warns(UserWarning, match="better") as caught:
        found.best("val_acc")
    assert str(caught[0].message) == f"Results: {text}"
    assert found.best("val_acc", mode="max") == found.setting(int(found.columns["x"].argmax()))
    rule = sweeps.MedianRule("at", first=2, every=2)
    with pytest.raises(ValueError, match="Did you mean 'at'"):
        sweeps.run(
            WALK,
            {"x": 0.0, "y": uniform(0, 1)},
            num_trials=2,
            stop=dataclasses.replace(rule, metric="validation_at"),
        )
    acc = WALK._replace(measure=lambda state, hyper, data: {"acc": state["at"]})
    with pytest.warns(UserWarning, match=r"sweeps\.run: 'acc' is better when larger"):
        sweeps.run(
            acc,
            {"x": 0.0, "y": uniform(0, 1)},
            num_trials=2,
            stop=dataclasses.replace(rule, metric="acc"),
        )


def test_seeds_of_a_trial_that_does_not_read_its_key_are_told() -> None:
    def trial(key: Any, hyper: Any) -> Any:
        return {"loss": hyper["x"] + jax.random.normal(jax.random.key(0))}

    with pytest.warns(UserWarning, match="key") as caught:
        found = sweeps.run(trial, {"x": uniform(0.0, 1.0)}, num_trials=4, num_seeds=3)
    assert str(caught[0].message) == (
        "The trial does not read its key, so that its 3 seeds give the same and intervals have no "
        "width."
    )
    assert (np.ptp(found.by_setting("loss"), axis=1) == 0).all()


@pytest.mark.parametrize("name", ["x", "setting", "replicate"])
def test_a_metric_may_not_be_named_like_a_column(name: str) -> None:
    with pytest.raises(ValueError, match="metrics") as caught:
        sweeps.run(lambda key, hyper: {name: hyper["x"]}, {"x": uniform(0, 1)}, num_trials=2)
    assert str(caught.value) == (
        f"sweeps: `metrics` must be named unlike the settings; got {name!r}. "
        "That is a column of the table already: rename the metric."
    )


def test_a_trial_without_numbers_and_one_without_names() -> None:
    def draw(key: Any, hyper: Any) -> Any:
        return {"u": jax.random.uniform(key)}

    results = sweeps.run(draw, {}, num_trials=1, num_seeds=3)
    assert len(set(results.table()["u"])) == 3
    with pytest.raises(TypeError, match="a dict of scalars"):
        sweeps.run(lambda key, hyper: hyper["x"], {"x": uniform(0, 1)}, num_trials=2)


def test_an_unknown_metric_is_named() -> None:
    results = sweeps.run(WALK, SPACE, num_trials=2)
    with pytest.raises(ValueError, match="metric") as caught:
        results.best("sqare")
    assert str(caught.value) == (
        "Results: `metric` must be one of at, replicate, setting, square, status, status_step, "
        "x, y; got 'sqare'. Did you mean 'square'?"
    )
