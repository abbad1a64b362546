"""Rules that step by signs, by layers, by rows and columns, or optimistically."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxnn.optimizers import (
    adafactor,
    fromage,
    lamb,
    lars,
    lion,
    optimistic_adam_v2,
    optimistic_gradient_descent,
    rprop,
    sign_sgd,
    signum,
    sm3,
)
from references.kind import Reference
from references.kind import find as _find

__all__ = ["ELSEWHERE", "REFERENCES"]


def _sign_sgd(hyper: sign_sgd.Hyper) -> optax.GradientTransformation:
    return optax.sign_sgd(hyper.learning_rate)


def _signum(hyper: signum.Hyper) -> optax.GradientTransformation:
    return optax.signum(*hyper)


def _lion(hyper: lion.Hyper) -> optax.GradientTransformation:
    return optax.lion(*hyper[:3], weight_decay=hyper.weight_decay)


def _lamb(hyper: lamb.Hyper) -> optax.GradientTransformation:
    return optax.lamb(*hyper)


def _lars(hyper: lars.Hyper, *, nesterov: bool = False) -> optax.GradientTransformation:
    return optax.lars(
        hyper.learning_rate,
        hyper.weight_decay,
        trust_coefficient=hyper.trust_coefficient,
        eps=hyper.eps,
        momentum=hyper.momentum,
        nesterov=nesterov,
    )


def _lars_state(state: Any, *, nesterov: bool = False) -> lars.State:
    del nesterov  # Optax's trace has the sign of the updates
    return lars.State(jax.tree.map(jnp.negative, _find(state, "trace")))


def _fromage(hyper: fromage.Hyper) -> optax.GradientTransformation:
    return optax.fromage(*hyper)


def _optimistic_gradient_descent(
    hyper: optimistic_gradient_descent.Hyper,
) -> optax.GradientTransformation:
    return optax.optimistic_gradient_descent(*hyper)


def _optimistic_adam(
    hyper: optimistic_adam_v2.Hyper, *, nesterov: bool = True
) -> optax.GradientTransformation:
    return optax.optimistic_adam_v2(**hyper._asdict(), nesterov=nesterov)


def _optimistic_adam_state(state: Any, **structure: bool) -> optimistic_adam_v2.State:
    del structure
    return optimistic_adam_v2.State(
        *(_find(state, name) for name in ("count", "mu", "nu", "previous_gradient"))
    )


def _rprop(hyper: rprop.Hyper) -> optax.GradientTransformation:
    return optax.rprop(*hyper)


def _rprop_state(state: Any) -> rprop.State:
    signs = jax.tree.map(lambda x: jnp.sign(x).astype(jnp.int8), _find(state, "prev_updates"))
    return rprop.State(_find(state, "step_sizes"), signs)


def _sm3(hyper: sm3.Hyper) -> optax.GradientTransformation:
    """Optax's for scalars too, as vectors of one element, and with an eps of our choice."""
    inner = optax.chain(
        optax.scale_by_sm3(hyper.momentum, eps=hyper.eps), optax.scale(-hyper.learning_rate)
    )

    def init(params: Any) -> Any:
        return inner.init(jax.tree.map(jnp.atleast_1d, params)), params

    def update(grads: Any, state: Any, params: Any = None) -> Any:
        own, like = state
        updates, own = inner.update(jax.tree.map(jnp.atleast_1d, grads), own, params)
        return jax.tree.map(lambda u, g: u.reshape(g.shape), updates, grads), (own, like)

    return optax.GradientTransformation(init, update)


def _sm3_state(state: Any) -> sm3.State:
    (own, _), like = state
    vectors = jax.tree.map(
        lambda p, found: tuple(v if p.ndim else v[0] for v in found), like, own.mu
    )
    return sm3.State(vectors, jax.tree.map(lambda p, m: m.reshape(p.shape), like, own.nu))


def _adafactor(
    hyper: adafactor.Hyper,
    *,
    clipping: bool = True,
    acceleration: str = "none",
    **structure: Any,
) -> optax.GradientTransformation:
    return optax.adafactor(
        hyper.learning_rate,
        decay_rate=hyper.decay_rate,
        decay_offset=hyper.decay_offset,
        clipping_threshold=hyper.clipping_threshold if clipping else None,
        momentum=None if acceleration == "none" else hyper.momentum,
        dtype_momentum=hyper.momentum.dtype,
        weight_decay_rate=hyper.weight_decay_rate,
        eps=hyper.eps,
        **structure,
    )


