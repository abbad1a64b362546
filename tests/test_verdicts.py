"""Verdicts on real runs: copies are identical or not told apart, and what is broken loses."""

from __future__ import annotations

import dataclasses
import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from made_up import comparison
from own_steps import OwnStep, against_all_sense, heedless
from scipy import stats

from jaxnn import bench
from jaxnn.bench import Comparison, Protocol
from jaxnn.optimizers import adam

PROTOCOL = Protocol(
    tuning_trials=2,
    tuning_seeds=2,
    evaluation_seeds=8,
    num_steps=64,
    batch_size=16,
    record_every=8,
)


def copy_of(rule: ModuleType, name: str) -> ModuleType:
    """The same rule in a module of another name."""
    made = ModuleType(name)
    vars(made).update(vars(rule) | {"__name__": name})
    return made


@pytest.fixture(scope="module")
def found() -> Comparison:
    broken = [OwnStep(step.__name__, step) for step in (against_all_sense, heedless)]
    held = {"sgd": {"learning_rate": 1.0}}  # arrives on every seed
    listed = ["sgd", *broken, adam, copy_of(adam, "adam_too")]
    return bench.run(listed, "and", PROTOCOL, fixed=held)


def test_a_copy_on_common_seeds_is_identical(found: Comparison) -> None:
    first, second = (o for o in found.outcomes if o.optimizer.startswith("adam"))
    assert first.setting == second.setting
    assert first.updates["loss"].tobytes() == second.updates["loss"].tobytes()
    assert found.metrics() == ("loss", "accuracy", "steps")
    named = {"loss": "test loss", "accuracy": "test accuracy", "steps": "steps to target"}
    for metric, name in named.items():
        verdict = found.verdict("adam", "adam_too", metric=metric)
        assert verdict.paired.difference == (0, 0, 0)
        assert verdict.paired.p_value == verdict.p_value == 1
        assert verdict.winner is None
        assert str(verdict) == f"adam and adam_too are identical on {name}."
        assert found.verdict("adam_too", "adam", metric=metric).winner is None


def test_a_comparison_of_nothing_but_copies(found: Comparison) -> None:
    pair = tuple(o for o in found.outcomes if o.optimizer.startswith("adam"))
    copies = dataclasses.replace(found, outcomes=pair)
    loss, accuracy, steps = copies.summary()
    assert loss.startswith("Test loss: all have the same, ")
    assert accuracy.startswith("Test accuracy: all have the same, ")
    assert "nan" not in loss + accuracy + steps
    assert " beats " not in loss + accuracy + steps


def test_a_copy_on_other_seeds_is_not_told_apart(found: Comparison) -> None:
    """For these seeds; at 5 % it is for others, one in twenty."""
    (one,) = (o for o in found.outcomes if o.optimizer == "adam")
    setting = {"adam_too": one.setting}
    other = dataclasses.replace(PROTOCOL, tuning_trials=0, seed=2)
    run = bench.run([copy_of(adam, "adam_too")], "and", other, fixed=setting)
    assert run.outcomes[0].setting == one.setting
    both = dataclasses.replace(found, outcomes=(one, *run.outcomes))
    for metric in both.metrics():
        verdict = both.verdict("adam", "adam_too", metric=metric)
        assert verdict.winner is None
        assert verdict.p_value > 0.05
    assert both.verdict("adam", "adam_too").paired.difference.value != 0
    assert str(both.verdict("adam", "adam_too")).startswith(
        "adam and adam_too cannot be told apart on test loss (a − b: "
    )
    assert " It cannot be told apart from adam" in both.summary()[0]


@pytest.mark.parametrize("broken", ["against_all_sense", "heedless"])
@pytest.mark.parametrize("metric", ["loss", "accuracy", "steps"])
def test_a_broken_rule_loses(found: Comparison, broken: str, metric: str) -> None:
    for a, b in itertools.permutations(("sgd", broken)):
        verdict = found.verdict(a, b, metric=metric)
        assert verdict.winner == "sgd"
        assert verdict.p_value < 0.01
    assert broken in found.summary()[0].partition("It beats ")[2]


@pytest.mark.parametrize("draw", ["normal", "lognormal"])
def test_copies_on_disjoint_seeds_beat_each_other_no_more_often_than_said(draw: str) -> None:
    """By the verdict itself, 10 seeds each; the count may exceed 5 % by chance alone in 1 of 1,000.

    Differences of copies are symmetric, so that their test is near its level for normal values and
    below it for skewed ones.
    """
    number, seeds = 2000, 10
    rng = np.random.default_rng(seeds)
    pairs = getattr(rng, draw)(size=(number, 2, seeds))
    told = [_winner({"a": a, "b": b}) for a, b in pairs]
    most = stats.binom.isf(1e-3, number, 0.05)
    assert sum(winner is not None for winner in told) <= most < 0.066 * number
    # Each of the two, no more often than the other: half of 5 %.
    assert told.count("a") <= stats.binom.isf(1e-3, number, 0.025)
    assert told.count("b") <= stats.binom.isf(1e-3, number, 0.025)


def _winner(losses: dict[str, Any]) -> str | None:
    return comparison({"p": losses}).verdict("a", "b").winner
