"""The best setting in a program of its own: the same contest, with fewer runs beside it."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import numpy as np
import pytest

from jaxnn import bench
from jaxnn.bench import Protocol, contest
from jaxnn.bench.analysis import bands, tried, tuning_curve
from jaxnn.bench.estimates import REFERENCE, duration
from jaxnn.bench.planning import Duration, evaluates_alone, runs
from jaxnn.bench.tasks import task
from jaxnn.optimizers import resolve
from jaxnn.sweeps import Engine

PROTOCOL = Protocol(tuning_trials=4, tuning_seeds=2, evaluation_seeds=5, num_steps=6, batch_size=16)


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lanes each block had that was run."""
    found: list[int] = []
    run = Engine.run

    def counted(self: Any, *given: Any, **named: Any) -> Any:
        found.append(self.width.lanes)
        return run(self, *given, **named)

    monkeypatch.setattr(Engine, "run", counted)
    return found


def test_the_same_contest(
    monkeypatch: pytest.MonkeyPatch, lanes: list[int], tmp_path: pathlib.Path
) -> None:
    beside = contest("adam", "iris", PROTOCOL)
    assert lanes == [8] * 4
    assert sum(lanes) == runs(PROTOCOL)
    lanes.clear()
    module = sys.modules["jaxnn.bench.contest"]
    monkeypatch.setattr(module, "evaluates_alone", lambda duration, protocol: True)
    store = tmp_path / "runs.db"
    found = bench.run(["adam"], "iris", PROTOCOL, store=store)
    (alone,) = found.on()
    assert lanes == [8, 8, 5]
    assert sum(lanes) == runs(PROTOCOL, alone=True)

    assert alone.setting == beside.setting
    for name in beside.tuning.columns:
        np.testing.assert_array_equal(alone.tuning.columns[name], beside.tuning.columns[name])
    # Another width may round otherwise.
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(alone.values(name), beside.values(name), rtol=1e-5)
    for name, curve in beside.updates.items():
        assert alone.updates[name].shape == curve.shape == (5, 6)
        np.testing.assert_allclose(alone.updates[name], curve, rtol=1e-5)
    # The runners-up on as many fresh seeds as tuning had, to the bit.
    setting, replicate = (alone.evaluation.columns[n] for n in ("setting", "replicate"))
    assert setting.tolist() == [0] * 5 + [1, 1, 2, 2, 3, 3]
    assert replicate.tolist() == [0, 1, 2, 3, 4] + [0, 1] * 3
    columns = beside.evaluation.columns
    shared = (columns["setting"] > 0) & (columns["replicate"] < 2)
    for name in columns:
        np.testing.assert_array_equal(alone.evaluation.columns[name][5:], columns[name][shared])

    # All settings have figures, so that tuning tells what it did.
    reported = tried(alone)
    assert reported is not None
    assert reported.reported.shape == (4, 2)
    assert tuning_curve(alone) is not None
    assert set(bands(alone)) == set(resolve("adam").SEARCH_SPACE)
    back = bench.load(found.save(tmp_path / "x"))
    assert back.values("adam", "loss").tolist() == alone.values("loss").tolist()

    lanes.clear()
    bench.run(["adam"], "iris", PROTOCOL, store=store)
    assert lanes == []


def test_more_settings_than_fit_into_a_block(lanes: list[int]) -> None:
    protocol = Protocol(tuning_trials=40, tuning_seeds=1, evaluation_seeds=3, num_steps=3)
    found = contest("sgd", "booth", protocol)
    assert lanes == [32, 32, 32, 32, 3]
    assert found.evaluation.num_settings == 40
    reported = tried(found)
    assert reported is not None
    assert reported.reported.shape == (40, 1)


def test_when_it_is_worth_it() -> None:
    protocol = Protocol(tuning_trials=32, tuning_seeds=3, evaluation_seeds=20)
    saved = 8 * 96 - (2 * 96 + 20)
    assert not evaluates_alone(Duration(saved / 2, 1.0), protocol)
    assert evaluates_alone(Duration(saved / 2 - 0.01, 1.0), protocol)
    few = Protocol(tuning_trials=32, tuning_seeds=20, evaluation_seeds=20)  # a block as it is
    assert not evaluates_alone(Duration(0.01, 1.0), few)
    assert not evaluates_alone(Duration(0.01, 1.0), Protocol(tuning_trials=0))
    assert evaluates_alone(Duration(1.0, 0.0), Protocol(tuning_trials=33))
    large, small = (
        duration(resolve("sgd"), task(x, protocol), REFERENCE) for x in ("digits", "iris")
    )
    assert evaluates_alone(large, protocol)
    assert not evaluates_alone(small, protocol)
