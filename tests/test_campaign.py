"""A comparison as a file: read, written, refused; and what problems and budgets it stands for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jaxnn import bench, problems
from jaxnn.bench import Protocol
from jaxnn.bench.campaign import Campaign, load_campaign
from jaxnn.bench.tasks import tasks
from jaxnn.errors import BadInput
from jaxnn.optimizers import sam, sgd
from jaxnn.problems.suites import SUITES, WORKLOADS

WHOLE = Campaign(
    ("sgd", "scheduled(adam, learning_rate=cosine)", "my.module:rule"),
    ("small", "digits"),
    Protocol(tuning_trials=4, num_steps=30, record_every=3, seed=7),
    {"adam": {"b1": 0.8, "b2": 1.0}, "clipped(adamw)": {"inner.b1": 1e-20}},
)


@pytest.mark.parametrize("campaign", [WHOLE, Campaign(("é",), ("a b",))])
def test_a_file_holds_all_of_it(tmp_path: Path, campaign: Campaign) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(campaign.to_toml(), encoding="utf-8")
    assert load_campaign(path) == campaign
    assert load_campaign(str(path)).to_toml() == campaign.to_toml()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'problems = ["iris"]',
            "`optimizers` must be a list of strings, one or more; got None. "
            'For example: optimizers = ["adam"], problems = ["small"].',
        ),
        (
            'optimizers = "adam"\nproblems = ["iris"]',
            "`optimizers` must be a list of strings, one or more; got 'adam'. "
            'For example: optimizers = ["adam"], problems = ["small"].',
        ),
        (
            'optimizers = ["adam"]\nproblem = ["iris"]',
            "`entry` must be one of fixed, optimizers, problems, protocol; got 'problem'. "
            "Did you mean 'problems'?",
        ),
        (
            'optimizers = ["adam"]\nproblems = ["iris"]\nprotocol = 3',
            "`protocol` must be a table; got 3. Write it under [protocol].",
        ),
        (
            'optimizers = ["adam"]\nproblems = ["iris"]\n[protocol]\ntrials = 3',
            "`protocol` must be one of batch_size, evaluation_seeds, num_steps, record_every, "
            "seed, studies, tuning_seeds, tuning_trials; got 'trials'. Did you mean "
            "'tuning_trials'?",
        ),
        (
            'optimizers = ["adam"]\nproblems = ["iris"]\n[fixed.adam]\nb1 = "a"',
            "`fixed.adam.b1` must be a number; got 'a'.",
        ),
    ],
)
def test_what_a_file_may_not_say(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_campaign(path)
    assert str(caught.value) == f"load_campaign: {message}"


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"No such file or directory"):
        load_campaign(tmp_path / "nothing.toml")
    (tmp_path / "a.toml").write_text("optimizers = [", encoding="utf-8")
    with pytest.raises(BadInput, match=r"must be a file of TOML; got '.*a\.toml': "):
        load_campaign(tmp_path / "a.toml")


def test_problems_bring_their_budgets() -> None:
    found = tasks(["lecture", "iris", problems.get("wine", seed=3)], Protocol())
    names = [one.name for one in SUITES["lecture"]]
    assert [one.about.name for one in found] == [*names, "iris", "wine"]
    for one in found[:-1]:
        workload = WORKLOADS[one.about.name]
        assert one.about.num_steps == workload.num_steps
        assert one.about.record_every == max(workload.num_steps // 50, 1)
    wine = found[-1].about
    assert (wine.num_steps, wine.batch_size, wine.record_every) == (500, 32, 10)
    assert {one.about.batch_size for one in found} >= {None, 32}


def test_a_protocol_may_have_the_last_word() -> None:
    protocol = Protocol(num_steps=40, batch_size=1000, record_every=7)
    for one in tasks(["rosenbrock", "iris"], protocol):
        assert (one.about.num_steps, one.about.record_every) == (40, 7)
        assert one.about.batch_size == (None if one.about.name == "rosenbrock" else 104)


def test_what_suites_have_in_common_counts_once() -> None:
    both = [one.about.name for one in tasks(["small", "valleys"], Protocol())]
    assert len(both) == len(set(both))
    with pytest.raises(BadInput, match="must be differently named"):
        tasks([problems.get("iris", seed=1), problems.get("iris", seed=2)], Protocol())


def test_budgets_are_gradients_not_updates() -> None:
    """SAM takes two gradients an update: half as many updates, and targets take twice as long."""
    protocol = Protocol(
        tuning_trials=2, tuning_seeds=1, evaluation_seeds=2, num_steps=30, batch_size=16
    )
    found = bench.run([sgd, sam(sgd), "lbfgs"], "iris", protocol)
    plain, perturbed, searched = found.outcomes
    assert plain.updates["loss"].shape[1] == 30
    assert perturbed.updates["loss"].shape[1] == 15
    assert [one.cost.evaluations for one in found.outcomes[:2]] == [1, 2]
    assert 2 <= searched.cost.evaluations < 20
    curves = [one.curve("loss") for one in found.outcomes]
    assert {curve.shape for curve in curves} == {(2, 30)}
    made = [np.flatnonzero(np.isfinite(curve[0])) + 1 for curve in curves]
    np.testing.assert_array_equal(made[0], np.arange(1, 31))
    np.testing.assert_array_equal(made[1], np.arange(2, 31, 2))
    assert made[2][0] >= 2
    assert made[2][-1] == 30
    assert plain.cost.state_bytes == 0
    assert searched.cost.state_bytes > 10 * 131 * 4
    flops = [one.cost.flops for one in found.outcomes]
    assert flops[0] > 16 * 131 * 4
    assert 1.8 < flops[1] / flops[0] < 2.5


def test_default_numbers_without_tuning() -> None:
    protocol = Protocol(tuning_trials=0, evaluation_seeds=3, num_steps=10)
    found = bench.run(["adam", "momentum"], "iris", protocol, fixed={"adam": {"b1": 0.5}})
    adam = found.outcomes[0]
    assert adam.setting == {"learning_rate": pytest.approx(1e-3), "b1": 0.5, "b2": 0.999}
    assert adam.tuning.num_settings == 0
    assert adam.num_failed_tuning == 0
    assert adam.values("loss").shape == (3,)
    assert len(found.summary()) >= 2
    again = bench.run(["adam"], "iris", dataclasses.replace(protocol, tuning_trials=2))
    assert again.outcomes[0].tuning.num_settings == 2
