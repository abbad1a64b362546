"""What results say of a sweep: rankings, leaders with intervals, edges; and the live line."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from jaxnn.errors import BadInput
from jaxnn.space import (
    choice,
    grid,
    integers,
    log_uniform,
    normal,
    one_minus,
    structural,
    uniform,
)
from jaxnn.sweeps import Progress, Results, propose
from jaxnn.sweeps.display import Display, _clock
from jaxnn.sweeps.edges import edges
from jaxnn.sweeps.engine import BlockResult
from jaxnn.sweeps.results import STOPPED, UNRUN

LR = {"rate": log_uniform(1e-4, 1e-1)}


def results(
    space: Mapping[str, Any],
    num_trials: int,
    loss: Callable[[dict[str, Any]], Any],
    *,
    seeds: int = 1,
    seed: int = 0,
) -> Results:
    """As a sweep over the space gives them, every row with this loss."""
    found = propose(space, num_trials, seed)
    rows = found.num_settings * seeds
    setting, replicate = np.divmod(np.arange(rows), seeds)
    swept = {name: column[setting] for name, column in found.columns.items()}
    values = np.broadcast_to(np.asarray(loss(swept), np.float64), rows).copy()
    ends = {"status": np.zeros(rows, np.int32), "status_step": np.full(rows, -1, np.int32)}
    columns = {"setting": setting, "replicate": replicate} | swept | {"loss": values} | ends
    return Results(tuple(found.kinds), columns, {}, found.kinds, space=space)


def numbered(values: Any, status: Any = 0, steps: Any = -1) -> Results:
    """Settings with these losses [settings, seeds], of this status."""
    values = np.asarray(values, np.float64)
    found = results({"x": grid(range(len(values)))}, 1, lambda _: 0.0, seeds=values.shape[1])
    found.columns["loss"][:] = values.ravel()
    found.columns["status"][:] = np.broadcast_to(status, values.shape).ravel()
    found.columns["status_step"][:] = np.broadcast_to(steps, values.shape).ravel()
    return found


def test_leaders_have_students_interval_over_their_seeds() -> None:
    values = np.random.default_rng(0).normal(size=(12, 5))
    found = numbered(values)
    leaders = found.leaders("loss", number=4)
    assert [x.number for x in leaders] == list(np.argsort(values.mean(axis=1))[:4])
    for x in leaders:
        own = values[x.number]
        low, high = stats.t.interval(0.95, 4, own.mean(), stats.sem(own))
        assert (x.mean, x.low, x.high) == pytest.approx((own.mean(), low, high), rel=1e-12)
        assert (x.setting, x.seeds) == ({"x": x.number}, 5)
    highest = found.leaders("loss", mode="max", number=1)[0]
    assert highest.number == np.argmax(values.mean(axis=1))
    assert found.best("loss", mode="max") == highest.setting
    assert len(found.leaders("loss", number=99)) == 12


def test_one_seed_has_no_interval() -> None:
    (leader,) = numbered([[3.0], [2.0]]).leaders("loss", number=1)
    assert leader[2:] == (2.0, None, None, 1)


def test_the_order_is_done_stopped_failed() -> None:
    values = [[5, 5], [1, 1], [9, 9], [8, 8], [0, 7], [0, 0], [4, np.nan]]
    status = [[0, 0], [3, 3], [3, 3], [3, 0], [1, 0], [UNRUN, 0], [0, 0]]
    steps = [[-1, -1], [4, 4], [8, 8], [8, -1], [2, -1], [-1, -1], [-1, -1]]
    found = numbered(values, status, steps)
    assert found.ranking("loss").tolist() == [0, 3, 2, 1, 4, 5, 6]
    assert found.ranking("loss", mode="max").tolist() == [0, 2, 3, 1, 4, 5, 6]
    assert found.ranking("loss", failed=False).tolist() == [0, 3, 2, 1]
    assert [x.number for x in found.leaders("loss")] == [0]
    assert found.by_setting("loss")[:2].tolist() == [[5, 5], [np.inf, np.inf]]
    assert found.by_setting("loss", mode="max")[4].tolist() == [-np.inf, 7]
    assert found.outcomes == {
        "done": 7,
        "not finite": 1,
        "above the ceiling": 0,
        "stopped early": 5,
        "not run yet": 1,
    }
    assert repr(found) == (
        "Results(7 done, 1 not finite, 5 stopped early, 1 not run yet; columns: setting, "
        "replicate, x, loss, status, status_step)"
    )


def test_there_is_no_best_where_none_is_done() -> None:
    found = numbered([[1.0, 1.0], [2.0, 2.0]], [[1, 0], [STOPPED, STOPPED]], 3)
    assert found.leaders("loss") == ()
    with pytest.raises(BadInput) as error:
        found.best("loss")
    assert str(error.value) == (
        "Results.best: `metric` must be finite on all seeds of a setting; got 'loss', of "
        "Results(1 done, 1 not finite, 2 stopped early; columns: setting, replicate, x, loss, "
        "status, status_step)."
    )


def test_results_before_anything_ran() -> None:
    empty = np.zeros(0, np.int64)
    found = Results(
        (), {"setting": empty, "replicate": empty, "status": empty, "loss": empty}, {}, {}
    )
    assert (found.num_settings, found.num_seeds, found.leaders("loss")) == (0, 1, ())
    assert edges(found, "loss", space=LR) == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda x: x.best("los"),
            "Results: `metric` must be one of loss, name, replicate, setting, status, "
            "status_step; got 'los'. Did you mean 'loss'?",
        ),
        (
            lambda x: x.best("loss", mode="low"),
            "Results: `mode` must be 'min' or 'max'; got 'low'.",
        ),
        (
            lambda x: x.leaders("name"),
            "Results: `metric` must be a column with a real number a row; got 'name', an array of "
            "shape (2,) and dtype object.",
        ),
        (
            lambda x: x.leaders("loss", number=0),
            "Results.leaders: `number` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            lambda x: edges(x, "loss", mode="low"),
            "Results: `mode` must be 'min' or 'max'; got 'low'.",
        ),
    ],
)
def test_bad_input(call: Callable[[Results], Any], text: str) -> None:
    found = results({"name": grid(["a", "b"])}, 1, lambda _: 0.0)
    with pytest.raises(BadInput) as error:
        call(found)
    assert str(error.value) == text


# Edges


@pytest.mark.parametrize(
    ("entry", "sign", "text"),
    [
        (
            log_uniform(1e-4, 1e-1),
            -1,
            "in the outermost 20 % of log_uniform(0.0001, 0.1) (the best {best}): widen it, to 1 "
            "for example.",
        ),
        (
            log_uniform(1e-4, 1e-1),
            1,
            "in the outermost 20 % of log_uniform(0.0001, 0.1) (the best {best}): widen it, to "
            "1e-05 for example.",
        ),
        (
            one_minus(log_uniform(1e-3, 0.5)),
            -1,
            "in the outermost 20 % of one_minus(log_uniform(0.001, 0.5)) (the best {best}): widen "
            "it, to 0.9999 for example.",
        ),
        (
            one_minus(log_uniform(1e-3, 0.5)),
            1,
            "in the outermost 20 % of one_minus(log_uniform(0.001, 0.5)) (the best {best}): widen "
            "it, to 0.25 for example.",
        ),
        (
            uniform(0.5, 0.9),
            -1,
            "in the outermost 20 % of uniform(0.5, 0.9) (the best {best}): widen it, to 0.95 for "
            "example.",
        ),
        (
            uniform(2, 5),
            1,
            "in the outermost 20 % of uniform(2, 5) (the best {best}): widen it, to 1 for example.",
        ),
        (
            integers(2, 21),
            -1,
            "from 21 to 18, at the end of integers(2, 21) (the best {best}): widen it.",
        ),
        (integers(1, 8), -1, "= 8, at the end of integers(1, 8): widen it."),
        (
            structural([64, 16, 32, 128]),
            1,
            "= 16, at the end of choice(64, 16, 32, 128): try others beyond it.",
        ),
        (
            grid([0.1, 0.2, 0.4]),
            -1,
            "= 0.4, at the end of grid(0.1, 0.2, 0.4): try others beyond it.",
        ),
    ],
)
def test_an_edge_is_named_with_a_wider_range(entry: Any, sign: int, text: str) -> None:
    space = {"x": entry} | ({"y": uniform(0, 1)} if hasattr(entry, "values") else {})
    found = results(space, 100, lambda swept: sign * swept["x"].astype(np.float64))
    (sentence,) = edges(found, "loss")
    said, _, rest = sentence.partition(" have x ")
    asked = max(5, -(-found.num_settings // 20))
    assert said == f"{asked} of the best {asked} settings"
    assert rest == text.format(best=f"{found.best('loss')['x']:.6g}")
    assert edges(found, "loss", mode="max") != [sentence]


@pytest.mark.parametrize(
    ("entry", "sign"),
    [
        (uniform(0, 0.99), 1),  # no momentum, the least there is
        (uniform(0.5, 1), -1),
        (one_minus(log_uniform(1e-3, 1)), 1),
        (integers(1, 8), 1),
        (grid([0.0, 0.1, 0.2]), 1),
        (grid([1, 2]), 1),  # two values have no inside
        (normal(0, 1), 1),
        (choice(["a", "b", "c"]), 0),
        (0.5, 1),
    ],
)
def test_what_may_have_nothing_beyond_is_not_named(entry: Any, sign: int) -> None:
    space = {"x": entry, "y": uniform(0, 1)}
    found = results(space, 128, lambda swept: sign * swept["x"] if sign else 0.0 * swept["y"])
    assert [text for text in edges(found, "loss") if " x " in text] == []


def test_an_optimum_inside_is_none_at_the_edge() -> None:
    rng = np.random.default_rng(0)
    space = {"x": uniform(-1, 2), "y": uniform(-1, 2)}

    def named(best: float, num_trials: int) -> int:
        """Of 40 noisy sweeps with the optimum at this point of the range, how many name x."""
        at, count = 3 * best - 1, 0
        for seed in range(40):
            found = results(
                space,
                num_trials,
                lambda s: (
                    (s["x"] - at) ** 2 + (s["y"] - 0.5) ** 2 + 0.1 * rng.normal(size=len(s["x"]))
                ),
                seed=seed,
            )
            count += any("have x " in text for text in edges(found, "loss"))
        return count

    assert named(0.7, 256) == 0
    assert named(0.8, 1000) <= 2  # though these lie in the outermost fifth by half
    assert named(1.0, 256) >= 32
    assert named(1.2, 64) >= 32


@pytest.mark.parametrize(("dimensions", "num_trials"), [(1, 40), (1, 300), (4, 100)])
def test_where_nothing_matters_hardly_any_sweep_names_a_number(
    dimensions: int, num_trials: int
) -> None:
    rng = np.random.default_rng(1)
    found = results({f"x{k}": uniform(-1, 2) for k in range(dimensions)}, num_trials, lambda _: 0.0)
    count = 0
    for _ in range(200):
        found.columns["loss"][:] = rng.random(num_trials)
        count += bool(edges(found, "loss"))
    assert count <= 18  # 10 expected at most; 18 or fewer has a probability of 0.99 then


def test_a_number_of_an_option_is_judged_among_those_that_have_it() -> None:
    own = {"sgd": {"rate": log_uniform(1e-3, 1.0)}, "adam": {"rate": log_uniform(1e-4, 1e-1)}}
    space = {"optimizer": choice(own)}
    found = results(
        space,
        160,
        lambda s: np.where(
            s["optimizer"] == "sgd", 10 - s["rate"], (np.log10(s["rate"]) + 2.5) ** 2
        ),
    )
    (sentence,) = edges(found, "loss")
    assert sentence.startswith(
        "5 of the best 5 settings with optimizer = 'sgd' have rate in the outermost 20 % of "
        "log_uniform(0.001, 1) (the best 0.9"
    )


def test_trials_that_were_stopped_early_count_and_failures_do_not() -> None:
    found = results(LR, 128, lambda s: -s["rate"])
    order = found.ranking("loss")
    found.columns["status"][order[2:]] = STOPPED
    found.columns["status_step"][order[2:]] = 8
    assert edges(found, "loss")[0].startswith("7 of the best 7 settings have rate in")
    found.columns["status"][order[4:]] = 1
    assert edges(found, "loss") == []  # four are too few to ask


def test_without_a_space_nothing_is_said() -> None:
    found = results(LR, 64, lambda s: -s["rate"])
    assert len(edges(found, "loss")) == 1
    assert edges(found, "loss", space=[{"rate": 0.1}]) == []  # pyright: ignore[reportArgumentType]
    assert edges(found, "loss", space={}) == []


# The live line


class Clock:
    """Seconds as a test says."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("jaxnn.sweeps.display.time.monotonic", found)
    return found


