"""A comparison as one HTML page: the verdict in words, then all figures, curves and settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench import words
from jaxnn.bench.analysis import bands, tuning_curve
from jaxnn.bench.comparison import HIGHER_IS_BETTER, Comparison
from jaxnn.bench.html import Cell, Code, Column, Lines, Section, Series, Table, Words, page
from jaxnn.bench.outcome import Outcome
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
    sections += (_curves(comparison, problem) for problem in comparison.problems)
    sections += _tuning(comparison)
    sections += _sensitivity(comparison)
    sections.append(_settings(comparison))
    sections += [_costs(comparison), _problems(comparison)]
    sections += _provenance(comparison, campaign, provenance or {})
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
    warning = few_seeds(comparison.protocol.evaluation_seeds)
    return [*found, warning] if warning else found


def _by_problem(comparison: Comparison) -> list[str]:
    summaries = ((problem, comparison.summary(problem)) for problem in comparison.problems)
    return [f"{problem}: {text}" for problem, said in summaries for text in said]


def _tags(problem: str = "", optimizer: str = "") -> dict[str, str]:
    tags = {"problem": problem, "optimizer": optimizer}
    return {name: value for name, value in tags.items() if value}


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
    tags = tuple(_tags(optimizer=name) for name in standings.optimizers)
    yield Table("Over all problems", tuple(columns), tuple(rows), caption, tags)
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
    rows, tags = [], []
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
            tags.append(_tags(problem, name))
    for one in comparison.not_run:
        rows.append((one.problem, one.optimizer, *[None] * len(metrics), None, None))
        tags.append(_tags(one.problem, one.optimizer))
    caption = (
        f"{comparison.protocol.evaluation_seeds} fresh seeds. Means with Student's 95 % intervals; "
        "steps to the target, in gradient evaluations: medians, intervals between order "
        "statistics. A contestant without figures was not run: the verdict says why."
    )
    return Table("Results", tuple(columns), tuple(rows), caption, tuple(tags))


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


def _tuning(comparison: Comparison) -> Iterable[Lines]:
    for problem in comparison.problems:
        found = {o.optimizer: tuning_curve(o) for o in comparison.on(problem)}
        series = [
            Series(name, curve.sizes, *curve.figure, problem, name, marker=True)
            for name, curve in found.items()
            if curve is not None
        ]
        if series:
            yield Lines(
                f"{problem}: after fewer trials",
                tuple(series),
                "tuning trials",
                "expected test loss of the best",
                xscale="log",
                caption="Exact, over all choices of so many of the settings that were tried, the "
                "one with the lowest validation loss reported. Bands: 95 % intervals over seeds.",
            )


def _sensitivity(comparison: Comparison) -> Iterable[Section]:
    rows, tags = [], []
    for outcome in comparison.outcomes:
        target = comparison.about(outcome.problem).target
        for number, band in bands(outcome, target).items():
            share = band.share
            rows.append((outcome.problem, outcome.optimizer, number, _share(share)))
            tags.append(_tags(outcome.problem, outcome.optimizer))
    if rows:
        columns = (
            Column("problem", "text"),
            Column("optimizer", "text"),
            Column("number", "code"),
            Column("good band", "number"),
        )
        caption = (
            "The share of the axis of each number's own search space on which the best setting "
            "comes within 10 % of the best test loss of all, or reaches the target; other numbers "
            "are tuned in each part of the axis. Brackets: 95 % intervals over seeds. Wider is "
            "easier to tune, in a space as it was given."
        )
        yield Table("Sensitivity", columns, tuple(rows), caption, tuple(tags))


def _share(share: Estimate) -> Cell:
    if math.isnan(share.value):
        return Cell(math.nan, "–")
    low, high = (f"{100 * x:.0f}" for x in (share.low, share.high))
    interval = "" if math.isnan(share.low) else f" [{low}, {high}]"
    return Cell(share.value, f"{100 * share.value:.0f} %{interval}")


def _settings(comparison: Comparison) -> Table:
    rows = tuple((o.problem, o.optimizer, words.setting(o.setting)) for o in comparison.outcomes)
    columns = (Column("problem", "text"), Column("optimizer", "text"), Column("setting", "code"))
    tags = tuple(_tags(o.problem, o.optimizer) for o in comparison.outcomes)
    return Table("Best settings", columns, rows, "Chosen on validation rows.", tags)


def _costs(comparison: Comparison) -> Table:
    columns = (
        Column("problem", "text"),
        Column("optimizer", "text"),
        Column("gradients an update", "number"),
        Column("time an update", "number", unit="µs"),
        Column("state", "number", unit="bytes"),
        Column("flops an update", "number"),
        Column("compilation", "number", unit="s"),
        Column("all", "number", unit="s"),
    )
    rows = tuple((o.problem, o.optimizer, *o.cost) for o in comparison.outcomes)
    caption = (
        "Gradients: products with the Hessian count as two. Time: wall time of one network's "
        "update in the fastest block, while contestants shared the cores: it may be off by a "
        "factor of 3 and ranks nobody. Flops: as XLA counts them, loops once."
    )
    tags = tuple(_tags(o.problem, o.optimizer) for o in comparison.outcomes)
    return Table("Cost", columns, rows, caption, tags)


def _problems(comparison: Comparison) -> Table:
    facts = list(dict.fromkeys(name for about in comparison.tasks for name in about.facts))
    left_out = {"problem", "num_steps", "batch_size", "target", "metric"}
    facts = [name for name in facts if name not in left_out]
    columns = [Column("problem", "text"), Column("gradient evaluations", "number")]
    columns += [Column("batch", "text"), Column("target", "text")]
    columns += [Column(name, "text") for name in facts]
    rows = []
    for about in comparison.tasks:
        target = about.target
        sign = {"max": "≥", "min": "≤"}
        aim = f"{target.metric} {sign[target.direction]} {target.threshold:g}" if target else None
        batch = "all" if about.batch_size is None else str(about.batch_size)
        told = (None if (x := about.facts.get(name)) is None else str(x) for name in facts)
        rows.append((about.name, float(about.num_steps), batch, aim, *told))
    tags = tuple(_tags(about.name) for about in comparison.tasks)
    return Table("Problems", tuple(columns), tuple(rows), "", tags)


def _provenance(
    comparison: Comparison, campaign: str, made_with: Mapping[str, str]
) -> Iterable[Section]:
    protocol = comparison.protocol
    told = (
        f"Each contestant had {protocol.tuning_trials} trials of {protocol.tuning_seeds} seeds in "
        "its own search space, the same Sobol points by rank; the lowest mean validation loss "
        f"chose; {protocol.evaluation_seeds} seeds that no tuning has seen gave the figures, on "
        "test rows, the same initial parameters and batches for all. Seed: "
        f"{protocol.seed}."
    )
    made = ", ".join(f"{name} {value}" for name, value in made_with.items())
    yield Words("Protocol", (told, *([f"Made with {made}."] if made else [])))
    if campaign:
        repeat = "jaxnn bench --campaign campaign.toml"
        yield Code("To repeat it", f"{campaign}\n# {repeat}\n", "toml")
