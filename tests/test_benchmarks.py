"""The benchmarks run and report what they promise; no test takes a time."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import optax
import pytest
from scipy import stats

from jaxnn import bench, optimizers, sweeps
from jaxnn.bench import Protocol
from jaxnn.bench.statistics import holm
from jaxnn.errors import BadValue
from jaxnn.sweeps import Engine

FOLDER = Path(__file__).parents[1] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def positive(*values: float) -> bool:
    return all(math.isfinite(value) and value > 0 for value in values)


def check_report(report: dict[str, Any]) -> None:
    contests = [(row["layout"], row["rule"]) for row in report["rows"]]
    assert len(contests) == len(set(contests))
    for row in report["rows"]:
        assert positive(*row["microseconds"].values(), row["bandwidth"])
        for peer in {"optax", "torch"} & row.keys():
            (low, high), quartiles = row[peer]["ratio_interval_95"], row[peer]["ratio_quartiles"]
            assert 0 < low <= row[peer]["ratio"] <= high < math.inf
            assert positive(*quartiles)
            assert quartiles == sorted(quartiles)
    assert set(report["summary"]) == {row["layout"] for row in report["rows"]}
    assert {"jax", "jaxlib", "optax", "jaxnn"} <= set(report["versions"])
    assert report["command"].startswith("python benchmarks/update_rules.py --size ")
    assert len(report["load_average"]) == 2


def test_update_rules(tmp_path: Path) -> None:
    script = load("update_rules")
    report = script.main(quick=True, rules="rmsprop", layouts="leaf", out=tmp_path)
    check_report(report)
    assert report["summary"]["leaf"]["rules"] == 3  # itself and two of its variants
    report = script.main(quick=True, rules="sophia", layouts="leaves,vmap", out=tmp_path)
    check_report(report)
    assert {name: about["rules"] for name, about in report["summary"].items()} == {
        "leaves": 1,
        "vmap": 1,
    }
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("update_rules-")
    assert json.loads(file.read_text()) == report


def test_sweep_overhead(tmp_path: Path) -> None:
    script = load("sweep_overhead")
    make = Engine.__init__
    found = script.side("jaxnn, store", 128, str(tmp_path))
    assert positive(found["seconds"], found["wall"])
    assert found["seconds"] < found["wall"]
    assert sweeps.load(tmp_path / "sweep.db").num_settings == 128
    assert Engine.__init__ is make


def test_sweep_overhead_of_a_side_in_a_process_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    report = load("sweep_overhead").main(trials=64, rounds=1, sides="jaxnn, store", out=out)
    (row,) = report["rows"].values()
    assert row["trials"] == 64
    assert row["ratio"] == 1
    assert positive(row["overhead_us"], row["wall_us"])
    assert report["command"].endswith(" --trials 64 --rounds 1 --sides 'jaxnn, store'")
    assert json.loads(out.read_text()) == report


def test_the_committed_report_of_sweep_overhead() -> None:
    script = load("sweep_overhead")
    report = json.loads((FOLDER / "results" / "sweep_overhead-cpu.json").read_text())
    assert list(report["rows"]) == list(script.SIDES)
    assert {"jax", "jaxlib", "jaxnn", "optuna", "hyperoptax"} == set(report["versions"])
    for name in ("jaxnn", "jaxnn, store"):
        row = report["rows"][name]
        assert row["trials"] == 100_000
        assert all(row[key] <= limit for key, limit in script.LIMITS.items())
    ratios = [row["ratio"] for name, row in report["rows"].items() if "jaxnn" not in name]
    assert positive(*ratios)
    assert report["progress"]["ratio"] < 1.05


def test_early_stopping(tmp_path: Path) -> None:
    script = load("early_stopping")
    found = []
    for halving in (False, True):
        out = tmp_path / f"{halving}.npz"
        script.sweep(halving, 64, 8, 4, str(out))
        with np.load(out) as read:
            found.append(dict(read))
    whole, halved = found
    went_on = halved["status"] == 0
    assert went_on.sum() == 8
    assert whole["loss"][went_on].tobytes() == halved["loss"][went_on].tobytes()
    winners = [json.loads(str(side["winner"])) for side in found]
    assert winners[0].keys() == {"learning_rate", "b1"}
    assert script.fresh(winners, 4, 4).shape == (2, script.FRESH_SEEDS)


def test_verdict_errors(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    report = load("verdict_errors").main(seeds=400, steps=20, out=out)
    assert json.loads(out.read_text()) == report
    assert len(report["rows"]) == 2 * 2 * 3 * 2 * 3  # problems, optimizers, metrics, copies, seeds
    assert {row["metric"] for row in report["rows"]} == {"loss", "accuracy", "steps"}
    for row in report["rows"]:
        assert row["asked"] == 400 // (row["copies"] * row["seeds"])
        assert row["interval_95"][0] <= row["rate"] <= row["interval_95"][1]
        # By chance alone it is more in less than 1 of 1,000.
        assert row["told_apart"] <= stats.binom.isf(1e-3, row["asked"], 0.05)
        assert row["copies"] > 2 or row["first_beats_second"] <= row["told_apart"]
    assert report["above"] == 0
    assert report["shapes"]["xor"]["sgd"]["loss"]["missing"] == 0


def test_the_committed_rates_of_wrong_verdicts() -> None:
    report = json.loads((FOLDER / "results" / "verdict_errors-cpu.json").read_text())
    rows = report["rows"]
    assert len(rows) == 72
    assert min(holm([row["p_above_level"] for row in rows])) > 0.05
    assert report["above"] == 0
    for row in rows:
        assert row["asked"] == 20_000 // (row["copies"] * row["seeds"])
        exact = stats.binomtest(row["told_apart"], row["asked"], 0.05, "greater")
        assert row["p_above_level"] == pytest.approx(exact.pvalue)
    assert report["shapes"]["xor"]["adam"]["steps"]["skewness"] > 2  # a long tail


def test_inclusion(tmp_path: Path) -> None:
    script, out = load("inclusion"), tmp_path / "report.json"
    given = {"trials": 4, "seeds": 3, "tuning_seeds": 1, "problems": "and", "steps": 20}
    store = tmp_path / "runs.db"
    report = script.main(**given, store=store, out=out)
    assert set(report["questions"]) == {"own", "containing"}
    for kind, rows in report["questions"].items():
        assert [(row["general"], row["special"]) for row in rows] == list(script.QUESTIONS[kind])
        for row in rows:
            assert row["low"] <= row["difference"] <= row["high"]
            assert row["difference"] == pytest.approx(row["losses"][0][0] - row["losses"][1][0])
            assert row["p_value"] <= row["p_after_holm"] <= 1
            assert set(row["doubling"]) == {"1", "2", "4"}
            assert row["worse"] == (row["p_after_holm"] < 0.05) == ("with_more_trials" in row)
    assert json.loads(out.read_text()) == report
    assert script.main(**given, store=store)["questions"] == report["questions"]


def test_the_committed_answers_to_the_question_of_inclusion() -> None:
    """Of twenty two: one by a bias that the general rule has not, one on test rows alone."""
    report = json.loads((FOLDER / "results" / "inclusion-cpu.json").read_text())
    rows = {kind: {(r["problem"], r["general"]): r for r in rows}
            for kind, rows in report["questions"].items()}  # fmt: skip
    for kind, by_question in rows.items():
        assert len(by_question) == 10
        corrected = holm([row["p_value"] for row in by_question.values()])
        np.testing.assert_allclose([r["p_after_holm"] for r in by_question.values()], corrected)
        assert report["worse"][kind] == sum(p < 0.05 for p in corrected) == 1
    own = rows["own"]["noisy_quadratic", "adam"]
    assert own["worse"]
    assert own["with_more_trials"]["against_contained"]["high"] < 0
    containing = rows["containing"]["breast_cancer", "adam from 0"]
    assert containing["worse"]
    assert containing["validation_on_fresh_seeds"]["p_value"] > 0.05


def test_spaces_of_the_question_of_inclusion() -> None:
    """Those of the library do not contain each other; the script's own do."""
    script = load("inclusion")

    def ends(rule: Any, number: str) -> list[float]:
        found = optimizers.resolve(rule).SEARCH_SPACE[number].quantile(np.array([0.0, 1.0]))
        return sorted(np.round(found, 12).tolist())

    assert ends("momentum", "momentum") == [0.7, 0.99]
    assert ends("adam", "b1") == [0.7, 0.97]
    assert ends("adam", "b2") == [0.9, 0.999]
    assert ends("rmsprop", "decay") == [0.7, 0.999]
    assert ends(script.MOMENTUM, "momentum") == [0.0, 0.99]
    rates = [ends(rule, "learning_rate") for rule in (script.MOMENTUM, "momentum", "sgd")]
    assert rates[0] == [min(rates[1][0], rates[2][0]), max(rates[1][1], rates[2][1])]
    assert ends(script.ADAM, "b1") == [0.0, 0.97]
    assert ends(script.ADAM, "b2") == ends(script.RMSPROP, "decay")
    assert ends(script.ADAM, "learning_rate") == ends(script.RMSPROP, "learning_rate")


