"""Whether the more general rule is ever worse: momentum against SGD, Adam against RMSProp, tuned.

    python benchmarks/inclusion.py [--trials 64] [--seeds 20] [--store FILE] [--out FILE]

A rule that contains another one does no worse once it is tuned enough (Choi, Shallue, Nado, Lee,
Maddison, Dahl 2019, "On Empirical Comparisons of Optimizers for Deep Learning"). Equal budgets:
the same number of trials for all, tuning seeds and fresh seeds in common. It is asked twice.

    own         each rule in the search space that the library gives it. These do not contain each
                other: momentum begins at 0.7 and Adam's b1 too, where SGD and RMSProp have 0.
    containing  momentum from 0 to 0.99 at all rates of SGD and of momentum; Adam with b1 from 0 to
                0.97 and b2 over all decays of RMSProp, against RMSProp with corrected bias and eps
                outside the root, which is Adam with b1 = 0.

One-sided: Student's paired test of test losses on common seeds, a small p where the general rule is
worse; Holm over the ten questions of each kind. Where a run failed it is the sign test, a failure
being worst. An answer holds for the settings that tuning chose: what another tuning would have
chosen is not in its interval. Where the general rule is worse, what it would have needed is
reported: which share of its settings comes within 10 % of the other's best validation loss, after
how many trials its best, in the median over draws, is as good as the other's, and how it does with
four times the trials against the other as it was, and against the other with as many. RMSProp
without corrected bias begins with larger steps, a schedule that no setting of Adam has: where that
is ahead, the corrected one is asked about too.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import typer
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from jaxnn import bench
from jaxnn.bench import Comparison, Outcome, Protocol
from jaxnn.bench.statistics import compare, holm, mean_interval
from jaxnn.bench.tuning_curve import best_quantile
from jaxnn.optimizers import adam, get, momentum, rmsprop
from jaxnn.optimizers.base import name_of
from jaxnn.space import Space, log_uniform, one_minus

PROBLEMS = "digits,breast_cancer,diabetes,noisy_quadratic,digits_autoencoder"
CONTAINED = {"rmsprop": "rmsprop corrected"}
"""Of a rule that the general one does not contain in any space, the form that it does contain."""

MORE = 4
"""So many times the trials are given where the general rule is worse."""

WITHIN = 0.1
"""A setting is within reach of a loss where its own is larger by this share at most."""


class Elsewhere:
    """A rule in another search space, under another name."""

    def __init__(self, rule: Any, name: str, space: Space) -> None:
        self.rule, self.SEARCH_SPACE, self.__name__ = rule, space, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.rule, name)


MOMENTUM = Elsewhere(
    momentum,
    "momentum from 0",
    {"learning_rate": log_uniform(1e-4, 3e0), "momentum": one_minus(log_uniform(1e-2, 1e0))},
)
ADAM = Elsewhere(
    adam,
    "adam from 0",
    {
        "learning_rate": log_uniform(1e-4, 1e-1),
        "b1": one_minus(log_uniform(3e-2, 1e0)),
        "b2": one_minus(log_uniform(1e-3, 3e-1)),
    },
)
RMSPROP = Elsewhere(
    get("rmsprop", bias_correction=True, eps_in_sqrt=False),
    "rmsprop corrected",
    rmsprop.SEARCH_SPACE,
)
CONTESTANTS = ["sgd", "momentum", "rmsprop", "adam", MOMENTUM, RMSPROP, ADAM]
OWN = {name_of(rule): rule for rule in (MOMENTUM, RMSPROP, ADAM)}
QUESTIONS = {
    "own": (("momentum", "sgd"), ("adam", "rmsprop")),
    "containing": (("momentum from 0", "sgd"), ("adam from 0", "rmsprop corrected")),
}
"""By the kind of spaces: which rule contains which."""


class Answer(NamedTuple):
    """General less special on common seeds; p is small where the general rule is worse."""

    difference: float
    low: float
    high: float
    p_value: float
    test: str


def answer(general: ArrayLike, special: ArrayLike) -> Answer:
    """Losses [seeds] of the two; NaN is a run that failed.

    >>> [round(x, 3) for x in answer([1.5, 2.25, 4.0], [1.0, 2.0, 3.0])[:4]]
    [0.583, -0.366, 1.532, 0.059]
    """
    x, y = np.asarray(general, np.float64), np.asarray(special, np.float64)
    if np.isfinite(x).all() and np.isfinite(y).all():
        paired = compare(x, y)
        value, low, high = paired.difference
        half = paired.p_value / 2
        p_value = 1.0 if paired.p_value == 1 else half if value > 0 else 1 - half
        return Answer(value, low, high, p_value, "Student's paired test")
    worst = [np.where(np.isfinite(z), z, math.inf) for z in (x, y)]
    worse, better = int(np.sum(worst[0] > worst[1])), int(np.sum(worst[0] < worst[1]))
    asked = worse + better
    p_value = float(stats.binomtest(worse, asked, alternative="greater").pvalue) if asked else 1.0
    return Answer(math.nan, math.nan, math.nan, p_value, "sign test")


def explained(general: Outcome, special: Outcome) -> dict[str, Any]:
    """What the budget has to do with it, in validation losses of tuning and of the fresh seeds."""
    losses = [one.tuning.by_setting("loss") for one in (general, special)]
    means = [x.mean(axis=1) for x in losses]
    limit = float(means[1].min()) + WITHIN * abs(float(means[1].min()))
    sizes = range(1, len(means[0]) + 1)
    curves = [
        best_quantile(mean, loss, sizes).value for mean, loss in zip(means, losses, strict=True)
    ]
    enough = np.flatnonzero(curves[0] <= curves[1][-1])
    fresh = _last_validation(general), _last_validation(special)
    return {
        "within_reach": [float(np.mean(mean <= limit)) for mean in means],
        "best_validation": [float(mean.min()) for mean in means],
        "trials_needed": int(enough[0]) + 1 if len(enough) else None,
        "doubling": {
            str(k): [float(curve[k - 1]) for curve in curves]
            for k in (2**i for i in range(len(means[0]).bit_length()))
        },
        "validation_on_fresh_seeds": _asked_of(*fresh),
    }


def _asked_of(general: Any, special: Any) -> dict[str, Any] | None:
    return None if general is None or special is None else answer(general, special)._asdict()


def _last_validation(outcome: Outcome) -> Any:
    """[seeds] the last validation loss of the chosen setting; None where there is none."""
    curve: NDArray[Any] | None = outcome.updates.get("validation_loss")
    if curve is None:
        return None
    recorded = np.flatnonzero(np.isfinite(curve).any(axis=0))
    return curve[:, recorded[-1]].astype(np.float64) if len(recorded) else None


def asked(found: Comparison, kind: str) -> list[dict[str, Any]]:
    """A row a problem × question, with p-values corrected for all of them."""
    rows = []
    for problem in found.problems:
        by_name = {one.optimizer: one for one in found.on(problem)}
        for general, special in QUESTIONS[kind]:
            pair = by_name[general], by_name[special]
            values = [one.values("loss") for one in pair]
            rows.append(
                {
                    "problem": problem,
                    "general": general,
                    "special": special,
                    "losses": [list(mean_interval(x)) for x in values],
                    "settings": [one.setting for one in pair],
                    **answer(*values)._asdict(),
                    **explained(*pair),
                }
            )
    for row, p in zip(rows, holm([row["p_value"] for row in rows]).tolist(), strict=True):
        row |= {"p_after_holm": p, "worse": p < 0.05}
    return rows


def with_more(row: dict[str, Any], found: Comparison, store: Path | None) -> dict[str, Any]:
    """The question of a row once more, the general rule with more trials, then both."""
    protocol = found.protocol
    trials = MORE * protocol.tuning_trials
    pair, problem = [row["general"], row["special"]], row["problem"]
    again = bench.run(
        [OWN.get(name, name) for name in pair],
        problem,
        dataclasses.replace(protocol, tuning_trials=trials),
        store=store,
    )
    general, special = (again.values(name, "loss") for name in pair)
    before = found.values(pair[1], "loss", problem)
    contained = CONTAINED.get(pair[1])
    values = [found.values(name, "loss", problem) for name in (pair[0], contained) if name]
    return {
        "trials": trials,
        "against_contained": answer(*values)._asdict() if contained else None,
        "against_fewer": answer(general, before)._asdict(),
        "against_as_many": answer(general, special)._asdict(),
    }


def sentences(row: dict[str, Any], trials: int) -> str:
    """Why the general rule is worse, as far as the budget goes."""
    general, special, more = row["general"], row["special"], row["with_more_trials"]
    mine, theirs = (f"{100 * x:.0f} %" for x in row["within_reach"])
    needed = row["trials_needed"]
    after = f"after {needed} trials" if needed else f"not within {trials} trials"
    against = [_figures(more[name]) for name in ("against_fewer", "against_as_many")]
    text = (
        f"{row['problem']}: {mine} of the settings of {general} come within 10 % of the best "
        f"validation loss of {special}, {theirs} of its own; the median best of {general} is as "
        f"good as that of {special} {after}. With {more['trials']} trials its difference to "
        f"{special} with {trials} is {against[0]}; to {special} with as many, {against[1]}."
    )
    if more["against_contained"] is not None:
        figures = _figures(more["against_contained"])
        text += f" Its difference to {CONTAINED[special]}, which it contains, is {figures}."
    fresh = row["validation_on_fresh_seeds"]
    if fresh is not None and not fresh["p_value"] < 0.05:
        text += " On the validation rows, which chose, it is no worse on these fresh seeds."
    return text


def _figures(x: dict[str, Any]) -> str:
    return f"{x['difference']:.3g} [{x['low']:.3g}, {x['high']:.3g}], p = {x['p_value']:.2g}"


def show(rows: list[dict[str, Any]], trials: int) -> None:
    """The table of one kind, and what explains the rows that are worse."""
    print(f"{'':20}{'':34}{'difference of test losses':>32}{'p':>9}{'Holm':>9}")
    for row in rows:
        pair = f"{row['general']} − {row['special']}"
        figure = f"{row['difference']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
        verdict = "worse" if row["worse"] else "not worse"
        numbers = f"{row['p_value']:9.2g}{row['p_after_holm']:9.2g}"
        print(f"{row['problem']:20}{pair[:33]:34}{figure:>32}{numbers}  {verdict}")
    for row in rows:
        if row["worse"]:
            print(sentences(row, trials))


def main(
    trials: int = 64,
    seeds: int = 20,
    tuning_seeds: int = 3,
    problems: str = PROBLEMS,
    steps: int | None = None,
    seed: int = 0,
    store: Path | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Run all contestants on all problems, or read what a store has of them; ask and print."""
    protocol = Protocol(
        tuning_trials=trials,
        tuning_seeds=tuning_seeds,
        evaluation_seeds=seeds,
        num_steps=steps,
        seed=seed,
    )
    found = bench.run(CONTESTANTS, problems.split(","), protocol, store=store)
    kinds = {kind: asked(found, kind) for kind in QUESTIONS}
    for row in (row for rows in kinds.values() for row in rows if row["worse"]):
        row["with_more_trials"] = with_more(row, found, store)
    for kind, rows in kinds.items():
        print(f"\n{kind} spaces, {trials} trials, {seeds} seeds")
        show(rows, trials)
    options = f"--trials {trials} --seeds {seeds} --tuning-seeds {tuning_seeds} --seed {seed}"
    report = {
        "command": f"python benchmarks/inclusion.py {options} --problems {problems}"
        + ("" if steps is None else f" --steps {steps}"),
        "questions": kinds,
        "worse": {kind: sum(row["worse"] for row in rows) for kind, rows in kinds.items()},
    }
    if out is not None:
        out.write_text(json.dumps(_plain(report), indent=2, allow_nan=False) + "\n")
    return report


def _plain(value: Any) -> Any:
    """For JSON: None for what is not a finite number."""
    if isinstance(value, dict):
        return {name: _plain(x) for name, x in value.items()}
    if isinstance(value, list):
        return [_plain(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    typer.run(main)
