"""Compiled programs are kept from one command to the next, in a folder of the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["folder", "use_cache"]

MIN_SECONDS = 0.2
"""Programs that compile faster are compiled anew."""


def folder() -> Path | None:
    """Where programs are kept: JAXNN_CACHE, None where that is empty; else the user's cache."""
    chosen = os.environ.get("JAXNN_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(home or Path.home() / ".cache") / "jaxnn"


def use_cache() -> None:
    """Have JAX keep what it compiles, unless the user has told it where; before it compiles."""
    import jax

    path = folder()
    if path is None or getattr(jax.config, "jax_compilation_cache_dir", None):
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:  # a home that cannot be written to is no reason not to run
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_SECONDS)
