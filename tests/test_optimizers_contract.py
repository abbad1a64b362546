"""Every rule of the table, in every structural variant, keeps every contract."""

from __future__ import annotations

import importlib
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import chex
import jax
import jax.numpy as jnp
import pytest

from jaxnn.errors import BadValue
from jaxnn.optimizers import OPTIMIZERS, base, get, hypers, rmsprop
from jaxnn.testing import CONTRACTS, ContractError, check_optimizer, feed, variants

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
    check_optimizer("momentum", get("momentum").Hyper(learning_rate=30.0, momentum=0.99))
    check_optimizer("rmsprop", rmsprop.Hyper(decay=0.5, initial_scale=1.0))


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


def test_structural_options_that_contradict_each_other() -> None:
    rule = get("rmsprop", centered=True, bias_correction=True)
    with pytest.raises(BadValue) as caught:
        rule.init({}, rule.Hyper())
    assert str(caught.value) == (
        "rmsprop: `bias_correction` must be False with centered=True; got True. "
        "The variance of one gradient is 0, so that the first step would be g/eps."
    )


# A good rule of a user, and what becomes of it when one line is wrong.

TOY = '''"""Normalised steps: u = −learning_rate · g / (√v + eps), v ← decay·v + (1 − decay)·g²."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Fraction, Params, Positive


class Hyper(NamedTuple):
    learning_rate: Positive = 1e-2
    decay: Fraction = 0.9
    eps: Positive = 1e-8


class State(NamedTuple):
    squares: Params


STRUCTURE = {}
SEARCH_SPACE = {"learning_rate": log_uniform(1e-4, 1e-1)}
REFERENCE = "nowhere.toy"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params, hyper):
    return State(tree.zeros_like(params, min_dtype=jnp.float32))


def update(grads, state, params, hyper):
    g, s, h = tree.promote(grads, state, hyper)
    squares = tree.map(lambda v, g: h.decay * v + (1 - h.decay) * g * g, s.squares, g)
    updates = tree.map(lambda v, g: -h.learning_rate * (g / (tree.sqrt(v) + h.eps)), squares, g)
    return tree.cast_like((updates, State(squares)), (grads, state))
'''

