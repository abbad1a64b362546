"""Suites: enough problems, each whole; the page that lists them is what they are."""

from __future__ import annotations

import importlib.util
import pathlib
import re
from typing import Any

import pytest

from jaxnn.errors import BadValue
from jaxnn.problems.suites import SUITES, WORKLOADS, suite
from jaxnn.problems.table import PROBLEMS

DOCS = pathlib.Path(__file__).parents[1] / "docs"

NOT_COMPARED = {"gate": "its gates stand in the suites by name: and, xor"}


def test_there_are_enough_and_each_is_named_once() -> None:
    assert len(WORKLOADS) >= 30
    assert list(SUITES) == ["lecture", "valleys", "tabular", "vision", "sequence", "hard", "small"]
    others = [w.name for name, workloads in SUITES.items() if name != "small" for w in workloads]
    assert sorted(others) == sorted(set(others)) == sorted(WORKLOADS)
    small = [w.name for w in suite("small")]
    assert len(small) == len(set(small)) == 10
    assert set(small) <= set(others)
    homes = {next(s for s in SUITES if s != "small" and name in names(s)) for name in small}
    assert homes == {"lecture", "valleys", "tabular", "hard"}  # varied


def names(of_suite: str) -> list[str]:
    return [workload.name for workload in SUITES[of_suite]]


def test_all_problems_are_in_a_suite() -> None:
    assert PROBLEMS.keys() - WORKLOADS.keys() == NOT_COMPARED.keys()


def test_an_unknown_suite() -> None:
    with pytest.raises(
        BadValue, match=r"^problems.suite: `name` must be one of .*Did you mean 'sma"
    ):
        suite("smal")


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("make_problems", DOCS / "make_problems.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_is_whole() -> None:
    for name, workload in WORKLOADS.items():
        facts = workload.describe()
        assert facts == workload.describe()
        assert facts["problem"] == name
        assert workload.num_steps >= 1
        assert len(workload.source) > 3, name
        assert facts["parameters"] >= 1
        assert re.fullmatch(r"(accuracy >=|loss <=) -?[\d.e+-]+", facts["target"]), name
        if facts["rows"] == "none":
            assert workload.batch_size is None, name
        else:
            train, *_ = map(int, facts["rows"].split(" + "))
            assert workload.batch_size is None or 1 <= workload.batch_size <= train, name


def test_the_page_is_what_its_script_makes(script: Any) -> None:
    kept = (DOCS / "problems.md").read_text(encoding="utf-8")
    assert script.text() == kept, "Run python docs/make_problems.py."


def test_its_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "problems.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    seen: dict[str, Any] = {}
    exec(compile(code, "problems.md", "exec"), seen)
    assert capsys.readouterr().out.splitlines() == seen["found"].summary()
    assert seen["found"].problems == ("signs",)
