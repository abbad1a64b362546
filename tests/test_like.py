"""`optimizers.like`: the rule and the numbers that do what another framework does."""

from __future__ import annotations

import inspect
import json
import operator
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from test_optimizers_golden import FILES, GOLDEN
from test_optimizers_golden import _cases as cases_of
from test_optimizers_golden import _tree as tree_of
from test_optimizers_reference import _require_close as require_close

from jaxnn import optimizers
from jaxnn.errors import BadValue
from jaxnn.optimizers import OPTIMIZERS, check, get, like, make_hyper
from jaxnn.optimizers.base import apply_updates, name_of
from jaxnn.optimizers.frameworks import keras, torch
from jaxnn.optimizers.like import FRAMEWORKS
from jaxnn.testing import feed


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if p.parent.name in FRAMEWORKS],
    ids=lambda p: f"{p.parent.name}-{p.stem}",
)
def test_names_of_golden_files_lead_to_their_rules(path: pathlib.Path, x64: None) -> None:
    del x64  # whose precision is a number of torch's Adafactor
    # The files say what these rules give.
    for label, about in cases_of(path).items():
        rule, hyper = like(path.parent.name, about["theirs"], **about["arguments"])
        wanted = get(path.stem, **about["structure"])
        assert rule is wanted, label
        assert hyper == make_hyper(wanted, about["hyper"]), label


def _signatures(framework: str) -> dict[str, dict[str, Any]]:
    """Arguments and defaults of every optimizer, as the framework has them."""
    text = (GOLDEN[0].parents[1] / framework / "signatures.json").read_text()
    return {
        name: {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
        for name, arguments in json.loads(text).items()
    }


RECORDED = ("torch", "keras")


@pytest.mark.parametrize("framework", RECORDED)
def test_optimizers_have_the_arguments_and_defaults_of_the_framework(framework: str) -> None:
    signatures, there = _signatures(framework), FRAMEWORKS[framework]
    assert signatures.keys() == there.NAMES.keys() | there.REFUSED.keys()
    for name in there.NAMES:
        assert like(framework, name) == like(framework, name, **signatures[name]), name
        with pytest.raises(BadValue) as caught:
            like(framework, name, zzz=0)
        assert str(caught.value) == (
            f"like({framework}.{name}): `arguments` must be one of "
            f"{', '.join(sorted(signatures[name]))}; got 'zzz'."
        )


@pytest.mark.parametrize("framework", RECORDED)
def test_golden_files_try_another_value_of_every_argument(framework: str) -> None:
    there, signatures, tried = FRAMEWORKS[framework], _signatures(framework), set()
    for path in GOLDEN:
        if path.parent.name == framework:
            for about in cases_of(path).values():
                default = signatures[about["theirs"]]
                given = about["arguments"].items()
                tried |= {(about["theirs"], k) for k, v in given if v != default[k]}
    asked = {(name, k) for name in there.NAMES for k in signatures[name]} - UNTRIED
    asked -= {(name, k) for name, k in asked if k in there.ONLY}
    if framework == "torch":
        asked -= {(name, k) for name in there.NAMES for k in torch.BESIDE[name]}
    else:
        asked -= {(name, k) for name in there.NAMES for k in keras.COMMON}
        assert {k for _, k in tried} >= keras.CLIPS.keys() | {"gradient_accumulation_steps"}
    assert asked <= tried


UNTRIED = {
    ("Muon", "exclude_layers"),
    ("Muon", "exclude_embeddings"),
    ("Ftrl", "weight_decay"),
    ("SGD", "dampening"),
}
"""Those that go by names of leaves, one that is refused, and one that is or does nothing."""


def test_what_is_refused_for_optax_is_there() -> None:
    for name in FRAMEWORKS["optax"].REFUSED:
        assert hasattr(optax, name) or hasattr(optax.contrib, name), name
        if name != "lbfgs":
            wrapper = FRAMEWORKS["optax"].REFUSED[name].split()[0].removeprefix("optimizers.")
            assert callable(getattr(optimizers, wrapper))


def _run(rule: Any, hyper: Any, start: Any, grads: Any) -> Any:
    """Parameters after every step."""

    def step(carry: Any, grads: Any) -> Any:
        params, state = carry
        updates, state = rule.update(grads, state, params, hyper)
        params = apply_updates(params, updates)
        return (params, state), params

    return jax.lax.scan(step, (start, rule.init(start, hyper)), grads)[1]


@pytest.mark.parametrize(
    "path", [p for p in GOLDEN if p.stem == "like"], ids=lambda p: p.parent.name
)
def test_rules_in_wrappers_agree_with_golden_files(path: pathlib.Path, x64: None) -> None:
    del x64
    cases = cases_of(path)
    with np.load(path) as golden:
        start, grads = tree_of(golden, "start"), tree_of(golden, "grads")
        wanted = {case: tree_of(golden, case)["params"] for case in cases}
    recipes = {k: like(path.parent.name, c["theirs"], **c["arguments"]) for k, c in cases.items()}

    @jax.jit
    def run(start: Any, grads: Any, hypers: Any) -> Any:
        return {case: _run(recipes[case][0], hypers[case], start, grads) for case in cases}

    found = run(start, grads, {case: check(*recipe) for case, recipe in recipes.items()})
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=0)


