"""The strict setting of every test: rank promotion raises, warnings are errors, seeds are fixed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version

# Before jax starts, and for the processes that tests start. The suite compiles thousands of tiny
# programs: by XLA's older code generator and without LLVM's optimizations they take a third of the
# time, and do the same arithmetic but for what is contracted into fused multiply-adds; in one piece
# each, as there are as many workers as cores, another tenth less. A jaxlib
# that does not know a flag would end the process, so only where they are known; XLA_FLAGS of your
# own come instead of these.
if version("jaxlib").startswith("0.10."):
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 "
        "--xla_backend_optimization_level=0",
    )

# Tests must not find what others compiled, nor leave anything behind.
os.environ["JAXNN_CACHE"] = ""

import hypothesis
import jax
import pytest

from jaxnn.sweeps import engine

collect_ignore = ["golden"]  # scripts that need libraries of their own

hypothesis.settings.register_profile(
    "jaxnn",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("jaxnn")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="module")
def forget_programs() -> Iterator[None]:
    """Thousands of compiled programs at once are more than a process may map."""
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True, scope="session")
def sweeps_compile_like_the_rest() -> Iterator[None]:
    """The engine's own options would come instead of the flags above."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("XLA_FLAGS", "").endswith("_level=0"):
            patch.setattr(engine, "options", lambda platform, short: None)
        yield


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
