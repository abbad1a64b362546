"""A comparison in a store: stopped it goes on, and what is added later reuses what is there."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
import sqlite3
from typing import Any

import numpy as np
import pytest

from jaxnn import bench, problems, sweeps
from jaxnn.bench import Protocol
from jaxnn.models import MLP
from jaxnn.sweeps import Engine, Store
from jaxnn.typing import Staged

PROTOCOL = Protocol(
    tuning_trials=4, tuning_seeds=2, evaluation_seeds=3, num_steps=6, batch_size=16, record_every=3
)
RULES = ["sgd", "momentum"]


def toy(seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(60, 3))
    y = np.argmax(x @ generator.normal(size=(3, 3)), axis=1)
    return problems.classification(x, y, model=MLP((3, 4, 3)), name="toy")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """An entry for each block that is run."""
    found: list[None] = []
    run = Engine.run

    def counted(*given: Any, **named: Any) -> Any:
        found.append(None)
        return run(*given, **named)

    monkeypatch.setattr(Engine, "run", counted)
    return found


def equal(one: bench.Comparison, other: bench.Comparison) -> bool:
    """In every number that is not a time."""
    for a, b in zip(one.outcomes, other.outcomes, strict=True):
        pairs = [(getattr(a, x).columns, getattr(b, x).columns) for x in ("tuning", "evaluation")]
        for mine, its in (*pairs, (a.updates, b.updates)):
            same = all(mine[n].tobytes() == its[n].tobytes() for n in mine.keys() | its.keys())
            if not same or list(mine) != list(its):
                return False
    return True


@pytest.fixture(scope="module")
def whole() -> bench.Comparison:
    return bench.run(RULES, toy(), PROTOCOL)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A store in which one of two contestants is done."""
    path = tmp_path_factory.mktemp("begun") / "trials.db"
    bench.run(RULES[:1], toy(), PROTOCOL, store=path)
    return path


@pytest.fixture
def store(begun: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return shutil.copy(begun, tmp_path / "trials.db")


def test_what_is_there_is_not_run_again(
    store: pathlib.Path, whole: bench.Comparison, runs: list[None]
) -> None:
    assert equal(bench.run(RULES, toy(), PROTOCOL, store=store), whole)
    assert len(runs) == 3  # of the new contestant: tuning, and two blocks of evaluation seeds
    again = bench.run(RULES, toy(), PROTOCOL, store=store)
    assert len(runs) == 3
    assert equal(again, whole)
    assert [outcome.cost.compile_seconds for outcome in again.outcomes] == [0, 0]


def test_more_seeds_are_run_beside_those_that_are_there(
    store: pathlib.Path, whole: bench.Comparison, runs: list[None]
) -> None:
    more = dataclasses.replace(PROTOCOL, evaluation_seeds=4)
    (found,) = bench.run(RULES[:1], toy(), more, store=store).outcomes
    assert len(runs) == 1  # the last block was not full
    assert found.values("loss")[:3].tobytes() == whole.outcomes[0].values("loss").tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": dataclasses.replace(PROTOCOL, seed=1)},
        {"protocol": dataclasses.replace(PROTOCOL, num_steps=9)},
        {"problem": toy(1)},
        {"fixed": {"sgd": {"learning_rate": 0.1}}},
    ],
    ids=["seed", "steps", "data", "fixed"],
)
def test_another_contest_is_run_anew(
    change: dict[str, Any], store: pathlib.Path, runs: list[None]
) -> None:
    given = {"problem": toy(), "protocol": PROTOCOL, "fixed": {}} | change
    run = RULES[:1], given["problem"], given["protocol"]
    bench.run(*run, fixed=given["fixed"], store=store)
    assert len(runs) == 3


def test_stopped_it_goes_on(
    tmp_path: pathlib.Path, whole: bench.Comparison, runs: list[None]
) -> None:
    path = tmp_path / "trials.db"

    def stop(optimizer: str, problem: str, phase: str, done: int, total: int) -> None:
        del problem, total
        if (optimizer, phase, done) == ("momentum", "evaluating", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(RULES, toy(), PROTOCOL, store=path, progress=stop)
    with Store.open(path, read_only=True) as kept:
        before = len(kept.names())
    assert 1 <= before < 6
    runs.clear()
    assert equal(bench.run(RULES, toy(), PROTOCOL, store=path), whole)
    assert len(runs) == 6 - before


def test_a_damaged_block_is_run_again(store: pathlib.Path, runs: list[None]) -> None:
    with contextlib.closing(sqlite3.connect(store)) as other, other:
        tuning = "CAST(name AS TEXT) LIKE '%/tuning/%'"
        other.execute(f"UPDATE chunks SET data = CAST('x' AS BLOB) WHERE {tuning}")
    bench.run(RULES[:1], toy(), PROTOCOL, store=store)
    assert len(runs) == 1


def test_the_store_of_a_sweep_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sweep.db"
    sweeps.run(lambda key, hyper: {"loss": hyper["x"]}, [{"x": 1.0}], store=path, progress=False)
    with pytest.raises(ValueError, match=r"bench\.run") as caught:
        bench.run(RULES, toy(), PROTOCOL, store=path)
    assert str(caught.value) == (
        f"bench.run: `store` must be that of a comparison; got {str(path)!r}. Pass another path."
    )


def test_kept_blocks_are_those_under_their_prefix(tmp_path: pathlib.Path) -> None:
    def measure(state: Any, hyper: Any, data: Any) -> Any:
        del state, data
        return {"loss": hyper["x"]}

    trial = Staged(lambda key, hyper, data: key, lambda *given: (given[0], {}), measure, 1)
    numbers = {"x": np.arange(3.0)}
    plan = sweeps.Plan(numbers, 1, 0, sweeps.TUNING, sweeps.Width(1, 2))
    with Store.create(tmp_path / "s.db", {}) as store:
        for prefix in ("a/", "b/", "a/"):
            engine = Engine(trial, numbers, plan.width)
            kept = sweeps.Kept(store, prefix)
            found = sweeps.execute(engine, plan, kept=kept)
            np.testing.assert_array_equal(found.columns["loss"], np.arange(3, dtype=np.float32))
            assert len(engine.run_seconds) == 2
        assert store.names() == ["a/0-1/0", "a/2/0", "b/0-1/0", "b/2/0"]


def test_numbers_that_no_parameter_asks_for(tmp_path: pathlib.Path) -> None:
    """Muon's decay is one for matrices; a function of a vector has none."""
    protocol = dataclasses.replace(PROTOCOL, batch_size=None)
    kept = bench.run(["muon"], "booth", protocol, store=tmp_path / "runs.db")
    plain = bench.run(["muon"], "booth", protocol)
    assert kept.not_run == ()
    assert "weight_decay" in kept.on()[0].setting
    assert kept.values("muon", "loss").tobytes() == plain.values("muon", "loss").tobytes()
