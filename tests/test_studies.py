"""Repeated studies: each is the comparison with another seed and split, and counts as one value."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from jaxnn import bench, problems
from jaxnn.bench import Comparison, Protocol
from jaxnn.bench.statistics import bootstrap_mean_interval, compare
from jaxnn.bench.studies import pooled, study
from jaxnn.bench.tasks import task, tasks
from jaxnn.cli.contestants import load_contestants, with_schedule
from jaxnn.errors import BadValue

PROTOCOL = Protocol(tuning_trials=2, tuning_seeds=2, evaluation_seeds=3, num_steps=8, studies=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, list[Comparison]]:
    """A comparison over studies, and its studies one by one."""
    store = tmp_path_factory.mktemp("studies") / "runs.db"
    several = bench.run(["sgd", "adam"], "iris", PROTOCOL, store=store)
    one_by_one = []
    for number in range(PROTOCOL.studies):
        entry = tasks("iris", study(PROTOCOL, number), number)
        one_by_one.append(bench.run(["sgd", "adam"], [*entry], study(PROTOCOL, number)))
    return several, one_by_one


def test_a_value_is_the_mean_of_a_study(made: tuple[Comparison, list[Comparison]]) -> None:
    several, studies = made
    for name in several.optimizers:
        for metric in ("loss", "accuracy"):
            wanted = [one.values(name, metric).mean() for one in studies]
            np.testing.assert_array_equal(several.values(name, metric), wanted)
            assert several.estimate(name, metric) == bootstrap_mean_interval(wanted)
        medians = [float(np.median(one.values(name, "steps"))) for one in studies]
        np.testing.assert_array_equal(several.values(name, "steps"), medians)
        chosen = [one.on()[one.optimizers.index(name)].setting for one in studies]
        outcome = several.on()[several.optimizers.index(name)]
        assert outcome.setting == chosen[0]
        for number in ("learning_rate",):
            rates = [float(np.float32(setting[number])) for setting in chosen]
            assert outcome.evaluation.columns[number].tolist() == pytest.approx(rates, rel=1e-7)
        assert len(set(rates)) == 3  # other settings in each
        assert outcome.updates["loss"].shape == (3, 8)
    paired = several.verdict("sgd", "adam").paired
    a, b = ([one.values(name, "loss").mean() for one in studies] for name in ("sgd", "adam"))
    assert paired == compare(a, b)


def test_studies_have_other_splits_and_seeds(made: tuple[Comparison, list[Comparison]]) -> None:
    splits = [tasks("iris", study(PROTOCOL, k), k)[0].problem.test.inputs for k in range(3)]
    assert not any(np.array_equal(splits[0], other) for other in splits[1:])
    own = problems.get("iris")
    assert task(own, PROTOCOL, 2).problem is own  # its split is the user's
    saddle = task("saddle", PROTOCOL).problem
    assert task("saddle", PROTOCOL, 2).problem is saddle  # nothing to split
    # What the command line has found can be split too.
    assert np.array_equal(task(task("iris", PROTOCOL), PROTOCOL, 2).problem.test.inputs, splits[2])
    several, _ = made
    for outcome in several.on():
        firsts = outcome.updates["loss"][:, 0]
        assert len(set(firsts.tolist())) == 3


def test_it_is_saved_and_read_back(
    made: tuple[Comparison, list[Comparison]], tmp_path: Path
) -> None:
    several, _ = made
    read = bench.load(several.save(tmp_path / "x"))
    assert read.protocol == PROTOCOL
    assert read.table()["test_loss"].tolist() == several.table()["test_loss"].tolist()
    assert read.summary() == several.summary()
    report = (tmp_path / "x" / "report.md").read_text(encoding="utf-8")
    assert "studies 3" in report


def test_a_study_in_which_a_seed_failed(made: tuple[Comparison, list[Comparison]]) -> None:
    _, studies = made
    outcomes = [one.on()[0] for one in studies]
    evaluation = outcomes[1].evaluation
    status = evaluation.columns["status"].copy()
    status[1] = 2  # the second seed of the setting that was chosen
    broken = dataclasses.replace(
        outcomes[1],
        evaluation=dataclasses.replace(evaluation, columns=evaluation.columns | {"status": status}),
        steps=np.array([4.0, math.inf, math.inf]),
    )
    both = pooled([outcomes[0], broken, outcomes[2]])
    assert both.num_failed == 1
    assert np.isnan(both.values("loss")).tolist() == [False, True, False]
    assert both.steps is not None
    assert both.steps[1] == math.inf
    assert pooled([broken]) is broken


def test_bad_numbers() -> None:
    with pytest.raises(BadValue, match=r"^Protocol: `studies` must be >= 1; got 0"):
        Protocol(studies=0)
    with pytest.raises(BadValue, match="at most 1,000,000,000 over all trials"):
        Protocol(num_steps=10**6, studies=20).steps(1)
    assert study(Protocol(seed=2**32 - 1), 1).seed == 0


def test_with_and_without_a_schedule() -> None:
    assert with_schedule(["scheduled(sgd, learning_rate=linear)"], "cosine") == [
        "scheduled(sgd, learning_rate=linear)"
    ]
    own = with_schedule(["frozen(a.b:rule, 'x')", "sgd("], "linear")  # no such module
    assert own == ["frozen(a.b:rule, 'x')", "sgd("]
    items = with_schedule(["sgd", "levenberg_marquardt", "nonsense", "clipped(adam)"], "linear")
    assert items == [
        "sgd",
        "scheduled(sgd, learning_rate=linear)",
        "levenberg_marquardt",
        "nonsense",
        "clipped(adam)",
        "clipped(scheduled(adam, learning_rate=linear))",
    ]
    assert len(load_contestants(",".join(i for i in items if i != "nonsense"))) == 5
    with pytest.raises(BadValue, match="Did you mean 'cosine'"):
        with_schedule(["sgd"], "cosin")
