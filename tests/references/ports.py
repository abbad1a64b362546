"""The numbers at which each rule reaches a parabola and Rosenbrock's valley.

For rules whose defaults do not get there in `NUM_STEPS`: most defaults are for networks, whose
weights travel less far than the parabola's 11.
"""

from __future__ import annotations

__all__ = ["FALLING", "NUM_STEPS", "PARABOLA_ONLY", "SETTINGS"]

NUM_STEPS = 10_000

SETTINGS: dict[str, dict[str, float]] = {
    # Rosenbrock's curvature across the valley is 1000: gradient descent needs a rate below 2/1000.
    "sgd": {"learning_rate": 1.5e-3},
    "momentum": {"learning_rate": 1e-3},
    "nesterov": {"learning_rate": 5e-4},
    "qhm": {"learning_rate": 2e-3},
    "aggmo": {"learning_rate": 5e-4},
    "sgdp": {"learning_rate": 1e-3},
    "noisy_sgd": {"learning_rate": 1.5e-3},
    "optimistic_gradient_descent": {"learning_rate": 1.2e-3, "beta": 0.1},
    "asgd": {"learning_rate": 1.5e-3, "t0": 7000.0},
    "schedule_free_sgd": {"learning_rate": 1e-2},
    "dpsgd": {"learning_rate": 5e-3, "l2_norm_clip": 1.0, "noise_multiplier": 1e-2},
    "adabound": {"final_lr": 1e-2},
    # Steps that get shorter with the sum of all squares.
    "adagrad": {"learning_rate": 0.5},
    "kate": {"learning_rate": 1.0, "eta": 0.1},
    "ftrl": {"learning_rate": 0.5},
    "sm3": {"learning_rate": 1.0},
    "shampoo": {"learning_rate": 0.5},
    # Steps of about the rate, however small the gradient.
    "rmsprop": {"learning_rate": 4e-3},
    "adam": {"learning_rate": 3e-2},
    "adamw": {"learning_rate": 3e-2},
    "stable_adamw": {"learning_rate": 2e-3},
    "grams": {"learning_rate": 3e-2},
    "amsgrad": {"learning_rate": 0.1},
    "padam": {"learning_rate": 1e-2},
    "qhadam": {"learning_rate": 5e-3},
    "nadam": {"learning_rate": 1e-2},
    "nadamw": {"learning_rate": 1e-2},
    "radam": {"learning_rate": 2e-2},
    "adam_mini": {"learning_rate": 2e-2},
    "adan": {"learning_rate": 3e-2},
    "adamp": {"learning_rate": 3e-2},
    "laprop": {"learning_rate": 2e-2},
    "diffgrad": {"learning_rate": 5e-2},
    "adamod": {"learning_rate": 1.5e-2},
    "adopt": {"learning_rate": 3e-2},
    "optimistic_adam_v2": {"learning_rate": 5e-3},
    "schedule_free_adamw": {"learning_rate": 3e-2},
    "ademamix": {"learning_rate": 3e-2},
    "came": {"learning_rate": 1e-2},
    "adamuon": {"learning_rate": 1e-2},
    "kron": {"learning_rate": 5e-3},
    "sophia": {"learning_rate": 3e-2},
    "adahessian": {"learning_rate": 2.0},
    "tiger": {"learning_rate": 1.5e-3},
    "lion": {"learning_rate": 2e-3},
    "prodigy": {"learning_rate": 5e-2},
    "cocob": {"alpha": 1.0},
    # It divides by what the steps before have left: where gradients grow tenfold the step does too,
    # and the walls of the valley are steep.
    "acprop": {"learning_rate": 1e-4, "b2": 0.99, "eps_root": 1e-8},
    "sign_sgd": {"learning_rate": 5e-3},
    "signum": {"learning_rate": 5e-3},
}

FALLING = {"adadelta", "sign_sgd", "signum"}
"""Rules whose rate has to fall to 0: their steps get no shorter where gradients do."""

PARABOLA_ONLY = {
    "sign_sgd": "all weights move by the same amount, so that from wall to wall of the valley it "
    "takes as long a step back along the floor as it took ahead; signum, which averages, arrives",
}
"""Rules that do not come to the end of the valley, and why."""
