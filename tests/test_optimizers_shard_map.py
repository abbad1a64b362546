"""Every rule on two devices: replicas, averaged gradients, and leaves that lie on both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sharded import BEYOND_ELEMENTS

from jaxnn.optimizers import OPTIMIZERS

ROUNDING = 1e-3
"""Orthogonalisation enlarges that of a gradient up to 500 times; another formula is far above."""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What sharded.py prints: the number of devices is fixed when JAX starts."""
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    script = Path(__file__).with_name("sharded.py")
    command = [sys.executable, "-W", "error", str(script)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_devices_give_what_one_gives(name: str, found: dict[str, Any]) -> None:
    gaps = found[name]
    # Halves of a leaf make no difference but to the rules of the page.
    assert gaps.keys() == {"replicas", "data", "jit" if name in BEYOND_ELEMENTS else "elements"}
    assert {way: gap for way, gap in gaps.items() if not gap <= ROUNDING} == {}


def test_the_example_of_the_page_is_a_step_on_the_whole_batch(found: dict[str, Any]) -> None:
    # The first step of Adam is the rate, against the sign of the gradient.
    assert found["page"] == pytest.approx([0.1, 0.1, 0.1], rel=1e-5)


def test_the_page_names_rules_of_the_table() -> None:
    assert len(BEYOND_ELEMENTS) > 20
    assert set(OPTIMIZERS) >= BEYOND_ELEMENTS
