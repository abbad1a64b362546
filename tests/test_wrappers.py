"""What wrappers share, and what each does that Optax cannot say: structure, masks, errors."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import tree
from jaxnn.optimizers import (
    OPTIMIZERS,
    accumulated,
    adam,
    adaptive_clipped,
    apply_updates,
    averaged,
    base,
    bind,
    cautious,
    centralized,
    check,
    clipped,
    decayed,
    flattened,
    frozen,
    get,
    lookahead,
    mechanize,
    momentum,
    partitioned,
    reduce_on_plateau,
    rmsprop,
    rounded,
    sam,
    schedule_free,
    scheduled,
    sgd,
    skip_non_finite,
    split_complex,
    stored,
)
from jaxnn.schedules import linear, warmup_cosine
from jaxnn.training.train import checked_hyper

PARAMS = {"b": jnp.array([0.5, -1.0]), "w": jnp.array([[1.0, 2.0], [3.0, -4.0], [0.5, 0.0]])}


def is_matrix(params: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim > 1, params)


def kinds(params: Any) -> Any:
    return jax.tree.map(lambda x: "matrices" if x.ndim > 1 else "rest", params)


def once(rule: Any, hyper: Any = None, grads: Any = None, **extra: Any) -> Any:
    hyper = check(rule, {} if hyper is None else hyper)
    grads = PARAMS if grads is None else grads
    return rule.update(grads, rule.init(PARAMS, hyper), PARAMS, hyper, **extra)


# What they share


ONE_OF_EACH = [
    accumulated(adam, mean=False),
    adaptive_clipped(adam, axis=0),
    averaged(adam),
    cautious(adam),
    centralized(adam, output_axis=-1),
    clipped(adam, "value"),
    decayed(adam, {"b": False, "w": True}),
    frozen(adam, is_matrix),
    lookahead(clipped("adam")),
    mechanize(adam, num_betas=3),
    partitioned({"matrices": adam, "rest": sgd}, {"b": "rest", "w": "matrices"}),
    reduce_on_plateau(adam),
    rounded(adam, "stochastic"),
    sam(adam),
    schedule_free(sgd),
    skip_non_finite(get("rmsprop", centered=True)),
    split_complex(adam),
    flattened(adam),
    stored(adam, fields=("mean",)),
]


@pytest.mark.parametrize("rule", ONE_OF_EACH, ids=base.name_of)
def test_it_is_one_object_by_value_and_pickles(rule: Any) -> None:
    copy = pickle.loads(pickle.dumps(rule))
    assert copy is rule
    assert hash(copy) == hash(rule)
    hyper = check(rule, rule.Hyper())
    assert jax.tree.structure(pickle.loads(pickle.dumps(hyper))) == jax.tree.structure(hyper)


def test_the_same_arguments_give_the_same_object() -> None:
    assert clipped(adam) is clipped("adam") is clipped(adam, by="global_norm")
    assert clipped(adam) != clipped(adam, "value")
    assert decayed(adam, {"b": [True, False]}) is decayed(adam, {"b": [np.bool_(True), False]})
    assert decayed(adam, {"b": [True, False]}) is not decayed(adam, {"b": (True, False)})
    groups = {"x": adam, "y": sgd}
    assert partitioned(groups, {"b": "x"}) is partitioned({"y": sgd, "x": adam}, {"b": "x"})


def test_names_say_what_was_made() -> None:
    assert [base.name_of(rule) for rule in ONE_OF_EACH] == [
        "accumulated(adam, mean=False)",
        "adaptive_clipped(adam, axis=(0,))",
        "averaged(adam)",
        "cautious(adam)",
        "centralized(adam, output_axis=-1)",
        "clipped(adam, by='value')",
        "decayed(adam, mask={'b': False, 'w': True})",
        "frozen(adam, mask=is_matrix)",
        "lookahead(clipped(adam))",
        "mechanize(adam, num_betas=3)",
        "partitioned(matrices=adam, rest=sgd)",
        "reduce_on_plateau(adam)",
        "rounded(adam, mode='stochastic')",
        "sam(adam)",
        "schedule_free(sgd)",
        "skip_non_finite(rmsprop(centered=True))",
        "split_complex(adam)",
        "flattened(adam)",
        "stored(adam, fields=('mean',))",
    ]


def test_structure_is_reached_by_dotted_names_too() -> None:
    rule = lookahead(clipped("rmsprop"))
    assert set(rule.STRUCTURE["inner.by"]) == {"global_norm", "value", "block", "leaf_norm"}
    assert rule.STRUCTURE["inner.inner.flavor"]["torch"] == {
        "inner.inner.learning_rate": 1e-2,
        "inner.inner.decay": 0.99,
    }
    other = base.variant(rule, **{"inner.by": "value", "inner.inner.centered": True})
    assert other is lookahead(clipped(get("rmsprop", centered=True), "value"))
    assert base.variant(rule, reset_state=True) is lookahead(rule.rule, reset_state=True)
    groups = partitioned({"x": rmsprop, "y": sgd}, kinds)
    changed = base.variant(groups, **{"inner.x.centered": True})
    assert changed is partitioned({"x": get("rmsprop", centered=True), "y": sgd}, kinds)


class _Hyper(NamedTuple):
    learning_rate: float = 0.5


class _Asking:
    """A rule that asks for everything and remembers what it was given; never really run."""

    Hyper = _Hyper
    STRUCTURE: dict[str, Any] = {}  # noqa: RUF012
    SEARCH_SPACE: dict[str, Any] = {}  # noqa: RUF012
    REFERENCE = "nowhere.asking"
    NEEDS = frozenset(base.NEEDS)
    REVERSE_DIFFERENTIABLE = False
    EVALUATIONS = 3
    SATURATES = True
    GRADIENT_RANGE = 0.25

    def init(self, params: Any, hyper: Any) -> Any:
        del params, hyper
        return ()

    def update(self, grads: Any, state: Any, params: Any, hyper: Any, **extra: Any) -> Any:
        del params, hyper
        self.seen = extra
        return jax.tree.map(jnp.negative, grads), state

    def value_and_grad(self, state: Any) -> Any:
        return "value", state

    def record(self, state: Any) -> Any:
        del state
        return {"step_size": 1.0}


def test_declarations_are_forwarded() -> None:
    asking = _Asking()
    rule: Any = skip_non_finite(averaged(asking))
    assert base.NEEDS.keys() == rule.NEEDS
    assert rule.EVALUATIONS == 3
    assert rule.REFERENCE == "nowhere.asking"
    assert (rule.SATURATES, rule.SKIPS_NON_FINITE, rule.REVERSE_DIFFERENTIABLE) == (
        True,
        True,
        False,
    )
    assert rule.GRADIENT_RANGE == 0.25
    state = rule.init(PARAMS, rule.Hyper())
    assert rule.value_and_grad(state) == ("value", ())
    assert rule.record(state) == {"step_size": 1.0}
    assert not hasattr(decayed(asking), "value_and_grad")
    assert not hasattr(clipped(adam), "value_and_grad")


def test_linear_rules_stay_so_only_where_the_wrapper_is() -> None:
    assert averaged(cautious(momentum)).LINEAR
    assert not clipped(momentum).LINEAR
    assert clipped(momentum).GRADIENT_RANGE == 1.0
    assert lookahead(momentum).GRADIENT_RANGE == 0.5
    assert partitioned({"x": adam, "y": sgd}, kinds).GRADIENT_RANGE == 0.5
    assert partitioned({"x": momentum, "y": sgd}, kinds).LINEAR
    assert stored(momentum).LINEAR
    assert rounded(momentum).GRADIENT_RANGE == 0.5
    assert lookahead(adam).GRADIENT_RANGE == 1.0


def test_search_spaces_name_own_numbers_and_those_inside() -> None:
    rule = decayed(clipped(sgd, "value"))
    assert set(rule.SEARCH_SPACE) == {
        "weight_decay",
        "inner.max_delta",
        "inner.inner.learning_rate",
    }
    rule = partitioned({"x": sgd, "y": sgd}, kinds)
    assert set(rule.SEARCH_SPACE) == {"inner.x.learning_rate", "inner.y.learning_rate"}


def test_training_takes_the_numbers_of_the_rule_as_if_it_stood_alone() -> None:
    rule = averaged(clipped(adam))
    hyper = checked_hyper(rule, {"learning_rate": 0.1, "decay": 0.5, "max_norm": 2.0}, 3)
    for same in (
        rule.Hyper(rule.rule.Hyper(adam.Hyper(0.1), 2.0), 0.5),
        {"inner.inner.learning_rate": 0.1, "decay": 0.5, "inner.max_norm": 2.0},
    ):
        assert checked_hyper(rule, same, 3) == hyper
    assert checked_hyper(rule, adam.Hyper(0.1), 3).inner.inner.learning_rate == jnp.float32(0.1)


def test_every_rule_of_the_table_can_be_wrapped() -> None:
    for name in OPTIMIZERS:
        rule = averaged(name)
        jax.eval_shape(rule.init, PARAMS, check(rule, rule.Hyper()))


# What each does


def test_only_marked_leaves_decay_and_by_the_scheduled_rate() -> None:
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    updates, _ = once(decayed(sgd, is_matrix), {"weight_decay": 0.5}, zeros)
    np.testing.assert_allclose(updates["w"], -0.005 * PARAMS["w"], rtol=1e-6)
    np.testing.assert_array_equal(updates["b"], 0)
    inside = decayed(scheduled(sgd, learning_rate=linear))
    outside = scheduled(decayed(sgd), **{"inner.learning_rate": linear})
    a = once(inside, {"inner.num_steps": 4, "weight_decay": 0.5})[0]["w"]
    b = once(outside, {"num_steps": 4, "inner.weight_decay": 0.5})[0]["w"]
    np.testing.assert_array_equal(a, b)


def test_axis_of_adaptive_clipping_is_that_of_optax() -> None:
    params = {"w": PARAMS["w"]}
    for axis in (1, (0, 1)):
        rule = adaptive_clipped(sgd, axis=axis)
        hyper = check(rule, rule.Hyper(sgd.Hyper(1.0), clipping=0.3))
        grads = {"w": params["w"][::-1] ** 2}
        updates, _ = rule.update(grads, rule.init(params, hyper), params, hyper)
        theirs = optax.adaptive_grad_clip(0.3, axis=axis)
        clipped_grads, _ = theirs.update(grads, theirs.init(params), params)
        np.testing.assert_allclose(updates["w"], -clipped_grads["w"], rtol=1e-6)


def test_centralized_gradients_leave_the_sum_into_an_output_alone() -> None:
    for axis, summed in ((0, 1), (-1, 0)):
        updates, _ = once(centralized(sgd, output_axis=axis))
        np.testing.assert_allclose(updates["w"].sum(axis=summed), 0, atol=1e-7)
        np.testing.assert_array_equal(updates["b"], -0.01 * PARAMS["b"])


def test_frozen_leaves_have_no_state_and_no_part_in_a_norm() -> None:
    rule = frozen(clipped(momentum), {"b": True, "w": False})
    grads = {"b": jnp.array([jnp.nan, 1e9]), "w": PARAMS["w"]}
    updates, state = once(rule, {"inner.inner.learning_rate": 1.0}, grads)
    np.testing.assert_array_equal(updates["b"], 0)
    np.testing.assert_allclose(jnp.linalg.norm(updates["w"]), 1, rtol=1e-6)
    assert [x.shape for x in jax.tree.leaves(state)] == [(3, 2)]


def test_groups_are_given_their_own_leaves_of_what_they_need() -> None:
    one, two = _Asking(), _Asking()
    rule = partitioned({"matrices": one, "rest": two}, kinds)
    extra: dict[str, Any] = {
        "value": 3.0,
        "value_fn": lambda p: p["b"].sum() + p["w"].sum(),
        "residual_fn": lambda p: p["b"],
        "key": jax.random.key(0),
        "per_example_grads": jax.tree.map(lambda x: jnp.stack([x, x]), PARAMS),
        "hessian_diagonal": PARAMS,
    }
    updates, _ = once(rule, **extra)
    for name, leaf in PARAMS.items():
        np.testing.assert_array_equal(updates[name], -leaf)
    group = {"b": None, "w": jnp.zeros((3, 2))}
    assert one.seen["value"] == 3.0
    assert one.seen["value_fn"](group) == PARAMS["b"].sum()
    np.testing.assert_array_equal(one.seen["residual_fn"](group), PARAMS["b"])
    np.testing.assert_array_equal(two.seen["residual_fn"]({"b": jnp.ones(2), "w": None}), 1)
    assert one.seen["hessian_diagonal"]["b"] is None
    assert two.seen["per_example_grads"]["b"].shape == (2, 2)
    assert two.seen["per_example_grads"]["w"] is None
    assert one.seen["key"] != two.seen["key"]


def test_a_partition_evaluates_and_records_by_group() -> None:
    slow = averaged(scheduled(sgd, learning_rate=linear))
    rule = partitioned({"matrices": slow, "rest": sgd}, kinds)
    hyper = check(rule, {"inner.matrices.inner.num_steps": 2, "inner.matrices.decay": 0.0})
    state = rule.init(PARAMS, hyper)
    params = PARAMS
    for _ in range(2):
        updates, state = rule.update(PARAMS, state, params, hyper)
        params = apply_updates(params, updates)
    evaluated = rule.evaluation_params(state, params, hyper)
    np.testing.assert_allclose(evaluated["w"], params["w"], rtol=1e-6)
    np.testing.assert_array_equal(evaluated["b"], params["b"])
    np.testing.assert_allclose(rule.record(state)["matrices.learning_rate"], 0.005, rtol=1e-6)


def test_an_average_before_the_first_step_is_the_start() -> None:
    for debias in (True, False):
        rule = averaged(sgd, debias=debias)
        hyper = check(rule, {})
        evaluated = rule.evaluation_params(rule.init(PARAMS, hyper), PARAMS, hyper)
        np.testing.assert_array_equal(evaluated["w"], PARAMS["w"])


def test_small_gradients_agree_with_their_updates_too() -> None:
    # The product of such a gradient and its update is below the smallest float32.
    tiny = jax.tree.map(lambda x: jnp.full_like(x, 1e-30), PARAMS)
    updates, _ = once(cautious(sgd), None, tiny)
    np.testing.assert_allclose(updates["w"], -1e-32, rtol=1e-5)


def test_sharpness_awareness_needs_the_loss_and_stays_where_the_gradient_is_zero() -> None:
    rule = averaged(sam(sgd))
    assert set(rule.NEEDS) == {"value_fn"}
    assert rule.EVALUATIONS == 2
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    rule, slope = sam(sgd), jax.grad(_square)(PARAMS)
    updates, _ = once(rule, None, zeros, value_fn=_square)
    np.testing.assert_allclose(updates["w"], -0.01 * slope["w"], rtol=1e-6)
    updates, _ = once(rule, {"rho": 0.5}, slope, value_fn=_square)
    # Away from the minimum of a bowl by rho is a slope that is larger by rho over the distance.
    further = 1 + 0.5 / tree.global_norm(PARAMS)
    np.testing.assert_allclose(updates["w"], -0.01 * further * slope["w"], rtol=1e-6)


def _square(params: Any) -> Any:
    return sum(jnp.sum(p**2) / 2 for p in jax.tree.leaves(params))


def test_a_plateau_is_recorded_with_what_the_rule_records() -> None:
    rule = reduce_on_plateau(scheduled(sgd, learning_rate=linear))
    hyper = check(rule, {"patience": 1, "inner.num_steps": 4})
    state, scales = rule.init(PARAMS, hyper), []
    for value in (3.0, 2.0, 2.0, 1.0):
        _, state = rule.update(PARAMS, state, PARAMS, hyper, value=value)
        scales.append(float(rule.record(state)["scale"]))
    np.testing.assert_allclose(scales, [1, 1, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(rule.record(state)["learning_rate"], 0.0025, rtol=1e-6)


def test_a_warm_up_from_nothing_weighs_nothing() -> None:
    rule = schedule_free(scheduled(sgd, learning_rate=warmup_cosine))
    hyper = check(rule, {"inner.num_steps": 10, "inner.schedules.learning_rate.warmup": 0.5})
    updates, state = once(rule, hyper)
    np.testing.assert_array_equal(updates["w"], 0)
    evaluated = rule.evaluation_params(state, PARAMS, hyper)
    np.testing.assert_allclose(evaluated["w"], PARAMS["w"], rtol=1e-6)


def test_a_bound_wrapper_works_in_a_chain_of_optax() -> None:
    tx = optax.chain(optax.scale(2.0), bind(clipped(sgd), {"inner.learning_rate": 1.0}))
    updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(tree.global_norm(updates), 1, rtol=1e-6)


# Errors


def test_errors() -> None:
    params = {"b": jnp.zeros(2)}
    cases = [
        (
            lambda: clipped(adam, "norm"),
            "clipped: `by` must be one of 'global_norm', 'value', 'block', 'leaf_norm'; "
            "got 'norm'.",
        ),
        (
            lambda: centralized(adam, output_axis=1),  # pyright: ignore[reportArgumentType]
            "centralized: `output_axis` must be one of 0, -1; got 1.",
        ),
        (
            lambda: check(clipped(adam), {"max_norm": -1.0}),
            "clipped(adam): `max_norm` must be > 0; got -1. Did you mean 1?",
        ),
        (
            lambda: check(clipped(adam), {"inner.b2": 1.5}),
            "clipped(adam): `inner.b2` must be in [0, 1); got 1.5. Did you mean 0.999?",
        ),
        (
            lambda: decayed(adam, {"w": 1}),
            "decayed: `mask` must be a function of the parameters or a pytree of bool; "
            "got the leaf 1.",
        ),
        (
            lambda: decayed(partitioned({"x": sgd}, kinds)),
            "decayed(partitioned(x=sgd)): `proportional` must be False without a learning rate; "
            "got True. Its decay is then `weight_decay` a step.",
        ),
        (
            lambda: schedule_free(partitioned({"x": sgd}, kinds)),
            "schedule_free(partitioned(x=sgd)): `rule` must be one with a learning rate; "
            "got partitioned(x=sgd).",
        ),
        (
            lambda: mechanize(adam, num_betas=0),
            "mechanize: `num_betas` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            lambda: frozen(adam, {"w": True}).init(params, adam.Hyper()),
            "frozen(adam, mask={'w': True}): `mask` must be a prefix of the parameters' structure "
            "PyTreeDef({'b': *}); got PyTreeDef({'w': *}).",
        ),
        (
            lambda: frozen(adam, None),
            "frozen: `mask` must be a pytree or a function of the parameters; got None.",
        ),
        (
            lambda: partitioned({"x": sgd}, {"b": "y"}).init(params, {}),  # pyright: ignore[reportArgumentType]
            "partitioned(x=sgd): `label` must be one of x; got 'y'.",
        ),
        (
            lambda: partitioned({"a.b": sgd}, kinds),
            "partitioned: `rules` must be a dict by names such as 'rest'; got 'a.b'.",
        ),
        (
            lambda: partitioned([sgd], kinds),  # pyright: ignore[reportArgumentType]
            "partitioned: `rules` must be a dict of rules by label; "
            f'got {[sgd]!r}. Pass for example {{"matrices": muon, "rest": adamw}}.',
        ),
        (
            lambda: adaptive_clipped(adam, axis="rows"),  # pyright: ignore[reportArgumentType]
            "adaptive_clipped: `axis` must be an integer, a tuple of them or None; got 'rows'.",
        ),
    ]  # fmt: skip
    for call, text in cases:
        with pytest.raises((ValueError, TypeError)) as error:
            call()
        assert str(error.value) == text


def test_gradients_of_another_structure_are_an_error() -> None:
    rule = frozen(sgd, is_matrix)
    hyper = check(rule, {})
    with pytest.raises(TypeError) as error:
        rule.update({"b": jnp.zeros(2)}, rule.init(PARAMS, hyper), PARAMS, hyper)
    assert str(error.value) == (
        "frozen(sgd, mask=is_matrix): `grads` must be of the parameters' structure, with 2 leaves; "
        "got PyTreeDef({'b': *})."
    )


def test_leaves_of_several_dtypes_flatten_into_one_vector_each() -> None:
    params = {"a": jnp.ones((2, 3), jnp.bfloat16), "b": None, "c": jnp.ones(4), "d": jnp.ones(())}
    grads = {**params, "a": jnp.full((2, 3), 0.25), "d": jnp.asarray(0.5, jnp.float16)}
    hyper = adam.Hyper(learning_rate=0.1)
    wanted, _ = adam.update(grads, adam.init(params, hyper), params, hyper)
    rule, own = flattened(adam), flattened(adam).Hyper(hyper)
    updates, state = rule.update(grads, rule.init(params, own), params, own)
    assert jax.tree.map(jnp.shape, state.inner.mean) == {"bfloat16": (6,), "float32": (5,)}
    chex.assert_trees_all_equal(updates, wanted)
    chex.assert_trees_all_equal_dtypes(updates, grads)