DEMANDED = {
    "learning_rate": 0.1,
    "l2_norm_clip": 1.0,
    "noise_multiplier": 1.0,
}
"""What Optax has no default for."""


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_name_makes_a_step(framework: str) -> None:
    params, grads = (feed.parameters("float32", seed) for seed in (0, 1))
    for name in FRAMEWORKS[framework].NAMES:
        arguments = {}
        if framework == "optax":
            known = inspect.signature(_of_optax(name)).parameters
            arguments = {k: v for k, v in DEMANDED.items() if k in known}
        rule, hyper = like(framework, name.upper(), **arguments)
        hyper = check(rule, hyper)
        state = rule.init(params, hyper)
        updates, _ = jax.eval_shape(
            lambda g, s, p, h, rule=rule: feed.update(rule, g, s, p, h), grads, state, params, hyper
        )
        assert jax.tree.structure(updates) == jax.tree.structure(params), name


def _of_optax(name: str) -> Any:
    return operator.attrgetter(OPTIMIZERS[name].REFERENCE.removeprefix("optax."))(optax)


def test_every_alias_of_optax_that_is_here_has_its_name() -> None:
    names = FRAMEWORKS["optax"].NAMES
    missing = {
        name
        for name, rule in OPTIMIZERS.items()
        if rule.REFERENCE.startswith("optax.") and name not in names
    }
    assert missing == {"momentum", "nesterov"}  # sgd there


def test_defaults_that_are_left_out_are_those_of_optax() -> None:
    for name in FRAMEWORKS["optax"].NAMES:
        rule = OPTIMIZERS[name]
        for argument, parameter in inspect.signature(_of_optax(name)).parameters.items():
            default = parameter.default
            if isinstance(default, float | int) and argument in rule.Hyper._fields:
                assert rule.Hyper._field_defaults[argument] == default, (name, argument)


def of_matrices(params: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim > 1, params)


