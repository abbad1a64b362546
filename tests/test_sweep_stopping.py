"""Trials that are stopped at rungs: who goes on, and that those who do notice nothing."""

from __future__ import annotations

import pathlib
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from jaxnn import sweeps, training
from jaxnn.errors import BadType, BadValue
from jaxnn.space import grid, log_uniform, uniform
from jaxnn.sweeps import (
    CurveThreshold,
    Hyperband,
    MedianRule,
    Rungs,
    Staged,
    Store,
    StoreError,
    SuccessiveHalving,
    states,
)
from jaxnn.sweeps.rules import rule_from_plain

SPACE = {"rate": log_uniform(1e-3, 3.0), "name": grid(["plain", "noisy"])}
"""A rate above 2 diverges."""


def init(key: Any, hyper: Any, data: Any) -> Any:
    return {"x": 1.0 + 0.1 * jax.random.normal(key), "key": jax.random.fold_in(key, 1)}


def advance(state: Any, hyper: Any, step: Any, data: Any) -> Any:
    noise = jax.random.normal(jax.random.fold_in(state["key"], step))
    x = state["x"] * (1 - hyper["rate"]) + (0.1 * noise if hyper["name"] == "noisy" else 0.0)
    return {"x": x, "key": state["key"]}, {"loss": x * x * jnp.where(step > 9, 1e30, 1.0)}


def measure(state: Any, hyper: Any, data: Any) -> Any:
    return {"loss": state["x"] ** 2, "gain": -(state["x"] ** 2)}


TRIAL = Staged(init, advance, measure, num_steps=16)
HALVING = SuccessiveHalving(first=2)


def run(path: pathlib.Path | None = None, **options: Any) -> Any:
    given = {"num_trials": 12, "num_seeds": 2, "width": (2, 4), "stop": HALVING}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="At step")
        return sweeps.run(TRIAL, SPACE, store=path, **(given | options))


