"""What the rules with velocities and averages beyond Optax promise besides their golden files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jaxnn.optimizers import (
    adamp,
    adamw,
    aggmo,
    asgd,
    check,
    ftrl,
    get,
    kate,
    lion,
    momentum,
    nesterov,
    qhm,
    tiger,
)
from jaxnn.testing import feed


def test_averaged_sgd_evaluates_at_the_mean_of_its_points(x64: None) -> None:
    del x64
    params, hyper = feed.parameters("float64"), check(asgd, {"learning_rate": 0.3})
    updates, state, last = feed.run(asgd, params, feed.gradients("float64", 1), hyper)
    mean = asgd.evaluation_params(state, last, hyper)
    points = np.asarray(params["w"]) + np.cumsum(np.asarray(updates["w"]), axis=0)
    np.testing.assert_allclose(mean["w"], points[1:].mean(axis=0), rtol=1e-12)
    before = asgd.evaluation_params(asgd.init(params, hyper), params, hyper)
    np.testing.assert_array_equal(before["w"], params["w"])


@pytest.mark.parametrize("name", ["sgdp", "adamp"])
@pytest.mark.parametrize("axis", [-1, 0])
def test_projected_steps_are_at_right_angles_to_the_weights_of_each_output(
    name: str, axis: int, x64: None
) -> None:
    del x64
    rule, params = get(name, output_axis=axis), feed.parameters("float64", 1)
    hyper = check(rule, {"delta": 10.0, "eps": 1e-15, "learning_rate": 1.0})
    grads = feed.parameters("float64", 2)
    updates, _ = rule.update(grads, rule.init(params, hyper), params, hyper)
    products = np.sum(updates["w"] * params["w"], axis=-1 - axis)
    np.testing.assert_allclose(products, 0, atol=1e-12)
    assert np.abs(updates["w"]).min() > 1e-3


SAME = {
    "qhm is nesterov": (qhm.Hyper(0.5, 0.5, 0.5), nesterov, nesterov.Hyper(0.25, 0.5)),
    "aggmo is momentum": (aggmo.Hyper(0.3, (0.5,)), momentum, momentum.Hyper(0.3, 0.5)),
    "tiger is lion": (tiger.Hyper(0.3, 0.5, 0.1), lion, lion.Hyper(0.3, 0.5, 0.5, 0.1)),
    "ftrl is adagrad": (
        ftrl.Hyper(0.3),
        get("adagrad", flavor="torch"),
        get("adagrad", flavor="torch").Hyper(0.3, eps=1e-30),
    ),
}


@pytest.mark.parametrize(("hyper", "other", "other_hyper"), SAME.values(), ids=SAME)
def test_a_rule_is_another_at_some_numbers(
    hyper: Any, other: Any, other_hyper: Any, x64: None
) -> None:
    del x64
    rule = get(type(hyper).__module__.rpartition(".")[2])
    params, grads = feed.parameters("float64"), feed.gradients("float64", 1)
    ours = feed.run(rule, params, grads, check(rule, hyper))[0]
    theirs = feed.run(other, params, grads, check(other, other_hyper))[0]
    np.testing.assert_allclose(ours["w"], theirs["w"], rtol=1e-12)


def test_steps_of_kate_are_in_units_of_one_over_the_gradient(x64: None) -> None:
    del x64
    params, hyper = feed.parameters("float64"), check(kate, {"eta": 0.0, "eps": 1e-30})
    grads = feed.gradients("float64", 1)
    large = {name: 8 * rows for name, rows in grads.items()}
    steps, smaller = (feed.run(kate, params, g, hyper)[0]["w"] for g in (grads, large))
    np.testing.assert_allclose(steps, 8 * smaller, rtol=1e-12)


def test_vectors_take_the_steps_of_adamw(x64: None) -> None:
    del x64
    numbers = {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 0.1, "weight_decay": 0.1}
    params, grads = feed.parameters("float64"), feed.gradients("float64", 1)
    params, grads = {"b": params["b"]}, {"b": grads["b"]}
    ours, theirs = (feed.run(r, params, grads, check(r, numbers))[0] for r in (adamp, adamw))
    np.testing.assert_allclose(ours["b"], theirs["b"], rtol=1e-12)
