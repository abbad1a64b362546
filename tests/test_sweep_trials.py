"""Trials of every kind: structure, whole numbers, keys of their own, a status for each."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import sweeps, training
from jaxnn.space import choice, grid, integers, log_uniform, structural, uniform
from jaxnn.sweeps import TUNING, Staged, build, by_structure

MAKE = {"sin": jnp.sin, "cos": jnp.cos}


def named(key: Any, hyper: Any) -> Any:
    del key
    return {"loss": MAKE[hyper["name"]](hyper["x"]) + hyper.get("extra", 0.0)}


@pytest.mark.filterwarnings("ignore:The trial does not read its key")
def test_structure_is_a_program_and_rows_stay_in_order() -> None:
    space = {
        "x": uniform(0, 1),
        "name": choice({"sin": {}, "cos": {"extra": uniform(5, 6)}}),
    }
    results = sweeps.run(named, space, num_trials=12, num_seeds=2, width=(2, 4))
    table = results.table()
    np.testing.assert_array_equal(table["setting"], np.repeat(np.arange(12), 2))
    wanted = [
        (np.sin(x) if name == "sin" else np.cos(x) + extra)
        for x, name, extra in zip(table["x"], table["name"], table["extra"], strict=True)
    ]
    np.testing.assert_allclose(table["loss"], wanted, rtol=1e-6)
    best = results.best("loss")
    assert best["name"] == "sin"
    assert set(best) == {"x", "name"}
    assert set(results.best("loss", mode="max")) == {"x", "name", "extra"}


def test_a_trial_made_for_each_structure() -> None:
    def make(structure: dict[str, Any]) -> Staged:
        return training.stages("moons", structure["optimizer"], num_steps=6, batch_size=16)

    space = {"optimizer": grid(["sgd", "adam"]), "learning_rate": 0.1}
    table = sweeps.run(by_structure(make), space, num_seeds=2).table()
    assert list(table["optimizer"]) == ["sgd", "sgd", "adam", "adam"]
    for row, name in ((1, "sgd"), (2, "adam")):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), TUNING), row % 2)
        run = training.train("moons", name, {"learning_rate": 0.1}, key, num_steps=6, batch_size=16)
        np.testing.assert_allclose(
            table["loss"][row], run.history.validation["loss"][-1], rtol=1e-4
        )


def test_a_number_that_decides_what_is_made_is_told() -> None:
    def make(structure: Any) -> Any:
        return training.stages("moons", structure["rule"], num_steps=int(structure["steps"]))

    space = {"learning_rate": 0.1, "steps": 4, "rule": "sgd"}
    with pytest.raises(ValueError, match="structural") as caught:
        sweeps.run(by_structure(make), space)
    assert str(caught.value) == (
        "sweeps.by_structure: `steps` must be structural, since what is made depends on it; got a "
        'traced number. Declare it: space = {"steps": structural(...)}.'
    )
    with pytest.raises(ValueError, match="rule") as caught:
        sweeps.run(by_structure(lambda s: s["rul"]), space)
    assert str(caught.value) == (
        "sweeps.by_structure: `structure` must be one of rule; got 'rul'. Did you mean 'rule'?"
    )


def test_structure_reaches_the_functions_of_a_staged_trial() -> None:
    trial = Staged(
        lambda key, hyper, data: jnp.zeros(hyper["n"]),
        lambda state, hyper, step, data: (state + hyper["x"], {"loss": state.sum()}),
        lambda state, hyper, data: {"size": jnp.float32(state.size), "sum": state.sum()},
        num_steps=3,
    )
    space = {"n": grid([2, 5]), "x": uniform(0, 1)}
    table = sweeps.run(trial, {**space, "n": structural(space["n"])}, num_trials=3).table()
    assert list(table["size"]) == [2, 5] * 3
    np.testing.assert_allclose(table["sum"], 3 * table["size"] * table["x"], rtol=1e-6)


def test_whole_numbers_are_whole_in_a_trial() -> None:
    def trial(key: Any, hyper: Any) -> Any:
        assert hyper["n"].dtype == jnp.int32
        assert hyper["x"].dtype == jnp.float32
        return {"count": hyper["n"] * 2, "loss": hyper["x"]}

    table = sweeps.run(trial, {"n": integers(-3, 3), "x": 1}, num_trials=8).table()
    np.testing.assert_array_equal(table["count"], 2 * table["n"])
    assert table["n"].dtype == np.int64


# Keys


def draw(key: Any, hyper: Any) -> Any:
    return {"u": jax.random.uniform(key) + 0 * hyper["x"]}


def test_settings_share_keys_unless_each_row_has_its_own() -> None:
    space = {"x": uniform(0, 1)}
    options: dict[str, Any] = {"num_trials": 6, "num_seeds": 3, "width": (2, 4)}
    shared = sweeps.run(draw, space, **options).table()["u"].reshape(6, 3)
    assert np.all(shared == shared[0])
    assert len(set(shared[0])) == 3
    table = sweeps.run(draw, space, common=False, **options).table()
    assert len(set(table["u"])) == 18
    for row in (0, 7, 17):
        key = jax.random.fold_in(jax.random.key(0), TUNING)
        for number in (table["replicate"][row], table["setting"][row]):
            key = jax.random.fold_in(key, int(number))
        assert table["u"][row] == jax.random.uniform(key)


def test_own_keys_reach_what_is_prepared_and_fed() -> None:
    def feed(key: Any, steps: Any, data: Any) -> Any:
        return jax.vmap(lambda step: jax.random.normal(jax.random.fold_in(key, step)))(steps)

    walk = Staged(
        lambda key, hyper, data: hyper["x"],
        lambda state, hyper, step, data, noise: (state + noise, {"noise": noise}),
        lambda state, hyper, data: {"at": state},
        num_steps=4,
        feed=feed,
    )
    found = sweeps.run(walk, {"x": 1.0}, num_trials=3, num_seeds=2, common=False)
    assert len(np.unique(found.curves["noise"])) == 3 * 2 * 4
    np.testing.assert_allclose(
        found.table()["at"], 1 + found.curves["noise"].sum(axis=1), rtol=1e-5
    )


# A status for each trial


def growing(ceiling: float | None = None) -> Any:
    """x grows by a factor a step; its root is NaN once y has fallen below 0."""
    trial = Staged(
        lambda key, hyper, data: {"at": hyper["x"], "fall": jnp.float32(2.5), "key": key},
        lambda state, hyper, step, data: (
            {
                "at": state["at"] * hyper["factor"] + 0 * jnp.sqrt(state["fall"] - step),
                "fall": state["fall"] + 10 * (hyper["factor"] > 1.5),
                "key": state["key"],
            },
            {"loss": state["at"], "count": step},
        ),
        lambda state, hyper, data: {"at": state["at"]},
        num_steps=6,
    )
    space = [{"x": 1.0, "factor": 2.0}, {"x": 1.0, "factor": 1.0}, {"x": 1e38, "factor": 2.0}]
    return sweeps.run(trial, space, ceiling=ceiling, width=(1, 3), segment=2)


def test_a_trial_that_is_not_finite_is_frozen_before_it() -> None:
    found = growing()
    table = found.table()
    # The second falls out of the root's range at step 3, the third overflows at its second step.
    assert list(table["status"]) == [0, 1, 1]
    assert list(table["status_step"]) == [-1, 3, 1]
    np.testing.assert_array_equal(table["at"], np.float32([64, 1, 2e38]))
    losses = found.curves["loss"]
    np.testing.assert_array_equal(losses[0], [1, 2, 4, 8, 16, 32])
    np.testing.assert_array_equal(losses[1], [1, 1, 1, 1, np.nan, np.nan])
    np.testing.assert_array_equal(losses[2], np.float32([1e38, 2e38] + [np.nan] * 4))
    assert found.curves["count"].dtype == np.int32
    assert list(found.ranking("at")) == [0, 1, 2]


def test_a_trial_above_the_ceiling_is_frozen() -> None:
    table = growing(ceiling=10.0).table()
    assert list(table["status"]) == [2, 1, 2]
    assert list(table["status_step"]) == [4, 3, 0]
    np.testing.assert_array_equal(table["at"], np.float32([16, 1, 1e38]))


def test_one_that_fails_leaves_the_others_as_they_are() -> None:
    staged = training.stages("moons", "sgd", num_steps=20, batch_size=16, record_every=20)
    rates = np.geomspace(1e-3, 1e-1, 64)
    fine = [{"learning_rate": float(x)} for x in rates]
    broken = [*fine[:20], {"learning_rate": 1e38}, *fine[21:]]
    with_, without = (sweeps.run(staged, space, width=(1, 64)) for space in (broken, fine))
    assert with_.status[20] == 1
    others = np.arange(64) != 20
    for name in ("loss", "status", "status_step"):
        np.testing.assert_array_equal(with_.table()[name][others], without.table()[name][others])
    np.testing.assert_array_equal(with_.curves["loss"][others], without.curves["loss"][others])
    assert with_.ranking("loss")[-1] == 20


def test_metrics_that_are_not_finite_fail_at_the_end() -> None:
    trial = lambda key, hyper: {"loss": jnp.log(hyper["x"])}  # noqa: E731
    found = sweeps.run(trial, [{"x": -1.0}, {"x": 1.0}])
    assert list(found.status) == [1, 0]
    assert list(found.table()["status_step"]) == [0, -1]


# However it is run


SPACE = {"x": uniform(-1.0, 1.0), "rate": log_uniform(1e-3, 1e-1), "name": choice(["a", "b"])}


def staged(structure: dict[str, Any]) -> Staged:
    optimizer = {"a": "adam", "b": "momentum"}[structure["name"]]
    made = training.stages("moons", optimizer, num_steps=8, batch_size=8, record_every=4)
    return made._replace(
        init=lambda prepared, hyper, data: made.init(prepared, _numbers(hyper), data),
        advance=lambda s, hyper, *rest: made.advance(s, _numbers(hyper), *rest),
        measure=lambda s, hyper, data: made.measure(s, _numbers(hyper), data),
        check=None,
    )


def _numbers(hyper: Any) -> Any:
    return {"learning_rate": hyper["rate"] * (1 + 0.01 * hyper["x"])}


def whole_table(**options: Any) -> dict[str, Any]:
    found = sweeps.run(
        by_structure(staged), SPACE, num_trials=14, num_seeds=3, seed=2, width=(2, 4), **options
    )
    columns = found.table() | found.curves
    # As bytes, since NaN is not equal to itself.
    return {
        name: x.tolist() if x.dtype == object else x.tobytes().hex() for name, x in columns.items()
    }


def test_segments_change_no_bit() -> None:
    one = whole_table(segment=1)
    assert whole_table(segment=4) == one
    assert whole_table(segment=8) == one


def test_devices_change_no_bit(tmp_path: pathlib.Path) -> None:
    # Each number of devices in a process of its own, since the first use of JAX settles it.
    program = (
        "import jax, json, pathlib, sys; number, path, tests = sys.argv[1:]; "
        "jax.config.update('jax_num_cpu_devices', int(number)); sys.path.insert(0, tests); "
        "import test_sweep_trials as t; assert len(jax.local_devices()) == int(number); "
        "pathlib.Path(path).write_text(json.dumps(t.whole_table()))"
    )
    tables = [tmp_path / f"{number}.json" for number in (1, 2)]
    tests = str(pathlib.Path(__file__).parent)
    for number, path in enumerate(tables, start=1):
        command = [sys.executable, "-c", program, str(number), str(path), tests]
        subprocess.run(command, check=True, timeout=300)
    one, two = (json.loads(path.read_text()) for path in tables)
    assert one == two


def test_an_error_in_a_block_ends_the_sweep_with_it() -> None:
    def fail(x: Any) -> Any:
        raise RuntimeError(f"no such device {x.shape}")

    def trial(key: Any, hyper: Any) -> Any:
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return {"loss": jax.pure_callback(fail, shape, hyper["x"], vmap_method="sequential")}

    with pytest.raises(jax.errors.JaxRuntimeError, match="no such device"):
        sweeps.run(trial, {"x": uniform(0, 1)}, num_trials=4)


def test_advice_where_most_lanes_are_padding() -> None:
    space = {"x": uniform(0, 1), "n": structural(integers(1, 16))}
    trial = lambda key, hyper: {"loss": hyper["x"] * hyper["n"]}  # noqa: E731
    assert (
        build.build(
            trial,
            space,
            num_trials=32,
            num_seeds=1,
            seed=0,
            method="sobol",
            width=None,
            common=True,
            ceiling=None,
        ).advice()
        == []
    )  # by default blocks are as narrow as structures are small
    with pytest.warns(UserWarning, match="lanes are padding") as caught:
        sweeps.run(trial, space, num_trials=32, width=(1, 32))
    assert str(caught[0].message).startswith("480 of 512 lanes are padding (94%): 16 programs of ")