def as_bytes(results: Any) -> dict[str, Any]:
    columns = results.table() | results.curves
    found = {k: x.tolist() if x.dtype == object else x.tobytes() for k, x in columns.items()}
    return found | {str(k): x.scores.tobytes() for k, x in enumerate(results.rungs)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: SuccessiveHalving(eta=1),
            BadValue,
            "SuccessiveHalving: `eta` must be > 1; got 1.",
        ),
        (
            lambda: Hyperband(first=0),
            BadValue,
            "Hyperband: `first` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            lambda: MedianRule(percentile=100),
            BadValue,
            "MedianRule: `percentile` must be in (0, 100); got 100.",
        ),
        (
            lambda: MedianRule(mode="low"),  # pyright: ignore[reportArgumentType]
            BadValue,
            "MedianRule: `mode` must be one of max, min; got 'low'.",
        ),
        (
            lambda: CurveThreshold(at={}),
            BadValue,
            "CurveThreshold: `at` must be steps >= 1 with thresholds that are no NaN; got {}."
            " Pass {100: 0.5}, for example: steps to thresholds.",
        ),
        (
            lambda: CurveThreshold(at=3),
            BadType,
            "CurveThreshold: `at` must be a dict; got 3."
            " Pass {100: 0.5}, for example: steps to thresholds.",
        ),
        (
            lambda: rule_from_plain({"rule": "halving"}),
            BadValue,
            "sweeps: `stop` must be one of curve_threshold, hyperband, median_rule,"
            " population_based, successive_halving; got 'halving'. Did you mean"
            " 'successive_halving'?",
        ),
        (
            lambda: rule_from_plain({"rule": "hyperband", "etta": 3}),
            BadValue,
            "sweeps: hyperband: `field` must be one of eta, first, metric, mode, unit;"
            " got 'etta'. Did you mean 'eta'?",
        ),
        (
            lambda: run(stop="halving"),
            BadType,
            "sweeps.run: `stop` must be a rule of early stopping; got 'halving'."
            " Pass sweeps.SuccessiveHalving(), for example.",
        ),
        (
            lambda: run(stop=SuccessiveHalving("lost", first=2)),
            BadValue,
            "sweeps.run: `stop.metric` must be one of gain, loss; got 'lost'. Did you mean 'loss'?",
        ),
        (
            lambda: run(stop=CurveThreshold(at={16: 1.0})),
            BadValue,
            "sweeps.run: `stop` must be one whose rungs lie in [1, 16), the steps of the trial;"
            " got a rung at 16.",
        ),
        (
            lambda: run(segment=3),
            BadValue,
            "sweeps.run: `segment` must be a divisor of the rungs, of 2 steps; got 3."
            " Did you mean 1?",
        ),
        (
            lambda: run(stop=SuccessiveHalving(first=2, unit="trial")),
            BadValue,
            "sweeps.run: `width` must be (1, settings), since trials are stopped one by one;"
            ' got (2, 4). Pass (1, 64), or unit="setting".',
        ),
        (
            lambda: sweeps.run(lambda key, h: {"loss": h["x"]}, {"x": 1.0}, stop=HALVING),
            BadValue,
            "sweeps.run: `trial` must be one of steps, to be stopped early; got f(key, hyper),"
            " which runs as a whole. Pass a Staged, such as training.stages(...): it says what one"
            " step is.",
        ),
    ],
)
def test_bad_rules_are_told(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert str(raised.value) == message


# Sweeps


@pytest.fixture(scope="module")
def whole() -> Any:
    return run(stop=None)


@pytest.fixture(scope="module")
def halved() -> Any:
    return run()


def test_those_that_go_on_are_those_that_were_never_stopped(whole: Any, halved: Any) -> None:
    table, never = halved.table(), whole.table()
    went_on = table["status"] == 0
    assert went_on.sum() == 2 * 3  # of 24 settings an eighth
    for name in ("loss", "gain", "status", "status_step"):
        np.testing.assert_array_equal(table[name][went_on], never[name][went_on])
    curve = halved.curves["loss"]
    np.testing.assert_array_equal(curve[went_on], whole.curves["loss"][went_on])
    assert halved.best("loss") == whole.best("loss")


def test_those_that_stop_keep_what_they_had(whole: Any, halved: Any) -> None:
    table = halved.table()
    for row in np.nonzero(table["status"] == 3)[0]:
        step = table["status_step"][row]
        assert step in (2, 4, 8)
        curve, all_of_it = halved.curves["loss"][row], whole.curves["loss"][row]
        np.testing.assert_array_equal(curve[:step], all_of_it[:step])
        assert np.isnan(curve[step:]).all()
        # The state after a step is what the next one would have begun with.
        np.testing.assert_array_equal(table["loss"][row], all_of_it[step - 1])
    # Replicates stop together.
    steps = table["status_step"].reshape(-1, 2)
    np.testing.assert_array_equal(steps[:, 0], steps[:, 1])
    assert np.bincount(steps[:, 0] + 1).tolist() == [3, 0, 0, 12, 0, 6, 0, 0, 0, 3]


def test_decisions_are_those_of_the_rule(halved: Any) -> None:
    (rungs,) = halved.rungs
    assert rungs.steps.tolist() == [2, 4, 8, 16]
    assert rungs.reached.tolist() == [24, 12, 6, 3]
    assert rungs.replicates.tolist() == [-1] * 24
    for rung in range(3):
        here, after = rungs.scores[:, rung], rungs.scores[:, rung + 1]
        best = np.sort(here[~np.isnan(here)])[: (~np.isnan(after)).sum()]
        np.testing.assert_array_equal(np.sort(here[~np.isnan(after)]), best)
        both = ~np.isnan(after)
        wanted = spearmanr(here[both], after[both]).statistic
        np.testing.assert_allclose(rungs.correlations[rung], wanted, rtol=1e-12)
    assert (
        halved.ranking("loss")[:3].tolist()
        == sorted(range(24), key=lambda k: (np.isnan(rungs.scores[k, 3]), rungs.scores[k, 3]))[:3]
    )


def test_what_fails_does_not_go_on_and_is_told_as_failed() -> None:
    # Above 2 it diverges: 2e30 and more at step 10, beyond float32 a few steps later.
    found = run(stop=CurveThreshold(at={12: 1e38}), num_trials=24)
    table = found.table()
    failed = table["status"] == 1
    assert 0 < failed.sum() < len(failed)
    assert (table["status_step"][failed] < 16).all()
    early = failed & (table["status_step"] < 12)
    assert np.isnan(found.curves["loss"][early][:, 12:]).all()


def test_trials_may_be_stopped_one_by_one(whole: Any) -> None:
    alone = run(stop=SuccessiveHalving(first=2, unit="trial"), width=(1, 4))
    table = alone.table()
    went_on = table["status"] == 0
    assert went_on.sum() == 48 // 8
    never = run(stop=None, width=(1, 4)).table()
    np.testing.assert_array_equal(table["loss"][went_on], never["loss"][went_on])
    (rungs,) = alone.rungs
    np.testing.assert_array_equal(rungs.settings * 2 + rungs.replicates, np.arange(48))
    # By default a block has one replicate then.
    assert run(stop=SuccessiveHalving(first=2, unit="trial"), width=None).rungs[0].reached[-1] == 6


def test_hyperband_runs_its_brackets_beside_each_other(whole: Any) -> None:
    rule = Hyperband("gain", mode="max", eta=2, first=4)
    found = run(stop=rule)
    table, never = found.table(), whole.table()
    assert [x.steps.tolist() for x in found.rungs] == [[4, 8, 16], [8, 16], [16]]
    assert [x.reached.tolist() for x in found.rungs] == [[10, 5, 2], [7, 3], [7]]
    went_on = table["status"] == 0
    np.testing.assert_array_equal(table["loss"][went_on], never["loss"][went_on])
    last = found.rungs[2]
    np.testing.assert_array_equal(
        last.scores[:, 0],
        never["gain"].reshape(24, 2)[last.settings].mean(axis=1, dtype=np.float64),
    )


# Stores


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "sweep.db"


@pytest.mark.parametrize("moment", [2, 7, 11])
def test_a_stopped_sweep_comes_to_the_same_decisions(
    path: pathlib.Path, halved: Any, moment: int
) -> None:
    def stop(told: sweeps.Progress) -> None:
        if told.segments == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, progress=stop, segment=2)
    status = sweeps.load(path).status
    assert (status == -1).any()
    np.testing.assert_array_equal(status[status != -1], halved.status[status != -1])
    assert as_bytes(run(path)) == as_bytes(halved)
    assert as_bytes(sweeps.load(path)) == as_bytes(halved)
    with Store.open(path) as store:
        assert not store.names("state@")
        assert len(store.names("rung@")) == 3


