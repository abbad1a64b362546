"""Who takes part in `update_rules.py`: a compiled step, torch's optimizers, a copy of an array.

Each has buffers of its own and says with `run(num_steps)` how many seconds one of them took.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["TORCH", "Compiled", "Copy", "Torch", "fastest_of_torch"]

TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adadelta": ("Adadelta", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
    "radam": ("RAdam", {}),
    "rprop": ("Rprop", {}),
}
FORMS = ({"fused": True}, {"foreach": True}, {"foreach": False})


class Compiled:
    """One contestant in JAX, with buffers of its own.

    step: (params, state, grads, hyper) → (params, state), compiled; init: params → state.
    """

    def __init__(self, step: Any, init: Any, params: Any, gradients: Any, hyper: Any) -> None:
        self.step, self.gradients, self.hyper = step, gradients, hyper
        self.params = jax.tree.map(jnp.copy, params)
        self.state = init(params)

    def run(self, num_steps: int) -> float:
        """So many steps, waited for; the seconds of one."""
        started = time.perf_counter()
        for number in range(num_steps):
            grads = self.gradients[number % len(self.gradients)]
            self.params, self.state = self.step(self.params, self.state, grads, self.hyper)
        jax.block_until_ready((self.params, self.state))
        return (time.perf_counter() - started) / num_steps


class Torch:
    """torch's optimizer in one of its forms. Raises RuntimeError where it has not got that form."""

    def __init__(self, name: str, form: dict[str, bool], params: Any, gradients: Any) -> None:
        import torch

        factory, options = TORCH[name]

        def as_torch(x: Any) -> Any:
            return torch.from_numpy(np.array(x))

        self.params = [as_torch(x).requires_grad_() for x in jax.tree.leaves(params)]
        self.gradients = [[as_torch(x) for x in jax.tree.leaves(g)] for g in gradients]
        try:
            self.optimizer = getattr(torch.optim, factory)(self.params, **options, **form)
        except TypeError as error:
            raise RuntimeError(f"{factory} has no {form}") from error

    def run(self, num_steps: int) -> float:
        """So many steps; the seconds of one."""
        started = time.perf_counter()
        for number in range(num_steps):
            grads = self.gradients[number % len(self.gradients)]
            for param, grad in zip(self.params, grads, strict=True):
                param.grad = grad
            self.optimizer.step()
        return (time.perf_counter() - started) / num_steps


class Copy:
    """Reads an array and writes it, as fast as a kernel that does no more."""

    def __init__(self, size: int) -> None:
        self.source, self.target = np.ones((2, size), np.float32)
        self.num_bytes = 2 * self.source.nbytes

    def run(self, num_steps: int) -> float:
        """So many copies; the seconds of one."""
        started = time.perf_counter()
        for _ in range(num_steps):
            np.copyto(self.target, self.source)
        return (time.perf_counter() - started) / num_steps


def fastest_of_torch(name: str, params: Any, gradients: Any) -> tuple[str, Any] | None:
    """(name of the form, how to make it) of the form of torch that takes the least time here."""
    found = []
    for form in FORMS:
        try:
            side = Torch(name, form, params, gradients)
            side.run(2)
        except RuntimeError:
            continue
        except ImportError:
            return None
        label = ", ".join(f"{key}={value}" for key, value in form.items())
        make = functools.partial(Torch, name, form, params, gradients)
        found.append((min(side.run(2) for _ in range(3)), label, make))
    _, label, make = min(found)
    return label, make
