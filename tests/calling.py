"""The command line in the test's own process."""

from __future__ import annotations

import pytest

from jaxnn.cli.app import app

__all__ = ["call"]


def call(*arguments: str) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as caught:
        app(list(arguments))
    return int(caught.value.code or 0)