def test_a_store_gives_back_what_states_took(path: pathlib.Path) -> None:
    with Store.create(path, {}) as store:
        for number in range(20):
            store.put(f"state@{number}", {"x": np.zeros(100_000)})
        store.put("kept", {"x": np.arange(3)})
        store.compact()
        before = path.stat().st_size
        assert before > 10_000_000
        store.discard(store.names("state@"))
        store.compact()
        assert store.get("kept")["x"].tolist() == [0, 1, 2]
        assert not store.faults()
    assert path.stat().st_size < before / 50


def test_lost_states_and_decisions_are_made_again(path: pathlib.Path, halved: Any) -> None:
    run(path)
    with Store.open(path) as store:
        later = [name for name in store.names() if "@" in name and "@0-" not in name]
        store.discard(later)
    assert as_bytes(sweeps.resume(path, TRIAL)) == as_bytes(halved)


def test_another_decision_than_the_one_that_was_kept_is_told(path: pathlib.Path) -> None:
    run(path)
    with Store.open(path) as store:
        (name,) = store.names("rung@4")
        kept = store.get(name)
        store.discard([name])
        store.put(name, kept | {"stopped": ~kept["stopped"]})
    with pytest.raises(StoreError) as raised:
        run(path)
    assert str(raised.value) == f"{path}: 'rung@4:0' is decided otherwise than it was."


def test_more_trials_compete_anew(path: pathlib.Path) -> None:
    run(path, num_trials=8)
    assert as_bytes(run(path)) == as_bytes(run())
    assert as_bytes(run(path, num_seeds=4)) == as_bytes(run(num_seeds=4))


def test_another_rule_is_another_sweep(path: pathlib.Path) -> None:
    run(path)
    with pytest.raises(BadValue, match=r"stop\.eta: stored 2, given 3"):
        run(path, stop=SuccessiveHalving(first=2, eta=3))


# What is told


def test_progress_knows_about_how_much_there_is() -> None:
    told: list[sweeps.Progress] = []
    run(progress=told.append)
    first, last = told[0], told[-1]
    # 6 blocks of 1 segment, 4 of 1, 2 of 2 and 2 of 4: each rung fills blocks of both structures.
    assert last.segments == last.num_segments
    assert abs(first.num_segments - last.segments) <= 4
    assert last.rows == last.num_rows == 48


