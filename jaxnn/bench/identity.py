"""What makes two contests the same: their chunks in a store have the same names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.protocol import Protocol
from jaxnn.sweeps import Staged, Width
from jaxnn.sweeps.engine import lane_dtype
from jaxnn.sweeps.manifest import PACKAGES, data_hash, program_hash
from jaxnn.sweeps.plain import to_plain
from jaxnn.sweeps.preflight import preflight

__all__ = ["identity", "numbers_hash"]


def identity(
    staged: Staged,
    on_test: Callable[..., dict[str, Any]],
    space: Mapping[str, Any],
    columns: Mapping[str, NDArray[Any]],
    width: Width,
    protocol: Protocol,
    **given: Any,
) -> str:
    """Of a contest: its program as JAX traced it, data, space, width, seed, versions and platform.

    Of the protocol only what decides the numbers of a block is in it, so that more trials or seeds
    find what there is. Raises ValueError and TypeError for a trial that cannot run.
    """

    def both(state: Any, hyper: Any, data: Any) -> dict[str, Any]:
        tuned, tested = staged.measure(state, hyper, data), on_test(state, hyper, data)
        return tuned | {f"test/{name}": value for name, value in tested.items()}

    dtypes = {name: lane_dtype(column) for name, column in columns.items()}
    traced = preflight(staged._replace(measure=both), dtypes, tuple(columns), all_read=False)
    known = {
        "program": program_hash(traced.program),
        "data": data_hash(staged.data),
        "num_steps": staged.num_steps,
        "space": to_plain(space),
        "width": width,
        "seed": protocol.seed,
        "versions": {name: version(name) for name in PACKAGES},
        "platform": jax.default_backend(),
        "x64": str(jax.numpy.result_type(float)),
        **given,
    }
    return _hash(json.dumps(known, sort_keys=True).encode())


def numbers_hash(columns: Mapping[str, NDArray[Any]]) -> str:
    """Of the numbers of settings."""
    rows = (f"{name} {np.asarray(column).tolist()}" for name, column in columns.items())
    return _hash("\n".join(rows).encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
