"""What fits into a time: by hand, and properties of any costs and budgets."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn.bench import planning
from jaxnn.bench.planning import LADDER, BudgetPlan, Duration, plan, runs
from jaxnn.bench.protocol import Protocol
from jaxnn.sweeps import EVALUATION, TUNING, Plan, Width

WANTED = Protocol(tuning_trials=32, tuning_seeds=3, evaluation_seeds=20)


def table(
    contestants: int = 2, **by_problem: tuple[float, float]
) -> dict[tuple[str, str], Duration]:
    """The same costs for each contestant."""
    return {
        (f"rule{number}", problem): Duration(*seconds)
        for problem, seconds in by_problem.items()
        for number in range(contestants)
    }


def counts(p: Protocol) -> tuple[int, int, int]:
    return p.tuning_trials, p.tuning_seeds, p.evaluation_seeds


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runners-up are evaluated beside the best, whatever that costs."""
    monkeypatch.setattr(planning, "evaluates_alone", lambda duration, protocol: False)


@pytest.mark.usefixtures("beside")
def test_what_is_wanted_is_run_where_it_fits() -> None:
    costs = table(wine=(1.0, 0.01), digits=(2.0, 0.02))
    # 2 × (1 + 2) to compile; 32 × 3 × (1 + 7) = 768 runs, 2 × (0.01 + 0.02) s each.
    expected = BudgetPlan(WANTED, ("wine", "digits"), pytest.approx(6 + 768 * 0.06), "")
    assert plan(costs, math.inf, WANTED) == expected
    assert plan(costs, 6 + 768 * 0.06 + 1e-9, WANTED) == expected
    assert plan(costs, 6 + 768 * 0.06 - 1e-9, WANTED) != expected


def test_the_best_is_evaluated_alone_where_that_saves() -> None:
    costs = table(1, wine=(1.0, 0.001), digits=(2.0, 0.02))
    # 768 runs or 96 + 96 + 20: 556 × 0.02 s is more than twice 2 s, 556 × 0.001 s is not.
    found = plan(costs, math.inf, WANTED)
    assert found.seconds == pytest.approx(1 + 768 * 0.001 + 2 * 2 + 212 * 0.02)


@pytest.mark.usefixtures("beside")
def test_the_whole_ladder_by_hand() -> None:
    """Each step is taken as soon as a budget lies a trifle below the plan before it."""
    costs = table(1, a=(0, 1e-3), b=(0, 4e-3), c=(0, 2e-3), d=(0, 3e-3), e=(0, 4e-3))
    found, budget = [], math.inf
    while True:
        try:
            one = plan(costs, budget, WANTED)
        except ValueError:
            break
        found.append((*counts(one.protocol), "".join(one.problems), round(1000 * one.seconds)))
        budget = np.nextafter(one.seconds, 0)
    assert found == [
        # 32 × 3 × (1 + seeds / 3, rounded up) runs of 1 + 4 + 2 + 3 + 4 ms
        (32, 3, 20, "abcde", 96 * 8 * 14),
        (32, 3, 18, "abcde", 96 * 7 * 14),
        (32, 3, 15, "abcde", 96 * 6 * 14),
        (32, 3, 12, "abcde", 96 * 5 * 14),
        (16, 3, 10, "abcde", 48 * 5 * 14),
        (16, 2, 10, "abcde", 32 * 6 * 14),
        (16, 2, 10, "abcd", 32 * 6 * 10),
        (16, 2, 10, "acd", 32 * 6 * 6),
        (8, 2, 10, "acd", 16 * 6 * 6),
        (8, 2, 8, "acd", 16 * 5 * 6),
        (8, 2, 6, "acd", 16 * 4 * 6),
        (8, 1, 5, "acd", 8 * 6 * 6),
        (8, 1, 5, "ac", 8 * 6 * 3),
        (8, 1, 5, "a", 8 * 6 * 1),
        (4, 1, 5, "a", 4 * 6 * 1),
    ]


def test_what_was_left_out_is_said() -> None:
    costs = table(digits=(9.0, 0.01), wine=(1.0, 0.001), char_rnn=(5.0, 0.1), iris=(0, 0))
    assert plan(costs, 41.0, WANTED).left_out == (
        "evaluation seeds 20 → 10, tuning trials 32 → 16, tuning seeds 3 → 2, "
        "problems without: char_rnn"
    )
    assert plan(costs, 2.1, WANTED).left_out == (
        "evaluation seeds 20 → 5, tuning trials 32 → 8, tuning seeds 3 → 1, "
        "problems without: digits, char_rnn"
    )


