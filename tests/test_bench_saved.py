"""Folders of results are read back, put together and compared."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from made_up import comparison

from jaxnn import bench
from jaxnn.bench import Comparison, Protocol, report
from jaxnn.bench.merge import changes, merge
from jaxnn.errors import BadValue
from jaxnn.optimizers import sam, sgd

LOSSES = {"p": {"a": [1.0, 2.0], "b": [4.0, math.nan]}, "q": {"a": [2.0, 2.0], "b": [0.0, 1.0]}}
STEPS = {"p": {"a": [1.0, math.inf], "b": [2.0, 2.0]}, "q": {"a": [4.0, 4.0], "b": [2.0, 2.0]}}


def same(one: Comparison, other: Comparison) -> bool:
    a, b = report.saved.description(one), report.saved.description(other)
    columns, its = report.saved.arrays(one), report.saved.arrays(other)
    return json.dumps(a) == json.dumps(b) and all(
        columns[n].dtype == its[n].dtype and columns[n].tobytes() == its[n].tobytes()
        for n in columns.keys() | its.keys()
    )


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    protocol = Protocol(tuning_trials=2, tuning_seeds=2, evaluation_seeds=2, num_steps=12)
    made = bench.run([sgd, sam(sgd), "lbfgs"], ["iris", "rosenbrock"], protocol)
    read = bench.load(made.save(tmp_path / "results"))
    assert same(read, made)
    assert read.summary("iris") == made.summary("iris")
    assert read.overall() == made.overall()
    again = read.save(tmp_path / "again")
    for name in ("table.csv", "trials.csv", "report.md", "runs.npz"):
        one, other = ((folder / name).read_bytes() for folder in (tmp_path / "results", again))
        assert one == other, name


def test_given_figures_are_read_back(tmp_path: Path) -> None:
    made = comparison(LOSSES, steps=STEPS, not_run=[("c", "p", "it raised ValueError: no")])
    assert same(bench.load(made.save(tmp_path / "x")), made)


def test_what_is_no_folder_of_results(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"bench\.load: `folder` must be one with results of jaxnn"):
        bench.load(tmp_path)
    folder = comparison(LOSSES).save(tmp_path / "x")
    document = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    other = json.dumps(document | {"format": 2})
    (folder / "comparison.json").write_text(other, encoding="utf-8")
    with pytest.raises(BadValue, match=r"must be of format 1; got format 2 in '"):
        bench.load(folder)
    (folder / "runs.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(BadValue, match=r"must be one with results"):
        bench.load(folder)


def part(losses: dict[str, dict[str, list[float]]], names: str) -> Comparison:
    kept = {p: {n: x for n, x in by.items() if n in names} for p, by in losses.items()}
    return comparison({p: by for p, by in kept.items() if by})


def test_contestants_and_problems_are_put_together() -> None:
    whole = comparison(LOSSES)
    both = merge([part(LOSSES, "a"), part(LOSSES, "b")])
    assert both.optimizers == ("a", "b")
    assert both.table()["test_loss"].tolist()[:1] == whole.table()["test_loss"].tolist()[:1]
    assert both.verdict("a", "b", "q").p_value == whole.verdict("a", "b", "q").p_value
    apart = merge([comparison({p: LOSSES[p]}) for p in LOSSES])
    assert same(apart, whole)
    assert same(merge([whole, whole]), whole)


def test_who_could_be_run_once_was_run() -> None:
    failed = comparison({"p": {"a": [1.0, 2.0]}}, not_run=[("b", "p", "no"), ("c", "p", "no")])
    found = merge([failed, comparison({"p": LOSSES["p"]})])
    assert found.optimizers == ("a", "b", "c")
    assert [one.optimizer for one in found.not_run] == ["c"]


def test_what_does_not_belong_together() -> None:
    one = comparison(LOSSES)
    other = dataclasses.replace(one, protocol=dataclasses.replace(one.protocol, seed=3))
    with pytest.raises(BadValue) as caught:
        merge([one, other])
    assert (
        str(caught.value) == "bench.merge: `comparisons` must be of one protocol; got seed 0 and 3."
    )
    changed = comparison(LOSSES | {"p": {"a": [1.0, 2.5]}})
    with pytest.raises(BadValue, match=r"got different ones for a on p\. Leave it out"):
        merge([one, changed])
    longer = tuple(dataclasses.replace(about, num_steps=6) for about in one.tasks)
    with pytest.raises(BadValue, match=r"of one budget on each problem; got \{'num_steps': 5, "):
        merge([one, dataclasses.replace(one, tasks=longer)])
    with pytest.raises(BadValue, match=r"one or more; got none"):
        merge([])


def test_changes_between_two() -> None:
    before = comparison(LOSSES)
    after = comparison({"p": {"a": [1.0, 2.0], "b": [5.0, 6.0]}, "r": {"a": [0.0, 1.0]}})
    found = {(c.problem, c.optimizer): c for c in changes(before, after)}
    assert found["p", "a"].is_same
    assert not found["p", "b"].is_same
    assert found["q", "a"].after is None
    assert found["r", "a"].before is None
    assert not found["r", "a"].overlaps
    apart = changes(comparison({"p": {"a": [1.0, 1.1]}}), comparison({"p": {"a": [9.0, 9.1]}}))
    assert [c.overlaps for c in apart] == [False]
    near = changes(comparison({"p": {"a": [1.0, 1.1]}}), comparison({"p": {"a": [1.1, 1.2]}}))
    assert [(c.overlaps, c.same_setting) for c in near] == [(True, True)]
    assert np.isfinite(near[0].before.value if near[0].before else math.nan)
