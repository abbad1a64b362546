"""What a folder of results holds besides: pairs, targets over time, tables for papers."""

from __future__ import annotations

import csv
import math
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas
import pytest
from calling import call
from made_up import comparison
from scipy import stats

from jaxnn.bench import papers
from jaxnn.bench.arrivals import arrivals
from jaxnn.bench.pairs import columns, pairs

LOSSES = {
    "p": {"a": [1.0, 2.0, 1.5, 1.2], "my_b(b1=0.9)": [4.0, 4.5, 5.0, 4.2], "c": [1.1, 1.9, 1.6, 2]},
    "q & r": {"a": [2.0] * 4, "my_b(b1=0.9)": [2.0] * 4, "c": [3.0, math.nan, 4.0, 5.0]},
}
STEPS = {
    "p": {"a": [1, 2, 2, 1], "my_b(b1=0.9)": [math.inf] * 4, "c": [1, 2, 3, 4]},
    "q & r": {"a": [2] * 4, "my_b(b1=0.9)": [2] * 4, "c": [3, math.inf, 4, 4]},
}


def test_pairs_are_against_the_leader() -> None:
    made = comparison(LOSSES)
    found = pairs(made, "p")
    assert [(one.verdict.a, one.verdict.b) for one in found] == [("a", "c"), ("a", "my_b(b1=0.9)")]
    losses = {name: np.array(values) for name, values in LOSSES["p"].items()}
    for verdict, effect, improvement in found:
        a, b = losses[verdict.a], losses[verdict.b]
        assert verdict.paired.difference.value == pytest.approx(np.mean(a - b), rel=1e-15)
        assert effect.d_z == pytest.approx(np.mean(a - b) / np.std(a - b, ddof=1), rel=1e-12)
        wins = np.mean((a[:, None] < b) + 0.5 * (a[:, None] == b))
        assert improvement.probability.value == wins
        assert improvement.p_value == pytest.approx(stats.mannwhitneyu(a, b).pvalue)
    raw = [
        stats.ttest_rel(losses[x], losses[y]).pvalue
        for x, y in (("a", "my_b(b1=0.9)"), ("a", "c"), ("my_b(b1=0.9)", "c"))
    ]
    # Holm, by hand: the smallest of three times 3, the next times 2, the largest as it is.
    order = np.argsort(raw)
    holm = np.maximum.accumulate(np.array(raw)[order] * [3, 2, 1])
    wanted = dict(zip(order.tolist(), np.minimum(holm, 1), strict=True))
    assert found[1].verdict.p_value == pytest.approx(wanted[0], rel=1e-12)
    assert found[0].verdict.p_value == pytest.approx(wanted[1], rel=1e-12)


def test_pairs_that_are_identical_and_that_failed() -> None:
    same, failed = pairs(comparison(LOSSES), "q & r")
    assert (same.verdict.b, same.verdict.p_value, same.effect.size) == ("my_b(b1=0.9)", 1.0, "none")
    assert same.improvement.probability.value == 0.5
    assert math.isnan(failed.verdict.p_value)
    assert failed.improvement.probability.value == 1.0
    assert pairs(comparison({"p": {"a": [1.0, 2.0]}}), "p") == []
    table = columns(comparison(LOSSES, steps=STEPS))
    assert table["metric"] == ["loss", "loss", "steps", "steps"] * 2
    assert table["winner"][:2] == ["", "a"]
    assert columns(comparison({"p": {"a": [1.0, 2.0]}})) == {
        name: [] for name in ("problem", "metric", "a", "b")
    }


def test_targets_over_time() -> None:
    """From 16 to 1/64 ten targets, a factor of 2 each; curves are straight lines."""
    losses = {"p": {"fast": [1 / 64] * 2, "slow": [4.0, 8.0]}}
    made = comparison(losses, starts={"p": 16.0})
    found = arrivals(made, num_points=3)
    assert found is not None
    np.testing.assert_allclose(found.spent, [0.01, 0.1, 1.0])
    # fast ends at all targets; slow at 8 and 4 in one run and at 8 in the other: 3 of 20.
    np.testing.assert_allclose(found.share, [[0, 0, 1], [0, 0, 3 / 20]])
    # Of 5 records fast is at 16, 12.004, 8.008, 4.012, 1/64: below 8 after 4 of 5.
    finer = arrivals(made, num_points=201)
    assert finer is not None
    at = np.searchsorted(finer.spent, [0.61, 0.78, 0.81, 0.95])
    np.testing.assert_allclose(finer.share[0, at], [0, 0, 0.1, 0.1])
    assert (found.problems, found.left_out) == (("p",), ())


def test_what_has_no_such_targets() -> None:
    losses = {"p": {"a": [-1.0, -2.0]}, "q": {"a": [1.0, 1.0]}}
    found = arrivals(comparison(losses, not_run=[("b", "q", "it raised ValueError: no")]))
    assert found is not None
    assert (found.problems, found.left_out) == (("q",), ("p",))
    assert found.optimizers == ("a", "b")
    assert found.share[:, -1].tolist() == [1.0, 0.0]
    assert arrivals(comparison({"p": {"a": [-1.0, -2.0]}})) is None
    assert arrivals(comparison({"p": {"a": [math.nan, math.nan]}})) is None


