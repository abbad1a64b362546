"""Rules of early stopping that a user writes: what they may do, and what they are told."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np
import pytest

from jaxnn import sweeps
from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.space import uniform
from jaxnn.sweeps import Staged

SPACE = {"x": uniform(0.0, 1.0)}
TRIAL = Staged(
    lambda key, hyper, data: hyper["x"] + 0.1 * jax.random.normal(key),
    lambda state, hyper, step, data: (state * 0.9, {"loss": state}),
    lambda state, hyper, data: {"loss": state},
    num_steps=8,
)


@dataclasses.dataclass(frozen=True)
class Lucky:
    """Settings with even numbers go on."""

    metric: str = "loss"
    mode: Any = "min"
    unit: Any = "setting"

    def rungs(self, num_steps: int) -> Any:
        return ((4.0,),)

    def brackets(self, num_settings: int, num_steps: int) -> Any:
        return np.zeros(num_settings, np.int64)

    def keep(self, scores: Any, num_started: int, rung: int, step: int) -> Any:
        return np.arange(len(scores)) % 2 == 0


def run(path: pathlib.Path | None = None, stop: Any = None, num_trials: int = 6) -> Any:
    return sweeps.run(
        TRIAL, SPACE, num_trials=num_trials, num_seeds=2, width=(2, 2), stop=stop, store=path
    )


def as_bytes(results: Any) -> dict[str, Any]:
    columns = results.table() | results.curves
    return {k: x.tolist() if x.dtype == object else x.tobytes() for k, x in columns.items()}


def test_it_decides_who_goes_on() -> None:
    found = run(stop=Lucky())
    assert (found.table()["status_step"].reshape(6, 2)[1::2] == 4).all()
    assert found.rungs[0].reached.tolist() == [12 // 2, 3]


def test_a_store_goes_on_with_the_rule_at_hand(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sweep.db"
    found = run(path, stop=Lucky())
    read = sweeps.load(path)
    np.testing.assert_array_equal(read.status, found.status)
    assert not read.rungs  # what the rule is, a store does not know
    assert as_bytes(run(path, stop=Lucky())) == as_bytes(found)
    assert as_bytes(sweeps.resume(path, TRIAL, stop=Lucky())) == as_bytes(found)
    name = f"{Lucky.__module__}.Lucky"
    with pytest.raises(BadValue) as raised:
        sweeps.resume(path, TRIAL)
    assert str(raised.value) == (
        "sweeps.resume: `stop` must be given for a rule of your own; got nothing, and the store "
        f"has {name}. Pass the same rule as before."
    )
    with pytest.raises(BadValue, match=r"stop\.rule: stored '.*Lucky', given nothing"):
        run(path)


def test_with_a_rule_a_sweep_does_not_shrink(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sweep.db"
    whole = as_bytes(run(path, stop=Lucky()))
    with pytest.raises(BadValue) as raised:
        run(path, stop=Lucky(), num_trials=4)
    assert str(raised.value) == (
        "sweeps.run: `num_trials` must be >= 6, as in the store, whose trials competed; got 4. "
        "Pass another store for a smaller sweep."
    )
    assert as_bytes(run(path, stop=Lucky())) == whole


class Everyone(Lucky):
    def keep(self, *args: Any) -> Any:
        return None


class Numbers(Lucky):
    def keep(self, scores: Any, *args: Any) -> Any:
        return np.ones(len(scores))


class Few(Lucky):
    def keep(self, scores: Any, *args: Any) -> Any:
        return np.ones(len(scores) - 1, bool)


class Flat(Lucky):
    def rungs(self, num_steps: int) -> Any:
        return (4.0,)


class Nowhere(Lucky):
    def rungs(self, num_steps: int) -> Any:
        return ((),)


class Beyond(Lucky):
    def brackets(self, num_settings: int, num_steps: int) -> Any:
        return np.arange(num_settings)


class Short(Lucky):
    def brackets(self, num_settings: int, num_steps: int) -> Any:
        return np.zeros(1, int)


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (
            Everyone,
            BadType,
            "`keep` must be one that returns a truth value for each of 6; got array(None, "
            "dtype=object).",
        ),
        (
            Numbers,
            BadType,
            "`keep` must be one that returns a truth value for each of 6; got an array of shape "
            "(6,) and dtype float64.",
        ),
        (
            Few,
            BadType,
            "`keep` must be one that returns a truth value for each of 6; got an array of shape "
            "(5,) and dtype bool.",
        ),
        (
            Flat,
            BadType,
            "`rungs` must be one that returns a tuple for each bracket; got (4.0,). "
            "For one bracket return ((10, 20),), for example.",
        ),
        (
            Nowhere,
            BadValue,
            "`rungs` must be with a step before the end of the trial; got none. "
            "Begin earlier, for example with first=1, or take more steps.",
        ),
        (
            Beyond,
            BadValue,
            "`brackets` must be one that returns whole numbers in [0, 1), [6] of them; "
            "got [0, 1, 2, 3, 4, 5].",
        ),
        (
            Short,
            BadValue,
            "`brackets` must be one that returns whole numbers in [0, 1), [6] of them; got [0].",
        ),
    ],
)
def test_what_a_rule_may_not_return(rule: Any, error: type, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        run(stop=rule())
    assert type(raised.value) is error
    assert str(raised.value) == f"{rule.__name__}: {message}"
