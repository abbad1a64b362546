"""The benchmarks run and report what they promise; no test takes a time."""

from __future__ import annotations

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

from jaxnn import sweeps
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


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_the_readme_names_every_script(path: Path) -> None:
    assert f"python benchmarks/{path.name}" in (FOLDER / "README.md").read_text()