def test_tables_for_a_paper() -> None:
    text = papers.latex(comparison(LOSSES, steps=STEPS))
    assert text.count("\\begin{table}") == 3
    assert re.findall(r"\\label\{(.*?)\}", text) == ["tab:p", "tab:q-r", "tab:overall"]
    first = text.partition("\\end{table}")[0]
    a, c, b = re.findall(r"^ +(\w\S* & .*?) \\\\$", first.partition("\\midrule")[2], re.MULTILINE)
    assert a.startswith("a & $\\mathbf{1.")
    assert c.startswith("c & $1.6")
    assert "\\dagger" in c.split(" & ")[1]  # as good as a
    assert b.startswith("my\\_b(b1=0.9) & $4.4")
    assert "dagger" not in b.split(" & ")[1]
    caption = "p: means over 4 seeds with 95 \\% intervals by the studentised bootstrap. "
    assert f"{caption}Steps to the target: medians." in first
    second = text.split("\\end{table}")[1]
    assert "q \\& r: means" in second
    assert re.search(r"^ +c & \\textendash\{\} & ", second, re.MULTILINE)  # it failed on a seed
    assert second.count("\\mathbf{2}") == 4  # both, both metrics


def test_the_folder(tmp_path: Path) -> None:
    made = comparison(LOSSES, steps=STEPS)
    folders = [made.save(tmp_path / name) for name in ("one", "two")]
    names = {path.name for path in folders[0].iterdir()}
    assert names >= {"report.html", "report.md", "table.tex", "table.csv", "pairs.csv", "runs.npz"}
    for name in sorted(names - {"runs.npz"}):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    assert (folders[0] / "table.tex").read_text(encoding="utf-8") == papers.latex(made)
    with (folders[0] / "pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[1]["winner"] == "a"
    assert float(rows[1]["difference"]) == columns(made)["difference"][1]
    page = (folders[0] / "report.html").read_text(encoding="utf-8")
    for heading in ("Against the leader", "Targets reached over time"):
        assert f">{heading}</h2>" in page
    alone = comparison({"p": {"a": [1.0, 2.0]}}).save(tmp_path / "alone")
    assert not (alone / "pairs.csv").exists()
    assert "Against the leader" not in (alone / "report.html").read_text(encoding="utf-8")


def test_tables_as_csv_and_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = comparison(LOSSES, steps=STEPS)
    folder = made.save(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    for name, wanted in (("trials", made.trials()), ("pairs", made.pairs()), ("figures", None)):
        columns = made.table() if wanted is None else wanted
        rows = len(columns["problem"])
        for kind in ("csv", "parquet"):
            words = ["report", "export", "results", f"{name}.{kind}", "--table", name]
            assert call(*words) == 0
            assert capsys.readouterr().out == f"{rows} rows in {name}.{kind}\n"
        read = pandas.read_parquet(f"{name}.parquet")
        assert list(read) == list(columns)
        text = pandas.read_csv(f"{name}.csv")
        for column, values in columns.items():
            assert [_plain(x) for x in read[column]] == [_plain(x) for x in values], column
            assert [_plain(x) for x in text[column]] == [_plain(x) for x in values], column
    # What the folder holds is written by the same code.
    assert Path("trials.csv").read_bytes() == (folder / "trials.csv").read_bytes()
    assert Path("pairs.csv").read_bytes() == (folder / "pairs.csv").read_bytes()
    assert Path("figures.csv").read_bytes() == (folder / "table.csv").read_bytes()


def _plain(value: Any) -> Any:
    """Equal for what is the same in a list, in CSV and in Parquet; nothing and "" are missing."""
    value = value.item() if hasattr(value, "item") else value
    return None if value in {None, ""} or value != value else value


def test_a_table_needs_a_file_of_a_kind_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # Before the folder is looked at, which is not there.
    assert call("report", "export", "nowhere", "trials.xlsx") == 2
    text = "`out` must be a file that ends in .csv or .parquet; got 'trials.xlsx'."
    assert text in " ".join(capsys.readouterr().err.split())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert call("report", "export", "nowhere", "trials.parquet") == 2
    text = "must be called where pyarrow is; got no pyarrow. pip install 'jaxnn[table]' brings it"
    assert text in " ".join(capsys.readouterr().err.split())


def test_markdown_marks_the_best_and_its_equals(tmp_path: Path) -> None:
    made = comparison(LOSSES, steps=STEPS)
    text = (made.save(tmp_path / "x") / "report.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| a | **1.4** [")]
    assert row.endswith(" | – |")
    assert re.search(r"\| c \| 1\.6† \[.*\] \| .* \| – \|\n", text)
    assert "Bold: the best of its column." in text


def test_pictures_are_there_as_svg(tmp_path: Path) -> None:
    folder = comparison(LOSSES, steps=STEPS).save(tmp_path / "x")
    pictures = {path.stem for path in folder.glob("*.png")}
    assert pictures == {path.stem for path in folder.glob("*.svg")} >= {"learning_curves_p"}
    for path in folder.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        texts = {
            "".join(found.itertext()) for found in root.iter("{http://www.w3.org/2000/svg}text")
        }
        assert {"a", "c", "my_b(b1=0.9)"} <= texts
