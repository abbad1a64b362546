"""Verdicts over problems: worked by hand, and honest about what has no scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up import comparison

from jaxnn.bench import words
from jaxnn.bench.scores import profile, standings
from jaxnn.bench.statistics import aggregate, rank_table

LOSSES = {
    "p": {"a": [1.0, 2.0], "b": [4.0, 5.0], "c": [10.0, 11.0]},
    "q": {"a": [2.0, 2.0], "b": [0.0, 1.0], "c": [6.0, 8.0]},
}
STEPS = {
    "p": {"a": [1.0, 1.0], "b": [2.0, 2.0], "c": [math.inf, math.inf]},
    "q": {"a": [4.0, 4.0], "b": [2.0, 2.0], "c": [math.inf, 4.0]},
}


def test_scores_by_hand() -> None:
    """From 10: on p to 1.5, on q to 0.5; the middle half of four scores."""
    found = standings(comparison(LOSSES))
    assert found is not None
    assert found.optimizers == ("a", "b", "c")
    assert (found.problems, found.left_out) == (("p", "q"), ())
    shares = {
        "a": [9 / 8.5, 8 / 8.5, 8 / 9.5, 8 / 9.5],
        "b": [6 / 8.5, 5 / 8.5, 10 / 9.5, 9 / 9.5],
        "c": [0.0, 0.0, 4 / 9.5, 2 / 9.5],
    }
    for score, name in zip(found.score, found.optimizers, strict=True):
        assert score.value == pytest.approx(np.mean(sorted(shares[name])[1:3]))
        assert score.low <= score.value <= score.high
    assert found.leader == "a"
    assert found.ahead.keys() == {"b", "c"}
    score = {name: x.value for name, x in zip(found.optimizers, found.score, strict=True)}
    for name, ahead in found.ahead.items():
        assert ahead.value == pytest.approx(score["a"] - score[name])
    expected = rank_table([[1.5, 2.0], [4.5, 0.5], [10.5, 7.0]])
    assert found.ranks is not None
    assert found.ranks.mean_ranks.tolist() == expected.mean_ranks.tolist() == [1.5, 1.5, 3.0]
    assert found.soon is None
    assert found.solved is None


def test_how_soon_targets_are_reached() -> None:
    """Medians: p 1, 2, never; q 4, 2, never (between 4 and never)."""
    made = comparison(LOSSES, steps=STEPS)
    found = standings(made)
    assert found is not None
    assert found.soon is not None
    assert found.solved is not None
    assert [x.value for x in found.soon] == pytest.approx([(1 + 2 / 3) / 2, (2 / 3 + 1) / 2, 0])
    assert [x.value for x in found.solved] == [1.0, 1.0, 0.25]
    drawn = profile(made)
    assert drawn is not None
    assert (drawn.ratios[0], drawn.ratios[-1]) == (1.0, pytest.approx(4.0))
    assert drawn.share.value[:, 0].tolist() == [0.5, 0.5, 0.0]
    assert drawn.share.value[:, -1].tolist() == [1.0, 1.0, 0.0]
    assert profile(comparison(LOSSES)) is None


def test_who_failed_or_was_not_run_has_got_nowhere() -> None:
    losses = {"p": {"a": [1.0, 2.0], "b": [math.nan, 3.0]}, "q": {"a": [1.0, 1.0]}}
    made = comparison(losses, not_run=[("b", "q", "it raised ValueError: no")])
    found = standings(made)
    assert found is not None
    assert found.optimizers == ("a", "b")
    assert found.score[1].value == pytest.approx(0.0)  # of 0, 0, 0 and 7/8.5 the middle half
    assert found.ranks is not None
    assert found.ranks.mean_ranks.tolist() == [1.0, 2.0]


def test_problems_without_a_scale_are_left_out() -> None:
    losses = LOSSES | {"worse": {"a": [11.0, 12.0], "b": [13.0, 14.0], "c": [20.0, 20.0]}}
    found = standings(comparison(losses))
    assert found is not None
    assert (found.problems, found.left_out) == (("p", "q"), ("worse",))
    assert words.overall(found)[-1] == (
        "worse has no scale of losses and does not count in the score."
    )
    assert standings(comparison({"p": LOSSES["p"]})) is None
    assert comparison({"p": LOSSES["p"]}).overall() == []


def test_the_verdict_in_words() -> None:
    rng = np.random.default_rng(0)
    problems = [f"p{k}" for k in range(6)]
    base = {p: 1 + 0.01 * rng.normal(size=10) for p in problems}
    losses = {
        p: {
            "good": base[p],
            "twin": base[p],
            "near": base[p] + 0.005 * rng.normal(size=10),
            "bad": base[p] + 3,
        }
        for p in problems
    }
    made = comparison(losses)
    found = standings(made)
    assert found is not None
    text = words.overall(found)
    score = aggregate(
        [(10 - base[p]) / (10 - min(x.mean() for x in losses[p].values())) for p in problems]
    )
    leader = found.leader
    assert leader in ("good", "near", "twin")
    assert text[0].startswith(f"Over 6 problems: {leader} has the highest score, ")
    assert "It is ahead of bad on these problems." in text[0]
    assert "It cannot be told apart from " in text[0]
    assert "(Intervals of differences on common seeds, Bonferroni over 3.)" in text[0]
    if leader == "good":
        assert found.score[0].value == pytest.approx(score.value)
        assert "twin is identical to it." in text[0]
    assert text[1].startswith("Mean ranks by test loss on all problems: ")
    assert "Friedman's test finds a difference (p = " in text[1]


def test_copies_are_not_told_apart() -> None:
    """A contestant and a copy on other seeds: the intervals of differences hold 0."""
    rng = np.random.default_rng(1)
    told = 0
    for _ in range(40):
        losses = {p: {"a": rng.normal(1, 0.1, 10), "b": rng.normal(1, 0.1, 10)} for p in "pqrs"}
        found = standings(comparison(losses))
        assert found is not None
        (ahead,) = found.ahead.values()
        told += ahead.low > 0
    assert told <= 5  # 2 of 40 on average, since the leader is who is ahead
