"""The check of the tests catches what is wrong, and names what nothing catches."""

from __future__ import annotations

import ast

import mutants
import pytest
from mutation import checks, operators

from jaxnn.optimizers import sgd

SOURCE = """
def update(h, m, v, t):
    return h.b1 * m / (tree.sqrt(v) + h.eps) - jnp.maximum(h.b2, 1 - 0.5**t)
"""
CHANGES = {
    "turned": "h.b1 * m / (tree.sqrt(v) + h.eps) + jnp.maximum(h.b2, 1 - 0.5 ** t)",
    "a product": "h.b1 * m * (tree.sqrt(v) + h.eps)",
    "a quotient": "h.b1 / m",
    "exchanged": "h.b2 * m",
    "a root left out": "v",
    "eps inside": "tree.sqrt(v + h.eps)",
    "eps dropped": "tree.sqrt(v) + 0 * h.eps",
    "eps larger": "tree.sqrt(v) + 10 * h.eps",
    "the other function": "jnp.minimum(h.b2, 1 - 0.5 ** t)",
    "one argument": "1 - 0.5 ** t",
    "b for 1 - b": "0.5 ** t",
    "no correction": "(1 - 0.5 ** t) ** 0",
    "another constant": "1.0 ** t",
}


def test_what_can_be_wrong_in_a_line() -> None:
    found = list(operators.mutants(SOURCE, "rule.py"))
    assert len({mutant.name for mutant in found}) == len(found)
    assert {mutant.line for mutant in found} == {3}
    after = {mutant.change.partition(" → ")[2] for mutant in found}
    assert set(CHANGES.values()) <= after
    before = {mutant.change.partition(" → ")[0] for mutant in found}
    assert all(text in ast.unparse(ast.parse(SOURCE)) for text in before)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the comparison with Optax, which is enough here."""
    monkeypatch.setattr(mutants, "_checks", lambda target: (list(checks.glances(["sgd"])), []))


@pytest.mark.usefixtures("quick")
def test_mutants_of_a_rule_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    code = sgd.update.__code__
    assert mutants.main(["sgd"]) == 0
    assert "| `sgd` | 2 | 2 | 0 | 0 | 0 | 0 |" in capsys.readouterr().out
    assert sgd.update.__code__ is code


def test_a_survivor_is_named_and_may_be_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "_checks", lambda target: ([], []))
    assert mutants.main(["sgd", "--limit", "1"]) == 1
    assert "Survives: jaxnn/optimizers/sgd.py:" in capsys.readouterr().out
    change = "update: -h.learning_rate * g → -h.learning_rate / g"
    monkeypatch.setitem(mutants.EQUIVALENT, "sgd", {change: "for the test"})
    assert mutants.main(["sgd", "--limit", "1"]) == 0


@pytest.mark.usefixtures("quick")
def test_an_explanation_of_what_is_caught_is_stale(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(mutants.EQUIVALENT, "sgd", {"update: gone": "for the test"})
    assert mutants.main(["sgd"]) == 1
    assert "explained in mutation/equivalent.toml: update: gone" in capsys.readouterr().out
