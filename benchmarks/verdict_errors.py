"""How often the verdict is that one beats the other, of copies of one optimizer: at most 5 %.

    python benchmarks/verdict_errors.py [--seeds 20000] [--out FILE]

One setting of SGD and one of Adam train small networks from so many seeds, by `bench.run` itself.
The runs are cut into groups of 5, 10 and 20 seeds, none in two of them; two groups, or four, are
made the contestants of a `Comparison`, and its verdicts are asked for: of two copies, whether one
beats the other; of four, whether any of the six pairs is told apart (Holm over the six). Losses of
breast_cancer are nearly symmetric; losses of xor, and steps to a target, have a long tail as
lognormal values have, and some runs never arrive; accuracies have many ties. Rates come with exact
intervals (Clopper, Pearson 1934). So many rates do not all lie below their level: one counts as
above it where an exact test says so after Holm's correction over all of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import typer
from scipy import stats

from jaxnn import bench
from jaxnn.bench import Comparison, Outcome, Protocol
from jaxnn.bench.statistics import holm

PROBLEMS = {
    "xor": (200, {"sgd": {"learning_rate": 0.5}, "adam": {"learning_rate": 0.05}}),
    "breast_cancer": (100, {"sgd": {"learning_rate": 0.3}, "adam": {"learning_rate": 0.01}}),
}
"""Steps of a run, and the setting of each optimizer."""

LEVEL = 0.05
GROUPS = (5, 10, 20)
COPIES = (2, 4)
BLOCK = 500
"""Seeds trained at once."""


def trained(problem: str, seeds: int, steps: int | None) -> Comparison:
    """Each optimizer at its one setting, from so many seeds."""
    own, settings = PROBLEMS[problem]
    num_steps, block = steps or own, min(seeds, BLOCK)
    protocol = Protocol(
        tuning_trials=0,
        tuning_seeds=block,
        evaluation_seeds=seeds,
        num_steps=num_steps,
        record_every=max(num_steps // 100, 1),
    )
    return bench.run(list(settings), problem, protocol, fixed=settings)


def copies(whole: Comparison, outcome: Outcome, first: int, group: int, number: int) -> Comparison:
    """Contestants "a", "b", … of `group` seeds each, from seed `first` on."""
    outcomes = []
    for place in range(number):
        seeds = slice(first + place * group, first + (place + 1) * group)
        columns = {name: x[seeds] for name, x in outcome.evaluation.columns.items()}
        outcomes.append(
            dataclasses.replace(
                outcome,
                optimizer="abcdefgh"[place],
                evaluation=dataclasses.replace(outcome.evaluation, columns=columns),
                updates={name: x[seeds] for name, x in outcome.updates.items()},
                steps=None if outcome.steps is None else outcome.steps[seeds],
            )
        )
    protocol = dataclasses.replace(whole.protocol, evaluation_seeds=group)
    return Comparison(protocol, tuple(outcomes), whole.tasks)


def told_apart(
    whole: Comparison, outcome: Outcome, group: int, number: int
) -> tuple[int, Counter[str], Counter[str]]:
    """Families asked; by metric, those with a winner, and those whose first pair "a" wins."""
    size = group * number
    starts = range(0, len(outcome.values("loss")) - size + 1, size)
    any_winner, a_wins = Counter[str](), Counter[str]()
    for first in starts:
        family = copies(whole, outcome, first, group, number)
        pairs = list(itertools.combinations(family.optimizers, 2))
        for metric in family.metrics():
            winners = [family.verdict(a, b, metric=metric).winner for a, b in pairs]
            any_winner[metric] += any(winners)
            a_wins[metric] += winners[0] == "a"
    return len(starts), any_winner, a_wins


def rows(whole: Comparison) -> list[dict[str, Any]]:
    """A row an optimizer × copies × seeds × metric."""
    found = []
    for outcome, number, group in itertools.product(whole.outcomes, COPIES, GROUPS):
        asked, any_winner, a_wins = told_apart(whole, outcome, group, number)
        for metric in whole.metrics():
            count = any_winner[metric]
            test = stats.binomtest(count, asked, LEVEL, "greater")
            interval = stats.binomtest(count, asked).proportion_ci(method="exact")
            found.append(
                {
                    "problem": outcome.problem,
                    "optimizer": outcome.optimizer,
                    "metric": metric,
                    "copies": number,
                    "seeds": group,
                    "asked": asked,
                    "told_apart": count,
                    "rate": count / asked,
                    "interval_95": [float(interval.low), float(interval.high)],
                    "p_above_level": float(test.pvalue),
                    "first_beats_second": a_wins[metric],
                }
            )
    return found


def shapes(whole: Comparison) -> dict[str, dict[str, Any]]:
    """What the figures of a run are like: skewness, and the share of runs that never arrive."""
    found: dict[str, dict[str, Any]] = {}
    for outcome in whole.outcomes:
        of_one = found[outcome.optimizer] = {}
        for metric in whole.metrics():
            values = whole.values(outcome.optimizer, metric)
            arrived = np.isfinite(values)
            # Without a spread there is none.
            spread = bool(arrived.any()) and np.ptp(values[arrived]) > 0
            skewness = float(stats.skew(values[arrived])) if spread else 0.0
            of_one[metric] = {"skewness": skewness, "missing": float(np.mean(~arrived))}
    return found


def main(seeds: int = 20_000, steps: int | None = None, out: Path | None = None) -> dict[str, Any]:
    """Train, cut, ask; print a line a rate. steps: of each run, by default each problem's own."""
    load_average, started = os.getloadavg()[0], time.perf_counter()
    whole = {problem: trained(problem, seeds, steps) for problem in PROBLEMS}
    trained_in = time.perf_counter() - started
    found = [row for one in whole.values() for row in rows(one)]
    shape = {problem: shapes(one) for problem, one in whole.items()}
    for row in found:
        low, high = (100 * x for x in row["interval_95"])
        print(
            f"{row['problem']:14}{row['optimizer']:5}{row['metric']:9}{row['copies']:2} copies of "
            f"{row['seeds']:2} seeds, {row['asked']:5} times: {100 * row['rate']:5.2f} % "
            f"[{low:.2f}, {high:.2f}]"
        )
    corrected = holm([row["p_above_level"] for row in found])
    above = int(np.sum(corrected < LEVEL))
    print(f"of {len(found)} rates {above} are above 5 % (exact tests, Holm)")
    report = {
        "command": f"python benchmarks/verdict_errors.py --seeds {seeds}"
        + ("" if steps is None else f" --steps {steps}"),
        "cores": os.cpu_count(),
        "load_average": load_average,
        "seconds": {"training": trained_in, "all": time.perf_counter() - started},
        "settings": {problem: settings for problem, (_, settings) in PROBLEMS.items()},
        "shapes": shape,
        "rows": found,
        "above": above,
    }
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    typer.run(main)
