"""Mutants that are the same rule: by file and name, why nobody could tell them from it."""

from __future__ import annotations

import pathlib
import tomllib

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, dict[str, str]] = tomllib.loads(
    pathlib.Path(__file__).with_suffix(".toml").read_text()
)