@pytest.mark.parametrize(
    ("general", "held", "special", "numbers"),
    [
        ("ADAM", {"b1": 0.0, "b2": 0.95}, "RMSPROP", {"decay": 0.95}),
        ("MOMENTUM", {"momentum": 0.0}, "sgd", {}),
    ],
)
def test_the_more_general_rule_contains_the_other(
    general: str, held: dict[str, float], special: str, numbers: dict[str, float]
) -> None:
    script, params = load("inclusion"), np.array([1.0, -2.0, 3.0], np.float32)
    grads = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    steps = []
    for name, given in ((general, held), (special, numbers)):
        rule = getattr(script, name, None) or optimizers.get(name)
        hyper = rule.Hyper(learning_rate=0.1, **given)
        state, found = rule.init(params, hyper), []
        for g in grads:
            updates, state = rule.update(g, state, params, hyper)
            found.append(np.asarray(updates))
        steps.append(found)
    np.testing.assert_allclose(*steps, rtol=1e-5)


def test_an_answer_to_the_question_of_inclusion() -> None:
    ask, rng = load("inclusion").answer, np.random.default_rng(0)
    x, y = rng.normal(0.5, 1, 12), rng.normal(0, 1, 12)
    for a, b in ((x, y), (y, x)):
        found = ask(a, b)
        assert found.p_value == pytest.approx(stats.ttest_rel(a, b, alternative="greater").pvalue)
        assert found.difference == pytest.approx(np.mean(a - b))
    assert ask(x, x)[:4] == (0, 0, 0, 1)
    failed = ask([1.0, math.nan, 3.0, 4.0, math.nan], [0.0, 2.0, 2.0, 3.0, math.nan])
    assert failed.test == "sign test"
    assert failed.p_value == 1 / 16
    assert math.isnan(failed.difference)


