"""The page of a comparison says what the comparison says, whatever became of contestants."""

from __future__ import annotations

import html.parser
import math
from typing import Any

import numpy as np
import pytest
from made_up import comparison

from jaxnn import bench
from jaxnn.bench import Comparison, Protocol
from jaxnn.bench.analysis import bands, tried, tuning_curve
from jaxnn.bench.pages import _quantile, html_page

LOSSES = {
    "p": {"a": [1.0, 2.0, 1.5], "b<i>": [4.0, math.nan, 5.0]},
    "q & r": {"a": [2.0, 2.0, 2.0], "b<i>": [0.0, 1.0, 0.5]},
}
STEPS = {
    "p": {"a": [1.0, 2.0, 2.0], "b<i>": [math.inf, math.inf, 4.0]},
    "q & r": {"a": [1.0, 2.0, 2.0], "b<i>": [3.0, 4.0, 4.0]},
}


class Text(html.parser.HTMLParser):
    """Texts of headings and cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.headings: list[str] = []
        self.cells: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.inside.append(tag)
        for kind, texts in (("h2", self.headings), ("td", self.cells), ("p", self.words)):
            if tag == kind:
                texts.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for kind, texts in (("h2", self.headings), ("td", self.cells), ("p", self.words)):
            if kind in self.inside and texts:
                texts[-1] += data


def test_quartiles_of_runs_that_left() -> None:
    finite = [[1.0, 2.0, 0.0], [3.0, 2.0, 5.0], [2.0, 8.0, 1.0], [9.0, 4.0, 2.0]]
    values = np.array([*finite, [math.inf, math.nan, 3.0]])
    np.testing.assert_array_equal(_quantile(values, 0.5), [3.0, 4.0, 2.0])
    np.testing.assert_array_equal(_quantile(values, 0.75), [9.0, 8.0, 3.0])
    np.testing.assert_allclose(_quantile(values, 0.8), [math.inf, math.inf, 3.4], rtol=1e-15)
    assert np.array_equal(_quantile(values[-1:], 0.5), [math.inf, math.inf, 3.0])


@pytest.fixture(scope="module")
def tuned() -> Comparison:
    protocol = Protocol(tuning_trials=8, tuning_seeds=2, evaluation_seeds=3, num_steps=20)
    return bench.run(["sgd", "lbfgs"], "iris", protocol)


def test_a_page_of_several_problems() -> None:
    made = comparison(LOSSES, steps=STEPS, not_run=[("c", "p", "it raised ValueError: <no>")])
    page = html_page(made, campaign="optimizers = []\n", provenance={"jax": "0.0"})
    assert page == html_page(made, campaign="optimizers = []\n", provenance={"jax": "0.0"})
    read = Text(page)
    for wanted in (
        "Verdict",
        "Over all problems",
        "Performance profile",
        "Results",
        "Problem by problem",
        "p: learning curves",
        "q & r: learning curves",
        "Best settings",
        "Cost",
        "Problems",
        "Protocol",
        "To repeat it",
    ):
        assert wanted in read.headings, wanted
    said = " ".join(read.words)
    assert made.overall()[0] in said
    assert "p: c was not run: it raised ValueError: <no>" in said
    assert "3 seeds are few for a mean" in said
    for text in made.summary("q & r"):
        assert f"q & r: {text}" in said
    assert "Made with jax 0.0." in said
    assert "<no>" not in page
    assert "b<i>" not in page


def test_figures_are_those_of_the_table() -> None:
    made = comparison(LOSSES, steps=STEPS)
    read = Text(html_page(made))
    assert "1.5 [0.258, 2.74]" in read.cells
    assert "2 [1, 2]" in read.cells
    assert "never [4, never]" in read.cells
    assert "Sensitivity" not in read.headings  # nothing was tuned


def test_a_page_of_one_problem(tuned: Comparison) -> None:
    read = Text(html_page(tuned))
    said = " ".join(read.words)
    for text in tuned.summary():
        assert text in said
    assert "Over all problems" not in read.headings
    assert {"Sensitivity", "iris: after fewer trials"} <= set(read.headings)


def test_what_tuning_says_besides(tuned: Comparison) -> None:
    outcome = tuned.outcomes[0]
    found = tried(outcome)
    assert found is not None
    assert np.all(np.diff(found.validation) >= 0)
    assert found.reported.shape == (8, 3)
    np.testing.assert_array_equal(found.reported[0], outcome.values("loss"))
    assert set(found.points) == {"learning_rate"}
    # The points are those of the settings: even in the logarithm of the rate.
    rates = outcome.evaluation.columns["learning_rate"][::3]
    order = np.argsort(found.points["learning_rate"])
    assert np.all(np.diff(rates[order]) > 0)
    curve = tuning_curve(outcome)
    assert curve is not None
    assert curve.sizes.tolist() == [1, 2, 4, 8]
    assert curve.figure.value[-1] == pytest.approx(outcome.values("loss").mean())
    assert curve.figure.value[0] == pytest.approx(found.reported.mean())
    share = bands(outcome)["learning_rate"].share
    assert 0 < share.value <= 1
    accuracy = tried(outcome, "accuracy")
    assert accuracy is not None
    assert accuracy.reported.max() <= 1
    plain = comparison({"p": {"a": [1.0, 2.0]}}).outcomes[0]
    assert tried(plain) is None
    assert tuning_curve(plain) is None
    assert bands(plain) == {}