def test_a_rung_that_says_little_of_the_next_is_told() -> None:
    values = np.arange(8.0)
    rungs = Rungs(
        "loss",
        np.array([10, 100]),
        np.arange(10),
        np.full(10, -1),
        np.stack([np.append(values, [8, 9]), np.append(values[::-1], [np.nan] * 2)], axis=1),
    )
    assert rungs.correlations.tolist() == [-1.0]
    ends = np.append(values[:4], [np.nan] * 6)[:, None]
    longer = Rungs(
        "loss",
        np.array([10, 100, 200]),
        rungs.settings,
        rungs.replicates,
        np.hstack([rungs.scores, ends]),
    )
    assert longer.advice()[0].endswith("were. Begin later, for example with first=100.")
    assert rungs.advice() == [
        "At step 10 the ranks by 'loss' say little of those at step 100: their correlation is -1.00"
        " over the 8 that reached both, which are more alike than all were. Look less often."
    ]
    fewer = Rungs("loss", rungs.steps, rungs.settings[:7], rungs.replicates[:7], rungs.scores[:7])
    assert not fewer.advice()


def test_a_schedule_that_is_cut_at_a_rung_is_told() -> None:
    options: dict[str, Any] = {"num_steps": 8, "batch_size": 16, "record_every": 0}
    cut = training.stages("moons", "sgd", schedule="cosine", **options)
    assert cut.horizon == 8
    assert training.stages("moons", "sgd", **options).horizon is None
    space = {"learning_rate": uniform(0.1, 0.2)}
    with pytest.warns(UserWarning, match="compared at steps 4") as told:
        sweeps.run(cut, space, num_trials=4, stop=SuccessiveHalving(first=4))
    assert [str(x.message) for x in told] == [
        "Trials are compared at steps 4, but their schedule is made for 8: before a rate has come"
        " down, the order may not be that of the end. See results.rungs for how far it was."
    ]


def test_rungs_lie_near_what_was_wanted_and_segments_are_long() -> None:
    from jaxnn.sweeps.ladder import advice, ladder

    assert ladder(SuccessiveHalving(eta=3), 1, 400)[::2] == (((40, 120, 400),), 40)
    assert ladder(SuccessiveHalving(eta=3), 1, 1000).steps == ((120, 320, 1000),)
    assert ladder(SuccessiveHalving(eta=2), 1, 499).steps == ((62, 125, 250, 499),)
    climb = ladder(SuccessiveHalving(first=37), 1, 400)
    assert climb.steps == ((37, 74, 148, 296, 400),)
    assert advice(climb, []) == [
        "Rungs at 37, 74, 148, 296 of 400 steps cut a trial into segments of 1: it runs faster"
        " where all are multiples of a larger number."
    ]


@pytest.mark.parametrize("with_store", [False, True])
def test_states_are_gathered_from_wherever_they_lie(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, with_store: bool
) -> None:
    """Any rows in any order, from chunks that were cut, also after the store was opened anew."""
    monkeypatch.setattr(states, "MAX_BYTES", 64)
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(3, 10, 4))  # [replicates, settings, ...]
    count = np.arange(30, dtype=np.int8).reshape(3, 10)
    store = Store.create(tmp_path / "a.db", {}) if with_store else None
    kept = states.States(store, 10, 3)
    for settings in (np.array([0, 2, 3, 9]), np.array([1, 4, 5, 6, 7, 8])):
        for replicates in (np.array([0, 1]), np.array([2])):
            at = np.ix_(replicates, settings)
            kept.put(5, (settings, replicates), [whole[at], count[at]])
    if store is not None:
        assert len(store.names("state@5:")) > 4
        kept = states.States(store, 10, 3)
    wanted, replicates = np.array([9, 0, 0, 7, 1]), np.array([2, 0])
    found = kept.gather(5, wanted, replicates)
    assert found is not None
    np.testing.assert_array_equal(found[0], whole[np.ix_(replicates, wanted)])
    np.testing.assert_array_equal(found[1], count[np.ix_(replicates, wanted)])
    assert found[1].dtype == np.int8
    assert kept.gather(6, wanted, replicates) is None
    kept.discard(5)
    with pytest.raises(states.LostStateError, match="the states at step 5 are lost"):
        kept.gather(5, wanted, replicates, needed=True)
    if store is not None:
        assert not store.names()
        store.close()