def test_committed_reports() -> None:
    files = list((FOLDER / "results").glob("update_rules-*.json"))
    assert files
    for file in files:
        check_report(json.loads(file.read_text()))


def test_a_rule_that_does_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    script = load("update_rules")
    other = script.REFERENCES["momentum"]._replace(build=lambda hyper: optax.sgd(1e-3, 0.5))
    monkeypatch.setitem(script.REFERENCES, "momentum", other)
    params = script.normal_like(0, script.jnp.zeros(10))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        script.contest("momentum", {}, params, layout="leaf", rounds=1, samples=1)


def test_rules_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadValue) as caught:
        load("update_rules").main(quick=True, rules="adam,adm", out=tmp_path)
    assert str(caught.value) == (
        "update_rules: `rules` must be a known name; got 'adm'. Did you mean 'adam'?"
    )
    assert not list(tmp_path.iterdir())


def test_training_throughput() -> None:
    with jax.numpy_rank_promotion("allow"):  # the peer is written as anybody would
        result = load("training_throughput").main(seeds=1, settings=2, steps=5, repeats=2)
    low, high = result["quartiles"]
    assert positive(low, *result["microseconds"].values())
    assert low <= result["ratio"] <= high


def test_line_searches() -> None:
    rows = load("line_searches").main(dim=20, condition=10.0, repeats=1)
    assert [(row["problem"], row["rule"]) for row in rows] == [
        ("rosenbrock", "lbfgs"),
        ("rosenbrock", "nonlinear_cg"),
        ("quadratic", "lbfgs"),
        ("quadratic", "nonlinear_cg"),
    ]
    for row in rows:
        assert positive(row["evaluations_ratio"], row["time_ratio"], *row["milliseconds"].values())
        assert row["evaluations_ratio"] <= 1.1
        assert {"ours", "scipy"} <= set(row["evaluations"])


def test_startup() -> None:
    script = load("startup")
    seconds = script.main(repeats=1)
    assert set(seconds) == set(script.CASES)
    assert positive(*seconds.values())


def test_small_suite(tmp_path: Path) -> None:
    script = load("small_suite")
    report = script.main(2, 2, problem="booth,saddle", optimizers="sgd", steps=4)
    assert positive(report["seconds"], report["peak_mib"])
    wanted = "jaxnn bench --problem booth,saddle --optimizers sgd --trials 2 --seeds 2 --steps 4"
    assert report["command"] == wanted
    # What it compares sees any figure, and no time.
    protocol = Protocol(tuning_trials=2, tuning_seeds=1, evaluation_seeds=2, num_steps=4)
    made = bench.run(["sgd"], "booth", protocol)
    (outcome,) = made.outcomes
    slower = dataclasses.replace(outcome, cost=outcome.cost._replace(total_seconds=1e3))
    losses = {"loss": np.nextafter(outcome.updates["loss"], 0)}
    other = dataclasses.replace(outcome, updates=outcome.updates | losses)
    folders = []
    for number, one in enumerate((outcome, slower, other)):
        changed = dataclasses.replace(made, outcomes=(one,))
        folders.append(changed.save(tmp_path / str(number)))
    kept, same, different = map(script.contents, folders)
    assert kept == same
    assert {"comparison.json", "runs.npz", "table.csv", "trials.csv", "report.html"} <= kept.keys()
    assert kept != different


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_the_readme_names_every_script(path: Path) -> None:
    assert f"python benchmarks/{path.name}" in (FOLDER / "README.md").read_text()
