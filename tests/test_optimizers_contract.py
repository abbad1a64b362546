"""Every rule of the table, in every structural variant, keeps every contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import chex
import jax
import jax.numpy as jnp
import pytest

from jaxnn.errors import BadValue
from jaxnn.optimizers import OPTIMIZERS, adagrad, base, clipped, get, hypers, rmsprop
from jaxnn.testing import CONTRACTS, check_optimizer, feed, variants

COVERING = {  # rules of many options: a few programs in which each value of each option occurs
    "rmsprop": (
        {"centered": True, "eps_in_sqrt": False, "acceleration": "nesterov"},
        {"bias_correction": True, "eps_in_sqrt": False, "acceleration": "momentum"},
        {"flavor": "torch", "centered": True, "acceleration": "momentum"},
        {"flavor": "keras"},
    ),
    "adafactor": (
        {"flavor": "keras", "factored": False},
        {"min_dim_size_to_factor": 2, "clipping": False, "acceleration": "momentum"},
        {"flavor": "torch", "min_dim_size_to_factor": 32, "multiply_by_parameter_scale": False},
    ),
    "muon": (
        {"flavor": "torch", "nesterov": False, "preconditioning": "spectral", "ns_coeffs": "dion"},
        {"adaptive": True, "preconditioning": "aol", "scaling": "consistent_rms"},
        {
            "flavor": "keras",
            "preconditioning": "schatten",
            "ns_steps": 4,
            "scaling": "none",
            "own_adam_rate": True,
        },
    ),
}


def _program(rule: Any) -> str:
    """What a rule computes, numbers being arguments."""
    params, hyper = feed.parameters("float32", 1), hypers.check(rule, rule.Hyper())

    def both(params: Any, hyper: Any) -> Any:
        state = rule.init(params, hyper)
        return state, rule.update(params, state, params, hyper)

    return str(jax.make_jaxpr(both)(params, hyper))


def _cases() -> Iterator[Any]:
    """Every contract for each program, and for flavours that share one what they declare."""
    for name in OPTIMIZERS:
        covering = [get(name), *(get(name, **options) for options in COVERING.get(name, ()))]
        rules, programs = covering if name in COVERING else list(variants(name)), set()
        for rule in rules:
            contracts = list(CONTRACTS)
            if "flavor" in dict(getattr(rule, "structure", ())):
                programs = programs or {_program(rules[0])}
                program = _program(rule)
                contracts = ["declares"] if program in programs else contracts
                programs.add(program)
            yield from ((rule, contract) for contract in contracts)


@pytest.mark.parametrize(
    ("rule", "contract"),
    [pytest.param(*case, id=f"{base.name_of(case[0])}-{case[1]}") for case in _cases()],
)
def test_contract(rule: Any, contract: str) -> None:
    CONTRACTS[contract](rule)


def test_contracts_hold_for_other_numbers() -> None:
    for holds in CONTRACTS.values():
        holds("momentum", get("momentum").Hyper(learning_rate=30.0, momentum=0.99))
        holds("rmsprop", rmsprop.Hyper(decay=0.5, initial_scale=1.0))


def test_every_value_of_every_option_is_covered() -> None:
    for name, programs in COVERING.items():
        for option, values in get(name).STRUCTURE.items():
            default = next(iter(values))
            assert {program.get(option, default) for program in programs} | {default} == set(values)


def test_variants_differ_in_one_option_each() -> None:
    assert list(variants("sgd")) == [get("sgd")]
    flavors = [get("adagrad"), get("adagrad", flavor="torch"), get("adagrad", flavor="keras")]
    assert list(variants("adagrad")) == flavors
    assert len(list(variants("rmsprop"))) == 8


def test_each_variant_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setitem(CONTRACTS, "linear", lambda rule, hyper: calls.append((rule, hyper)))
    for name in CONTRACTS.keys() - {"linear"}:
        monkeypatch.setitem(CONTRACTS, name, lambda rule, hyper: None)
    torch = get("adagrad", flavor="torch")
    check_optimizer("adagrad")
    assert calls == [(get("adagrad"), None), (torch, None), (get("adagrad", flavor="keras"), None)]

    calls.clear()
    hyper = clipped(adagrad).Hyper(max_norm=2.0)
    check_optimizer(clipped(adagrad), hyper)
    assert (clipped(torch), hyper) in calls
    assert (clipped(adagrad, by="block"), None) in calls

    calls.clear()
    centered = get("rmsprop", centered=True)
    check_optimizer(centered)
    assert get("rmsprop", centered=True, bias_correction=True) not in [rule for rule, _ in calls]
    assert get("rmsprop", centered=True, eps_in_sqrt=False) in [rule for rule, _ in calls]


def test_structural_options_that_contradict_each_other() -> None:
    rule = get("rmsprop", centered=True, bias_correction=True)
    with pytest.raises(BadValue) as caught:
        rule.init({}, rule.Hyper())
    assert str(caught.value) == (
        "rmsprop: `bias_correction` must be False with centered=True; got True. "
        "The variance of one gradient is 0, so that the first step would be g/eps."
    )


class Asking:
    """A rule that asks for everything and gives it back as its state."""

    NEEDS = frozenset(base.NEEDS)

    @staticmethod
    def update(grads: Any, state: Any, params: Any, hyper: Any, **extra: Any) -> tuple[Any, Any]:
        del state, params, hyper
        return grads, extra


def test_what_a_rule_asks_for_fits_its_gradients() -> None:
    grads, params = feed.parameters("float32", 1), feed.parameters("float32", 2)
    extra = feed.update(Asking, grads, None, params, None)[1]
    assert extra.keys() == base.NEEDS.keys()

    assert float(extra["value"]) == float(extra["value_fn"](params))
    chex.assert_trees_all_close(jax.grad(extra["value_fn"])(params), grads, rtol=1e-6)
    residuals, pull_back = jax.vjp(extra["residual_fn"], params)
    chex.assert_trees_all_close(pull_back(residuals)[0], grads, rtol=1e-6)
    assert float(extra["value"]) == pytest.approx(float(residuals @ residuals) / 2)
    mean = jax.tree.map(lambda g: g.mean(axis=0), extra["per_example_grads"])
    chex.assert_trees_all_close(mean, grads)
    chex.assert_trees_all_equal(extra["hessian_diagonal"], jax.tree.map(jnp.ones_like, params))
    assert jnp.issubdtype(extra["key"].dtype, jax.dtypes.prng_key)


def test_every_rule_of_the_table_says_where_it_belongs() -> None:
    for name, rule in OPTIMIZERS.items():
        assert rule.FAMILY in base.FAMILIES, name
        assert 1847 <= rule.YEAR <= 2026, name
        assert "Reference: " in rule.__doc__, name
        assert rule.__name__ == f"jaxnn.optimizers.{name}"
