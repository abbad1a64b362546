"""Settings that a sampler proposes: it learns, and is told the same whatever stops the sweep."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import optuna
import pytest

from jaxnn import sweeps
from jaxnn.errors import BadType, BadValue
from jaxnn.space import choice, grid, integers, log_uniform, one_minus, structural, uniform
from jaxnn.sweeps import Optuna, Store, StoreError
from jaxnn.sweeps.asking import Asker, method_from_plain
from jaxnn.sweeps.settings import at_points

# What a sampler is told does not depend on seeds: toys here are functions of the numbers alone.
pytestmark = pytest.mark.filterwarnings("ignore:The trial does not read its key")

SPACE = {
    "x": uniform(-1.0, 1.0),
    "rate": log_uniform(1e-4, 1e-1),
    "name": choice({"a": {}, "b": {"decay": one_minus(log_uniform(1e-3, 1e-1))}}),
    "n": integers(1, 5),
}


def trial(key: Any, hyper: Any) -> Any:
    far = (hyper["x"] - 0.3) ** 2 + (jnp.log10(hyper["rate"]) + 2) ** 2 + (hyper["n"] - 2) ** 2
    return {"loss": far + (1 - hyper["decay"] if hyper["name"] == "b" else 0.5), "far": far}


def run(path: pathlib.Path | None = None, function: Any = trial, **options: Any) -> Any:
    given = {"num_trials": 24, "num_seeds": 2, "width": (2, 8), "method": Optuna()}
    return sweeps.run(function, SPACE, store=path, **(given | options))


def as_bytes(results: Any) -> dict[str, Any]:
    columns = results.table()
    return {k: x.tolist() if x.dtype == object else x.tobytes() for k, x in columns.items()}


@pytest.fixture(scope="module")
def found() -> Any:
    return run()


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "sweep.db"


def test_settings_are_those_of_the_space(found: Any) -> None:
    table = found.table()
    assert len(table["loss"]) == 48
    np.testing.assert_array_equal(table["setting"], np.repeat(np.arange(24), 2))
    assert ((table["x"] >= -1) & (table["x"] <= 1)).all()
    assert ((table["rate"] >= 1e-4) & (table["rate"] <= 1e-1)).all()
    assert set(table["n"]) <= {1, 2, 3, 4, 5}
    there = table["name"] == "b"
    np.testing.assert_array_equal(np.isnan(table["decay"]), ~there)
    assert 0 < there.sum() < 48
    far = (table["x"] - 0.3) ** 2 + (np.log10(table["rate"]) + 2) ** 2 + (table["n"] - 2) ** 2
    np.testing.assert_allclose(table["far"], far, rtol=1e-4, atol=1e-6)


def test_proposals_are_those_of_the_sampler_alone(found: Any) -> None:
    """The same study by hand: the unit interval, batches of eight, the mean over replicates."""
    sampler = optuna.samplers.TPESampler(seed=0, constant_liar=True)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler)
    losses = found.by_setting("loss").mean(axis=1)
    points: list[float] = []
    for first in range(0, 24, 8):
        asked = [study.ask() for _ in range(8)]
        for one in asked:
            points.append(one.suggest_float("x", 0, 1))
            one.suggest_float("rate", 0, 1)
            if one.suggest_categorical("name", [0, 1]):
                one.suggest_float("decay", 0, 1)
            one.suggest_int("n", 1, 5)
        for k, one in enumerate(asked):
            study.tell(one, float(losses[first + k]))
    optuna.logging.set_verbosity(before)
    np.testing.assert_allclose(found.table()["x"][::2], 2 * np.asarray(points) - 1, rtol=1e-12)


def test_it_learns() -> None:
    """Median distance of 5 runs: what is asked for late is nearer than what is drawn blindly."""
    near, blind = [], []
    for seed in range(5):
        options: dict[str, Any] = {"num_trials": 64, "num_seeds": 1, "width": (1, 8), "seed": seed}
        near.append(np.median(run(**options).table()["far"][32:]))
        options["method"] = Optuna("random")
        blind.append(np.median(run(**options).table()["far"][32:]))
    assert np.median(near) < 0.5 * np.median(blind)


def test_the_larger_end_can_be_the_better() -> None:
    def turned(key: Any, hyper: Any) -> Any:
        return {"gain": -trial(key, hyper)["loss"]}

    gained = run(function=turned, method=Optuna(metric="gain", mode="max"))
    lost = run()
    np.testing.assert_array_equal(gained.table()["x"], lost.table()["x"])


def test_what_fails_is_told_as_bad() -> None:
    def fails(key: Any, hyper: Any) -> Any:
        return {"loss": jnp.where(hyper["x"] > 0, jnp.nan, (hyper["x"] + 0.5) ** 2)}

    results = sweeps.run(fails, {"x": uniform(-1, 1)}, num_trials=48, width=(1, 4), method=Optuna())
    failed = results.status == 1
    assert failed[:16].sum() > 3
    assert failed[32:].sum() < failed[:16].sum()


@pytest.mark.parametrize("moment", [1, 3])
def test_a_stopped_sweep_is_told_the_same(path: pathlib.Path, found: Any, moment: int) -> None:
    def stop(told: sweeps.Progress) -> None:
        if told.segments == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, progress=stop)
    there = sweeps.load(path).table()
    done = there["status"] == 0
    assert 0 < done.sum() < 48
    np.testing.assert_array_equal(there["loss"][done], found.table()["loss"][: len(done)][done])
    assert as_bytes(sweeps.resume(path, trial)) == as_bytes(found)
    assert as_bytes(sweeps.load(path)) == as_bytes(found)


def test_it_can_grow(path: pathlib.Path, found: Any) -> None:
    run(path, num_trials=12)
    assert as_bytes(run(path)) == as_bytes(found)


def test_another_proposal_is_another_sweep(path: pathlib.Path) -> None:
    run(path)
    with pytest.raises(BadValue, match=r"method\.optuna\.sampler: stored 'tpe', given 'random'"):
        run(path, method=Optuna("random"))
    with Store.open(path) as store:
        asked = store.get("asked@8-16")
        store.discard(["asked@8-16"])
        store.put("asked@8-16", asked | {"x": asked["x"] / 2})
    with pytest.raises(StoreError) as raised:
        run(path)
    assert str(raised.value) == f"{path}: 'asked@8-16' is decided otherwise than it was."


def test_structures_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    space = {"size": structural(choice([2, 3])), "x": uniform(0, 1)}
    traced: list[int] = []

    def one(key: Any, hyper: Any) -> Any:
        traced.append(hyper["size"])
        return {"loss": jnp.full(hyper["size"], hyper["x"]).sum()}

    sweeps.run(one, space, num_trials=8, width=(1, 4), method=Optuna())
    twice = len(traced)
    sweeps.run(one, space, num_trials=32, width=(1, 4), method=Optuna())
    # Six more batches trace each trial for what is wrong with it, and compile nothing.
    assert len(traced) - twice <= twice + 6 * 2
    lowered: list[int] = []
    real = sweeps.Engine.compile

    def compile_(self: Any, *measures: Any) -> None:
        before = self.compile_seconds
        real(self, *measures)
        lowered.append(self.compile_seconds > before)

    monkeypatch.setattr(sweeps.Engine, "compile", compile_)
    sweeps.run(one, space, num_trials=32, width=(1, 4), method=Optuna())
    assert len(lowered) >= 8
    assert sum(lowered) <= 4  # two structures, one or two devices


def test_plain_form_and_bad_input() -> None:
    assert method_from_plain({"optuna": {"sampler": "gp", "batch": 4}}) == Optuna("gp", batch=4)
    assert method_from_plain("halton") == "halton"
    for plain, message in (
        (
            {"optunas": {}},
            "sweeps: `method` must be one of optuna; got 'optunas'. Did you mean 'optuna'?",
        ),
        (
            {"optuna": {"samplr": "tpe"}},
            "sweeps: optuna: `field` must be one of batch, metric, mode, sampler; got 'samplr'."
            " Did you mean 'sampler'?",
        ),
    ):
        with pytest.raises(BadValue) as raised:
            method_from_plain(plain)
        assert str(raised.value) == message


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Optuna("tpee"),
            BadValue,
            "Optuna: `sampler` must be one of cmaes, gp, random, tpe; got 'tpee'."
            " Did you mean 'tpe'?",
        ),
        (
            lambda: Optuna(batch=0),
            BadValue,
            "Optuna: `batch` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            lambda: run(method=Optuna(metric="los")),
            BadValue,
            "sweeps.run: `method.metric` must be one of far, loss; got 'los'. Did you mean 'loss'?",
        ),
        (
            lambda: run(num_trials=None),
            BadType,
            "sweeps.run: `num_trials` must be an integer; got None. Pass num_trials=256.",
        ),
        (
            lambda: run(stop=sweeps.SuccessiveHalving()),
            BadValue,
            "sweeps.run: `stop` must be None; got one beside a sampler that must see every trial's"
            " end. Pass method='sobol' with it.",
        ),
        (
            lambda: sweeps.run(trial, {"x": grid([1, 2])}, num_trials=4, method=Optuna()),
            BadValue,
            "sweeps.run: `space` must be without grids; got one of 'x'. Write choice([...]): a"
            " sampler tries what is promising, not all.",
        ),
        (
            lambda: sweeps.run(trial, {"x": 1.0}, num_trials=4, method=Optuna()),
            BadValue,
            "sweeps.run: `space` must be one with a distribution, for a sampler to draw from; got"
            " {'x': 1.0}.",
        ),
        (
            lambda: run(method="tpe"),
            BadValue,
            "sweeps.run: `method` must be one of halton, random, sobol, or sweeps.Optuna(...); got"
            " 'tpe'. Pass sweeps.Optuna('tpe').",
        ),
    ],
)
def test_bad_input_is_told(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert str(raised.value) == message


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(BadValue) as raised:
        run()
    assert str(raised.value) == (
        "sweeps.run: `method` must be one whose package is installed; got Optuna without optuna."
        " pip install 'jaxnn[optuna]'"
    )


def test_what_does_not_exist_lies_in_the_middle() -> None:
    asker = Asker(Optuna("random"), SPACE, 0)
    points = asker.ask(32)
    settings = at_points(SPACE, points)
    absent = settings.columns["name"] == "a"
    assert (points["decay"][absent] == 0.5).all()
    assert len(set(points["decay"][~absent])) == (~absent).sum()
