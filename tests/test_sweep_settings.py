"""What a sweep tries: distributions, conditions, grids, structure in groups, points that stay."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.space import (
    choice,
    grid,
    integers,
    is_structural,
    log_uniform,
    normal,
    one_minus,
    structural,
    uniform,
)
from jaxnn.sweeps import propose
from jaxnn.sweeps.plain import DISTRIBUTIONS, from_plain, to_plain

POINTS = np.linspace(0.0, 1.0, 33)

SPACE = {
    "rate": log_uniform(1e-4, 1e-1),
    "decay": one_minus(log_uniform(1e-3, 1e-1)),
    "layers": integers(1, 3),
    "noise": normal(0.0, 2.0),
    "rows": choice([8, 16, 32]),
    "fixed": 0.5,
    "optimizer": choice({"sgd": {}, "adam": {"b1": uniform(0.8, 0.9), "count": integers(1, 9)}}),
    "width": structural([16, 64]),
}


# Distributions


@pytest.mark.parametrize("entry", [integers(-2, 5), normal(3.0, 0.5), uniform(-1, 2)])
def test_points_are_the_inverse_of_quantiles(entry: Any) -> None:
    points = np.linspace(0.01, 0.99, 50)
    values = entry.quantile(points)
    np.testing.assert_allclose(entry.quantile(entry.point(values)), values, rtol=1e-9)
    assert np.all(np.diff(values) >= 0)


def test_whole_numbers_are_all_as_likely() -> None:
    values = integers(3, 6).quantile(np.arange(400) / 400)
    assert values.dtype == np.int64
    assert np.bincount(values).tolist() == [0, 0, 0, 100, 100, 100, 100]
    assert integers(3, 6).quantile(np.asarray([1.0])).tolist() == [6]


def test_a_gaussian_is_one_and_stays_finite() -> None:
    values = normal(1.0, 2.0).quantile(np.asarray([0.0, 0.5, 0.8413447460685429, 1.0]))
    np.testing.assert_allclose(values[1:3], [1.0, 3.0])
    assert np.all(np.isfinite(values))
    assert -12 < values[0] < -10


def test_what_is_structural() -> None:
    for entry in (choice(["a", "b"]), choice([True, False]), choice([1, None]), structural([1, 2])):
        assert is_structural(entry)
    for entry in ("adam", True, None, choice({"a": {}}), structural(integers(1, 3)), grid(["a"])):
        assert is_structural(entry)
    for entry in (choice([1, 2.5]), integers(1, 2), grid([1, 2]), 3, 0.5, uniform(0, 1)):
        assert not is_structural(entry)
    assert structural(integers(1, 3)).quantile(POINTS).tolist().count(2) > 0
    assert type(structural([16, 64]).quantile(np.asarray([0.0]))[0]) is int


ERRORS: list[tuple[Callable[[], Any], type, str]] = [
    (
        lambda: normal(0.0, 0.0),
        BadValue,
        "normal: `deviation` must be > 0; got 0. Put a constant in the space instead.",
    ),
    (lambda: normal(math.inf, 1.0), BadValue, "normal: `mean` must be finite; got inf."),
    (lambda: integers(3, 3), BadValue, "integers: `high` must be >= 4; got 3. Pass 4 or more."),
    (
        lambda: integers(0.5, 3),  # pyright: ignore
        BadType,
        "integers: `low` must be an integer; got 0.5. Pass -2147483648 or more.",
    ),
    (lambda: choice([]), BadValue, "choice: `options` must be different and at least one; got []."),
    (
        lambda: grid([1, 2, 1]),
        BadValue,
        "grid: `options` must be different and at least one; got [1, 2, 1].",
    ),
    (
        lambda: choice("adam"),
        BadType,
        "choice: `options` must be a list; got 'adam'. Pass ['adam'].",
    ),
    (
        lambda: choice([math]),  # pyright: ignore
        BadType,
        "choice: `options` must be strings, numbers, True, False or None; got the module math. "
        "Name things by a string and look them up in the trial.",
    ),
    (
        lambda: choice({"a": 3}),  # pyright: ignore
        BadType,
        "choice: `a` must be a space, a dict; got 3. Pass {} where it has no numbers of its own.",
    ),
    (
        lambda: structural(uniform(0, 1)),
        BadType,
        "structural: `entry` must be integers, choice, grid or a list of options; got "
        "Uniform(low=0.0, high=1.0, scale='linear'). Each value is a program of its own: name a "
        "few.",
    ),
    (
        lambda: propose({"x": uniform(0, 1)}, None, 0),
        BadType,
        "sweeps: `num_trials` must be an integer; got None. Pass num_trials=64: 'x' is drawn from "
        "a distribution.",
    ),
    (
        lambda: propose({"x": 1, "y": choice({"a": {"x": 2}})}, 1, 0),
        BadValue,
        "sweeps: `x` must be in the space once, or once in each option; got two. "
        "Give one of them another name.",
    ),
    (
        lambda: propose({"y": choice({"a": {"x": grid([1])}})}, 1, 0),
        BadValue,
        "sweeps: `x` must be outside of the options of a choice; got a grid. "
        "Use choice, or put it beside the choice.",
    ),
    (
        lambda: propose({"y": choice({"a": {"x": "b"}, "c": {"x": 1.0}})}, 8, 0),
        BadValue,
        "sweeps: `x` must be of one kind in all settings; got a structure and a number. "
        "Give one of them another name.",
    ),
    (
        lambda: propose({"x": [1, 2]}, 1, 0),
        BadType,
        "sweeps: `x` must be a distribution, a number or a string; got [1, 2]. "
        "Use log_uniform, uniform, integers, choice, grid or a constant.",
    ),
    (
        lambda: propose({"x": grid(range(1001)), "y": grid(range(1000))}, None, 0),
        BadValue,
        "sweeps: `num_trials` must be in [1, 1000000]; got 1001000. Did you mean 1000000?",
    ),
    (
        lambda: propose({"x": 1.0}, 1, 0, method="lattice"),  # pyright: ignore
        BadValue,
        "sweeps.run: `method` must be one of halton, random, sobol, or sweeps.Optuna(...); got"
        " 'lattice'.",
    ),
    (
        lambda: propose([{"x": 1.0}, 3], None, 0),  # pyright: ignore
        BadType,
        "sweeps: `space[1]` must be a dict; got 3. Pass a list of dicts, a setting each.",
    ),
    (
        lambda: from_plain("x", {"log_unifrom": [1, 2]}),
        BadValue,
        "space: `x` must be one of choice, grid, integers, log_uniform, normal, one_minus, "
        "structural, uniform; got 'log_unifrom'. Did you mean 'log_uniform'?",
    ),
    (
        lambda: from_plain("x", {"uniform": [1]}),
        BadType,
        "space: `x` must be two numbers, uniform = [low, high]; got [1].",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(call: Callable[[], Any], kind: type, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == text


# Settings


def test_a_number_exists_only_for_its_choice() -> None:
    found = propose(SPACE, 64, 0)
    adam = found.columns["optimizer"] == "adam"
    assert 20 < np.count_nonzero(adam) < 44
    np.testing.assert_array_equal(np.isnan(found.columns["b1"]), ~adam)
    np.testing.assert_array_equal(np.isnan(found.columns["count"]), ~adam)
    assert found.columns["layers"].dtype == np.int64
    assert found.kinds == {
        "rate": "number",
        "decay": "number",
        "layers": "integer",
        "noise": "number",
        "rows": "integer",
        "fixed": "number",
        "optimizer": "structure",
        "b1": "number",
        "count": "integer",
        "width": "structure",
    }
    one = found.setting(int(np.flatnonzero(adam)[0]))
    assert type(one["count"]) is int
    assert type(one["width"]) is int
    assert "b1" not in found.setting(int(np.flatnonzero(~adam)[0]))


def test_options_share_the_dimension_of_a_name() -> None:
    space = {"rule": choice({"a": {"x": uniform(0, 1)}, "b": {"x": uniform(10, 11)}})}
    alone = {"rule": choice(["a", "b"]), "x": uniform(0, 1)}
    both, one = propose(space, 16, 0).columns, propose(alone, 16, 0).columns
    np.testing.assert_allclose(both["x"] % 10, one["x"], atol=1e-12)


def test_groups_are_settings_of_equal_structure() -> None:
    found = propose(SPACE, 64, 0)
    groups = found.groups()
    assert len(groups) == 4
    assert sorted(np.concatenate([g.members for g in groups])) == list(range(64))
    assert groups[0].members[0] == 0
    for group in groups:
        assert ("b1" in group.numbers) == (group.structure["optimizer"] == "adam")
        assert np.all(np.diff(group.members) > 0)
        for row, member in enumerate(group.members):
            whole = {k: x[row].item() for k, x in group.numbers.items()} | group.structure
            assert whole == found.setting(int(member))
        assert group.numbers["layers"].dtype == np.int64


def test_true_and_one_are_two_structures() -> None:
    found = propose([{"x": structural(1)}, {"x": True}, {"x": None}, {"x": structural(1)}], None, 0)
    assert [g.members.tolist() for g in found.groups()] == [[0, 3], [1], [2]]
    assert [type(g.structure["x"]) for g in found.groups()] == [int, bool, type(None)]


@pytest.mark.parametrize("method", ["sobol", "halton", "random"])
def test_the_first_settings_stay_when_more_are_asked_for(method: Any) -> None:
    space = SPACE | {"cell": grid(["x", "y"]), "level": grid([1.0, 2.0, 3.0])}
    few, many = propose(space, 5, 3, method=method), propose(space, 23, 3, method=method)
    assert few.num_settings == 30
    for name, column in few.columns.items():
        np.testing.assert_array_equal(column, many.columns[name][:30])
    other = propose(space, 5, 4, method=method)
    assert not np.array_equal(few.columns["rate"], other.columns["rate"])


def test_grids_are_crossed_with_each_other_and_with_points() -> None:
    found = propose({"a": grid([1, 2]), "x": uniform(0, 1), "b": grid(["u", "v"])}, 3, 0)
    rows = [tuple(found.setting(k)[n] for n in "ab") for k in range(12)]
    assert rows == [(1, "u"), (1, "v"), (2, "u"), (2, "v")] * 3
    assert found.columns["x"].reshape(3, 4).std(axis=1).tolist() == [0, 0, 0]
    assert len(set(found.columns["x"])) == 3
    assert propose({"a": grid([1, 2])}, None, 0).num_settings == 2


def test_a_list_of_settings_is_taken_as_it_is() -> None:
    rows = [{"x": 1, "rule": "a"}, {"x": np.float32(0.5), "y": 2.0, "rule": "b"}]
    found = propose(rows, None, 0)
    assert found.setting(0) == {"x": 1.0, "rule": "a"}
    assert found.setting(1) == {"x": 0.5, "y": 2.0, "rule": "b"}


# The plain form


@given(st.floats(1e-3, 1), st.floats(0.1, 10), st.integers(-5, 5), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_a_space_survives_its_plain_form(low: float, width: float, a: int, b: int) -> None:
    space = {
        "log_uniform": log_uniform(low, low + width),
        "uniform": uniform(low, low + width),
        "one_minus": one_minus(uniform(low, low + width)),
        "normal": normal(low, width),
        "integers": integers(a, a + b),
        "choice": choice([a, "x", None]),
        "nested": choice({"p": {"q": choice({"r": {"s": uniform(0, 1)}})}, "t": {}}),
        "grid": grid([low, a]),
        "structural": structural(integers(a, a + b)),
        "options": structural([a, a + b]),
        "one": structural(b),
        "number": low,
        "text": "adam",
        "truth": False,
    }
    plain = json.loads(json.dumps(to_plain(space)))
    assert {name: from_plain(name, entry) for name, entry in plain.items()} == space


def test_every_distribution_has_a_plain_form() -> None:
    text = """
        a = { uniform = [0, 1] }
        b = { log_uniform = [1e-4, 1e-1] }
        c = { normal = [0, 1] }
        d = { integers = [1, 4] }
        e = { one_minus = { log_uniform = [1e-3, 0.5] } }
        f = { choice = { sgd = {}, adam = { b1 = { uniform = [0.8, 0.9] } } } }
        g = { grid = [1, 2, 3] }
        h = { structural = [16, 64] }
        i = ["x", "y"]
        j = 0.5
    """
    space = {name: from_plain(name, plain) for name, plain in tomllib.loads(text).items()}
    used = {
        name for plain in tomllib.loads(text).values() if isinstance(plain, dict) for name in plain
    }
    assert used == set(DISTRIBUTIONS)
    assert space["i"] == choice(["x", "y"])
    assert space["h"] == structural([16, 64])
    assert propose(space, 4, 0).num_settings == 12
