"""What of a comparison fits into a time: fewer seeds, fewer trials, fewer problems, in that order.

What is wanted is cut down step by step until it fits; all contestants keep equal budgets.

    1. evaluation seeds to 10      intervals widen, by √2 from 20, and nothing else changes
    2. tuning trials to 16         by powers of two, in which Sobol points are even
    3. tuning seeds to 2           the choice among settings is noisier
    4. problems to 3               the one that takes longest first
    5. tuning trials to 8, evaluation seeds to 5, tuning seeds to 1
    6. problems to 1
    7. tuning trials to 4

Each step gives less of one thing and more of none, and the first plan that fits is taken, so that a
larger budget never gives less of anything. For that it may leave time unused: after an expensive
problem is dropped, seeds are not raised again, or one second more would bring it back and take them
away. Below 5 seeds an interval says little (`few_seeds`), and
below 4 trials there is no tuning; what was wanted below that is kept as it is. Steps of training
are never cut: they are what is compared.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Context, Decimal
from typing import NamedTuple

from jaxnn.bench.protocol import WIDEST, Protocol
from jaxnn.errors import bad_value, check_integer

__all__ = ["LADDER", "BudgetPlan", "Duration", "plan", "runs"]

LADDER = (
    ("evaluation_seeds", 10),
    ("tuning_trials", 16),
    ("tuning_seeds", 2),
    ("problems", 3),
    ("tuning_trials", 8),
    ("evaluation_seeds", 5),
    ("tuning_seeds", 1),
    ("problems", 1),
    ("tuning_trials", 4),
)
"""What is cut down in which order, and how far."""


class Duration(NamedTuple):
    """What a contestant takes on a problem, in seconds, measured or estimated."""

    compile_seconds: float  # >= 0, of both programs
    run_seconds: float  # >= 0, of one setting on one seed, its share of a full block


@dataclasses.dataclass(frozen=True)
class BudgetPlan:
    """What is run: for all contestants alike.

    protocol: what was wanted with the trials and seeds that fit. problems: those kept, in the order
    given. seconds: predicted. left_out: in words what was wanted and does not fit, "" for nothing.
    """

    protocol: Protocol
    problems: tuple[str, ...]
    seconds: float
    left_out: str


def runs(protocol: Protocol, *, alone: bool = False) -> int:
    """How many runs a contestant makes on a problem, with those that fill up blocks.

    A block holds `tuning_seeds` seeds of all settings, 32 at most, and evaluation fills it with
    runners-up, so that it takes more runs than one for each seed. alone: or the best setting is
    evaluated alone, and every setting on as many fresh seeds as tuning had.

    >>> protocol = Protocol(tuning_trials=32, tuning_seeds=3, evaluation_seeds=10)
    >>> runs(protocol), runs(protocol, alone=True)  # 96 + 4 × 96, and 96 + 96 + 10
    (480, 202)
    """
    trials, seeds = protocol.tuning_trials, protocol.tuning_seeds
    settings = min(max(trials, 1), WIDEST)  # without tuning there is one, the default
    tuning = -(-trials // settings) * settings * seeds
    if alone:
        return (2 * tuning + protocol.evaluation_seeds) * protocol.studies
    evaluation = -(-protocol.evaluation_seeds // seeds) * settings * seeds
    return (tuning + evaluation) * protocol.studies


WORTH = 2.0
"""What a program of its own saves must be so many times what it takes to compile."""


def evaluates_alone(duration: Duration, protocol: Protocol) -> bool:
    """Whether the best setting is evaluated by a program of its own.

    duration: on the machine of reference, so that the answer is the same everywhere. Where not all
    settings fit into a block it always is, so that each of them has figures on fresh seeds.
    """
    if protocol.tuning_trials > WIDEST:
        return True
    if protocol.tuning_trials <= 1:
        return False  # nobody runs up
    saved = runs(protocol) - runs(protocol, alone=True)
    return saved * duration.run_seconds > WORTH * duration.compile_seconds


def plan(
    costs: Mapping[tuple[str, str], Duration],
    budget: float,
    wanted: Protocol | None = None,
    *,
    workers: int = 1,
    besides: float = 0.0,
) -> BudgetPlan:
    """The most of what is wanted that is predicted to take at most `budget` seconds.

    costs: by contestant and problem, all pairs, in the order in which problems are to be shown.
    budget: > 0, seconds, may be ∞. besides: >= 0, seconds for what else there is to do, imports and
    the report.
    workers: how many contestants are run at a time, one after another as they become free; costs
    are then those of runs side by side.
    Raises ValueError for costs that lack a pair or are negative, and for a budget into which not
    even the least plan fits, with the seconds that it takes; TypeError for `workers` that are no
    integer.

    >>> costs = {(o, p): Duration(1.0, 0.01) for p in ("wine", "digits") for o in ("sgd", "adam")}
    >>> wanted = Protocol(tuning_trials=32, tuning_seeds=3, evaluation_seeds=20)
    >>> plan(costs, 60.0, wanted).left_out
    ''
    >>> found = plan(costs, 15.0, wanted)
    >>> print(found.left_out, f"({found.seconds:.2f} s)")
    evaluation seeds 20 → 10, tuning trials 32 → 16 (13.60 s)
    """
    wanted = wanted or Protocol()
    check_integer("plan", "workers", workers, low=1)
    if not budget > 0:
        raise bad_value("plan", "budget", "> 0 seconds", f"{budget:g}")
    table = _by_problem(costs)
    tried = []
    for protocol, kept in _ladder(table, wanted):
        seconds = besides + _predicted(table, protocol, kept, workers)
        if seconds <= budget:
            left_out = _in_words(wanted, protocol, tuple(table), kept)
            return BudgetPlan(protocol, kept, seconds, left_out)
        tried.append((seconds, protocol, kept))
    raise _too_small(budget, *min(tried, key=lambda one: one[0]))


_Table = dict[str, dict[str, Duration]]
"""By problem, by contestant."""


def _by_problem(costs: Mapping[tuple[str, str], Duration]) -> _Table:
    if not costs:
        raise bad_value("plan", "costs", "known of at least one contestant", "none")
    contestants = dict.fromkeys(contestant for contestant, _ in costs)
    table: _Table = {problem: {} for _, problem in costs}
    for problem, row in table.items():
        for contestant in contestants:
            if (contestant, problem) not in costs:
                constraint = "known of each contestant on each problem"
                raise bad_value("plan", "costs", constraint, f"none of {contestant} on {problem}")
            row[contestant] = Duration(*costs[contestant, problem])
            for name, seconds in row[contestant]._asdict().items():
                if not 0 <= seconds < math.inf:
                    got = f"{name} {seconds:g} of {contestant} on {problem}"
                    raise bad_value("plan", "costs", "finite and >= 0", got)
    return table


def _ladder(costs: _Table, wanted: Protocol) -> Iterator[tuple[Protocol, tuple[str, ...]]]:
    """What is wanted, then ever less."""
    protocol, kept = wanted, tuple(costs)
    yield protocol, kept
    for name, floor in LADDER:
        if name == "tuning_seeds" and not wanted.tuning_trials:
            continue  # they tune nothing
        while (now := len(kept) if name == "problems" else getattr(protocol, name)) > floor:
            if name == "problems":
                seconds = {p: _predicted(costs, protocol, (p,), 1) for p in kept}
                longest = max(reversed(kept), key=seconds.__getitem__)  # of equals the last
                kept = tuple(p for p in kept if p != longest)
            else:
                less = now - 1
                if name == "tuning_trials":
                    less = max(1 << less.bit_length() - 1, floor)  # the next power of two below
                protocol = dataclasses.replace(protocol, **{name: less})
            yield protocol, kept


def _predicted(costs: _Table, protocol: Protocol, problems: tuple[str, ...], workers: int) -> float:
    """Seconds until the last worker is done, each taking the next contest when it is free."""
    free = [0.0] * workers
    for problem in problems:
        for one in costs[problem].values():
            alone = evaluates_alone(one, protocol)
            compiling = (1 + alone) * protocol.studies * one.compile_seconds
            taken = compiling + runs(protocol, alone=alone) * one.run_seconds
            heapq.heapreplace(free, free[0] + taken)
    return max(free)


_COUNTS = ("evaluation_seeds", "tuning_trials", "tuning_seeds")


def _in_words(
    wanted: Protocol, protocol: Protocol, problems: tuple[str, ...], kept: tuple[str, ...]
) -> str:
    parts = []
    for name in _COUNTS:
        before, after = getattr(wanted, name), getattr(protocol, name)
        if after < before:
            parts.append(f"{name.replace('_', ' ')} {before} → {after}")
    without = [problem for problem in problems if problem not in kept]
    if without:
        parts.append(f"problems without: {', '.join(without)}")
    return ", ".join(parts)


def _too_small(
    budget: float, seconds: float, protocol: Protocol, kept: tuple[str, ...]
) -> Exception:
    fresh, trials, seeds = (_counted(name, getattr(protocol, name)) for name in _COUNTS)
    what = f"{trials} × {seeds} and {fresh} on {', '.join(kept)}"
    fix = "Fewer contestants, cheaper problems or fewer steps take less."
    constraint = f"at least {_up(seconds)} s, for {what}"
    return bad_value("plan", "budget", constraint, f"{budget:g} s", fix)


def _counted(name: str, count: int) -> str:
    words = name.replace("_", " ")
    return f"{count} {words.removesuffix('s') if count == 1 else words}"


def _up(seconds: float) -> str:
    """Three digits, never less than `seconds`.

    >>> _up(12.01), _up(12.0), _up(0.00123456), _up(98765.4)
    ('12.1', '12', '0.00124', '98800')
    """
    rounded = Context(prec=3, rounding=ROUND_CEILING).create_decimal(Decimal(seconds))
    return f"{rounded.normalize():f}"
