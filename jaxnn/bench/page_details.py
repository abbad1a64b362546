"""The lower half of a page: tuning, sensitivity, settings, costs, problems, where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from jaxnn.bench import words
from jaxnn.bench.analysis import bands, tuning_curve
from jaxnn.bench.comparison import Comparison
from jaxnn.bench.html import Cell, Code, Column, Lines, Section, Series, Table, Words
from jaxnn.bench.statistics import Estimate

__all__ = ["costs", "problems", "provenance", "sensitivity", "settings", "tags", "tuning"]


def tags(problem: str = "", optimizer: str = "") -> dict[str, str]:
    """What the filters of a page read, of a row."""
    given = {"problem": problem, "optimizer": optimizer}
    return {name: value for name, value in given.items() if value}


def tuning(comparison: Comparison) -> Iterable[Lines]:
    """How good the best of 1, 2, 4, … trials would be."""
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


def sensitivity(comparison: Comparison) -> Iterable[Section]:
    """How much of the axis of each number is good."""
    rows, of_row = [], []
    for outcome in comparison.outcomes:
        target = comparison.about(outcome.problem).target
        for number, band in bands(outcome, target).items():
            share = band.share
            rows.append((outcome.problem, outcome.optimizer, number, _share(share)))
            of_row.append(tags(outcome.problem, outcome.optimizer))
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
        yield Table("Sensitivity", columns, tuple(rows), caption, tuple(of_row))


def _share(share: Estimate) -> Cell:
    if math.isnan(share.value):
        return Cell(math.nan, "–")
    low, high = (f"{100 * x:.0f}" for x in (share.low, share.high))
    interval = "" if math.isnan(share.low) else f" [{low}, {high}]"
    return Cell(share.value, f"{100 * share.value:.0f} %{interval}")


def settings(comparison: Comparison) -> Table:
    """The settings chosen, to copy as code."""
    rows = tuple((o.problem, o.optimizer, words.setting(o.setting)) for o in comparison.outcomes)
    columns = (Column("problem", "text"), Column("optimizer", "text"), Column("setting", "code"))
    of_row = tuple(tags(o.problem, o.optimizer) for o in comparison.outcomes)
    return Table("Best settings", columns, rows, "Chosen on validation rows.", of_row)


def costs(comparison: Comparison) -> Table:
    """What an update takes, and a contest."""
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
    of_row = tuple(tags(o.problem, o.optimizer) for o in comparison.outcomes)
    return Table("Cost", columns, rows, caption, of_row)


def problems(comparison: Comparison) -> Table:
    """Budgets, targets, and what is known of each problem."""
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
    of_row = tuple(tags(about.name) for about in comparison.tasks)
    return Table("Problems", tuple(columns), tuple(rows), "", of_row)


def provenance(
    comparison: Comparison, campaign: str, made_with: Mapping[str, str]
) -> Iterable[Section]:
    """The protocol in words, versions, and the campaign file."""
    protocol = comparison.protocol
    anew = ""
    if protocol.studies > 1:
        anew = (
            f" All of it was done {protocol.studies} times, with other settings, seeds and splits "
            "of the data; a figure has one value for each time, the mean over its seeds. Curves "
            "are those of one seed of each; settings, tuning and sensitivity those of the first."
        )
    told = (
        f"Each contestant had {protocol.tuning_trials} trials of {protocol.tuning_seeds} seeds in "
        "its own search space, the same Sobol points by rank; the lowest mean validation loss "
        f"chose; {protocol.evaluation_seeds} seeds that no tuning has seen gave the figures, on "
        "test rows, the same initial parameters and batches for all. Seed: "
        f"{protocol.seed}.{anew}"
    )
    made = ", ".join(f"{name} {value}" for name, value in made_with.items())
    yield Words("Protocol", (told, *([f"Made with {made}."] if made else [])))
    if campaign:
        repeat = "jaxnn bench --campaign campaign.toml"
        yield Code("To repeat it", f"{campaign}\n# {repeat}\n", "toml")
