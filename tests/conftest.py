"""The strict setting of every test: rank promotion raises, warnings are errors, seeds are fixed."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import jax
import pytest

hypothesis.settings.register_profile(
    "jaxnn",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("jaxnn")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision for tests where precision is the point."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def strict_dtypes() -> Iterator[None]:
    """No implicit promotion between dtypes."""
    with jax.numpy_dtype_promotion("strict"):
        yield
