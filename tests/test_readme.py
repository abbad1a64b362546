"""What the README shows is what a reader gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_functional_example_runs_and_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    match = re.fullmatch(r"best rate (\S+), validation loss (\S+), slope (-?\d+)\n", printed)
    assert match
    rate, loss, slope = map(float, match.groups())
    assert 1e-3 < rate < 1e-1
    assert 0.02 < loss < 0.2
    assert slope < 0


def test_every_link_and_picture_is_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    missing = [t for t in targets if not t.startswith("http") and not (README.parent / t).exists()]
    assert not missing


def test_the_two_commands_are_there() -> None:
    commands = re.findall(r"```\n(python3 -m venv .*?)\n```", README.read_text())
    assert len(commands) == 2
    assert commands[0].endswith("jaxnn bench")
    assert commands[1].endswith("pytest")
