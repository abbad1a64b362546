"""How XLA compiles what a sweep runs: options found by measurement, where jaxlib knows them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["LONG", "SHORT", "options"]

LONG = {"xla_backend_optimization_level": 2}
"""For a program that runs long. XLA's default is LLVM's third level, which takes a tenth longer or
more to compile and trains small networks no faster."""

SHORT = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}
"""For a program that runs for about as long as it compiles: half of the time to compile, and up to
15 % slower to train wide blocks of small networks."""


@functools.cache
def options(platform: str, *, short: bool) -> dict[str, Any] | None:
    """What to compile with on "cpu", "gpu", ...: None for XLA's own choice.

    XLA renames its options at times, and refuses one that it does not know: those are left out.
    """
    if platform != "cpu":
        return None
    wanted = SHORT if short else LONG
    return {name: value for name, value in wanted.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    try:
        jax.jit(jnp.negative).lower(0.0).compile(compiler_options={name: value})
    except jax.errors.JaxRuntimeError:
        return False
    return True
