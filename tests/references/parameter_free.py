"""Rules that find their learning rate on the way, and two of Optax's contributed adaptive ones."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from jaxnn.optimizers import (
    acprop,
    adopt,
    cocob,
    dadapt_adamw,
    dog,
    dowg,
    momo,
    momo_adam,
    polyak_sgd,
    prodigy,
)
from references.kind import Reference
from references.kind import find as _find

__all__ = ["REFERENCES"]

Extras = tuple[dict[str, Any], dict[str, Any]]


def _same(extra: dict[str, Any], grads: Any, state: Any) -> Extras:
    del grads, state
    return extra, extra


def _polyak_sgd(
    hyper: polyak_sgd.Hyper, *, variant: str = "sps"
) -> optax.GradientTransformationExtraArgs:
    return optax.polyak_sgd(*hyper, variant=variant)


def _dog(hyper: dog.Hyper, *, init_step: Any = "heuristic") -> optax.GradientTransformation:
    pair = init_step, hyper.init_value
    return optax.contrib.dog(hyper.learning_rate, pair, hyper.eps, hyper.weight_decay)


def _dog_state(state: Any, **structure: str) -> dog.State:
    own = state[1]
    return dog.State(own.init_params, own.max_dist, own.sum_sq_norm_grads)


def _dowg(hyper: dowg.Hyper) -> optax.GradientTransformation:
    return optax.contrib.dowg(*hyper)


def _dowg_state(state: Any) -> dowg.State:
    own = state[1]
    return dowg.State(own.init_params, own.estim_sq_dist, own.weighted_sq_norm_grads)


def _acprop(hyper: acprop.Hyper) -> optax.GradientTransformation:
    return optax.contrib.acprop(*hyper)


def _adopt(
    hyper: adopt.Hyper, *, nesterov: bool = False, use_clipping: bool = True
) -> optax.GradientTransformationExtraArgs:
    def clip_value(step: Any) -> Any:
        return step.astype(jnp.result_type(hyper.clip_power)) ** hyper.clip_power

    return optax.contrib.adopt(
        *hyper[:4], nesterov=nesterov, use_clipping=use_clipping, clip_value_fn=clip_value
    )


def _prodigy(
    hyper: prodigy.Hyper, *, safeguard_warmup: bool = False
) -> optax.GradientTransformationExtraArgs:
    rate, b1, b2, b3, *others = hyper
    return optax.contrib.prodigy(rate, (b1, b2), b3, *others, safeguard_warmup=safeguard_warmup)


def _prodigy_state(state: Any, **structure: bool) -> prodigy.State:
    *trees_and_numbers, count = state
    return prodigy.State(count, *trees_and_numbers)


def _dadapt_adamw(hyper: dadapt_adamw.Hyper) -> optax.GradientTransformationExtraArgs:
    rate, b1, b2, *others = hyper
    return optax.contrib.dadapt_adamw(rate, (b1, b2), *others)


def _dadapt_adamw_state(state: Any) -> dadapt_adamw.State:
    *trees_and_numbers, count = state
    return dadapt_adamw.State(count, *trees_and_numbers)


def _cocob(hyper: cocob.Hyper) -> optax.GradientTransformation:
    return optax.contrib.cocob(*hyper)


def _cocob_state(state: Any) -> cocob.State:
    initial, gradients, scale, magnitudes, reward = state[-1]
    return cocob.State(initial, scale, gradients, magnitudes, reward)


def _momo(
    hyper: momo.Hyper, *, adapt_lower_bound: bool = False
) -> optax.GradientTransformationExtraArgs:
    return optax.contrib.momo(*hyper, adapt_lower_bound=adapt_lower_bound)


def _momo_state(state: Any, **structure: bool) -> momo.State:
    *others, count = state
    return momo.State(count, *others)


def _momo_adam(
    hyper: momo_adam.Hyper, *, adapt_lower_bound: bool = False
) -> optax.GradientTransformationExtraArgs:
    return optax.contrib.momo_adam(*hyper, adapt_lower_bound=adapt_lower_bound)


def _momo_adam_state(state: Any, **structure: bool) -> momo_adam.State:
    *others, count = state
    return momo_adam.State(count, *others)


REFERENCES = {
    "polyak_sgd": Reference(
        _polyak_sgd,
        lambda state, **structure: polyak_sgd.State(),
        (
            {"max_learning_rate": 0.2, "scaling": 2.0, "f_min": 1.0, "eps": 1e-2},
            {"scaling": 0.5, "f_min": 10.0, "eps": 1.0},
        ),
        extra=_same,
    ),
    "dog": Reference(
        _dog,
        _dog_state,
        (
            {"learning_rate": 0.3, "init_value": 1e-2, "weight_decay": 0.1},
            {"init_value": 1.0, "eps": 1.0},
        ),
    ),
    "dowg": Reference(
        _dowg,
        _dowg_state,
        (
            {"learning_rate": 0.3, "init_estim_sq_dist": 1e-2, "weight_decay": 0.1},
            {"init_estim_sq_dist": 1.0, "eps": 1.0},
        ),
    ),
    "acprop": Reference(
        _acprop,
        lambda state: acprop.State(_find(state, "count"), _find(state, "mu"), _find(state, "nu")),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "eps_root": 1e-4},
        ),
    ),
    "adopt": Reference(
        _adopt,
        lambda state, **structure: adopt.State(
            _find(state, "count"), _find(state, "mu"), _find(state, "nu")
        ),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-1},
            {"b1": 0.0, "b2": 0.9, "clip_power": 0.0},
        ),
        ({"nesterov": True, "use_clipping": False},),
    ),
    "prodigy": Reference(
        _prodigy,
        _prodigy_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "b3": 0.8, "estim_lr0": 1e-2, "estim_lr_coef": 0.3},
        ),
    ),
    "dadapt_adamw": Reference(
        _dadapt_adamw,
        _dadapt_adamw_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "estim_lr0": 1e-2},
        ),
    ),
    "cocob": Reference(
        _cocob,
        _cocob_state,
        (
            {"learning_rate": 0.3, "alpha": 10.0, "eps": 1e-1, "weight_decay": 0.1},
            {"alpha": 1.0, "eps": 1.0},
        ),
        point=True,
    ),
    "momo": Reference(
        _momo,
        _momo_state,
        (
            {"learning_rate": 0.1, "beta": 0.5, "lower_bound": -3.0, "weight_decay": 0.1},
            {"learning_rate": 0.3, "beta": 0.0, "lower_bound": 2.0, "weight_decay": 0.5},
        ),
        extra=_same,
    ),
    "momo_adam": Reference(
        _momo_adam,
        _momo_adam_state,
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"learning_rate": 10.0, "b1": 0.0, "b2": 0.9, "lower_bound": 2.0, "weight_decay": 0.5},
        ),
        extra=_same,
    ),
}
