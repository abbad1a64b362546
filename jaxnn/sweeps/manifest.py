"""What a sweep is, in a form that a store keeps: two sweeps with equal manifests give equal tables.

Hashes stand for what is large: the program of a trial as JAX traced it, whatever its source looks
like, and the arrays that all trials share.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.space import Space
from jaxnn.sweeps.plain import to_plain

__all__ = ["EXTENDS", "data_hash", "describe", "program_hash"]

FORMAT = 1

EXTENDS = ("num_trials", "num_seeds")
"""What may grow when a sweep goes on."""

PACKAGES = ("jaxnn", "jax", "jaxlib", "numpy", "scipy")


def describe(
    space: Space | Sequence[Mapping[str, Any]], programs: Mapping[str, str], **given: Any
) -> dict[str, Any]:
    """The manifest: the space in plain form, the arguments of `run`, versions and platform.

    programs: of each structure, in words, what its trial computes, and of which data.
    """
    method, config = given.get("method"), cast(Any, jax.config)
    packages = method if isinstance(method, Mapping) else ()  # whose sampler proposes
    listed = not isinstance(space, Mapping)
    plain = [to_plain(row) for row in space] if listed else to_plain(space)
    return {
        "format": FORMAT,
        "space": plain,
        **given,
        "programs": dict(programs),
        "versions": {name: version(name) for name in (*PACKAGES, *packages)},
        "platform": jax.default_backend(),
        "x64": bool(config.jax_enable_x64),
        "random": [config.jax_default_prng_impl, bool(config.jax_threefry_partitionable)],
    }


def program_hash(program: Any) -> str:
    """Of a traced program: its text without addresses, and the constants in it.

    >>> one, same, other = (
    ...     jax.make_jaxpr(jax.jit(lambda x: x + np.arange(2.0) * k))(1.0) for k in (1, 1, 2)
    ... )
    >>> program_hash(one) == program_hash(same), program_hash(one) == program_hash(other)
    (True, False)
    """
    text = program.pretty_print(use_color=False)  # JAX would colour it in a terminal
    digest = hashlib.sha256(re.sub(r"0x[0-9a-f]+", "0x", text).encode())
    for constant in _constants(program):
        _update(digest, constant)
    return digest.hexdigest()[:16]


def _constants(program: Any) -> Iterator[Any]:
    """The arrays that a program closes over, those of programs inside it too."""
    yield from getattr(program, "consts", ())
    for equation in getattr(program, "jaxpr", program).eqns:
        for inside in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(inside):
                yield from _constants(inside)


def _is_program(x: Any) -> bool:
    return hasattr(x, "eqns")


def data_hash(data: Any) -> str:
    """Of the arrays that trials share."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(data):
        _update(digest, leaf)
    return digest.hexdigest()[:16]


def _update(digest: Any, leaf: Any) -> None:
    if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.ascontiguousarray(leaf)
    digest.update(f"{array.dtype} {array.shape} ".encode())
    digest.update(array.tobytes())
