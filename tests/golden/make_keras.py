"""Make the golden files of Keras: what its optimizers do with 50 given gradients, in float64.

    python tests/golden/make_keras.py

Run by hand, with Keras 3.15.1 and NumPy, when a rule or a case is added; commit the files. Keras
computes with its NumPy backend. Besides `floatx`, one thing of it must be changed for float64: a
table by which the results of most of its operations are cast from float64 to float32.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from recording import FLAT, MATRICES, NUM_STEPS, Case, draw, save

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
        )
    },
    "nesterov": {
        "other": Case(
            "SGD",
            {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True},
            KERAS,
            {"learning_rate": 0.1, "momentum": 0.8},
            _velocity,
        )
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
        "defaults": Case("Adafactor", {}, KERAS, {}),
        "other": Case(
            "Adafactor",
            {
                "learning_rate": 0.3,
                "beta_2_decay": -0.6,
                "epsilon_1": 1e-6,
                "clip_threshold": 0.7,
                "weight_decay": 0.1,
            },
            KERAS,
            {
                "learning_rate": 0.3,
                "decay_rate": 0.6,
                "eps": 1e-6,
                "clipping_threshold": 0.7,
                "weight_decay_rate": 0.1,
            },
        ),
    },
    "schedule_free_adamw": {
        "defaults": Case("ScheduleFreeAdamW", {}, {}, {"weight_lr_power": 0.0}),
        "other": Case("ScheduleFreeAdamW", THEIRS, {}, OURS | {"weight_lr_power": 0.0}),
    },
}
COMPOSED = {
    "decayed": Case("Adamax", {"learning_rate": 0.1, "weight_decay": 0.1}, {}, {}),
    "clipnorm": Case("SGD", {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 1.0}, {}, {}),
    "clipvalue": Case("RMSprop", {"learning_rate": 0.1, "clipvalue": 0.5}, {}, {}),
    "global_clipnorm": Case(
        "Adam",
        {"learning_rate": 0.1, "amsgrad": True, "global_clipnorm": 1.0, "weight_decay": 0.1},
        {},
        {},
    ),
    "accumulated": Case(
        "SGD", {"learning_rate": 0.1, "clipnorm": 1.0, "gradient_accumulation_steps": 3}, {}, {}
    ),
}
"""Cases that are rules in wrappers here: `optimizers.like` says in which."""
BY_LEAF = {"lamb", "adafactor", "like"}
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
    """Write tests/golden/keras/<rule>.npz for every rule, and like.npz for what is composed."""
    os.environ["KERAS_BACKEND"] = "numpy"
    import keras
    from keras.src.backend.common import dtypes

    keras.config.set_floatx("float64")
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    for rule, cases in (CASES | {"like": COMPOSED}).items():
        start, grads = draw(MATRICES if rule in BY_LEAF else FLAT)
        runs = {}
        for label, case in cases.items():
            optimizer = getattr(keras.optimizers, case.theirs)(**case.arguments)
            params, states = record(optimizer, start, grads)
            fields = [case.state(state) for state in states]
            by_field = {
                name: dict(zip(params, (found[name] for found in fields), strict=True))
                for name in fields[0]
            }
            if "momentum_product" in by_field:  # one for all leaves
                by_field["momentum_product"] = fields[0]["momentum_product"]
            runs[label] = case, params, by_field
        save("keras", rule, start, grads, runs)


if __name__ == "__main__":
    main()
