"""Importance: where the answer is known, it is found; where there is none, it says so."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from jaxnn.errors import BadInput
from jaxnn.sweeps.importance import Importance, _ranks, importance

RNG = np.random.default_rng(0)
A, B, C = RNG.random((3, 150))
NOISE = RNG.random(150)
OPTIMIZER = np.array(["sgd", "adam", "lion"], object)[RNG.integers(0, 3, 150)]
BASE = {"a": A, "b": B, "optimizer": OPTIMIZER}


def found(loss, *, repeats=5, columns=BASE, **options):
    return importance(columns | {"loss": loss}, list(columns), "loss", repeats=repeats, **options)


def test_one_number_matters_and_the_others_do_not():
    values, r_squared, caveat = found(np.exp(8 * A))
    assert next(iter(values)) == "a"
    assert values["a"].mean == pytest.approx(1, abs=0.15)  # all of the variance
    for name in ("b", "optimizer"):
        assert abs(values[name].mean) < 0.01
        assert values[name].low <= values[name].mean <= values[name].high
    assert r_squared.mean > 0.95
    assert f"{r_squared.mean:.2f} ({r_squared.low:.2f} to {r_squared.high:.2f})" in caveat
    assert "150 settings" in caveat
    assert "5 bootstrap repeats" in caveat
    assert "explains little" not in caveat


def test_two_numbers_share_by_their_variance():
    values = found(2 * A + B).values  # variances 4 : 1
    assert values["a"].mean == pytest.approx(0.8, abs=0.12)
    assert values["b"].mean == pytest.approx(0.2, abs=0.08)


def test_an_interaction_counts_for_both():
    values, r_squared, _ = found((A - 0.5) * (B - 0.5), repeats=8)
    assert r_squared.mean > 0.5
    assert min(values["a"].mean, values["b"].mean) > 0.6  # in full for each
    assert abs(values["optimizer"].mean) < 0.1


def test_a_name_is_shuffled_as_a_whole():
    values = found((OPTIMIZER == "sgd") + (OPTIMIZER == "adam") * 0.5 + 0.01 * NOISE).values
    assert next(iter(values)) == "optimizer"
    assert values["optimizer"].mean == pytest.approx(1, abs=0.2)
    assert abs(values["a"].mean) < 0.05


def test_a_number_that_some_settings_lack_is_told_from_its_choice():
    b1 = np.where(OPTIMIZER == "adam", B, np.nan)
    columns = {"a": A, "optimizer": OPTIMIZER, "b1": b1}
    values = found(np.where(OPTIMIZER == "adam", B, 2 + A / 100), columns=columns).values
    assert values["b1"].mean > 0.02
    values = found(np.where(OPTIMIZER == "adam", 0.0, 2 + A / 100), columns=columns).values
    assert abs(values["b1"].mean) < 0.02  # that it exists says nothing beyond the choice


def test_only_the_order_matters_and_the_mode_turns_it():
    loss = A + 0.3 * B * NOISE
    plain = found(loss)
    assert plain == found(np.exp(9 * loss))
    assert plain == found(loss, columns=BASE | {"a": np.exp(50 * A), "b": B * 1e-60})
    assert plain == found(-loss, mode="max")
    assert plain != found(loss, seed=1)


def test_failed_settings_are_the_worst():
    failed = A > 0.6
    values = found(np.where(failed, np.nan, NOISE)).values
    assert next(iter(values)) == "a"
    columns = BASE | {"loss": NOISE, "status": failed.astype(int)}
    assert importance(columns, list(BASE), "loss", repeats=5).values == values
    columns["loss"] = np.where(failed, np.inf, NOISE)
    columns["status"] = np.zeros(150, int)
    assert importance(columns, list(BASE), "loss", repeats=5).values == values


def test_who_was_let_go_on_is_better_than_whoever_was_stopped():
    """Halving by `a`: the loss of those that were stopped is of another step, and misleads."""
    went_on, later = A < 0.25, A < 0.5
    status = np.where(went_on, 0, 3)
    steps = np.where(went_on, -1, np.where(later, 20, 10))
    loss = A - 10 * ~later - 5 * (later & ~went_on)
    columns = BASE | {"status": status, "status_step": steps}
    _, ranks = _ranks("", columns | {"loss": loss}, "loss", "min")
    np.testing.assert_array_equal(np.argsort(ranks), np.argsort(A))
    # One that failed is worse than all of them; one that was not run is not there.
    status[np.argmin(A)], status[np.argmax(A)] = 1, -1
    first, ranks = _ranks("", columns | {"loss": loss}, "loss", "min")
    assert len(ranks) == 149
    assert first[np.argmax(ranks)] == np.argmin(A)
    assert np.argmax(A) not in first


def test_a_setting_is_the_mean_of_its_replicates():
    rows = {name: np.repeat(column, 2) for name, column in BASE.items()}
    rows["setting"] = np.repeat(np.arange(150), 2)
    rows["loss"] = np.stack([A + NOISE, A - NOISE], axis=1).ravel()
    assert importance(rows, list(BASE), "loss", repeats=5) == found((A + NOISE + A - NOISE) / 2)


@pytest.mark.parametrize("loss", [np.ones(150), np.full(150, np.nan), np.full(150, np.inf)])
def test_where_all_are_equal_there_is_nothing_to_explain(loss):
    values, r_squared, caveat = found(loss)
    assert set(values.values()) == {r_squared} == {Importance(0.0, 0.0, 0.0)}
    assert caveat == "All 150 settings are equal in loss: there is nothing to explain."


def test_of_noise_it_says_that_the_forest_explains_little():
    values, r_squared, caveat = found(NOISE)
    assert r_squared.mean < 0.2
    assert caveat.endswith("The forest explains little: read nothing into the order of the names.")
    assert set(values) == set(BASE)


def test_a_lone_setting_that_works_is_no_error():
    loss = np.where(np.arange(150) == 3, 0.5, np.nan)
    assert np.isfinite(found(loss).r_squared).all()


def test_of_many_settings_some_are_drawn(monkeypatch):
    # By name `jaxnn.sweeps.importance` is the function.
    monkeypatch.setattr(sys.modules["jaxnn.sweeps.importance"], "MAX_SETTINGS", 60)
    assert "60 of 150 settings" in found(A).caveat


SMALL = {"a": A[:19], "loss": B[:19]}
ERRORS = {
    "sweeps.importance: `columns` must be of 20 settings or more; got 19. Sweep over more "
    "settings.": lambda: importance(SMALL, ["a"], "loss"),
    "sweeps.importance: `metric` must be one of a, b, optimizer; got 'loss'.": (
        lambda: importance(BASE, ["a"], "loss")
    ),
    "sweeps.importance: `name` must be one of a, optimizer; got 'b'.": (
        lambda: importance(BASE, ["a", "b"], "b")
    ),
    "sweeps.importance: `optimizer` must be of real numbers, one a row; got an array of shape "
    "(150,) and dtype object.": lambda: importance(BASE, ["a"], "optimizer"),
    "sweeps.importance: `names` must be a list of swept names, at least one; got 'a'. Pass "
    "results.names.": lambda: importance(BASE, "a", "b"),
    "sweeps.importance: `names` must be a list of swept names, at least one; got []. Pass "
    "results.names.": lambda: importance(BASE, [], "b"),
    "sweeps.importance: `mode` must be 'min' or 'max'; got 'most'.": (
        lambda: importance(BASE, ["a"], "b", mode="most")
    ),
    "sweeps.importance: `repeats` must be >= 2; got 1. Pass 2 or more.": (
        lambda: importance(BASE, ["a"], "b", repeats=1)
    ),
    "sweeps.importance: `seed` must be in [0, 4294967296); got -1. Pass for example 0.": (
        lambda: importance(BASE, ["a"], "b", seed=-1)
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises(BadInput) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