def _adafactor_state(
    state: Any, *, acceleration: str = "none", **structure: Any
) -> adafactor.State:
    del structure

    def moment(v: Any, row: Any, column: Any) -> Any:
        # Optax has a single 0 in place of what a leaf does not have.
        factored = row.shape != (1,) or column.shape != (1,)
        return adafactor.Factors(row, column) if factored else v

    own = state[0]
    mean = None if acceleration == "none" else _find(state, "ema")
    return adafactor.State(own.count, jax.tree.map(moment, own.v, own.v_row, own.v_col), mean)


REFERENCES = {
    "sign_sgd": Reference(
        _sign_sgd,
        lambda state: sign_sgd.State(),
        ({"learning_rate": 0.3}, {"learning_rate": 1e-2}),
    ),
    "signum": Reference(
        _signum,
        lambda state: signum.State(_find(state, "ema")),
        ({"learning_rate": 0.3, "beta": 0.5}, {"beta": 0.0}),
    ),
    "lion": Reference(
        _lion,
        lambda state: lion.State(_find(state, "mu")),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.25, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "weight_decay": 0.0},
        ),
    ),
    "lamb": Reference(
        _lamb,
        lambda state: lamb.State(_find(state, "count"), _find(state, "mu"), _find(state, "nu")),
        (
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.99, "eps": 1e-3, "weight_decay": 0.1},
            {"b1": 0.0, "b2": 0.9, "eps_root": 1e-4},
        ),
    ),
    "lars": Reference(
        _lars,
        _lars_state,
        (
            {"learning_rate": 0.3, "weight_decay": 0.1, "trust_coefficient": 0.1},
            {"eps": 0.1, "momentum": 0.5},
        ),
    ),
    "fromage": Reference(
        _fromage,
        lambda state: fromage.State(),
        ({"learning_rate": 0.3}, {"learning_rate": 1e-3, "min_norm": 1.0}),
        point=True,  # (c − 1) · θ has the rounding of c, which is that of θ
    ),
    "optimistic_gradient_descent": Reference(
        _optimistic_gradient_descent,
        lambda state: optimistic_gradient_descent.State(
            _find(state, "is_initial_step"), _find(state, "previous_gradient")
        ),
        (
            {"learning_rate": 0.3, "alpha": 2.0, "beta": 0.5},
            {"alpha": 0.5, "beta": 0.0},
        ),
    ),
    "optimistic_adam_v2": Reference(
        _optimistic_adam,
        _optimistic_adam_state,
        (
            {"learning_rate": 0.3, "alpha": 2.0, "beta": 0.5, "b1": 0.5, "b2": 0.99, "eps": 1e-3},
            {"beta": 3.0, "b1": 0.0, "b2": 0.9, "eps_root": 1e-4},
        ),
    ),
    "rprop": Reference(
        _rprop,
        _rprop_state,
        (
            {"learning_rate": 2.0, "eta_minus": 0.3, "eta_plus": 1.5, "max_step_size": 1.0},
            {"min_step_size": 5e-3},
        ),
    ),
    "sm3": Reference(
        _sm3,
        _sm3_state,
        ({"learning_rate": 0.3, "momentum": 0.5, "eps": 1e-3}, {"momentum": 0.0}),
    ),
    "adafactor": Reference(
        _adafactor,
        _adafactor_state,
        (
            {"learning_rate": 0.3, "decay_rate": 0.5, "eps": 1e-3, "momentum": 0.5},
            {"clipping_threshold": 0.5, "weight_decay_rate": 0.1},
        ),
        (
            {
                "min_dim_size_to_factor": 2,
                "clipping": False,
                "multiply_by_parameter_scale": False,
                "acceleration": "momentum",
            },
            {"min_dim_size_to_factor": 2, "factored": False},
        ),
    ),
}

ELSEWHERE = {
    "adafactor(flavor='torch')": "by torch, in golden/torch/adafactor.npz",
    "rprop(flavor='torch')": "by torch, in golden/torch/rprop.npz",
}
