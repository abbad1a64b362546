"""Population-based training: the worst take over the best, and nothing of it is lost."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn import sweeps
from jaxnn.errors import BadType, BadValue
from jaxnn.space import choice, integers, log_uniform, normal, one_minus, uniform
from jaxnn.sweeps import PopulationBased, Staged, Store
from jaxnn.sweeps.rules import rule_from_plain, rule_to_plain

RULE = PopulationBased(every=2, fraction=0.25)

SPACE = {
    "rate": log_uniform(1e-3, 3.0),
    "lean": choice({"still": {}, "tilted": {"by": one_minus(log_uniform(1e-2, 1e-1))}}),
    "power": integers(1, 3),
}


def init(key: Any, hyper: Any, data: Any) -> Any:
    return {"x": 1.0 + 0.5 * jax.random.normal(key), "key": jax.random.fold_in(key, 1)}


def advance(state: Any, hyper: Any, step: Any, data: Any) -> Any:
    noise = 0.01 * jax.random.normal(jax.random.fold_in(state["key"], step))
    x = state["x"] * (1 - hyper["rate"]) * hyper.get("by", 1.0) + noise / hyper["power"]
    return {"x": x, "key": state["key"]}, {"x": x}


def measure(state: Any, hyper: Any, data: Any) -> Any:
    return {"loss": state["x"] ** 2}


TRIAL = Staged(init, advance, measure, num_steps=8)


def run(path: pathlib.Path | None = None, **options: Any) -> Any:
    given = {"num_trials": 16, "num_seeds": 2, "width": (2, 4), "stop": RULE}
    return sweeps.run(TRIAL, SPACE, store=path, **(given | options))


def as_bytes(results: Any) -> dict[str, Any]:
    columns = results.table() | results.curves
    found = {k: x.tolist() if x.dtype == object else x.tobytes() for k, x in columns.items()}
    history = results.lineage.numbers | {"parents": results.lineage.parents}
    return found | {f"lineage/{k}": x.tobytes() for k, x in history.items()}


@pytest.fixture(scope="module")
def evolved() -> Any:
    return run()


# The rule


@given(
    st.lists(st.floats(0, 9) | st.just(np.inf), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.25, 0.5]),
)
def test_the_worst_take_over_the_best(values: list[float], fraction: float) -> None:
    scores = np.asarray(values)
    rule = PopulationBased(fraction=fraction)
    parents = rule.exploit(scores, np.random.default_rng(0))
    number = int(fraction * len(scores))
    moved = parents != np.arange(len(scores))
    best = np.sort(scores)[max(number, 1) - 1]
    assert (scores[parents[moved]] <= best).all()
    assert np.isfinite(scores[parents[moved]]).all()
    if np.isfinite(scores).any():
        assert np.isfinite(scores[parents]).all()
    assert moved.sum() <= number + np.isinf(scores).sum()
    again = rule.exploit(scores, np.random.default_rng(0))
    np.testing.assert_array_equal(parents, again)


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        (log_uniform(1e-3, 1e-1), [1e-3, 1e-2, 1e-1]),
        (uniform(-1.0, 2.0), [-1.0, 0.5, 2.0]),
        (one_minus(log_uniform(1e-3, 1e-1)), [0.9, 0.99, 0.999]),
        (integers(1, 40), [1, 2, 40]),
        (choice([4, 1, 2]), [1, 2, 4]),
    ],
)
def test_numbers_move_a_little_and_stay_inside(entry: Any, values: Any) -> None:
    values = np.repeat(np.asarray(values), 50)
    rng = np.random.default_rng(0)
    moved = PopulationBased(resample=0.0).explore(entry, values, rng)
    assert moved.dtype == values.dtype
    low, high = values.min(), values.max()
    assert (moved >= low - 1e-15).all()
    assert (moved <= high + 1e-15).all()
    middle = (values > low) & (values < high)
    assert (moved[middle] != values[middle]).all()
    assert {True, False} == set(moved[middle] > values[middle])
    drawn = PopulationBased(resample=1.0).explore(entry, values, rng)
    assert len(np.unique(drawn)) > 2
    assert ((drawn >= low - 1e-15) & (drawn <= high + 1e-15)).all()


def test_factors_are_those_of_the_rule() -> None:
    rule, rng = PopulationBased(factor=1.5, resample=0.0), np.random.default_rng(0)
    moved = rule.explore(log_uniform(1e-5, 1.0), np.full(20, 1e-2), rng)
    np.testing.assert_allclose(np.unique(moved), [1e-2 / 1.5, 1.5e-2], rtol=1e-15)
    moved = rule.explore(one_minus(log_uniform(1e-5, 1.0)), np.full(20, 0.99), rng)
    np.testing.assert_allclose(np.unique(moved), [1 - 1.5e-2, 1 - 1e-2 / 1.5], rtol=1e-12)
    moved = rule.explore(integers(1, 9), np.full(20, 1), rng)
    assert set(moved) == {
        1,
        2,
    }  # 1.5 is rounded to 2, 0.67 to 1, which moves to 0, which is outside
    moved = rule.explore(normal(0.0, 1.0), np.full(20, -3.0), rng)
    np.testing.assert_allclose(np.unique(moved), [-4.5, -2.0], rtol=1e-15)


def test_the_toy_of_the_paper_needs_both_of_its_members() -> None:
    """Figure 2: maximise 1.2 − θ₀² − θ₁² by the gradient of 1.2 − h₀θ₀² − h₁θ₁²."""

    def begin(key: Any, hyper: Any, data: Any) -> Any:
        return jnp.full((2,), 0.9)

    def climb(theta: Any, hyper: Any, step: Any, data: Any) -> Any:
        weights = jnp.stack([hyper["h"], 1 - hyper["h"]])
        return theta - 0.02 * weights * theta, {}

    def value(theta: Any, hyper: Any, data: Any) -> Any:
        return {"value": 1.2 - (theta**2).sum()}

    trial = Staged(begin, climb, value, num_steps=400)
    space = {"h": choice([0.0, 1.0])}
    apart = sweeps.run(trial, space, num_trials=2).table()["value"]
    rule = PopulationBased("value", mode="max", every=8, fraction=0.5, resample=0.5)
    together = sweeps.run(trial, space, num_trials=2, stop=rule).table()["value"]
    assert apart.max() < 0.4
    assert together.max() > 1.1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: PopulationBased(fraction=0.6),
            BadValue,
            "PopulationBased: `fraction` must be in (0, 0.5]; got 0.6.",
        ),
        (
            lambda: PopulationBased(factor=1.0),
            BadValue,
            "PopulationBased: `factor` must be > 1; got 1.0.",
        ),
        (
            lambda: PopulationBased(resample=2),
            BadValue,
            "PopulationBased: `resample` must be in [0, 1]; got 2.",
        ),
        (
            lambda: PopulationBased(unit="trial"),
            BadValue,
            "PopulationBased: `unit` must be 'setting'; got 'trial'. The numbers of a setting are"
            " those of all its replicates.",
        ),
        (
            lambda: sweeps.run(TRIAL, [{"rate": 0.1, "power": 1}], stop=RULE),
            BadType,
            "sweeps.run: `space` must be a dict of distributions, to draw other numbers from; got"
            " [{'rate': 0.1, 'power': 1}]. Pass {'learning_rate': log_uniform(1e-4, 1e-1)}, for"
            " example.",
        ),
    ],
)
def test_bad_rules_are_told(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert str(raised.value) == message


def test_it_has_a_plain_form() -> None:
    assert rule_from_plain(rule_to_plain(RULE)) == RULE


# Sweeps


def test_states_and_numbers_are_those_of_the_lineage(evolved: Any) -> None:
    """Each final state is what its ancestors' numbers make of its ancestor's start."""
    lineage, table = evolved.lineage, evolved.table()
    assert lineage.steps.tolist() == [2, 4, 6, 8]
    assert lineage.parents.shape == (3, 16)
    moved = lineage.parents != np.arange(16)
    assert moved.sum(axis=1).min() >= 2  # a quarter of each structure
    lean = table["lean"][::2]
    for parents in lineage.parents:
        np.testing.assert_array_equal(lean[parents], lean)
    one_step = jax.jit(advance)
    for row in range(0, 32, 5):
        setting, replicate = divmod(row, 2)
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), sweeps.TUNING), replicate)
        state = init(key, None, None)
        numbers = lineage.schedule(setting)
        for step in range(8):
            hyper = {k: x[step // 2] for k, x in numbers.items() if not np.isnan(x[0])}
            state, _ = one_step(state, hyper, step, None)
        np.testing.assert_allclose(table["loss"][row], state["x"] ** 2, rtol=2e-5, atol=1e-12)
    # The table has the numbers at the end.
    np.testing.assert_array_equal(table["rate"][::2], lineage.numbers["rate"][-1])
    (leader,) = evolved.leaders("loss", number=1)
    with pytest.warns(UserWarning, match="other numbers on the way") as caught:
        assert evolved.best("loss") == leader.setting
    told = f"see results.lineage.schedule({leader.number})."
    assert str(caught[0].message).endswith(told)
    assert leader.setting["rate"] in lineage.numbers["rate"][-1]
    assert not lineage.is_constant(leader.number)
    constant = lineage._replace(numbers={"rate": np.ones_like(lineage.numbers["rate"])})
    assert constant.is_constant(leader.number)


def test_what_has_failed_is_replaced() -> None:
    def burst(state: Any, hyper: Any, step: Any, data: Any) -> Any:
        x = state + hyper["x"]
        return jnp.where((hyper["x"] > 0.5) & (step < 3), jnp.nan, x), {}

    trial = Staged(
        lambda key, hyper, data: jnp.zeros(()),
        burst,
        lambda state, hyper, data: {"loss": state},
        num_steps=8,
    )
    space = {"x": uniform(0.0, 1.0)}
    never = sweeps.run(trial, space, num_trials=16).status
    assert (never == 1).sum() == 8
    assert not sweeps.run(trial, space, num_trials=16, stop=PopulationBased(every=4)).status.any()


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "sweep.db"


@pytest.mark.parametrize("moment", [3, 9])
def test_a_stopped_population_goes_on(path: pathlib.Path, evolved: Any, moment: int) -> None:
    def stop(told: sweeps.Progress) -> None:
        if told.segments == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, progress=stop)
    assert set(sweeps.load(path).status) == {-1}
    assert as_bytes(sweeps.resume(path, TRIAL)) == as_bytes(evolved)
    assert as_bytes(sweeps.load(path)) == as_bytes(evolved)
    with Store.open(path) as store:
        assert not store.names("state@")


def test_lost_states_are_made_again_from_the_beginning(path: pathlib.Path, evolved: Any) -> None:
    run(path)
    with Store.open(path) as store:
        store.discard(name for name in store.names() if name.endswith("@6-8"))
    assert as_bytes(run(path)) == as_bytes(evolved)
    assert as_bytes(run(path, num_seeds=3, width=(2, 4))) == as_bytes(run(num_seeds=3))


def test_segments_and_progress(evolved: Any) -> None:
    told: list[sweeps.Progress] = []
    assert as_bytes(run(segment=1, progress=told.append)) == as_bytes(evolved)
    assert {x.num_segments for x in told} == {4 * 8}
    assert told[-1][:4] == (32, 32, 32, 32)
