"""Every wrapper gives the updates, and what it evaluates at, of its counterpart in Optax."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest
from references.kind import LIKE_FOR_LIKE
from test_optimizers_reference import _require_close as require_close
from test_optimizers_reference import _trees as trees

from jaxnn.optimizers import (
    accumulated,
    adam,
    adaptive_clipped,
    averaged,
    cautious,
    centralized,
    clipped,
    decayed,
    flattened,
    frozen,
    lookahead,
    mechanize,
    momentum,
    partitioned,
    reduce_on_plateau,
    regularized,
    sam,
    schedule_free,
    sgd,
    skip_non_finite,
)
from jaxnn.optimizers.base import apply_updates, evaluation_params
from jaxnn.optimizers.hypers import check

ADAM = adam.Hyper(learning_rate=0.3, b1=0.5, b2=0.99, eps=1e-3)
MOMENTUM = momentum.Hyper(learning_rate=0.3, momentum=0.5)
SGD = sgd.Hyper(learning_rate=0.3)
THEIRS = {
    adam: optax.adam(*ADAM[:4]),
    momentum: optax.sgd(0.3, 0.5),
    sgd: optax.sgd(0.3),
}
OURS = {adam: ADAM, momentum: MOMENTUM, sgd: SGD}


def of_matrices(params: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim > 1, params)


def labels(params: Any) -> Any:
    return jax.tree.map(lambda x: "many" if x.size > 2 else "few", params)


def poisoned(grads: Any) -> Any:
    """Not finite once, twice in a row, and three times at the end."""
    bad = jnp.asarray([5, 10, 11, 47, 48, 49])
    return jax.tree.map(lambda g: g.at[bad].set(jnp.nan), grads)


class Case(NamedTuple):
    """A wrapper around each of three rules, its own numbers, and the same of Optax."""

    wrap: Callable[[Any], Any]
    numbers: dict[str, float]
    build: Callable[[optax.GradientTransformation], optax.GradientTransformation]
    change: Callable[[Any], Any] = lambda grads: grads


def chained(first: Any) -> Callable[[Any], Any]:
    return lambda inner: optax.chain(first, inner)


def _multi_steps(every_k: int, **options: Any) -> Callable[[Any], Any]:
    return lambda inner: optax.MultiSteps(
        inner, every_k, accumulator_dtype=jnp.float64, **options
    ).gradient_transformation()


CASES = {
    "by global norm": Case(clipped, {"max_norm": 2.0}, chained(optax.clip_by_global_norm(2.0))),
    "by value": Case(
        lambda rule: clipped(rule, "value"), {"max_delta": 0.5}, chained(optax.clip(0.5))
    ),
    "by block": Case(
        lambda rule: clipped(rule, by="block"),
        {"threshold": 0.5},
        chained(optax.clip_by_block_rms(0.5)),
    ),
    "adaptive": Case(
        adaptive_clipped,
        {"clipping": 0.2, "eps": 1e-2},
        chained(optax.adaptive_grad_clip(0.2, 1e-2)),
    ),
    "decayed": Case(
        lambda rule: decayed(rule, of_matrices),
        {"weight_decay": 0.1},
        lambda inner: optax.chain(inner, optax.add_decayed_weights(-0.3 * 0.1, of_matrices)),
    ),
    "decayed at any rate": Case(
        lambda rule: decayed(rule, proportional=False),
        {"weight_decay": 0.1},
        lambda inner: optax.chain(inner, optax.add_decayed_weights(-0.1)),
    ),
    "regularized": Case(
        lambda rule: regularized(rule, of_matrices),
        {"weight_decay": 0.1},
        chained(optax.add_decayed_weights(0.1, of_matrices)),
    ),
    "frozen": Case(
        lambda rule: frozen(rule, of_matrices),
        {},
        lambda inner: optax.partition(
            {True: optax.set_to_zero(), False: inner}, of_matrices
        ),
    ),
    "flattened": Case(flattened, {}, optax.flatten),
    "accumulated": Case(accumulated, {"every_k": 4}, _multi_steps(4)),
    "accumulated sum": Case(
        lambda rule: accumulated(rule, mean=False),
        {"every_k": 3},
        _multi_steps(3, use_grad_mean=False),
    ),
    "skipping": Case(
        skip_non_finite,
        {"max_consecutive_errors": 2},
        lambda inner: optax.apply_if_finite(inner, 2),
        poisoned,
    ),
    "centralized": Case(centralized, {}, chained(optax.centralize())),
}  # fmt: skip


def nothing(grads: Any) -> dict[str, Any]:
    del grads
    return {}


def run_ours(rule: Any, hyper: Any, grads: Any, extra: Callable[[Any], Any] = nothing) -> Any:
    """Updates, parameters and those to evaluate at, after each step from the first gradients."""

    def step(carry: Any, grads: Any) -> Any:
        params, state = carry
        updates, state = rule.update(grads, state, params, hyper, **extra(grads))
        params = apply_updates(params, updates)
        evaluated = evaluation_params(rule, state, params, hyper)
        return (params, state), (updates, params, evaluated)

    params = start(grads)
    return jax.lax.scan(step, (params, rule.init(params, hyper)), grads)[1]


def run_optax(
    transformation: Any,
    grads: Any,
    extra: Callable[[Any], Any] = nothing,
    evaluated: Callable[[Any, Any], Any] = lambda state, params: params,
) -> Any:
    def step(carry: Any, grads: Any) -> Any:
        params, state = carry
        updates, state = transformation.update(grads, state, params, **extra(grads))
        params = optax.apply_updates(params, updates)
        return (params, state), (updates, params, evaluated(state, params))

    params = start(grads)
    return jax.lax.scan(step, (params, transformation.init(params)), grads)[1]


def start(grads: Any) -> Any:
    return jax.tree.map(lambda g: g[0], grads)


def require_agreement(
    wrap: Callable[[Any], Any],
    numbers: dict[str, float],
    theirs: Callable[[Any, Any], Any],
    change: Callable[[Any], Any] = lambda grads: grads,
    extra: Callable[[Any], Any] = nothing,
    *,
    absolute: bool = False,
) -> None:
    """The wrapper around each rule, on the three trees as one, against (rule, gradients) → rows.

    absolute=True: where Optax finds updates as differences of parameters they are no more precise
    than these; then only parameters are compared.
    """
    grads: Any = change(trees(jnp.float64))
    hypers = [check(wrap(rule), wrap(rule).Hyper(own, **numbers)) for rule, own in OURS.items()]

    @functools.partial(jax.jit, compiler_options=LIKE_FOR_LIKE)
    def both(grads: Any, hypers: Any) -> Any:
        pairs = zip(OURS, hypers, strict=True)
        ours = [run_ours(wrap(rule), hyper, grads, extra) for rule, hyper in pairs]
        # With the axis of settings that `require_close` expects before that of steps.
        optax_rows = [theirs(THEIRS[rule], grads) for rule in OURS]
        rows = [[row[absolute:] for row in rows] for rows in (ours, optax_rows)]
        # NaN must stand in the same places, where few numbers are 1.
        return jax.tree.map(lambda x: jnp.nan_to_num(x[None], nan=1.0), rows)

    require_close(*both(grads, hypers), rtol=1e-12, num_ulps=4)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("x64")
def test_agrees_with_optax(name: str) -> None:
    wrap, numbers, build, change = CASES[name]
    require_agreement(wrap, numbers, lambda rule, grads: run_optax(build(rule), grads), change)


@pytest.mark.parametrize("reset_state", [False, True])
@pytest.mark.usefixtures("x64")
def test_lookahead_agrees_with_the_pair_of_optax(reset_state: bool) -> None:
    def theirs(rule: Any, grads: Any) -> Any:
        transformation = optax.lookahead(rule, 4, 0.3, reset_state)

        def step(carry: Any, grads: Any) -> Any:
            params, state = carry
            updates, state = transformation.update(grads, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), (updates.fast, params.fast, params.slow)

        pair = optax.LookaheadParams.init_synced(start(grads))
        return jax.lax.scan(step, (pair, transformation.init(pair)), grads)[1]

    numbers = {"sync_period": 4, "slow_step_size": 0.3}
    require_agreement(lambda rule: lookahead(rule, reset_state=reset_state), numbers, theirs)


@pytest.mark.parametrize("debias", [True, False])
@pytest.mark.usefixtures("x64")
def test_averages_agree_with_optax(debias: bool) -> None:
    ema = optax.ema(0.9)

    def theirs(rule: Any, grads: Any) -> Any:
        def step(carry: Any, grads: Any) -> Any:
            params, state, average = carry
            updates, state = rule.update(grads, state, params)
            params = optax.apply_updates(params, updates)
            if debias:
                evaluated, average = ema.update(params, average)
            else:
                evaluated = average = optax.incremental_update(params, average, 1 - 0.9)
            return (params, state, average), (updates, params, evaluated)

        params = start(grads)
        average = ema.init(params) if debias else params
        return jax.lax.scan(step, (params, rule.init(params), average), grads)[1]

    require_agreement(lambda rule: averaged(rule, debias=debias), {"decay": 0.9}, theirs)


@pytest.mark.usefixtures("x64")
def test_partitions_agree_with_optax() -> None:
    rule = partitioned({"many": adam, "few": momentum}, labels)
    hyper = check(rule, rule.Hyper({"many": ADAM, "few": MOMENTUM}))
    theirs = optax.partition({"many": THEIRS[adam], "few": THEIRS[momentum]}, labels)
    grads = trees(jnp.float64)
    rows = jax.jit(lambda g, h: (run_ours(rule, h, g), run_optax(theirs, g)))(grads, hyper)
    require_close(*jax.tree.map(lambda x: x[None], rows), rtol=1e-12, num_ulps=4)


@pytest.mark.usefixtures("x64")
def test_decayed_adam_is_adamw_of_optax() -> None:
    rule = decayed(adam, of_matrices)
    hyper = check(rule, rule.Hyper(ADAM, weight_decay=0.1))
    theirs = optax.adamw(*ADAM[:4], weight_decay=0.1, mask=of_matrices)
    grads = trees(jnp.float64)
    rows = jax.jit(lambda g, h: (run_ours(rule, h, g), run_optax(theirs, g)))(grads, hyper)
    require_close(*jax.tree.map(lambda x: x[None], rows), rtol=1e-12, num_ulps=4)


@pytest.mark.usefixtures("x64")
def test_caution_is_the_formula_of_the_paper_on_updates_of_optax() -> None:
    def masked(u: Any, g: Any) -> Any:
        agrees = (-u * g > 0).astype(g.dtype)
        return u * agrees / jnp.maximum(agrees.mean(), 1e-3)

    def theirs(rule: Any, grads: Any) -> Any:
        def update(grads: Any, state: Any, params: Any) -> Any:
            updates, state = rule.update(grads, state, params)
            return jax.tree.map(masked, updates, grads), state

        return run_optax(optax.GradientTransformation(rule.init, update), grads)

    require_agreement(cautious, {}, theirs)


def loss_of(grads: Any) -> Any:
    """A loss with curvature, of another shape at every step."""
    return lambda params: sum(
        jnp.sum(jnp.cos(p) + g * p)
        for p, g in zip(jax.tree.leaves(params), jax.tree.leaves(grads), strict=True)
    )


@pytest.mark.usefixtures("x64")
def test_sharpness_awareness_agrees_with_the_opaque_mode_of_optax() -> None:
    def theirs(rule: Any, grads: Any) -> Any:
        ascent = optax.chain(optax.contrib.normalize(), optax.sgd(0.5))
        both = optax.contrib.sam(rule, ascent, opaque_mode=True)

        def slope(grads: Any) -> Any:
            return {"grad_fn": lambda params, _: jax.grad(loss_of(grads))(params)}

        return run_optax(both, grads, slope)

    require_agreement(sam, {"rho": 0.5}, theirs, extra=lambda grads: {"value_fn": loss_of(grads)})


PLATEAUS = [
    {"factor": 0.5, "patience": 2, "rtol": 0.1},
    {"factor": 0.7, "patience": 1, "cooldown": 3, "accumulation_size": 3, "min_scale": 0.3},
]


@pytest.mark.parametrize("numbers", PLATEAUS)
@pytest.mark.usefixtures("x64")
def test_plateaus_agree_with_optax(numbers: dict[str, float]) -> None:
    def value(grads: Any) -> dict[str, Any]:
        return {"value": jnp.abs(jax.tree.leaves(grads)[0]).max()}

    def theirs(rule: Any, grads: Any) -> Any:
        return run_optax(
            optax.chain(rule, optax.contrib.reduce_on_plateau(**numbers)), grads, value
        )

    require_agreement(reduce_on_plateau, numbers, theirs, extra=value)


@pytest.mark.usefixtures("x64")
def test_without_a_schedule_agrees_with_optax() -> None:
    def theirs(rule: Any, grads: Any) -> Any:
        free = optax.contrib.schedule_free(rule, 0.3, 0.8, 1.5)
        return run_optax(free, grads, evaluated=optax.contrib.schedule_free_eval_params)

    require_agreement(schedule_free, {"b1": 0.8, "weight_lr_power": 1.5}, theirs, absolute=True)


@pytest.mark.usefixtures("x64")
def test_mechanic_agrees_with_optax() -> None:
    def theirs(rule: Any, grads: Any) -> Any:
        return run_optax(optax.contrib.mechanize(rule, 0.1, 1e-6, 1e-3, 4), grads)

    numbers = {"weight_decay": 0.1, "eps": 1e-6, "s_init": 1e-3}
    require_agreement(lambda rule: mechanize(rule, num_betas=4), numbers, theirs, absolute=True)
