"""Mutants that are the same rule: by file, by name of the mutant, why nobody could tell."""

from __future__ import annotations

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, dict[str, str]] = {}
