"""What a sweep is given is looked at before anything is traced or compiled."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import sweeps
from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.space import choice, integers, uniform
from jaxnn.sweeps import MedianRule, PopulationBased, Staged, SuccessiveHalving
from jaxnn.sweeps.rules import rule_from_plain

SPACE = {"x": uniform(0.0, 1.0)}


def trial(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["x"]}


STEPS = Staged(
    lambda key, hyper, data: hyper["x"],
    lambda state, hyper, step, data: (state, {}),
    lambda state, hyper, data: {"loss": state},
    num_steps=8,
)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"common": "no"}, BadType, "`common` must be True or False; got 'no'."),
        ({"ceiling": "9"}, BadType, "`ceiling` must be a number; got '9'."),
        ({"ceiling": True}, BadType, "`ceiling` must be a number; got True."),
        ({"ceiling": float("nan")}, BadValue, "`ceiling` must be > 0; got nan."),
        ({"store": 3}, BadType, "`store` must be a path; got 3."),
        ({"progress": 1}, BadType, "`progress` must be True, False or a function; got 1."),
        ({"space": {3: 1.0}}, BadType, "`space` must be named by strings; got 3."),
        ({"space": [{3: 1.0}]}, BadType, "`space` must be named by strings; got 3."),
        (
            {"space": {"status": uniform(0, 1)}},
            BadValue,
            "`space` must be named unlike columns; got 'status'. "
            "That is a column of the table already: rename it.",
        ),
        (
            {"space": {"x": float("nan")}},
            BadValue,
            "`space` must be of numbers; got nan for 'x'. "
            "Leave out what does not exist in a setting.",
        ),
        (
            {"space": {"x": integers(2**40, 2**40 + 1)}},
            BadValue,
            "`space` must be of whole numbers in [−2³¹, 2³¹); got 1,099,511,627,776 for 'x'. "
            "Scale it, or draw its logarithm.",
        ),
    ],
)
def test_arguments(arguments: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        sweeps.run(trial, **({"space": SPACE, "num_trials": 1} | arguments))
    assert type(raised.value) is error
    assert str(raised.value) == f"sweeps.run: {message}"


def test_constants_may_be_scalars_of_numpy() -> None:
    space = [{"x": np.float32(0.5), "n": np.int64(2)}, {"x": 0.25, "n": 3}]
    found = sweeps.run(lambda key, hyper: {"loss": hyper["x"] * hyper["n"]}, space)
    assert found.table()["loss"].tolist() == [1.0, 0.75]


def test_whole_numbers_may_reach_to_the_ends_of_int32() -> None:
    for low in (-(2**31), 2**31 - 2):
        space = {"x": integers(low, low + 1)}
        found = sweeps.run(lambda key, hyper: {"n": hyper["x"]}, space, num_trials=8)
        assert set(found.table()["n"].tolist()) == {low, low + 1}


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        (
            lambda state, h, t, d: state,
            BadType,
            "sweeps: `advance` must be one that returns (state, scalars); got Traced<float32[]>. "
            "Return state, {'loss': loss}, for example, or state, {}.",
        ),
        (
            lambda state, h, t, d: (state, None),
            BadType,
            "sweeps: `scalars` must be a dict of scalars; got None. Return {}.",
        ),
        (
            lambda state, h, t, d: (state, {1: state}),
            BadType,
            "sweeps: `scalars` must be named by strings; got 1.",
        ),
        (
            lambda state, h, t, d: (state, {"loss": jnp.ones(3)}),
            BadType,
            "sweeps: `scalars['loss']` must be a real scalar; got float32 of shape (3,). "
            "What is measured once, at the end, may be an array.",
        ),
        (
            lambda state, h, t, d: (state, {"loss": state * 1j}),
            BadType,
            "sweeps: `scalars['loss']` must be a real scalar; got complex64 of shape (). "
            "What is measured once, at the end, may be an array.",
        ),
    ],
)
def test_a_step_gives_a_state_and_scalars(step: Any, error: type, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        sweeps.run(STEPS._replace(advance=step), SPACE, num_trials=1)
    assert type(raised.value) is error
    got = str(raised.value)
    assert (got.split("got ")[0], got.split(". ")[-1]) == (
        message.split("got ")[0],
        message.split(". ")[-1],
    )


@pytest.mark.parametrize("num_steps", [-1, 2.5, "8"])
def test_steps_are_counted(num_steps: Any) -> None:
    with pytest.raises(BadInput, match="sweeps: `num_steps` must be"):
        sweeps.run(STEPS._replace(num_steps=num_steps), SPACE, num_trials=1)


def test_a_status_needs_its_step() -> None:
    for name in ("status", "status_step"):
        with pytest.raises(BadValue) as raised:
            sweeps.run(lambda key, h, name=name: {"loss": h["x"], name: 0}, SPACE, num_trials=1)
        assert str(raised.value) == (
            "sweeps: `metrics` must be named unlike the status that a sweep keeps, or both of its "
            f"columns; got {name!r}. Rename it, or report both: see sweeps.Results."
        )


def test_the_number_by_which_a_trial_branches_is_named() -> None:
    def branching(key: Any, hyper: Any) -> Any:
        loss = hyper["x"] + hyper["y"]
        return {"loss": loss if hyper["y"] > 0.5 else -loss}

    with pytest.raises(BadType, match="`y` must be structural"):
        sweeps.run(branching, {"x": uniform(0, 1), "y": uniform(0, 1)}, num_trials=1)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float8_e4m3fn])
def test_floats_of_few_bits_are_widened_in_tables(dtype: Any, tmp_path: pathlib.Path) -> None:
    trial = Staged(
        lambda key, hyper, data: hyper["x"],
        lambda state, hyper, step, data: (state, {"loss": state.astype(dtype)}),
        lambda state, hyper, data: {"loss": state.astype(dtype)},
        num_steps=2,
    )
    path = tmp_path / "sweep.db"
    found = sweeps.run(trial, {"x": uniform(0, 1)}, num_trials=4, store=path)
    table = found.table()
    wanted = np.asarray(jnp.asarray(table["x"], jnp.float32).astype(dtype).astype(jnp.float32))
    for values in (table["loss"], found.curves["loss"][:, 1], sweeps.load(path).table()["loss"]):
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, wanted)


def test_another_way_to_draw_is_another_sweep(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sweep.db"
    sweeps.run(trial, SPACE, num_trials=2, store=path)
    with jax.threefry_partitionable(False), pytest.raises(BadValue, match="random: stored"):
        sweeps.run(trial, SPACE, num_trials=2, store=path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MedianRule(percentile="50"), "MedianRule: `percentile` must be in (0, 100); "),
        (lambda: PopulationBased(factor="2"), "PopulationBased: `factor` must be a number; "),
        (
            lambda: rule_from_plain({"rule": "curve_threshold", "at": {"ten": 1.0}}),
            "CurveThreshold: `at` must be a dict; got {'ten': 1.0}. ",
        ),
    ],
)
def test_numbers_of_rules(make: Any, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        make()
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("rule", [SuccessiveHalving(), MedianRule()])
def test_rungs_of_short_trials_begin_at_one(rule: Any) -> None:
    found = sweeps.run(
        STEPS._replace(num_steps=4),
        SPACE,
        num_trials=8,
        stop=rule,
        width=(1, 2),
        progress=False,
    )
    assert set(found.table()["status_step"]) > {1}


def test_settings_are_numbered_from_0() -> None:
    found = sweeps.run(trial, {"x": choice([1.0, 2.0])}, num_trials=2)
    assert found.setting(1)["x"] in (1.0, 2.0)
    for number in (-1, 2, 0.5):
        with pytest.raises(BadInput, match="`number` must be"):
            found.setting(number)  # pyright: ignore[reportArgumentType]
