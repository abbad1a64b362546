"""A comparison is fair, repeatable and honest about what failed."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import bench, problems, schedules, training
from jaxnn.bench import Protocol, report, words
from jaxnn.bench.statistics import Estimate, mean_interval
from jaxnn.models import MLP
from jaxnn.optimizers import from_optax, scheduled, sgd
from jaxnn.problems import Target
from jaxnn.sweeps import EVALUATION, Plan, Width

PROTOCOL = Protocol(
    tuning_trials=5, tuning_seeds=2, evaluation_seeds=3, num_steps=20, batch_size=16, record_every=4
)


def make_problem(seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(150, 4))
    y = np.argmax(x @ generator.normal(size=(4, 3)), axis=1)
    problem = problems.classification(x, y, model=MLP((4, 8, 3)), name="toy")
    return dataclasses.replace(problem, target=Target("accuracy", 0.6))


@pytest.fixture(scope="module")
def problem() -> Any:
    return make_problem()


@pytest.fixture(scope="module")
def comparison(problem: Any) -> bench.Comparison:
    return bench.run(["sgd", "adam", "momentum"], problem, PROTOCOL)


def test_every_contestant_gets_the_same_budget_and_the_same_seeds(comparison: Any) -> None:
    assert comparison.optimizers == ("sgd", "adam", "momentum")
    for outcome in comparison.outcomes:
        assert outcome.tuning.table()["setting"].shape == (5 * 2,)
        assert outcome.values("loss").shape == (3,)
        assert outcome.steps.shape == (3,)
    first = [o.curve("loss")[:, 0] for o in comparison.outcomes]
    # The loss before the first update is that of the same parameters on the same batch.
    np.testing.assert_allclose(first[0], first[1], rtol=1e-6)
    np.testing.assert_allclose(first[0], first[2], rtol=1e-6)


def test_the_choice_is_by_mean_validation_loss(comparison: Any) -> None:
    for outcome in comparison.outcomes:
        table = outcome.tuning.table()
        means = [table["loss"][table["setting"] == i].mean() for i in range(5)]
        row = int(np.argmin(means)) * 2
        assert outcome.setting == {n: table[n][row] for n in outcome.tuning.names}


def test_no_test_data_in_tuning(problem: Any, comparison: Any) -> None:
    spoiled = problem.test._replace(inputs=jnp.full_like(problem.test.inputs, jnp.nan))
    other = bench.run(["adam"], dataclasses.replace(problem, test=spoiled), PROTOCOL)
    (mine,) = other.outcomes
    whole = next(o for o in comparison.outcomes if o.optimizer == "adam")
    assert mine.setting == whole.setting
    for name, column in whole.tuning.table().items():
        np.testing.assert_array_equal(mine.tuning.table()[name], column)
    assert np.all(np.isnan(mine.values("loss")))


def test_figures_are_of_the_test_rows_and_fresh_seeds(problem: Any, comparison: Any) -> None:
    outcome = next(o for o in comparison.outcomes if o.optimizer == "sgd")
    plan = Plan({}, 3, PROTOCOL.seed, EVALUATION, Width(3, 1))
    key = plan.keys(next(plan.blocks()))[1]
    run = training.train(
        problem, "sgd", outcome.setting, key, num_steps=20, batch_size=16, record_every=4
    )
    metrics = training.evaluate(problem, run.params, "test")
    np.testing.assert_allclose(outcome.values("loss")[1], metrics["loss"], rtol=1e-3)
    reached = np.flatnonzero(run.history.validation["accuracy"] >= 0.6)
    expected = 4 * (reached[0] + 1) if len(reached) else math.inf
    assert outcome.steps[1] == expected


def test_a_second_run_is_bit_equal_apart_from_times(problem: Any, comparison: Any) -> None:
    again = bench.run(["sgd", "adam", "momentum"], problem, PROTOCOL)
    a, b = comparison.table(), again.table()
    for name in a:
        if not name.endswith(("seconds", "microseconds_a_step")):
            np.testing.assert_array_equal(a[name], b[name])


def test_a_verdict_is_antisymmetric_and_corrected_for_all_pairs(comparison: Any) -> None:
    for metric in comparison.metrics():
        forward = comparison.verdict("sgd", "adam", metric=metric)
        back = comparison.verdict("adam", "sgd", metric=metric)
        assert forward.p_value == pytest.approx(back.p_value, nan_ok=True)
        assert forward.winner == back.winner
        assert forward.p_value >= forward.paired.p_value or math.isnan(forward.p_value)
        assert str(forward).endswith(".")


def test_the_saved_folder_holds_the_table_and_readable_data(
    tmp_path: Path, comparison: Any
) -> None:
    folder = comparison.save(tmp_path / "new" / "folder")
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "comparison.json",
        "learning_curves.png",
        "learning_curves.svg",
        "pairs.csv",
        "table.tex",
        "report.html",
        "report.md",
        "runs.npz",
        "sensitivity.png",
        "sensitivity.svg",
        "table.csv",
        "trials.csv",
    }
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["optimizer"] for row in rows] == ["sgd", "adam", "momentum"]
    loss = comparison.estimate("adam", "loss")
    assert float(rows[1]["test_loss"]) == loss.value
    assert float(rows[1]["test_loss_low"]) == loss.low
    data = json.loads((folder / "comparison.json").read_text())
    assert data["protocol"] == dataclasses.asdict(PROTOCOL)
    assert data["summary"]["toy"] == comparison.summary()
    with (folder / "trials.csv").open() as file:
        trials = list(csv.DictReader(file))
    # Each contestant: 5 × 2 of tuning, and the same 5 settings on 3 fresh seeds.
    assert len(trials) == 3 * (5 * 2 + 5 * 3)
    report = (folder / "report.md").read_text()
    for sentence in comparison.summary():
        assert sentence in report


def test_a_contestant_that_fails_leaves_the_others_alone(comparison: Any) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(90, 3))
    line = problems.regression(x, x[:, :1], model=MLP((3, 1)), name="line")
    result = bench.run(
        ["sgd", "momentum"], line, PROTOCOL, fixed={"momentum": {"learning_rate": 1e9}}
    )
    broken = next(o for o in result.outcomes if o.optimizer == "momentum")
    assert broken.num_failed == 3
    assert broken.num_failed_tuning == 10
    assert np.all(np.isnan(broken.values("loss")))
    assert result.order() == ["sgd", "momentum"]
    assert "momentum failed on 3 of 3 seeds and cannot be compared." in result.summary()[0]
    assert str(result.verdict("sgd", "momentum")) == (
        "sgd and momentum cannot be compared on test loss: a run failed."
    )
    alone = bench.run(["sgd"], line, PROTOCOL)
    np.testing.assert_array_equal(
        alone.outcomes[0].values("loss"), result.outcomes[0].values("loss")
    )


class Raising:
    """A rule whose update raises while tracing."""

    Hyper, init = sgd.Hyper, staticmethod(sgd.init)
    STRUCTURE, SEARCH_SPACE, REFERENCE = {}, sgd.SEARCH_SPACE, "nothing"
    NEEDS, REVERSE_DIFFERENTIABLE = frozenset(), True
    __name__ = "raising"

    @staticmethod
    def update(*arguments: Any) -> Any:
        raise RuntimeError("this rule is broken")


def test_a_contestant_that_cannot_be_run_leaves_the_others_as_they_are(
    problem: Any, comparison: bench.Comparison, tmp_path: Path
) -> None:
    found = bench.run(
        ["sgd", Raising(), "adam", "levenberg_marquardt", "momentum"], problem, PROTOCOL
    )
    assert found.optimizers == (*comparison.optimizers, "raising", "levenberg_marquardt")
    raising, marquardt = found.not_run
    assert raising == ("raising", "toy", "it raised RuntimeError: this rule is broken")
    assert marquardt.reason.startswith("`residual_fn` must be a function")
    for name in comparison.optimizers:
        assert found.values(name, "loss").tobytes() == comparison.values(name, "loss").tobytes()
    assert found.summary() == [
        *comparison.summary(),
        "raising was not run: it raised RuntimeError: this rule is broken",
        f"levenberg_marquardt was not run: {marquardt.reason}",
    ]
    with pytest.raises(ValueError, match="raising") as caught:
        found.verdict("sgd", "raising")
    assert str(caught.value) == (
        "Comparison: `optimizer` must be one that was run on toy; got raising, which was not: it "
        "raised RuntimeError: this rule is broken."
    )
    report.save(found, tmp_path)
    saved = json.loads((tmp_path / "comparison.json").read_text())
    assert saved["not_run"][0]["reason"] == raising.reason
    assert "- raising was not run: it raised" in (tmp_path / "report.md").read_text()


def test_what_the_first_raised_is_raised_where_nobody_can_be_run(problem: Any) -> None:
    with pytest.raises(RuntimeError, match="this rule is broken"):
        bench.run([Raising()], problem, PROTOCOL)


def test_a_problem_on_which_nobody_can_be_run(problem: Any, comparison: bench.Comparison) -> None:
    broken = dataclasses.replace(problem, loss_name="hinge", name="broken")
    found = bench.run(["sgd", "adam"], [broken, problem], PROTOCOL)
    assert found.problems == ("toy",)
    assert found.values("sgd", "loss").tobytes() == comparison.values("sgd", "loss").tobytes()
    told = words.unplayed(found)
    assert [text.partition(" must")[0] for text in told] == [
        "broken: sgd was not run: losses.hinge: `targets`",
        "broken: adam was not run: losses.hinge: `targets`",
    ]


def test_an_error_of_a_problem_reaches_the_caller(problem: Any) -> None:
    broken = dataclasses.replace(problem, loss_name="hinge")
    with pytest.raises(TypeError, match="hinge"):
        bench.run(["sgd", "adam", "momentum", "nesterov"], broken, PROTOCOL)


def with_steps(comparison: Any, **steps: list[float]) -> Any:
    """The comparison with other steps to the target."""
    chosen = [o for o in comparison.outcomes if o.optimizer in steps]
    changed = [dataclasses.replace(o, steps=np.array(steps[o.optimizer])) for o in chosen]
    return dataclasses.replace(comparison, outcomes=tuple(changed))


def test_the_leader_on_steps_has_the_smallest_median(comparison: Any) -> None:
    split = with_steps(comparison, sgd=[4.0, 4.0, math.inf], adam=[12.0, 12.0, 12.0])
    assert split.order("steps") == ["sgd", "adam"]
    assert "sgd has the fewest, 4 [4, never]" in split.summary()[-1]
    nobody = with_steps(comparison, sgd=[math.inf] * 3, adam=[4.0, math.inf, math.inf])
    assert nobody.summary()[-1].endswith("no contestant arrives on most seeds.")
    level = with_steps(comparison, sgd=[4.0, 4.0, 8.0], adam=[4.0, 4.0, 12.0])
    assert "sgd has the fewest, 4 [4, 8]. adam has the same median. " in level.summary()[-1]
    alike = with_steps(comparison, sgd=[4.0, 8.0, 4.0], adam=[4.0, 8.0, 4.0], momentum=[20.0] * 3)
    assert alike.summary()[-1].endswith("adam is identical to it on every seed.")
    tie = with_steps(comparison, sgd=[4.0, 8.0, 4.0], adam=[4.0, 8.0, 4.0])
    assert tie.summary()[-1].endswith(" (median): all have the same, 4 [4, 8].")
    late = with_steps(comparison, sgd=[20.0] * 3, adam=[math.inf] * 3)  # 20 is the last step
    assert "identical" not in late.summary()[-1]


def with_losses(comparison: Any, **losses: list[float]) -> Any:
    """Those contestants, without a target, with other test losses."""
    changed = []
    for outcome in comparison.outcomes:
        if outcome.optimizer in losses:
            columns = dict(outcome.evaluation.columns)
            columns["loss"] = np.where(columns["setting"] == 0, np.nan, columns["loss"])
            columns["loss"][columns["setting"] == 0] = losses[outcome.optimizer]
            evaluation = dataclasses.replace(outcome.evaluation, columns=columns)
            changed.append(dataclasses.replace(outcome, evaluation=evaluation, steps=None))
    return dataclasses.replace(comparison, outcomes=tuple(changed))


def test_a_verdict_fits_what_it_is_about(comparison: Any) -> None:
    nan = math.nan
    alone = with_losses(comparison, sgd=[1.0, 2.0, 3.0])
    assert alone.summary()[0] == "Test loss: 2 [-0.484, 4.48] (sgd)."
    assert with_losses(comparison, sgd=[nan] * 3, adam=[1.0, nan, 2.0]).summary()[0] == (
        "Test loss: sgd failed on 3 of 3 seeds and adam failed on 1 of 3 seeds."
    )
    fallen = with_losses(comparison, sgd=[-1e9, -2e9, -3e9], adam=[1.0, 2.0, 3.0]).summary()[0]
    assert "sgd has the lowest, -2e+09" in fallen
    assert "no lower bound" in fallen
    assert "no lower bound" not in alone.summary()[0]
    assert "ranks nobody" in report.note(alone)


def test_a_function_to_minimise_is_a_problem_too(tmp_path: Path) -> None:
    result = bench.run(["sgd", "adam"], problems.get("quadratic", dim=2, spread=0.5), PROTOCOL)
    assert result.metrics()[0] == "loss"
    result.save(tmp_path)
    assert (tmp_path / "learning_curves.png").stat().st_size > 5000
    exact = (
        "Every seed gave the same figures: their intervals have no width, and they compare as "
        "they stand."
    )
    assert exact not in result.summary()
    alike = [
        dataclasses.replace(
            o,
            steps=np.full(3, 7.0),
            evaluation=dataclasses.replace(
                o.evaluation,
                columns=o.evaluation.columns
                | {name: np.ones(len(o.evaluation.status)) for name in o.metrics()},
            ),
        )
        for o in result.outcomes
    ]
    assert dataclasses.replace(result, outcomes=tuple(alike)).summary()[-1] == exact


def test_a_good_setting_reaches_96_per_cent_on_the_test_rows_of_digits() -> None:
    def accuracy(key: Any) -> Any:
        run = training.train(
            "digits",
            "adam",
            {"learning_rate": 1e-2},
            key,
            num_steps=500,
            batch_size=32,
            record_every=0,
        )
        return training.evaluate(problems.get("digits"), run.params, "test")["accuracy"]

    accuracies = jax.vmap(accuracy)(jax.random.split(jax.random.key(0), 5))
    assert mean_interval(accuracies).value >= 0.96


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: bench.run(["sgd", "sgd"], p, PROTOCOL),
            "bench.run: `optimizers` must be different and at least one; got ['sgd', 'sgd']. "
            "Name each contestant once.",
        ),
        (
            lambda p: bench.run(["sgd"], p, PROTOCOL, fixed={"adam": {}}),
            "bench.run: `fixed` must be one of sgd; got 'adam'.",
        ),
        (
            lambda p: bench.run(["sgd"], p, PROTOCOL, fixed={"sgd": {"learning_rate": -1}}),
            "sgd: `learning_rate` must be > 0; got -1. Did you mean 1?",
        ),
        (
            lambda p: bench.run(["sgd"], p, PROTOCOL, fixed={"sgd": {"rate": 1}}),
            "sgd: `hyper` must be one of learning_rate; got 'rate'. Did you mean 'learning_rate'?",
        ),
        (
            lambda p: bench.run(["sgd"], [p, make_problem(1)], PROTOCOL),
            "bench.run: `problems` must be differently named and at least one; got ['toy', 'toy']."
            " Give each a name of its own: problems.classification(..., name=...).",
        ),
        (
            lambda p: Protocol(num_steps=10**9),
            "Protocol: `num_steps` must be at most 1,000,000,000 over all trials of a contestant; "
            "got 58,000,000,000. Take fewer steps, trials or seeds.",
        ),
        (
            lambda p: Protocol(evaluation_seeds=1),
            "Protocol: `evaluation_seeds` must be >= 2; got 1. Pass 2 or more.",
        ),
        (
            lambda p: Protocol(seed=-1),
            "Protocol: `seed` must be in [0, 4294967296); got -1. Pass for example 0.",
        ),
        (
            lambda p: Protocol(num_steps=5, record_every=10),
            "Protocol: `record_every` must be in [1, 5]; got 10. Did you mean 5?",
        ),
    ],
)
def test_bad_input(problem: Any, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        call(problem)
    assert str(caught.value) == message


def test_what_is_no_rule_is_named(problem: Any) -> None:
    for optimizers, got in (("sgd", "a string"), ([3], "3")):
        with pytest.raises(TypeError, match="optimizer") as caught:
            bench.run(optimizers, problem, PROTOCOL)
        assert f"; got {got}. " in str(caught.value)
    with pytest.raises(TypeError, match="from_optax"):
        bench.run([optax.lion, "adam"], problem, PROTOCOL)


def test_a_scheduled_rule_and_one_of_optax_take_part(tmp_path: Path, problem: Any) -> None:
    rules = [scheduled(sgd, learning_rate=schedules.get("cosine")), from_optax(optax.adadelta)]
    held = {"optax.adadelta": {"rho": 0.8}}
    result = bench.run(rules, problem, PROTOCOL, fixed=held)
    first, second = result.outcomes
    assert list(first.setting) == ["inner.learning_rate"]
    assert second.setting == {"rho": 0.8}
    result.save(tmp_path)


def test_an_unknown_contestant_in_a_verdict_is_named(comparison: Any) -> None:
    with pytest.raises(ValueError, match="optimizer") as caught:
        comparison.verdict("sgd", "adan")
    assert str(caught.value) == (
        "Comparison: `optimizer` must be one of adam, momentum, sgd; got 'adan'. "
        "Did you mean 'adam'?"
    )


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, comparison: Any) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "results"
    with pytest.raises(ValueError, match="out") as caught:
        comparison.save(target)
    assert str(caught.value) == (
        f"report: `out` must be a folder that can be written to; got {str(target)!r} "
        "(Not a directory). Choose another with --out."
    )


def test_figures_in_words() -> None:
    assert words.estimate(Estimate(0.9683, 0.9612, 0.9754), "accuracy") == "96.8 % [96.1, 97.5]"
    assert words.estimate(Estimate(95.0, 70.0, math.inf), "steps") == "95 [70, never]"
    assert words.estimate(Estimate(math.nan, math.nan, math.nan)) == "– [–, –]"
    assert words.setting({"learning_rate": 0.01234, "b1": 0.9}) == "learning_rate=0.0123, b1=0.9"


def test_what_cannot_be_saved_whole_leaves_nothing(
    comparison: bench.Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(report, "_pictures", failing)
    with pytest.raises(MemoryError):
        report.save(comparison, tmp_path)
    assert list(tmp_path.iterdir()) == []
