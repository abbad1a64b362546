"""A comparison as one HTML page: the verdict in words, then all figures, curves and settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench import page_details as details
from jaxnn.bench import words
from jaxnn.bench.arrivals import arrivals
from jaxnn.bench.comparison import HIGHER_IS_BETTER, Comparison
from jaxnn.bench.html import Cell, Column, Lines, Section, Series, Table, Words, page
from jaxnn.bench.outcome import Outcome
from jaxnn.bench.page_details import tags
from jaxnn.bench.pairs import pairs
from jaxnn.bench.scores import MAX_RATIO, profile
from jaxnn.bench.statistics import Estimate, few_seeds

__all__ = ["html_page"]


def html_page(
    comparison: Comparison, *, campaign: str = "", provenance: Mapping[str, str] | None = None
) -> str:
    """The whole report as HTML that needs nothing else; the same comparison gives the same bytes.

    campaign: the text of its file. provenance: versions and device, by name.
    """
    sections: list[Section] = [Words("Verdict", tuple(_verdict(comparison)), id="verdict")]
    sections += [*_overall(comparison), _results(comparison)]
    if len(comparison.problems) > 1:
        sections.append(Words("Problem by problem", tuple(_by_problem(comparison))))
    if len(comparison.optimizers) > 1:
        sections.append(_pairs(comparison))
    sections += (_curves(comparison, problem) for problem in comparison.problems)
    sections += _arrivals(comparison)
    sections += details.tuning(comparison)
    sections += details.sensitivity(comparison)
    sections.append(details.settings(comparison))
    sections += [details.costs(comparison), details.problems(comparison)]
    sections += details.provenance(comparison, campaign, provenance or {})
    names = comparison.problems
    what = names[0] if len(names) == 1 else f"{len(names)} problems"
    subtitle = f"{len(comparison.optimizers)} optimizers on {what}"
    return page("Comparison of optimizers", tuple(sections), subtitle=subtitle)


def _verdict(comparison: Comparison) -> list[str]:
    several = len(comparison.problems) > 1
    found = comparison.overall() if several else comparison.summary()
    if several:
        found += [
            f"{one.problem}: {one.optimizer} was not run: {one.reason}"
            for one in comparison.not_run
        ]
    else:
        found += words.unplayed(comparison)
    warning = few_seeds(comparison.protocol.replicates)
    return [*found, warning] if warning else found


def _by_problem(comparison: Comparison) -> list[str]:
    summaries = ((problem, comparison.summary(problem)) for problem in comparison.problems)
    return [f"{problem}: {text}" for problem, said in summaries for text in said]


def _cell(figure: Estimate, metric: str = "loss") -> Cell:
    # An interval that is unknown is left out, not shown as dashes.
    known = not math.isnan(figure.low)
    shown = words.estimate(figure, metric) if known else words.number(figure.value, metric)
    return Cell(float(figure.value), shown)


def _overall(comparison: Comparison) -> Iterable[Section]:
    standings = comparison.standings()
    if standings is None:
        return
    columns = [Column("optimizer", "text"), Column("score", "number", better="high")]
    figures = [standings.score]
    if standings.soon is not None and standings.solved is not None:
        columns += [
            Column("AlgoPerf's score", "number", better="high"),
            Column("targets reached", "number", better="high"),
        ]
        figures += [standings.soon, standings.solved]
    ranks = standings.ranks
    rows = []
    for number, name in enumerate(standings.optimizers):
        cells: list[Any] = [name, *(_cell(figure[number]) for figure in figures)]
        rows.append((*cells, *([] if ranks is None else [float(ranks.mean_ranks[number])])))
    if ranks is not None:
        columns.append(Column("mean rank", "number", better="low"))
    caption = (
        "Score: interquartile mean over all runs of all problems of the share of the way from the "
        "first loss to the lowest mean test loss of any contestant. AlgoPerf's score: area under "
        f"the performance profile up to {MAX_RATIO:g} times the fastest, on medians of steps to "
        "targets. Targets reached: share of runs. Brackets: 95 % intervals, bootstrap stratified "
        "by problem; for these problems, not for others."
    )
    of_row = tuple(tags(optimizer=name) for name in standings.optimizers)
    yield Table("Over all problems", tuple(columns), tuple(rows), caption, of_row)
    found = profile(comparison)
    if found is not None:
        band = found.share
        yield Lines(
            "Performance profile",
            tuple(
                Series(
                    name,
                    found.ratios,
                    band.value[number],
                    band.low[number],
                    band.high[number],
                    optimizer=name,
                )
                for number, name in enumerate(found.optimizers)
            ),
            "gradient evaluations to the target, over those of the fastest",
            "share of problems",
            caption="At 1: the share on which it is the fastest. Bands: 95 % intervals.",
            step=True,
        )


def _results(comparison: Comparison) -> Table:
    metrics = list(dict.fromkeys(m for p in comparison.problems for m in comparison.metrics(p)))
    columns = [Column("problem", "text"), Column("optimizer", "text")]
    for metric in metrics:
        better = "high" if metric in HIGHER_IS_BETTER else "low"
        name = "steps to target" if metric == "steps" else f"test {metric.replace('_', ' ')}"
        columns.append(Column(name, "number", better=better))
    columns += [Column("failed", "number"), Column("failed in tuning", "number")]
    rows, of_row = [], []
    for problem in comparison.problems:
        by_name = {o.optimizer: o for o in comparison.on(problem)}
        for name in comparison.order("loss", problem):
            outcome, cells = by_name[name], []
            for metric in metrics:
                there = metric in comparison.metrics(problem)
                figure = comparison.estimate(name, metric, problem) if there else None
                cells.append(None if figure is None else _cell(figure, metric))
            failed = (outcome.num_failed, outcome.num_failed_tuning)
            rows.append((problem, name, *cells, *failed))
            of_row.append(tags(problem, name))
    for one in comparison.not_run:
        rows.append((one.problem, one.optimizer, *[None] * len(metrics), None, None))
        of_row.append(tags(one.problem, one.optimizer))
    caption = (
        f"{words.replicates(comparison.protocol)}. Means with 95 % intervals by the "
        "studentised bootstrap; "
        "steps to the target, in gradient evaluations: medians, intervals between order "
        "statistics. A contestant without figures was not run: the verdict says why."
    )
    return Table("Results", tuple(columns), tuple(rows), caption, tuple(of_row))


def _pairs(comparison: Comparison) -> Table:
    rows, of_row = [], []
    for problem in comparison.problems:
        for metric in comparison.metrics(problem):
            for verdict, size, improvement in pairs(comparison, problem, metric):
                needed = verdict.paired.seeds_needed
                rows.append(
                    (
                        problem,
                        "steps" if metric == "steps" else f"test {metric.replace('_', ' ')}",
                        verdict.a,
                        verdict.b,
                        _cell(verdict.paired.difference, metric),
                        verdict.p_value,
                        _cell(improvement.probability),
                        size.size,
                        Cell(needed, "–" if not math.isfinite(needed) else f"{needed:.0f}"),
                    )
                )
                of_row.append(tags(problem, verdict.b))
    columns = (
        *(Column(name, "text") for name in ("problem", "metric", "leader", "other")),
        Column("difference", "number"),
        Column("p after Holm", "number"),
        Column("P(improvement)", "number"),
        Column("effect", "text"),
        Column("seeds needed", "number"),
    )
    caption = (
        "The contestant with the best figure against each other one. Difference: leader − other on "
        "common seeds, Student's 95 % interval; p: his paired test with Holm's correction over all "
        "pairs of a problem and metric. P(improvement): the probability that a run of the leader "
        "is better than a run of the other, Newcombe's interval. Effect: Cohen's d of the "
        "differences. Seeds needed: to tell a difference of this size with 80 % power."
    )
    return Table("Against the leader", columns, tuple(rows), caption, tuple(of_row))


def _arrivals(comparison: Comparison) -> Iterable[Section]:
    found = arrivals(comparison)
    if found is None:
        return
    several = len(comparison.problems) > 1
    without = f" Without {', '.join(found.left_out)}." if found.left_out else ""
    yield Lines(
        "Targets reached over time",
        tuple(
            Series(name, found.spent, share, optimizer=name)
            for name, share in zip(found.optimizers, found.share, strict=True)
        ),
        "share of the budget spent",
        "share of targets reached",
        xscale="log",
        caption="Ten targets for the validation loss (or the loss) lie between its start and the "
        "lowest value of any run, in equal steps of its logarithm; of all targets and runs"
        + (f" of {len(found.problems)} problems" if several else "")
        + f", the share that was reached by then.{without}",
        step=True,
    )


def _curves(comparison: Comparison, problem: str) -> Lines:
    outcomes = comparison.on(problem)
    name = "validation_loss" if "validation_loss" in outcomes[0].updates else "loss"
    series, positive = [], True
    for outcome in outcomes:
        x, values = _recorded(outcome, name)
        middle, low, high = (_quantile(values, q) for q in (0.5, 0.25, 0.75))
        positive &= bool(np.all(values[np.isfinite(values)] > 0))
        series.append(Series(outcome.optimizer, x, middle, low, high, problem, outcome.optimizer))
    return Lines(
        f"{problem}: learning curves",
        tuple(series),
        "gradient evaluations",
        name.replace("_", " "),
        yscale="log" if positive else "linear",
        caption="At each contestant's best setting: medians and quartiles over fresh seeds.",
    )


def _quantile(values: NDArray[np.float64], q: float) -> NDArray[np.float64]:
    """Over runs, linear between order statistics, infinite where one of the two is: [points]."""
    ordered = np.sort(np.where(np.isnan(values), np.inf, values), axis=0)  # nothing is no better
    place = q * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    with np.errstate(invalid="ignore"):  # inf − inf
        between = low + (place - math.floor(place)) * (high - low)
    return np.where(np.isfinite(high), between, high)


def _recorded(outcome: Outcome, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient evaluations [points] at which anything was recorded, and values [runs, points].

    Searches record at other evaluations on each seed: the last value known stands.
    """
    curve = outcome.curve(name)
    at = np.flatnonzero(np.isfinite(curve).any(axis=0))
    if outcome.per_update is None:
        place = np.where(np.isfinite(curve), np.arange(curve.shape[1]), 0)
        curve = np.take_along_axis(curve, np.maximum.accumulate(place, axis=1), axis=1)
    return at.astype(np.float64) + 1, curve[:, at]
