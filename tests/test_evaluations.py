"""Gradient evaluations are counted as they are made, and budgets hold for every rule."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaxnn import problems, sweeps, training
from jaxnn.bench.outcome import on_evaluations
from jaxnn.optimizers import OPTIMIZERS, accumulated, adam, clipped, get, lookahead, sam, sgd
from jaxnn.training.evaluations import per_update

COUNT: list[int] = []


@jax.custom_vjp
def counted(x: Any) -> Any:
    return x


def _forward(x: Any) -> Any:
    return x, None


def _backward(_: Any, along: Any) -> Any:
    jax.debug.callback(lambda: COUNT.append(1))
    return (along,)


counted.defvjp(_forward, _backward)


class Bowl:
    """Counts each time a gradient passes."""

    name, train, validation, test, target, residuals = "bowl", None, None, None, None, None

    def init(self, key: Any) -> Any:
        return jax.random.normal(key, (3,)) + 2.0

    def loss(self, params: Any, batch: Any, key: Any = None) -> Any:
        del batch, key
        x = counted(params)
        return (np.array([1.0, 5.0, 30.0]) * x**2).sum() + (x**4).sum() / 10

    def metrics(self, params: Any, batch: Any) -> Any:
        return {"loss": self.loss(params, batch)}


@pytest.mark.parametrize("name", ["lbfgs", "nonlinear_cg"])
def test_searches_spend_what_they_evaluate(name: str) -> None:
    """One trial by hand: every gradient that passed backwards is in the count."""
    staged = training.stages(Bowl(), name, num_steps=12, record_every=0, max_evaluations=20)
    key, hyper = jax.random.key(3), {"learning_rate": 0.3}
    assert staged.prepare is not None
    assert staged.feed is not None
    prepared = staged.prepare(key, staged.data)
    state = staged.init(prepared, hyper, staged.data)
    fed = staged.feed(prepared, jax.numpy.arange(12), staged.data)
    rows, structure = jax.tree.flatten(fed)

    @jax.jit
    def advance(state: Any, step: Any, fed: Any) -> Any:
        return staged.advance(state, hyper, step, staged.data, fed)

    spent = []
    for step in range(12):
        COUNT.clear()
        state, scalars = advance(state, step, structure.unflatten(x[step] for x in rows))
        jax.effects_barrier()
        spent.append((len(COUNT), float(scalars["evaluations"])))
    made = np.cumsum([number for number, _ in spent])
    said = np.array([evaluations for _, evaluations in spent])
    going = np.isfinite(said)
    np.testing.assert_array_equal(made[going], said[going])


def test_what_updates_of_rules_take() -> None:
    searches = {name for name in OPTIMIZERS if per_update(get(name)) is None}
    assert searches == {"lbfgs", "nonlinear_cg", "sophia"}
    others = {name: per_update(get(name)) for name in OPTIMIZERS.keys() - searches}
    assert {name for name, number in others.items() if number != 1} == {"adahessian"}
    assert per_update(sam(adam)) == 2
    assert per_update(sam(clipped(sgd))) == 2
    assert per_update(lookahead(get("lbfgs"))) is None
    assert per_update(accumulated(adam)) == 1


@pytest.mark.parametrize(("rule", "batch_size"), [("lbfgs", None), ("lbfgs", 16), ("sophia", 16)])
def test_a_trial_stays_where_its_budget_ends(rule: str, batch_size: int | None) -> None:
    def run(num_steps: int, budget: int | None) -> Any:
        staged = training.stages(
            "wine",
            rule,
            num_steps=num_steps,
            batch_size=batch_size,
            record_every=1,
            max_evaluations=budget,
        )
        return sweeps.run(staged, {"learning_rate": 0.5}, num_trials=1, num_seeds=2, width=(2, 1))

    found = run(12, 9)
    spent = found.curves["evaluations"]
    last = np.isfinite(spent).sum(axis=1) - 1
    over = spent[[0, 1], last]
    assert np.all(over >= 9)
    assert np.all(spent[[0, 1], last - 1] < 9)
    assert np.all(np.diff(spent[0, : last[0] + 1]) >= 1)
    # What the trial is measured by is where it stood after the last update that it made.
    curve = found.curves["validation_loss"]
    np.testing.assert_array_equal(found.table()["loss"], curve[[0, 1], last])
    assert np.all(np.isnan(curve[0, last[0] + 1 :]))
    free = run(12, None)
    assert "evaluations" not in free.curves
    np.testing.assert_array_equal(
        free.curves["loss"][0, : last[0] + 1], found.curves["loss"][0, : last[0] + 1]
    )


def test_curves_stand_at_the_evaluations_that_they_took() -> None:
    updates = np.array([[4.0, 3.0, 2.0], [8.0, 7.0, 6.0]])
    spent = np.array([[1.0, 3.0, 6.0], [2.0, 4.0, np.nan]])
    nan = np.nan
    expected = [[4.0, nan, 3.0, nan, 2.0], [nan, 8.0, nan, 7.0, nan]]
    np.testing.assert_array_equal(on_evaluations(updates, spent, 5), expected)


def test_a_budget_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match="max_evaluations") as caught:
        training.stages("iris", "lbfgs", num_steps=3, max_evaluations=0)
    assert str(caught.value) == "stages: `max_evaluations` must be >= 1; got 0. Pass 1 or more."
    assert problems.get("iris").name == "iris"