def test_what_is_wanted_below_a_floor_is_kept() -> None:
    wanted = Protocol(tuning_trials=2, tuning_seeds=1, evaluation_seeds=3)
    costs = table(1, a=(1.0, 0.0), b=(2.0, 0.0))
    found = plan(costs, 1.0, wanted)
    assert counts(found.protocol) == (2, 1, 3)
    assert found.left_out == "problems without: b"


@pytest.mark.parametrize(("wanted", "next_one"), [(100, 64), (64, 32), (33, 32), (20, 16)])
def test_trials_fall_by_powers_of_two(wanted: int, next_one: int) -> None:
    protocol = Protocol(tuning_trials=wanted, tuning_seeds=1, evaluation_seeds=10)
    costs = table(1, a=(0.0, 1.0))
    whole = plan(costs, math.inf, protocol).seconds
    assert plan(costs, np.nextafter(whole, 0), protocol).protocol.tuning_trials == next_one


def test_everything_else_of_the_protocol_stays() -> None:
    wanted = Protocol(num_steps=77, batch_size=5, record_every=7, seed=3)
    found = plan(table(a=(0.0, 1.0)), 200.0, wanted).protocol
    assert found != wanted
    assert (found.num_steps, found.batch_size, found.record_every, found.seed) == (77, 5, 7, 3)


def test_the_protocol_by_default_is_that_of_a_comparison() -> None:
    assert plan(table(a=(0.0, 0.0)), 1.0).protocol == Protocol()


def test_workers_take_the_next_contest_when_they_are_free() -> None:
    costs = {
        ("a", "one"): Duration(4.0, 0.0),
        ("b", "one"): Duration(1.0, 0.0),
        ("a", "two"): Duration(2.0, 0.0),
        ("b", "two"): Duration(5.0, 0.0),
    }
    # Two: 4 | 1, 2 → 3, then 5 → 8. Three: 4 | 1, 5 → 6 | 2.
    seconds = [plan(costs, math.inf, WANTED, workers=n).seconds for n in (1, 2, 3, 4)]
    assert seconds == [12, 8, 6, 5]


def test_without_tuning_seeds_alone_are_run() -> None:
    untuned = Protocol(tuning_trials=0, tuning_seeds=3, evaluation_seeds=10)
    assert runs(untuned) == 12  # four blocks of three
    found = plan(table(1, a=(0.0, 1.0)), 6.0, untuned)
    assert counts(found.protocol) == (0, 3, 6)
    assert found.left_out == "evaluation seeds 10 → 6"


@pytest.mark.parametrize("trials", [1, 4, 16, 32, 33, 64, 100])
@pytest.mark.parametrize(("seeds", "fresh"), [(1, 5), (3, 10), (3, 9), (4, 3)])
def test_runs_are_the_lanes_of_all_blocks(trials: int, seeds: int, fresh: int) -> None:
    width = Width(seeds, min(trials, 32))
    tuning = Plan({"learning_rate": np.zeros(trials)}, seeds, 0, TUNING, width)
    best = Plan({"learning_rate": np.zeros(width.settings)}, fresh, 0, EVALUATION, width)
    blocks = [*tuning.blocks(), *best.blocks()]
    protocol = Protocol(tuning_trials=trials, tuning_seeds=seeds, evaluation_seeds=fresh)
    assert runs(protocol) == len(blocks) * width.lanes


COSTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 1)).map(lambda pair: Duration(*pair)),
        min_size=3,
        max_size=3,
    ),
    min_size=1,
).map(
    lambda rows: {
        (f"rule{n}", problem): cost for problem, row in rows.items() for n, cost in enumerate(row)
    }
)
PROTOCOLS = st.builds(
    Protocol,
    tuning_trials=st.integers(1, 70),
    tuning_seeds=st.integers(1, 5),
    evaluation_seeds=st.integers(2, 30),
)
BUDGETS = st.floats(0.1, 1e5)


def or_none(*arguments, **options) -> BudgetPlan | None:
    try:
        return plan(*arguments, **options)
    except ValueError:
        return None


