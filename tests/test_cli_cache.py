"""The command line keeps compiled programs, where it may, and finds them again."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from jaxnn.cli.cache import folder

PROGRAM = """
import jax, jax.numpy as jnp
from jaxnn.cli import cache
cache.MIN_SECONDS = 0.0
cache.use_cache()
print(jax.config.jax_compilation_cache_dir)
print(jax.jit(lambda x: jnp.sin(x) * 2)(1.0))
"""


def run(**environment: str) -> list[str]:
    own = {k: x for k, x in os.environ.items() if k not in ("JAXNN_CACHE", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=own | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def test_programs_are_kept_and_found_again(tmp_path: pathlib.Path) -> None:
    kept = tmp_path / "cache"
    first = run(JAXNN_CACHE=str(kept))
    assert first[0] == str(kept)
    there = {path.name for path in kept.iterdir()}
    assert any(name.endswith("-cache") for name in there)
    assert run(JAXNN_CACHE=str(kept)) == first
    assert {path.name for path in kept.iterdir() if path.name.endswith("-cache")} <= there


def test_the_user_decides(tmp_path: pathlib.Path) -> None:
    told = str(tmp_path / "told")
    assert run(JAXNN_CACHE=str(tmp_path / "own"), JAX_COMPILATION_CACHE_DIR=told)[0] == told
    assert run(JAXNN_CACHE="")[0] == "None"
    (tmp_path / "file").write_text("")
    assert run(JAXNN_CACHE=str(tmp_path / "file" / "below"))[0] == "None"


def test_where_programs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAXNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert folder() == pathlib.Path("/somewhere/jaxnn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert folder() == pathlib.Path.home() / ".cache" / "jaxnn"
