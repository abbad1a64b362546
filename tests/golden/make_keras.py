"""Make the golden files of Keras: what its optimizers do with 50 given gradients, in float64.

    python tests/golden/make_keras.py

Run by hand, with Keras 3.15.1 and NumPy, when a rule or a case is added; commit the files. Keras
computes with its NumPy backend. Besides `floatx`, one thing of it must be changed for float64: a
table by which the results of most of its operations are cast from float64 to float32.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from recording import FLAT, MATRICES, NUM_STEPS, Case, by_field, draw, save, save_signatures

__all__ = ["main"]


def _velocity(state: Any) -> dict[str, Any]:
    return {"velocity": -state["momentums"]}


def _adam(state: Any) -> dict[str, Any]:
    return {"mean": state["_momentums"], "mean_of_squares": state["_velocities"]}


def _amsgrad(state: Any) -> dict[str, Any]:
    return _adam(state) | {"largest": state["_velocity_hats"]}


def _adamax(state: Any) -> dict[str, Any]:
    return {"mean": state["_m"], "maximum": state["_u"]}


def _nadam(state: Any) -> dict[str, Any]:
    return _adam(state) | {"momentum_product": state["_u_product"]}


def _adagrad(state: Any) -> dict[str, Any]:
    return {"sum_of_squares": state["_accumulators"]}


def _adadelta(state: Any) -> dict[str, Any]:
    squares, steps = state["_accumulated_grads"], state["_accumulated_delta_vars"]
    return {"mean_of_squares": squares, "mean_of_squared_steps": steps}


def _rmsprop(state: Any) -> dict[str, Any]:
    found = {"second_moment": state["_velocities"]}
    if "_average_gradients" in state:
        found["mean"] = state["_average_gradients"]
        found["second_moment"] = found["second_moment"] - found["mean"] ** 2
    if "_momentums" in state:
        found["velocity"] = state["_momentums"]
    return found


def _lion(state: Any) -> dict[str, Any]:
    return {"mean": state["_momentums"]}


def _adafactor(state: Any) -> dict[str, Any]:
    if not state["_r"].ndim:
        return {"second_moment": state["_v"]}
    return {"second_moment": {"rows": state["_r"], "columns": state["_c"]}}


def _ftrl(state: Any) -> dict[str, Any]:
    return {"linear": state["_linears"], "sum_of_squares": state["_accumulators"]}


def _schedule_free(state: Any) -> dict[str, Any]:
    return {"average.z": state["_momentums"], "mean_of_squares": state["_velocities"]}


def _muon(momentum: float) -> Callable[[Any], dict[str, Any]]:
    def of_leaf(state: Any) -> dict[str, Any]:
        if "adam_velocities" not in state:
            return {"mean": (1 - momentum) * state["momentums"]}
        return {
            "adam.mean": state["momentums"],
            "adam.mean_of_squares": state["adam_velocities"],
        }

    return of_leaf


KERAS = {"flavor": "keras"}
THEIRS = {"learning_rate": 0.3, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}
OURS = {"learning_rate": 0.3, "b1": 0.5, "b2": 0.9, "eps": 1e-3}
CASES: dict[str, dict[str, Case]] = {
    "sgd": {"defaults": Case("SGD", {}, {}, {})},
    "momentum": {
        "other": Case(
            "SGD",
            {"learning_rate": 0.1, "momentum": 0.8},
            KERAS,
            {"learning_rate": 0.1, "momentum": 0.8},
            _velocity,
        ),
        "default rate": Case("SGD", {"momentum": 0.3}, KERAS, {"momentum": 0.3}, _velocity),
    },
    "nesterov": {
        "other": Case(
            "SGD",
            {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True},
            KERAS,
            {"learning_rate": 0.1, "momentum": 0.8},
            _velocity,
        ),
        "default rate": Case(
            "SGD", {"momentum": 0.3, "nesterov": True}, KERAS, {"momentum": 0.3}, _velocity
        ),
    },
    "adagrad": {
        "defaults": Case("Adagrad", {}, KERAS, {}, _adagrad),
        "other": Case(
            "Adagrad",
            {"learning_rate": 0.3, "initial_accumulator_value": 0.2, "epsilon": 1e-3},
            KERAS,
            {"learning_rate": 0.3, "initial_accumulator_value": 0.2, "eps": 1e-3},
            _adagrad,
        ),
    },
    "rmsprop": {
        "defaults": Case("RMSprop", {}, KERAS, {}, _rmsprop),
        "other": Case(
            "RMSprop",
            {"learning_rate": 0.3, "rho": 0.5, "epsilon": 1e-3},
            KERAS,
            {"learning_rate": 0.3, "decay": 0.5, "eps": 1e-3},
            _rmsprop,
        ),
        "both": Case(
            "RMSprop",
            {"centered": True, "momentum": 0.5, "rho": 0.8},
            KERAS | {"centered": True, "acceleration": "momentum"},
            {"momentum": 0.5, "decay": 0.8},
            _rmsprop,
        ),
    },
    "adadelta": {
        "defaults": Case("Adadelta", {}, KERAS, {}, _adadelta),
        "other": Case(
            "Adadelta",
            {"learning_rate": 30.0, "rho": 0.8, "epsilon": 1e-3},
            KERAS,
            {"learning_rate": 30.0, "rho": 0.8, "eps": 1e-3},
            _adadelta,
        ),
    },
    "adam": {
        "defaults": Case("Adam", {}, KERAS, {}, _adam),
        "other": Case("Adam", THEIRS, KERAS, OURS, _adam),
    },
    "adamw": {
        "defaults": Case("AdamW", {}, KERAS, {}, _adam),
        "other": Case(
            "AdamW", THEIRS | {"weight_decay": 0.1}, KERAS, OURS | {"weight_decay": 0.1}, _adam
        ),
    },
    "amsgrad": {
        "defaults": Case("Adam", {"amsgrad": True}, KERAS, {}, _amsgrad),
        "other": Case("Adam", THEIRS | {"amsgrad": True}, KERAS, OURS, _amsgrad),
    },
    "nadam": {
        "defaults": Case("Nadam", {}, KERAS, {}, _nadam),
        "other": Case("Nadam", THEIRS, KERAS, OURS, _nadam),
    },
    "nadamw": {
        "defaults": Case("Nadam", {"weight_decay": 0.2}, KERAS, {"weight_decay": 0.2}, _nadam),
        "other": Case(
            "Nadam", THEIRS | {"weight_decay": 0.1}, KERAS, OURS | {"weight_decay": 0.1}, _nadam
        ),
    },
    "adamax": {
        "defaults": Case("Adamax", {}, KERAS, {}, _adamax),
        "other": Case("Adamax", THEIRS, KERAS, OURS, _adamax),
    },
    "lion": {
        "defaults": Case("Lion", {}, KERAS, {}, _lion),
        "other": Case(
            "Lion",
            {"learning_rate": 0.3, "beta_1": 0.5, "beta_2": 0.8, "weight_decay": 0.1},
            KERAS,
            {"learning_rate": 0.3, "b1": 0.5, "b2": 0.8, "weight_decay": 0.1},
            _lion,
        ),
    },
    "lamb": {
        "defaults": Case("Lamb", {}, KERAS, {}, _adam),
        "other": Case(
            "Lamb", THEIRS | {"weight_decay": 0.1}, KERAS, OURS | {"weight_decay": 0.1}, _adam
        ),
    },
    "adafactor": {
        "defaults": Case("Adafactor", {}, KERAS, {}, _adafactor),
        "other": Case(
            "Adafactor",
            {
                "learning_rate": 0.3,
                "beta_2_decay": -0.6,
                "epsilon_1": 1e-6,
                "epsilon_2": 0.5,
                "clip_threshold": 0.7,
                "relative_step": False,
                "weight_decay": 0.1,
            },
            KERAS,
            {
                "learning_rate": 0.3,
                "decay_rate": 0.6,
                "eps": 1e-6,
                "clipping_threshold": 0.7,
                "weight_decay_rate": 0.1,
                "min_scale": 0.5,
            },
            _adafactor,
        ),
    },
    "schedule_free_adamw": {
        "defaults": Case("ScheduleFreeAdamW", {}, KERAS, {}, _schedule_free),
        "other": Case(
            "ScheduleFreeAdamW",
            THEIRS | {"weight_decay": 0.1, "warmup_steps": 10},
            KERAS,
            OURS | {"weight_decay": 0.1, "warmup_steps": 10},
            _schedule_free,
        ),
    },
    "ftrl": {
        # At the default rate a weight comes within 2e-7 of 0, where θ + (θ' − θ) is rounding.
        "default sum": Case(
            "Ftrl",
            {"learning_rate": 1e-2},
            {},
            {"learning_rate": 1e-2, "initial_accumulator_value": 0.1},
            _ftrl,
        ),
        "other": Case(
            "Ftrl",
            {
                "learning_rate": 0.3,
                "initial_accumulator_value": 0.2,
                "l1_regularization_strength": 0.5,
                "l2_regularization_strength": 0.1,
                "l2_shrinkage_regularization_strength": 0.25,
                "beta": 0.7,
            },
            {},
            {
                "learning_rate": 0.3,
                "initial_accumulator_value": 0.2,
                "l1": 0.5,
                "l2": 0.2,
                "l2_shrinkage": 0.5,
                "beta": 0.7,
            },
            _ftrl,
        ),
    },
    "muon": {
        "defaults": Case("Muon", {}, KERAS | {"scaling": "consistent_rms"}, {}, _muon(0.95)),
        "other": Case(
            "Muon",
            {
                "learning_rate": 0.3,
                "momentum": 0.5,
                "weight_decay": 0.2,
                "epsilon": 1e-3,
                "adam_beta_1": 0.5,
                "adam_beta_2": 0.9,
                "adam_weight_decay": 0.1,
                "rms_rate": 0.5,
            },
            KERAS | {"scaling": "consistent_rms"},
            {
                "learning_rate": 0.3,
                "beta": 0.5,
                "weight_decay": 0.2,
                "eps": 1e-3,
                "adam_b1": 0.5,
                "adam_b2": 0.9,
                "adam_weight_decay": 0.1,
                "consistent_rms": 0.5,
            },
            _muon(0.5),
        ),
        "plain": Case(
            "Muon",
            {
                "learning_rate": 0.5,
                "momentum": 0.5,
                "nesterov": False,
                "ns_steps": 4,
                "rms_rate": None,
                "adam_lr_ratio": 0.25,
                "adam_weight_decay": 0.1,
            },
            KERAS | {"scaling": "none", "nesterov": False, "ns_steps": 4, "own_adam_rate": True},
            {
                "learning_rate": 0.5,
                "beta": 0.5,
                "adam_learning_rate": 0.125,
                "adam_weight_decay": 0.4,
            },
            _muon(0.5),
        ),
    },
}
DECAYED = {"learning_rate": 0.3, "weight_decay": 0.1}
COMPOSED = {
    "momentum": Case("SGD", DECAYED | {"momentum": 0.8, "clipnorm": 1.0}, {}, {}),
    "nesterov": Case("SGD", DECAYED | {"momentum": 0.8, "nesterov": True}, {}, {}),
    "rmsprop": Case(
        "RMSprop",
        DECAYED
        | {"rho": 0.8, "momentum": 0.5, "epsilon": 1e-3, "centered": True, "clipvalue": 0.5},
        {},
        {},
    ),
    "adagrad": Case(
        "Adagrad", DECAYED | {"initial_accumulator_value": 0.2, "epsilon": 1e-3}, {}, {}
    ),
    "adadelta": Case("Adadelta", DECAYED | {"rho": 0.8, "epsilon": 1e-3}, {}, {}),
    "amsgrad": Case("Adam", THEIRS | DECAYED | {"amsgrad": True, "global_clipnorm": 1.0}, {}, {}),
    "accumulated": Case(
        "SGD", DECAYED | {"clipnorm": 1.0, "gradient_accumulation_steps": 3}, {}, {}
    ),
    "accumulated amsgrad": Case(
        "AdamW", THEIRS | DECAYED | {"amsgrad": True, "gradient_accumulation_steps": 4}, {}, {}
    ),
    "adamax": Case("Adamax", THEIRS | DECAYED, {}, {}),
}
"""Cases that are rules in wrappers here: `optimizers.like` says in which."""
BY_LEAF = {"lamb", "adafactor", "muon", "like"}
"""Rules that look at whole leaves."""


def record(
    optimizer: Any, start: dict[str, Any], grads: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Parameters after every step, by leaf, and the last state of each leaf by Keras' names."""
    import keras

    params = {leaf: keras.Variable(x, dtype="float64", name=leaf) for leaf, x in start.items()}
    rows: dict[str, list[Any]] = {leaf: [] for leaf in start}
    for number in range(NUM_STEPS):
        optimizer.apply([grads[leaf][number] for leaf in params], list(params.values()))
        for leaf, param in params.items():
            rows[leaf].append(param.value.copy())
    states = [_state(optimizer, i) for i in range(len(params))]
    return {leaf: np.stack(found) for leaf, found in rows.items()}, states