def block(loss: Any, status: Any = 0, **metrics: Any) -> BlockResult:
    values = np.asarray(loss, np.float32)
    own = {"loss": values, "status": np.broadcast_to(np.int32(status), values.shape[:2])}
    return BlockResult(own | metrics, {})


def test_the_line_says_done_left_rate_best_and_failed(clock: Clock) -> None:
    display = Display()
    clock.now += 65
    assert display.words() == ["compiling, 1:05"]
    display(Progress(2, 42, 0, 4000))
    assert display.words() == ["0/4,000 trials"]
    clock.now += 10
    display(Progress(12, 42, 1000, 4000, block([[3.0, 1.0, 9.0], [2.0, 4.0, 9.0]])))
    # 10 of the 40 segments that are left at first, in 10 seconds.
    assert display.words() == ["1,000/4,000 trials", "0:30 left", "100/s", "best loss 2.5"]
    failed = np.array([[0, 1, 0], [0, 0, 2]])
    display(Progress(12, 42, 1000, 4000, block([[7.0, 0.0, 0.0], [8.0, 0.0, 0.0]], failed)))
    assert display.words()[3:] == ["best loss 2.5", "2 failed"]
    clock.now += 1e5
    display(Progress(13, 42, 1000, 4000))
    assert display.words()[1:3] == ["73:14:23 left", "0.011/s"]


