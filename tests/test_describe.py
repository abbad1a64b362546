"""`optimizers.describe`: what it says of a rule is what the rule is."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxnn.errors import BadValue
from jaxnn.optimizers import OPTIMIZERS, adam, describe, get, scheduled
from jaxnn.schedules import cosine


def test_the_text_holds_formula_numbers_cost_and_paper() -> None:
    params = {"w": jnp.zeros((10, 10)), "b": None}
    assert str(describe("adam", params, {"b1": 0.8})) == (
        "adam (adaptive, 2015): momentum divided by the root of a decaying mean of squares, both "
        "corrected for their start\n"
        "\n"
        "    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1\n"
        "    u = −learning_rate · m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ) + eps_root) + eps)\n"
        "\n"
        "  learning_rate = 0.001  > 0\n"
        "  b1 = 0.8  in [0, 1)\n"
        "  b2 = 0.999  in [0, 1)\n"
        "  eps = 1e-08  > 0\n"
        "  eps_root = 0  >= 0\n"
        "  flavor: 'optax' | 'keras'\n"
        "\n"
        "state: 804 bytes, 2.01 × the parameters\n"
        "kept: step in int32; mean, mean_of_squares in float32\n"
        "needs: gradients alone\n"
        "gradient evaluations: 1 a step\n"
        "jax.grad through training: yes\n"
        'reference: Kingma, Ba 2015, ICLR, "Adam: A Method for Stochastic Optimization", '
        "algorithm 1\n"
        "agrees with: `optax.adam` and, at eps_root = 0, with torch's Adam; in its flavour "
        "with Keras"
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_of_the_table_has_all_parts(name: str) -> None:
    found = describe(name)
    for part in (found.summary, found.formula, found.agrees_with):
        assert part, name
    assert found.paper != "none"
    assert found.family == OPTIMIZERS[name].FAMILY
    fields = dict.fromkeys(number.name.partition(".")[0] for number in found.numbers)
    assert list(fields) == list(OPTIMIZERS[name].Hyper._fields)


def test_state_in_low_precision_is_counted_as_it_is_kept() -> None:
    params = jax.ShapeDtypeStruct((1000,), jnp.bfloat16)
    found = describe(adam, params)
    assert found.state_bytes == 4 + 2 * 4 * 1000
    assert found.state_multiple == pytest.approx(4.0, rel=1e-2)
    assert describe("sgd", {}).state_multiple == 0


def test_variants_wrappers_and_rules_of_ones_own_are_described_too() -> None:
    assert describe(get("rmsprop", flavor="torch")).numbers[1].value == pytest.approx(0.99)
    names = [n.name for n in describe(scheduled("adam", learning_rate=cosine)).numbers]
    assert "inner.b1" in names
    assert "num_steps" in names


@pytest.mark.parametrize(("name", "answer"), [("sgd", "yes"), ("lbfgs", "no")])
def test_whether_gradients_pass_through_training_is_said(name: str, answer: str) -> None:
    assert f"\njax.grad through training: {answer}\n" in str(describe(name))


def test_bad_input_is_refused() -> None:
    with pytest.raises(BadValue, match="Did you mean 'adam'"):
        describe("adam_")
    with pytest.raises(BadValue, match=r"`b1` must be in \[0, 1\); got 2"):
        describe("adam", hyper={"b1": 2.0})
