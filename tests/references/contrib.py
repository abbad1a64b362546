"""Rules that Optax has from contributors: averaged, mixed, orthogonalised, noisy, of low rank."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxnn.optimizers import (
    adam,
    ademamix,
    dpsgd,
    galore,
    madgrad,
    muon,
    nadam,
    noisy_sgd,
    schedule_free_adamw,
    schedule_free_sgd,
    simplified_ademamix,
    sophia,
)
from references.kind import Reference
from references.kind import find as _find

__all__ = ["ELSEWHERE", "REFERENCES"]

Extras = tuple[dict[str, Any], dict[str, Any]]


def _warmed_up(hyper: Any) -> Any:
    # What Optax makes of warmup_steps, which it wants to be an integer, not traced.
    def rate(step: Any) -> Any:
        share = jnp.minimum(step / jnp.maximum(hyper.warmup_steps, 1), 1)
        return hyper.learning_rate * jnp.where(hyper.warmup_steps > 0, share, 1)

    return rate


def _schedule_free_sgd(hyper: schedule_free_sgd.Hyper) -> optax.GradientTransformationExtraArgs:
    return optax.contrib.schedule_free_sgd(_warmed_up(hyper), None, *hyper[2:])


def _schedule_free_adamw(
    hyper: schedule_free_adamw.Hyper,
) -> optax.GradientTransformationExtraArgs:
    return optax.contrib.schedule_free_adamw(_warmed_up(hyper), None, *hyper[2:])


def _average(state: Any) -> schedule_free_sgd.State:
    return schedule_free_sgd.State(state.step_count - 1, state.weight_sum, state.max_lr, state.z)


def _ademamix(hyper: ademamix.Hyper) -> optax.GradientTransformation:
    return optax.contrib.ademamix(*hyper[:7], weight_decay=hyper.weight_decay)


def _simplified_ademamix(hyper: simplified_ademamix.Hyper) -> optax.GradientTransformation:
    return optax.contrib.simplified_ademamix(*hyper)


def _madgrad(hyper: madgrad.Hyper) -> optax.GradientTransformation:
    # Optax multiplies by a √t in float32, at every precision: the rate makes up for it.
    def rate(count: Any) -> Any:
        root = jnp.sqrt((count + 1).astype(hyper.eps.dtype))
        theirs = jnp.sqrt(count + 1).astype(root.dtype)
        return (hyper.learning_rate + hyper.eps) * (root / theirs) - hyper.eps

    return optax.contrib.madgrad(rate, *hyper[1:])


def _madgrad_state(state: Any) -> madgrad.State:
    return madgrad.State(*(_find(state, name) for name in ("count", "grad_sum_sq", "s", "x0")))


def _muon(
    hyper: muon.Hyper, *, scaling: str = "width", own_adam_rate: bool = False, **structure: Any
) -> optax.GradientTransformation:
    return optax.contrib.muon(
        hyper.learning_rate,
        beta=hyper.beta,
        eps=hyper.eps,
        weight_decay=hyper.weight_decay,
        adam_b1=hyper.adam_b1,
        adam_b2=hyper.adam_b2,
        adam_eps_root=hyper.adam_eps_root,
        adam_weight_decay=hyper.adam_weight_decay,
        adam_learning_rate=hyper.adam_learning_rate if own_adam_rate else None,
        consistent_rms=None if scaling == "width" else hyper.consistent_rms,
        **structure,
    )


def _muon_state(state: Any, *, nesterov: bool = True, **structure: Any) -> muon.State:
    del structure
    matrices, others = (state.inner_states[name].inner_state[0] for name in ("muon", "adam"))
    moments = others.count, _unmasked(others.mu), _unmasked(others.nu)
    inner = nadam.State(*moments, None) if nesterov else adam.State(*moments)
    return muon.State(_unmasked(matrices.mu), inner)


def _unmasked(tree: Any) -> Any:
    def is_masked(x: Any) -> bool:
        return isinstance(x, optax.MaskedNode)

    return jax.tree.map(lambda x: None if is_masked(x) else x, tree, is_leaf=is_masked)


def _sophia(hyper: sophia.Hyper) -> optax.GradientTransformationExtraArgs:
    def pass_on(grads: Any, state: Any, params: Any = None, *, hessian_diagonal: Any) -> Any:
        del grads, params
        return hessian_diagonal, state

    given = optax.GradientTransformationExtraArgs(optax.init_empty_state, pass_on)
    return optax.contrib.sophia(
        *hyper[:5],
        gamma=hyper.gamma,
        clip_threshold=hyper.clip_threshold,
        update_interval=jnp.round(hyper.update_interval).astype(jnp.int32),
        hessian_diagonal_fn=given,
    )


def _of_both_signs(extra: dict[str, Any], grads: Any, state: Any) -> Extras:
    del extra, state

    def curvature(g: Any) -> Any:  # every third weight lies on a ridge
        ridge = jnp.arange(g.size).reshape(g.shape) % 3 == 2
        return jnp.where(ridge, -1.0, 1.0) * 100 * (1 + g * g)

    given = {"hessian_diagonal": jax.tree.map(curvature, grads)}
    return given, given


def _noisy_sgd(hyper: noisy_sgd.Hyper) -> optax.GradientTransformation:
    return optax.noisy_sgd(*hyper, key=jax.random.key(1))


def _with_noise_of_optax(extra: dict[str, Any], grads: Any, state: Any) -> Extras:
    del extra, grads
    return {"key": jax.random.split(_find(state, "rng_key"))[1]}, {}


def _dpsgd(
    hyper: dpsgd.Hyper, *, acceleration: str = "none"
) -> optax.GradientTransformationExtraArgs:
    with warnings.catch_warnings():  # dpsgd calls its own parts in a way that they deprecate
        warnings.simplefilter("ignore", DeprecationWarning)
        transformation = optax.contrib.dpsgd(
            *hyper[:3],
            seed=1,
            momentum=None if acceleration == "none" else hyper.momentum,
            nesterov=acceleration == "nesterov",
        )

    def update(grads: Any, state: Any, params: Any = None, *, per_example_grads: Any) -> Any:
        del grads
        return transformation.update(per_example_grads, state, params)

    return optax.GradientTransformationExtraArgs(transformation.init, update)


def _examples(extra: dict[str, Any], grads: Any, state: Any) -> Extras:
    del extra
    # One that is clipped or not, as the step has it, a short one and one of length 0.
    rows = jax.tree.map(lambda g: jnp.stack([g, -0.1 * jnp.abs(g), 0 * g]), grads)
    key = _find(state, "rng_key")
    return {"per_example_grads": rows, "key": key}, {"per_example_grads": rows}


def _galore(hyper: galore.Hyper, *, rank: int = 128) -> optax.GradientTransformation:
    inner = optax.scale_by_adam(*hyper[1:5])
    gap = jnp.round(hyper.update_proj_gap).astype(jnp.int32)
    rule = optax.contrib.galore(
        hyper.learning_rate, rank, gap, hyper.scale, inner, hyper.weight_decay
    )

    # Optax's fails for a leaf that is None: it gets a list of leaves, and the tree stands beside.
    def init(params: Any) -> Any:
        return params, rule.init(jax.tree.leaves(params))

    def update(grads: Any, state: Any, params: Any = None) -> Any:
        leaves, structure = jax.tree.flatten(grads)
        updates, own = rule.update(leaves, state[1], jax.tree.leaves(params))
        return structure.unflatten(updates), (state[0], own)

    return optax.GradientTransformation(init, update)


def _galore_state(state: Any, **options: int) -> galore.State:
    del options
    structure, own = jax.tree.structure(state[0]), state[1][0]
    count, mean, square = own.base_optimizer_state
    # Optax has an empty matrix where nothing is projected.
    projectors = structure.unflatten([p if p.size else None for p in own.projector])
    moments = adam.State(count, structure.unflatten(mean), structure.unflatten(square))
    return galore.State(projectors, moments)


REFERENCES = {
    "schedule_free_sgd": Reference(
        _schedule_free_sgd,
        _average,
        (
            {"learning_rate": 0.3, "warmup_steps": 10.0, "b1": 0.5, "weight_decay": 0.1},
            {"learning_rate": 1e-2, "b1": 1.0, "weight_lr_power": 0.0},
        ),
        point=True,
    ),
    "schedule_free_adamw": Reference(
        _schedule_free_adamw,
        lambda state: schedule_free_adamw.State(_average(state), _find(state, "nu")),
        (
            {"learning_rate": 0.3, "warmup_steps": 10.0, "b1": 0.5, "b2": 0.99, "eps": 1e-3},
            {"b1": 1.0, "b2": 0.9, "weight_decay": 0.1, "weight_lr_power": 0.0},
        ),
        point=True,
    ),
    "ademamix": Reference(
        _ademamix,
        lambda state: ademamix.State(
            _find(state, "count"), _find(state, "m1"), _find(state, "m2"), _find(state, "nu")
        ),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "b3": 0.9, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "alpha": 0.0, "eps": 1e-3, "eps_root": 1e-4},
        ),
    ),
    "simplified_ademamix": Reference(
        _simplified_ademamix,
        lambda state: simplified_ademamix.State(
            _find(state, "t"), _find(state, "m"), _find(state, "n")
        ),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "alpha": 5.0, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "alpha": 1.0, "eps": 1e-3, "eps_root": 1e-4},
        ),
    ),
    "madgrad": Reference(
        _madgrad,
        _madgrad_state,
        (
            {"learning_rate": 0.3, "momentum": 0.5, "weight_decay": 0.1},
            {"momentum": 0.0, "eps": 1e-3},
        ),
        point=True,
    ),
    "muon": Reference(
        _muon,
        _muon_state,
        (
            {
                "learning_rate": 0.3,
                "beta": 0.5,
                "weight_decay": 0.1,
                "consistent_rms": 0.5,
                "adam_learning_rate": 1e-2,
                "adam_b1": 0.5,
                "adam_weight_decay": 0.2,
            },
            {"beta": 0.0, "eps": 1e-3, "adam_b2": 0.9, "adam_eps_root": 1e-4},
        ),
        (
            {"nesterov": False, "adaptive": True, "scaling": "consistent_rms"},
            {"preconditioning": "aol", "ns_coeffs": "dion"},
        ),
        growth=8,  # five polynomials of slope 3.4 at 0 enlarge what is small in X, up to 485 times
    ),
    "sophia": Reference(
        _sophia,
        lambda state: sophia.State(_find(state, "count"), _find(state, "mu"), _find(state, "nu")),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "gamma": 1.0, "update_interval": 1.0},
            {"b1": 0.0, "eps": 1e-3, "clip_threshold": 10.0, "weight_decay": 0.1},
        ),
        extra=_of_both_signs,
    ),
    "noisy_sgd": Reference(
        _noisy_sgd,
        lambda state: noisy_sgd.State(_find(state, "count")),
        ({"learning_rate": 0.3, "eta": 1.0, "gamma": 1.0}, {"eta": 0.0}),
        extra=_with_noise_of_optax,
    ),
    "dpsgd": Reference(
        _dpsgd,
        lambda state, acceleration="none": dpsgd.State(
            None if acceleration == "none" else _find(state, "trace")
        ),
        (
            {"learning_rate": 0.3, "l2_norm_clip": 0.5, "momentum": 0.5},
            {"l2_norm_clip": 1e3, "noise_multiplier": 0.0, "momentum": 0.99},
        ),
        extra=_examples,
    ),
    "galore": Reference(
        _galore,
        _galore_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "scale": 0.25, "update_proj_gap": 10.0},
            {"b2": 0.9, "eps": 1e-3, "update_proj_gap": 1.0, "weight_decay": 0.1},
        ),
    ),
}
ELSEWHERE = {
    "muon(flavor='torch')": "by torch, in golden/torch/muon.npz",
    "muon(flavor='keras')": "by Keras, which has no such scaling",
    "muon(scaling='none')": "by Keras, in its flavour",
}
