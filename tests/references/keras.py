"""Flavours of Keras: golden files check them, made by `golden/make_keras.py`."""

from __future__ import annotations

__all__ = ["ELSEWHERE"]

_RULES = (
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "adadelta",
    "adam",
    "adamw",
    "amsgrad",
    "nadam",
    "nadamw",
    "adamax",
    "lion",
    "lamb",
    "adafactor",
    "schedule_free_adamw",
)
ELSEWHERE = {f"{rule}(flavor='keras')": f"by Keras, in golden/keras/{rule}.npz" for rule in _RULES}