RETURN = "return tree.cast_like((updates, State(squares)), (grads, state))"
BODY = "    g, s, h ="
BROKEN = {  # what, by what it is replaced, the message; "…": there speaks JAX
    "a declaration is missing": (
        "NEEDS = frozenset()\n",
        "",
        "toy: contract `declares`: `NEEDS` must be declared; got nothing. "
        "For example: NEEDS = frozenset()",
    ),
    "a need that nobody supplies": (
        "NEEDS = frozenset()",
        'NEEDS = frozenset({"loss"})',
        "toy: contract `declares`: `NEEDS` must be a subset of hessian_diagonal, key, "
        "per_example_grads, residual_fn, value, value_fn; got loss.",
    ),
    "a search space that leaves the range": (
        '"learning_rate": log_uniform(1e-4, 1e-1)',
        '"decay": log_uniform(0.5, 1.0)',
        "toy: contract `declares`: it must run; it raised BadValue: "
        "toy: `decay` must be in [0, 1); got 1. Did you mean 0.9?",
    ),
    "a number without a default": (
        "learning_rate: Positive = 1e-2",
        "learning_rate: Positive",
        "toy: contract `declares`: it must run; it raised TypeError: "
        "Hyper.__new__() missing 1 required positional argument: 'learning_rate'",
    ),
    "an option that the functions do not take": (
        "STRUCTURE = {}",
        'STRUCTURE = {"centered": {False: {}, True: {}}}',
        "toy: contract `declares`: `init` must be a function with the keyword-only argument "
        "`centered=False`, as STRUCTURE says; got `None`.",
    ),
    "a function made anew at each access": (
        "def update(grads",
        "def __getattr__(name):\n"
        "    if name == 'update':\n"
        "        return lambda *args: step(*args)\n"
        "    raise AttributeError(name)\n\n\n"
        "def step(grads",
        "toy: contract `identity`: `update` must be the same function at each access; got a new "
        "one. Define it once, at the level of the module or class: jit compiles each new one.",
    ),
    "updates of another dtype": (
        RETURN,
        "return updates, State(tree.cast_like(squares, state.squares))",
        "toy: contract `keeps_types`: `updates['b']` must be of dtype float16, as the gradient; "
        "got float32.",
    ),
    "a state that changes dtype": (
        RETURN,
        "return tree.cast_like(updates, grads), State(tree.cast(squares, jnp.bfloat16))",
        "toy: contract `keeps_types`: `state.squares['b']` must be of dtype float32, "
        "as in the first state; got bfloat16.",
    ),
    "a state that changes structure": (
        RETURN,
        "return tree.cast_like((updates, (squares,)), (grads, (state.squares,)))",
        "toy: contract `keeps_types`: `state` must be of the structure "
        "PyTreeDef(CustomNode(namedtuple[State], [{'b': *, 'w': *}])), as in the first state; "
        "got PyTreeDef(({'b': *, 'w': *},)).",
    ),
    "a number that decides what is traced": (
        BODY,
        "    assert hyper.decay > 0 and grads\n" + BODY,
        "toy: contract `keeps_types`: …",
    ),
    "a constant of another dtype": (
        "-h.learning_rate * (g /",
        "jnp.float32(-1) * h.learning_rate * (g /",
        "toy: contract `strict_promotion`: it must run; it raised TypePromotionError: …",
    ),
    "a leaf that is not there": (
        BODY,
        "    assert grads and None not in grads.values()\n" + BODY,
        "toy: contract `empty_trees`: it must run; it raised AssertionError: ",
    ),
    "a number read while tracing": (
        BODY,
        "    rate = float(hyper.learning_rate)\n" + BODY,
        "toy: contract `one_trace`: it must run; it raised ConcretizationTypeError: …",
    ),
    "a state that starts as numbers of Python": (
        "State(tree.zeros_like(params, min_dtype=jnp.float32))",
        "State(jax.tree.map(lambda p: jnp.broadcast_to(jnp.asarray(0.0), p.shape), params))",
        "toy: contract `one_trace`: `update` must be traced once for three steps; got 2 traces. "
        "Keep shapes, dtypes and weak types of the state, and take numbers from `hyper` alone.",
    ),
    "a buffer of the parameters in the state": (
        "State(tree.zeros_like(params, min_dtype=jnp.float32))",
        "State(tree.cast(params, jnp.float32))",
        "toy: contract `donatable`: it must run; it raised …",
    ),
    "another formula without jit": (
        BODY,
        "    if not isinstance(hyper.decay, jax.core.Tracer):\n"
        "        grads = tree.map(jnp.negative, grads)\n" + BODY,
        "toy: contract `scan_as_loop`: `updates['b']` must be equal to those of a loop without "
        "jit; got a relative difference of 2.0e+00.",
    ),
    "another formula under vmap": (
        RETURN,
        "turn = jax.custom_batching.custom_vmap(lambda x: x)\n"
        "    turn.def_vmap(lambda size, batched, x: (-x, True))\n"
        "    updates = tree.map(turn, updates)\n"
        "    " + RETURN,
        "toy: contract `lanes_alone`: `updates['b']` must be equal to those of lane 0 alone; "
        "got a relative difference of 2.0e+00.",
    ),
    "nan for a gradient of zero": (
        "/ (tree.sqrt(v) + h.eps)",
        "/ tree.sqrt(v)",
        "toy: contract `finite`: `updates['b']` must be finite for float16 gradients of 0; "
        "got nan.",
    ),
    "an infinity that is hidden": (
        BODY,
        "    grads = tree.map(jnp.nan_to_num, grads)\n" + BODY,
        "toy: contract `shows_non_finite`: `updates['w']` must be non-finite for a gradient of "
        "inf; got finite. Let it through, so that the training loop sees it, or declare "
        "SATURATES = True if steps are bounded.",
    ),
    "a sign that is turned": (
        "-h.learning_rate * (g /",
        "h.learning_rate * (g /",
        "toy: contract `descends`: `updates` must be negative in sum for gradients of 1; got 0.64. "
        "Updates are added to the parameters, so that they carry the sign of −gradient.",
    ),
    "no step at all": (
        "-h.learning_rate * (g /",
        "-0 * h.learning_rate * (g /",
        "toy: contract `descends`: `updates` must be negative in sum for gradients of 1; got 0. "
        "Updates are added to the parameters, so that they carry the sign of −gradient.",
    ),
    "a number without a range": (
        "decay: Fraction = 0.9",
        "decay: float = 0.9",
        "toy: contract `declares`: `decay` must be annotated with its range, which tells a wrong "
        "number before anything compiles; got a type without one. Those of jaxnn.typing: "
        "Positive, NonNegative, Fraction, UnitInterval, Real.",
    ),
    "a number that is no field": (
        "eps: Positive = 1e-8",
        "eps: Positive = 1e-8\n    sharp = 10.0",
        "toy: contract `declares`: `sharp` must be a field of Hyper; got an attribute without a "
        "type. Give it its range: sharp: Positive = 10.0.",
    ),
    "a search space of pairs": (
        "log_uniform(1e-4, 1e-1)}",
        "(1e-4, 1e-1)}",
        "toy: contract `declares`: `SEARCH_SPACE['learning_rate']` must be a distribution of "
        "jaxnn.space; got (0.0001, 0.1). For example log_uniform(1e-4, 1e-1).",
    ),
    "a reference that is None": (
        'REFERENCE = "nowhere.toy"',
        "REFERENCE = None",
        "toy: contract `declares`: `REFERENCE` must be a string; got None.",
    ),
    "updates alone": (
        RETURN,
        "return tree.cast_like(updates, grads)",
        "toy: contract `keeps_types`: it must run; it raised BadType: toy: `update` must be a "
        "function that returns (updates, state); got one that returns …",
    ),
    "state and updates in the other order": (
        RETURN,
        "return tree.cast_like((State(squares), updates), (state, grads))",
        "toy: contract `keeps_types`: it must run; it raised BadType: toy: `update` must be a "
        "function that returns (updates, state); got updates of the structure "
        "PyTreeDef(CustomNode(namedtuple[State], [{'b': *, 'w': *}])). They are like the "
        "gradients, PyTreeDef({'b': *, 'w': *}).",
    ),
    "a branch on a number": (
        BODY,
        "    if hyper.decay > 0.5:\n        grads = tree.map(jnp.sign, grads)\n" + BODY,
        "toy: contract `keeps_types`: it must run; it raised TracerBoolConversionError: … A number "
        "that decides what is computed is structure: declare it in STRUCTURE, or choose with "
        "jnp.where.",
    ),
    "not as linear as it says": (
        "NEEDS = frozenset()",
        "NEEDS = frozenset()\nLINEAR = True",
        "toy: contract `linear`: `updates['b']` must be four times as large for four times the "
        "gradients; got another factor.",
    ),
    "a root without a derivative at zero": (
        "tree.sqrt(v)",
        "jnp.sqrt(v)",
        "toy: contract `differentiable`: `hyper.decay` must be a number with a finite derivative; "
        "got nan. Roots by jaxnn.tree.sqrt have the derivative 0 at 0.",
    ),
}


@pytest.fixture
def toy(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Writes the toy rule as a module of its own, with one text replaced, and imports it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(old: str = "import jax\n", new: str = "import jax\n") -> Any:
        assert TOY.count(old) == 1
        (tmp_path / "toy.py").write_text(TOY.replace(old, new))
        return importlib.import_module("toy")

    yield make
    sys.modules.pop("toy", None)


def test_a_good_rule_passes(toy: Callable[..., Any]) -> None:
    check_optimizer(toy())


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_caught(toy: Callable[..., Any], case: str) -> None:
    old, new, message = BROKEN[case]
    with pytest.raises(ContractError) as caught:
        check_optimizer(toy(old, new))
    start, open_, end = message.partition("…")
    text = str(caught.value)
    assert text.startswith(start)
    assert text.endswith(end)
    assert open_ or text == message


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