TRANSLATED = [
    ("sgd", {"learning_rate": 0.1, "momentum": 0.5}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.5, "nesterov": True}),
    ("rmsprop", {"learning_rate": 0.1, "centered": True, "momentum": 0.5, "nesterov": True}),
    ("adam", {"learning_rate": 0.1, "b1": 0.5, "nesterov": True}),
    ("nadamw", {"learning_rate": 0.1, "nesterov": False, "weight_decay": 0.1}),
    ("adamw", {"learning_rate": 0.1, "mask": of_matrices}),
    ("lion", {"learning_rate": 0.1, "b2": 0.5, "weight_decay": 0.1, "mask": of_matrices}),
    ("adadelta", {"learning_rate": 1, "weight_decay": 0.1, "weight_decay_mask": of_matrices}),
    ("adafactor", {"clipping_threshold": None, "min_dim_size_to_factor": 2, "decay_rate": 0.7}),
    ("dog", {"init_step": ("distance", 1e-2), "weight_decay": 0.1}),
    ("prodigy", {"betas": (0.5, 0.9)}),
    ("dadapt_adamw", {"betas": (0.5, 0.9)}),
    ("muon", {"learning_rate": 0.1, "consistent_rms": 0.3, "adam_learning_rate": 0.2}),
]


def test_arguments_of_optax_that_have_other_names_here(x64: None) -> None:
    del x64
    params = {"b": jnp.array([0.5, -1.0]), "w": jnp.array([[1.0, 2.0], [3.0, -4.0], [0.5, 0.1]])}
    rng = np.random.default_rng(0)
    grads = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=(5, *p.shape)), p.dtype), params)
    recipes = [like("optax", name, **arguments) for name, arguments in TRANSLATED]

    def theirs(name: str, arguments: dict[str, Any], params: Any, grads: Any) -> Any:
        # A float of Python meets float32 in adafactor.
        wide = {k: jnp.float64(v) if isinstance(v, float) else v for k, v in arguments.items()}
        transformation = _of_optax(name)(**wide)

        def step(carry: Any, grads: Any) -> Any:
            params, state = carry
            updates, state = transformation.update(grads, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        return jax.lax.scan(step, (params, transformation.init(params)), grads)[1]

    @jax.jit
    def both(params: Any, grads: Any, hypers: Any) -> Any:
        ours = [_run(rule, h, params, grads) for (rule, _), h in zip(recipes, hypers, strict=True)]
        return ours, [theirs(*case, params, grads) for case in TRANSLATED]

    found = both(params, grads, [check(*recipe) for recipe in recipes])
    # With the axis of settings that it expects before that of steps.
    require_close(*jax.tree.map(lambda x: x[None], found), rtol=1e-12, num_ulps=4)

    rule, hyper = like("optax", "adafactor", momentum=0.5)  # which Optax keeps in float32
    assert rule is get("adafactor", acceleration="momentum")
    assert hyper == rule.Hyper(learning_rate=1.0, momentum=0.5)


def test_numbers_may_be_traced() -> None:
    def step(rate: Any, decay: Any) -> Any:
        rule, hyper = like("torch", "Adam", lr=rate, weight_decay=decay)
        assert name_of(rule) == "regularized(adam)"
        return rule.update(jnp.ones(3), rule.init(jnp.ones(3), hyper), jnp.ones(3), hyper)[0]

    rates = jnp.array([0.1, 0.2])
    np.testing.assert_allclose(jax.vmap(step)(rates, rates), -np.outer(rates, np.ones(3)), 1e-6)


def test_numbers_may_be_arrays_for_vmap() -> None:
    decays = np.array([0.0, 1e-2])
    rule, hyper = like("torch", "SGD", lr=0.1, momentum=decays, weight_decay=decays)
    assert name_of(rule) == "regularized(momentum)"
    assert hyper.weight_decay is decays
    assert hyper.inner.momentum is decays
    assert like("keras", "RMSprop", momentum=None)[1].momentum == 0


def test_what_changes_no_result_is_taken() -> None:
    plain = like("torch", "adam")
    assert like("TORCH", "ADAM", fused=True, foreach=None, maximize=False, amsgrad=False) == plain
    assert like("keras", "SGD", name="mine", use_ema=False, weight_decay=None) == like(
        "keras", "sgd"
    )
    assert like("torch", "SGD", momentum=0.0, weight_decay=0)[0] is OPTIMIZERS["sgd"]
    assert name_of(like("keras", "Lion", global_clipnorm=1.0)[0]) == "clipped(lion(flavor='keras'))"