def _state(optimizer: Any, leaf: int) -> dict[str, Any]:
    """What the optimizer remembers of the leaf of that number, and of all together."""
    import keras

    found = {}
    for name, value in vars(optimizer).items():
        of_leaf = value[leaf] if isinstance(value, list) and len(value) > leaf else value
        if isinstance(of_leaf, keras.Variable):
            found[name] = np.array(of_leaf.value)
            assert found[name].dtype in ("float64", "int32"), name
    return found


def main() -> None:
    """Write tests/golden/keras/<rule>.npz, like.npz for what is composed, and signatures.json."""
    os.environ["KERAS_BACKEND"] = "numpy"
    import keras
    from keras.src.backend.common import dtypes

    keras.config.set_floatx("float64")
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    base = keras.optimizers.Optimizer
    found = {k: v for k, v in vars(keras.optimizers).items() if inspect.isclass(v)}
    named = {k: v for k, v in found.items() if issubclass(v, base) and v is not base}
    save_signatures("keras", named)
    for rule, cases in (CASES | {"like": COMPOSED}).items():
        start, grads = draw(MATRICES if rule in BY_LEAF else FLAT)
        runs = {}
        for label, case in cases.items():
            optimizer = getattr(keras.optimizers, case.theirs)(**case.arguments)
            params, states = record(optimizer, start, grads)
            fields = by_field(params, [case.state(state) for state in states])
            if "momentum_product" in fields:  # one for all leaves
                fields["momentum_product"] = fields["momentum_product"]["x"]
            runs[label] = case, params, fields
        save("keras", rule, start, grads, runs)


if __name__ == "__main__":
    main()
