"""A comparison with contestants that fail, each in its way: the rest is untouched, and all is told.

`growing` diverges everywhere, `none_of_two` is NaN on booth alone, `raising` raises when it is
traced, and `levenberg_marquardt` needs residuals, which booth does not have.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_tree import read
from own_steps import OwnStep, growing, none_of_two, raising

from jaxnn import bench
from jaxnn.bench import Comparison, Outcome, Protocol, words

GOOD = ("sgd", "momentum")
PROBLEMS = ["booth", "diabetes_linear"]
PROTOCOL = Protocol(
    tuning_trials=3,
    tuning_seeds=1,
    evaluation_seeds=4,
    num_steps=12,
    batch_size=16,
    record_every=4,
)


@pytest.fixture(scope="module")
def alone() -> Comparison:
    return bench.run(GOOD, PROBLEMS, PROTOCOL)


@pytest.fixture(scope="module")
def among() -> Comparison:
    bad = [OwnStep(step.__name__, step) for step in (growing, none_of_two, raising)]
    listed = [bad[0], "sgd", bad[2], "levenberg_marquardt", "momentum", bad[1]]
    return bench.run(listed, PROBLEMS, PROTOCOL)


def figures(outcome: Outcome) -> dict[str, bytes]:
    """All that a contest measured, but times."""
    parts = {
        "tuning": outcome.tuning.columns,
        "evaluation": outcome.evaluation.columns,
        "points": outcome.points,
        "updates": outcome.updates,
        "steps": {"": outcome.steps},
        "setting": outcome.setting,
    }
    return {
        f"{part}/{name}": np.asarray(column).tobytes()
        for part, columns in parts.items()
        for name, column in columns.items()
    }


def test_the_others_are_untouched_to_the_bit(alone: Comparison, among: Comparison) -> None:
    by_name = {(o.problem, o.optimizer): o for o in among.outcomes}
    assert len(alone.outcomes) == 4
    for outcome in alone.outcomes:
        same = figures(by_name[outcome.problem, outcome.optimizer])
        assert "updates/loss" in same
        assert same == figures(outcome)
        metrics = alone.metrics(outcome.problem)
        assert among.metrics(outcome.problem) == metrics
        for metric in metrics:
            asked = outcome.optimizer, metric, outcome.problem
            assert among.estimate(*asked) == alone.estimate(*asked)
    for problem in PROBLEMS:
        # More pairs are asked, so that Holm's correction differs; the figures of a pair do not.
        before, now = (x.verdict(*GOOD, problem).paired for x in (alone, among))
        assert now[:2] == before[:2]


def test_what_became_of_each(among: Comparison) -> None:
    failed = {(o.problem, o.optimizer): (o.num_failed_tuning, o.num_failed) for o in among.outcomes}
    assert failed == {
        ("booth", "growing"): (3, 4),
        ("booth", "sgd"): (0, 0),
        ("booth", "momentum"): (0, 0),
        ("booth", "none_of_two"): (3, 4),
        ("diabetes_linear", "growing"): (3, 4),
        ("diabetes_linear", "sgd"): (0, 0),
        ("diabetes_linear", "levenberg_marquardt"): (0, 0),
        ("diabetes_linear", "momentum"): (0, 0),
        ("diabetes_linear", "none_of_two"): (0, 0),
    }
    assert [one[:2] for one in among.not_run] == [
        ("raising", "booth"),
        ("levenberg_marquardt", "booth"),
        ("raising", "diabetes_linear"),
    ]


RAISED = "raising was not run: it raised RuntimeError: this rule is broken"
MISSING = (
    "levenberg_marquardt was not run: `residual_fn` must be a function "
    "(params, batch) → residuals, since the rule fits least squares; got None. Pass it as "
    "`residual_fn`; training.train has that of a regression problem."
)


def test_it_is_said_in_words(among: Comparison) -> None:
    said = among.summary("booth")
    assert said[0].endswith(
        " growing failed on 4 of 4 seeds and none_of_two failed on 4 of 4 seeds; they cannot be "
        "compared."
    )
    assert said[-2:] == [RAISED, MISSING]
    said = among.summary("diabetes_linear")
    assert " growing failed on 4 of 4 seeds and cannot be compared." in said[0]
    assert said[-1] == RAISED
    assert not any("none_of_two failed" in sentence for sentence in said)
    assert words.unplayed(among) == []
    found = among.verdict("sgd", "growing", "booth")
    assert found.winner is None
    assert str(found) == "sgd and growing cannot be compared on test loss: a run failed."
    # On the other problem it is gradient descent, and so it is called.
    found = among.verdict("sgd", "none_of_two", "diabetes_linear")
    assert found.paired.difference == (0, 0, 0)
    assert str(found) == "sgd and none_of_two are identical on test loss."


def test_scores_and_ranks_count_a_failure_as_no_progress(among: Comparison) -> None:
    found = among.standings()
    assert found is not None
    assert found.problems == ("booth", "diabetes_linear")
    score = dict(zip(found.optimizers, found.score, strict=True))
    assert score.keys() == {*GOOD, "growing", "none_of_two", "raising", "levenberg_marquardt"}
    assert score["growing"] == score["raising"] == (0, 0, 0)
    assert all(0 < score[name].value <= 1.5 for name in GOOD)
    assert found.leader not in ("growing", "raising")
    assert found.ranks is not None
    ranks = dict(zip(found.optimizers, found.ranks.mean_ranks.tolist(), strict=True))
    last = max(ranks.values())
    assert ranks["growing"] == ranks["raising"] == last
    assert max(ranks[name] for name in GOOD) < last
    said = among.overall()
    assert not any("nan" in sentence for sentence in said)
    assert said[-4:] == [
        "growing failed on booth (4 of 4) and diabetes_linear (4 of 4): such a run scores 0.",
        "none_of_two failed on booth (4 of 4): such a run scores 0.",
        "levenberg_marquardt was not run on booth: such a run scores 0.",
        "raising was not run on booth and diabetes_linear: such a run scores 0.",
    ]


def test_the_folder_tells_it_all_and_is_read_back(among: Comparison, tmp_path: Path) -> None:
    folder = among.save(tmp_path / "results")
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    page = read((folder / "report.html").read_text(encoding="utf-8"))
    paragraphs = [one.text for one in page.all("p")]
    for problem in among.problems:
        for sentence in among.summary(problem):
            assert f"- {sentence}\n" in markdown
            assert f"{problem}: {sentence}" in paragraphs
    for sentence in among.overall():
        assert f"- {sentence}\n" in markdown
        assert sentence in paragraphs
    assert "nan" not in markdown
    with (folder / "table.csv").open(encoding="utf-8") as file:
        rows = {(row["problem"], row["optimizer"]): row for row in csv.DictReader(file)}
    assert len(rows) == len(among.outcomes)
    broken = rows["booth", "none_of_two"]
    assert (broken["failed"], broken["failed_in_tuning"]) == ("4", "3")
    assert math.isnan(float(broken["test_loss"]))
    assert rows["diabetes_linear", "none_of_two"]["failed"] == "0"

    back = bench.load(folder)
    assert back.not_run == among.not_run
    assert back.overall() == among.overall()
    for problem in among.problems:
        assert back.summary(problem) == among.summary(problem)
    wanted: Any = among.table()
    assert back.table().keys() == wanted.keys()
    for name, column in back.table().items():
        np.testing.assert_array_equal(column, wanted[name])