@given(COSTS, BUDGETS, PROTOCOLS, st.integers(1, 4))
def test_plans_fit_and_give_no_more_than_is_wanted(costs, budget, wanted, workers) -> None:
    found = or_none(costs, budget, wanted, workers=workers)
    if found is None:
        return
    assert found == plan(costs, budget, wanted, workers=workers)
    assert found.seconds <= budget
    floors = (4, 1, 5)
    for now, before, floor in zip(counts(found.protocol), counts(wanted), floors, strict=True):
        assert min(before, floor) <= now <= before
    known = list(dict.fromkeys(problem for _, problem in costs))
    assert [p for p in known if p in found.problems] == list(found.problems) != []
    whole = counts(found.protocol) == counts(wanted) and len(found.problems) == len(known)
    assert (found.left_out == "") == whole


@given(COSTS, BUDGETS, BUDGETS, PROTOCOLS, st.integers(1, 4))
def test_a_larger_budget_gives_no_less_of_anything(costs, one, other, wanted, workers) -> None:
    small = or_none(costs, min(one, other), wanted, workers=workers)
    large = or_none(costs, max(one, other), wanted, workers=workers)
    if small is None:
        return
    assert large is not None
    pairs = zip(counts(small.protocol), counts(large.protocol), strict=True)
    assert all(less <= more for less, more in pairs)
    assert set(small.problems) <= set(large.problems)


@given(COSTS, PROTOCOLS, st.integers(1, 4))
def test_the_budget_that_an_error_names_is_enough(costs, wanted, workers) -> None:
    try:
        plan(costs, 1e-9, wanted, workers=workers)
    except ValueError as error:
        named = re.search(r"at least ([\d.]+) s", str(error))
        assert named is not None
        least = plan(costs, float(named[1]), wanted, workers=workers)
        assert least.seconds > 0.99 * float(named[1])
        assert or_none(costs, 0.99 * least.seconds, wanted, workers=workers) is None


@given(COSTS, BUDGETS, PROTOCOLS)
def test_time_has_no_unit(costs, budget, wanted) -> None:
    """Twice the costs in twice the time is the same plan."""
    doubled = {pair: Duration(2 * cost[0], 2 * cost[1]) for pair, cost in costs.items()}
    one, other = or_none(costs, budget, wanted), or_none(doubled, 2 * budget, wanted)
    if one is None or other is None:
        assert one is other
    else:
        assert (one.protocol, one.problems) == (other.protocol, other.problems)


def test_each_step_of_the_ladder_goes_lower_than_the_one_before() -> None:
    floors: dict[str, int] = {}
    for name, floor in LADDER:
        assert floor < floors.get(name, 1000)
        floors[name] = floor
    assert floors == {
        "evaluation_seeds": 5,
        "tuning_trials": 4,
        "tuning_seeds": 1,
        "problems": 1,
    }


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: plan(table(a=(6.0, 0.0012), b=(9.0, 0.1)), 5.0, WANTED),
            "plan: `budget` must be at least 12.1 s, for 4 tuning trials × 1 tuning seed and 5 "
            "evaluation seeds on a; got 5 s. Fewer contestants, cheaper problems or fewer steps "
            "take less.",
        ),
        (lambda: plan(table(a=(1, 1)), 0.0), "plan: `budget` must be > 0 seconds; got 0."),
        (lambda: plan(table(a=(1, 1)), math.nan), "plan: `budget` must be > 0 seconds; got nan."),
        (
            lambda: plan({}, 1.0),
            "plan: `costs` must be known of at least one contestant; got none.",
        ),
        (
            lambda: plan({("sgd", "a"): Duration(1, 1), ("adam", "b"): Duration(1, 1)}, 1.0),
            "plan: `costs` must be known of each contestant on each problem; got none of adam on "
            "a.",
        ),
        (
            lambda: plan({("sgd", "a"): Duration(1, -1)}, 1.0),
            "plan: `costs` must be finite and >= 0; got run_seconds -1 of sgd on a.",
        ),
        (
            lambda: plan({("sgd", "a"): Duration(math.nan, 1)}, 1.0),
            "plan: `costs` must be finite and >= 0; got compile_seconds nan of sgd on a.",
        ),
        (
            lambda: plan(table(a=(1, 1)), 1.0, workers=0),
            "plan: `workers` must be >= 1; got 0. Pass 1 or more.",
        ),
    ],
)
def test_errors(call, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 its text follows
        call()
    assert str(caught.value) == text
