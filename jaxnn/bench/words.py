"""Figures and verdicts in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from jaxnn.bench.scores import UNBOUNDED
from jaxnn.bench.statistics import Estimate

if TYPE_CHECKING:
    from jaxnn.bench.comparison import Comparison, Verdict
    from jaxnn.bench.protocol import Protocol
    from jaxnn.bench.scores import Standings
    from jaxnn.bench.statistics import RankTable

__all__ = [
    "estimate",
    "number",
    "overall",
    "replicates",
    "setbacks",
    "setting",
    "summary",
    "unplayed",
    "verdict",
]


def number(value: float, metric: str = "loss") -> str:
    """A figure as a reader wants it: accuracies in per cent, steps whole, else 3 digits.

    >>> number(0.96831, "accuracy"), number(0.098765), number(float("inf"), "steps")
    ('96.8 %', '0.0988', 'never')
    """
    if metric == "steps":
        return "never" if math.isinf(value) else f"{value:.0f}"
    if math.isnan(value):
        return "–"
    return f"{100 * value:.1f} %" if metric == "accuracy" else f"{value:.3g}"


def estimate(figure: Estimate, metric: str = "loss") -> str:
    """A figure with its interval.

    >>> estimate(Estimate(0.1, 0.09, 0.115))
    '0.1 [0.09, 0.115]'
    """
    low, high = (number(x, metric).removesuffix(" %") for x in (figure.low, figure.high))
    return f"{number(figure.value, metric)} [{low}, {high}]"


def replicates(protocol: Protocol) -> str:
    """What intervals are over: `10 fresh seeds`, or `5 studies of 10 fresh seeds`."""
    seeds = f"{protocol.evaluation_seeds} fresh seeds"
    return seeds if protocol.studies == 1 else f"{protocol.studies} studies of {seeds}"


def setting(numbers: dict[str, float]) -> str:
    """Numbers as code: `learning_rate=0.0123, b1=0.91`."""
    return ", ".join(f"{name}={value:.3g}" for name, value in numbers.items())


def verdict(v: Verdict) -> str:
    """One pair in a sentence."""
    what = _WHAT.get(v.metric, v.metric)
    low, high = (number(x, v.metric) for x in (v.paired.difference.low, v.paired.difference.high))
    where = f"a − b: {number(v.paired.difference.value, v.metric)}, 95 % interval {low} to {high}"
    if math.isnan(v.p_value):
        return f"{v.a} and {v.b} cannot be compared on {what}: a run failed."
    if v.paired.difference.value == 0 and v.paired.p_value == 1:
        return f"{v.a} and {v.b} are identical on {what}."
    if v.winner:
        return f"{v.winner} is better on {what} ({where}; p = {v.p_value:.2g} after Holm)."
    seeds = _seeds(v.paired.seeds_needed)
    return f"{v.a} and {v.b} cannot be told apart on {what} ({where}; {seeds} would tell)."


_WHAT = {"loss": "test loss", "accuracy": "test accuracy", "steps": "steps to target"}


def _seeds(needed: float) -> str:
    return "more than 1000 seeds" if needed > 1000 else f"about {needed:.0f} seeds"


def _join(names: Iterable[str]) -> str:
    *head, last = names
    return f"{', '.join(head)} and {last}" if head else last


def summary(comparison: Comparison, problem: str) -> list[str]:
    """A paragraph a metric: who leads, whom that beats, who cannot be told apart."""
    metrics = comparison.metrics(problem)
    names = [outcome.optimizer for outcome in comparison.on(problem)]
    runs = [comparison.values(name, m, problem) for name in names for m in metrics]
    # A run that failed is NaN, and NaN is not like itself.
    exact = all(bool(np.all(values == values[0])) for values in runs)
    paragraphs = [_paragraph(comparison, problem, metric, exact=exact) for metric in metrics]
    if exact:
        paragraphs.append(
            "Every seed gave the same figures: their intervals have no width, and they compare as "
            "they stand."
        )
    if comparison.protocol.studies > 1:
        each = replicates(comparison.protocol)
        paragraphs.append(f"Values are those of {each}, each tuned anew: a seed above is a study.")
    absent = [one for one in comparison.not_run if one.problem == problem]
    return paragraphs + [f"{one.optimizer} was not run: {one.reason}" for one in absent]


def overall(standings: Standings) -> list[str]:
    """Who leads over all problems, whom that tells apart, what ranks say, what was left out."""
    leader, ahead = standings.leader, standings.ahead
    figure = estimate(standings.score[standings.optimizers.index(leader)])
    number_of = len(standings.problems)
    found = [
        f"Over {number_of} problems: {leader} has the highest score, {figure}, the interquartile "
        "mean over all runs of how far a loss came from its start, 0, to the lowest mean of any "
        "contestant, 1."
    ]
    beaten = [name for name, x in ahead.items() if x.low > 0]
    same = [name for name, x in ahead.items() if x.low == x.high == 0]
    level = [name for name in ahead if name not in (*beaten, *same)]
    parts = []
    if beaten:
        parts.append(f"It is ahead of {_join(beaten)} on these problems.")
    if level:
        parts.append(f"It cannot be told apart from {_join(level)} on these problems.")
    if same:
        parts.append(f"{_join(same)} {'is' if len(same) == 1 else 'are'} identical to it.")
    if parts:
        several = f", Bonferroni over {len(ahead)}" if len(ahead) > 1 else ""
        parts.append(f"(Intervals of differences on common seeds{several}.)")
        found[0] += " " + " ".join(parts)
    if standings.ranks is not None:
        found.append(_ranks(standings, standings.ranks))
    if standings.left_out:
        one = len(standings.left_out) == 1
        verb, counted = ("has", "does") if one else ("have", "do")
        what = f"{verb} no scale of losses and {counted} not count in the score"
        found.append(f"{_join(standings.left_out)} {what}.")
    return found


def _ranks(standings: Standings, ranks: RankTable) -> str:
    order = np.argsort(ranks.mean_ranks, kind="stable")
    listed = ", ".join(f"{standings.optimizers[i]} {ranks.mean_ranks[i]:.3g}" for i in order)
    text = f"Mean ranks by test loss on all problems: {listed}. "
    if not ranks.p_value < 0.05:
        return text + f"Friedman's test finds no difference (p = {ranks.p_value:.2g})."
    return text + (
        f"Friedman's test finds a difference (p = {ranks.p_value:.2g}); two contestants differ "
        f"where their ranks are {ranks.critical_difference:.3g} apart or more (Nemenyi, 5 %)."
    )


def setbacks(comparison: Comparison) -> list[str]:
    """For the verdict over several problems: who failed or was not run where."""
    found = []
    for name in comparison.optimizers:
        failed = [
            f"{o.problem} ({o.num_failed} of {comparison.protocol.replicates})"
            for o in comparison.outcomes
            if o.optimizer == name and o.num_failed
        ]
        absent = [one.problem for one in comparison.not_run if one.optimizer == name]
        parts = [f"failed on {_join(failed)}"] if failed else []
        parts += [f"was not run on {_join(absent)}"] if absent else []
        if parts:
            found.append(f"{name} {' and '.join(parts)}: such a run scores 0.")
    return found


def unplayed(comparison: Comparison) -> list[str]:
    """A sentence for each contestant on a problem on which nobody could be run."""
    return [
        f"{one.problem}: {one.optimizer} was not run: {one.reason}"
        for one in comparison.not_run
        if one.problem not in comparison.problems
    ]


def _paragraph(comparison: Comparison, problem: str, metric: str, *, exact: bool) -> str:
    subject = _subject(comparison, problem, metric)
    leader, *others = comparison.order(metric, problem)
    leading = comparison.estimate(leader, metric, problem)
    if math.isnan(leading.value):
        return f"{subject}: {_failures(comparison, problem, metric, [leader, *others])}."
    if math.isinf(leading.value):
        return f"{subject}: no contestant arrives on most seeds."
    best = {"accuracy": "highest", "steps": "fewest"}.get(metric, "lowest")
    figure = number(leading.value, metric) if exact else estimate(leading, metric)
    if not others:
        return f"{subject}: {figure} ({leader}).{_unbounded(leading, metric)}"
    if all(_alike(comparison, problem, metric, leader, other) for other in others):
        return f"{subject}: all have the same, {figure}.{_unbounded(leading, metric)}"
    sentences = [f"{subject}: {leader} has the {best}, {figure}.{_unbounded(leading, metric)}"]
    if exact:
        return sentences[0]
    verdicts = [comparison.verdict(leader, other, problem, metric=metric) for other in others]
    failed = [v.b for v in verdicts if math.isnan(v.p_value)]
    beaten = [v.b for v in verdicts if v.winner == leader]
    identical = [x for x in others if _alike(comparison, problem, metric, leader, x)]
    same = [v for v in verdicts if v.winner is None and v.b not in (*failed, *identical)]
    level = [
        other
        for other in others
        if other not in identical
        and comparison.estimate(other, metric, problem).value == leading.value
    ]
    if metric == "steps" and level:
        sentences.append(f"{_join(level)} {'has' if len(level) == 1 else 'have'} the same median.")
    if beaten:
        sentences.append(f"It beats {_join(beaten)} (p < 0.05, paired, Holm over all pairs).")
    if same:
        nearest = sorted(same, key=lambda v: v.paired.seeds_needed)
        needed = "; ".join(f"{v.b} {_count(v.paired.seeds_needed)}" for v in nearest)
        every = "any of the others" if len(same) == len(others) > 1 else _join(v.b for v in nearest)
        sentences.append(f"It cannot be told apart from {every}; seeds that would tell: {needed}.")
    if identical:
        verb = "is" if len(identical) == 1 else "are"
        sentences.append(f"{_join(identical)} {verb} identical to it on every seed.")
    if failed:
        joined = " and" if len(failed) == 1 else "; they"
        failures = _failures(comparison, problem, metric, failed)
        sentences.append(f"{failures}{joined} cannot be compared.")
    return " ".join(sentences)


def _failures(comparison: Comparison, problem: str, metric: str, names: list[str]) -> str:
    parts = []
    for name in names:
        finite = np.isfinite(comparison.values(name, metric, problem))
        parts.append(f"{name} failed on {np.sum(~finite)} of {len(finite)} seeds")
    return _join(parts)


def _alike(comparison: Comparison, problem: str, metric: str, a: str, b: str) -> bool:
    """Whether two contestants have the same figure on every seed; those that failed have none."""
    first, second = (comparison.values(name, metric, problem) for name in (a, b))
    return np.array_equal(first, second)


def _unbounded(leading: Estimate, metric: str) -> str:
    if metric != "loss" or leading.value > UNBOUNDED:
        return ""
    return " The loss seems to have no lower bound: this says who ran away fastest, no more."


def _count(needed: float) -> str:
    return "> 1000" if needed > 1000 else f"≈ {needed:.0f}"


def _subject(comparison: Comparison, problem: str, metric: str) -> str:
    if metric != "steps":
        return f"Test {metric.replace('_', ' ')}"
    target = comparison.about(problem).target
    sign = "≥" if target.direction == "max" else "≤"
    threshold = number(target.threshold, target.metric)
    return f"Steps to a validation {target.metric} {sign} {threshold} (median)"