def test_the_best_of_a_metric_of_that_mode_and_none_where_it_is_not() -> None:
    display, without = Display("accuracy", "max"), Display("accuracy")
    shown = {"accuracy": np.array([[0.5, 0.75]]), "many": np.zeros((1, 2, 3))}
    display(Progress(1, 1, 2, 2, block([[1.0, 2.0]], **shown)))
    assert display.best == 0.75
    without(Progress(1, 1, 2, 2, block([[1.0, 2.0]])))
    arrays = Display("many")
    arrays(Progress(1, 1, 2, 2, block([[1.0, 2.0]], **shown)))
    nan = Display()
    nan(Progress(1, 1, 2, 2, block([[np.nan, np.inf], [0.0, -np.inf]])))
    assert without.best is arrays.best is nan.best is None


def test_a_terminal_shows_the_line_and_then_nothing_of_it() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    with Display(console=console) as display:
        assert "compiling, 0:0" in out.getvalue()
        for k in range(1, 1001):
            display(Progress(k, 10**6, 999_999, 10**6, block([[0.123456]], 1) if k == 9 else None))
        console.print("beside it")
        display._live.refresh()  # pyright: ignore[reportOptionalMemberAccess]
    written = out.getvalue()
    assert "999,999/1,000,000 trials" in written
    assert "1 failed" in written
    assert written.count("trials") < 10  # not a line a call
    lines = written.replace("\r", "\n").split("\n")
    assert max(len(line.partition("\x1b")[0]) for line in lines) <= 80
    assert written.endswith("\x1b[1A\x1b[2K")  # up, and away with it


def test_what_is_no_terminal_gets_nothing() -> None:
    out = io.StringIO()
    with Display(console=Console(file=out, force_terminal=False)) as display:
        display(Progress(1, 2, 1, 2, block([[1.0]])))
    assert out.getvalue() == ""
    assert display.best == 1.0


def test_clock() -> None:
    assert [_clock(x) for x in (0, 59.2, 3600)] == ["0:00", "1:00", "1:00:00"]
