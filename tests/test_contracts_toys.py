"""The contracts on a good rule of a user, and on what becomes of it when one line is wrong."""

from __future__ import annotations

import importlib
import pathlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jaxnn.testing import ContractError, check_optimizer

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
FORMULA = TOY[TOY.index(BODY) : TOY.index(RETURN)]
WITH_OPTION = """


plain, started, STRUCTURE = update, init, {"sharp": {False: {}, True: {}}}


def init(params, hyper, *, sharp=False):
    return started(params, hyper)


def update(grads, state, params, hyper, *, sharp=False):
    if not sharp:
        return plain(grads, state, params, hyper)
    """
COUNTED = """


class Counted(NamedTuple):
    step: jax.Array
    own: State


plain, started = update, init


def init(params, hyper):
    return Counted(jnp.zeros((), jnp.int32), started(params, hyper))


def update(grads, state, params, hyper):
    updates, own = plain(grads, state.own, params, hyper)
    step = state.step + 1
    updates = tree.map(lambda u: u / jnp.sqrt(step.astype(u.dtype)), updates)
    return updates, Counted(step, own)
"""
INFLUENCE = (
    "must be of influence on the trained loss by its derivatives; got 0 for each. "
    "Leave out stop_gradient, or declare REVERSE_DIFFERENTIABLE = False."
)
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
        "/ (tree.sqrt(v) + 0 * h.eps)",
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
    "a formula for matrices alone": (
        BODY,
        "    grads = tree.map(lambda g: jnp.einsum('ij->ij', g) if g.ndim else g, grads)\n" + BODY,
        "toy: contract `any_tree`: it must run for a leaf of shape (3,); it raised ValueError: … "
        "Leaves differ: look at the ndim of each.",
    ),
    "a dict and nothing else": (
        BODY,
        "    grads = {name: g for name, g in grads.items()}\n" + BODY,
        "toy: contract `any_tree`: it must run for trees of tuples, lists, NamedTuples or one "
        "array; it raised AttributeError: 'tuple' object has no attribute 'items'. "
        "Go through them with jaxnn.tree.map.",
    ),
    "a variant that raises": (
        RETURN,
        RETURN + WITH_OPTION + "raise NotImplementedError('sharp steps')\n",
        "toy(sharp=True): contract `keeps_types`: it must run; it raised NotImplementedError: "
        "sharp steps",
    ),
    "gradients that are written into": (
        BODY,
        "    if isinstance(grads, dict):\n        grads |= tree.map(lambda g: 2 * g, grads)\n"
        + BODY,
        "toy: contract `scan_as_loop`: `grads` must be left as it was given; got one that was "
        "written into. Make new trees, as jaxnn.tree.map does.",
    ),
    "a state that is written into": (
        RETURN,
        "if isinstance(grads, dict):\n"
        "        state.squares.update(tree.cast_like(squares, state.squares))\n"
        "    " + RETURN,
        "toy: contract `scan_as_loop`: `state` must be left as it was given; got one that was "
        "written into. Make new trees, as jaxnn.tree.map does.",
    ),
    "a number of evaluations that is none": (
        "NEEDS = frozenset()",
        'NEEDS = frozenset()\nEVALUATIONS = "many"',
        "toy: contract `declares`: `EVALUATIONS` must be a positive integer; got 'many'. "
        "It is the number of gradient evaluations that a step makes.",
    ),
    "a count that wraps": (
        RETURN,
        RETURN + COUNTED,
        "toy: contract `counts_on`: `state.step` must be at least 0 after more steps than its "
        "counts can hold; got -2147483645. Count by jaxnn.tree.increment, which stops at the "
        "largest.",
    ),
    "a decay by a count that wraps": (
        RETURN,
        RETURN
        + COUNTED.replace("state.step + 1", "jnp.abs(state.step) + 1").replace(
            "Counted(step,", "Counted(jnp.abs(state.step) + 0 * step,"
        ),
        "toy: contract `counts_on`: `updates['b']` must be finite after more steps than its counts "
        "can hold; got nan. Count by jaxnn.tree.increment, which stops at the largest.",
    ),
    "steps that no derivative passes": (
        RETURN,
        "updates = jax.lax.stop_gradient(updates)\n    " + RETURN,
        f"toy: contract `differentiable`: `hyper` {INFLUENCE}",
    ),
    "a start that no derivative reaches": (
        FORMULA,
        "    grads = jax.lax.stop_gradient(grads)\n"
        + FORMULA
        + "still = lambda p: jax.lax.stop_gradient(p) - p\n"
        "    updates = tree.map(lambda u, p: u + still(p).astype(u.dtype), updates, params)\n    ",
        f"toy: contract `differentiable`: `params` {INFLUENCE}",
    ),
    "a number without effect": (
        "eps: Positive = 1e-8",
        "eps: Positive = 1e-8\n    power: Positive = 2.0",
        "toy: contract `reads_all`: `hyper.power` must be of effect on what `init` or `update` "
        "returns; got none. Use it, or take it out.",
    ),
    "a loss that is asked for and ignored": (
        "def update(grads, state, params, hyper):",
        'NEEDS = frozenset({"value"})\n\n\ndef update(grads, state, params, hyper, *, value):',
        "toy: contract `reads_all`: `NEEDS['value']` must be of effect on what `init` or `update` "
        "returns; got none. Use it, or take it out.",
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
    pattern = ".*".join(map(re.escape, message.split("…")))
    assert re.fullmatch(pattern, str(caught.value), re.DOTALL)
