"""What the README shows is what a reader gets."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from jaxnn.bench import Protocol
from jaxnn.bench.campaign import load_campaign
from jaxnn.bench.protocol import BATCH_SIZE, NUM_STEPS
from jaxnn.cli.app import app
from jaxnn.cli.bench import DEFAULT_OPTIMIZERS
from jaxnn.cli.contestants import load_contestants
from jaxnn.cli.sweep_options import read_options
from jaxnn.optimizers.base import name_of
from jaxnn.space import choice, structural
from jaxnn.sweeps import SuccessiveHalving

README = Path(__file__).parents[1] / "README.md"
DOCS = README.parent / "docs"


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


@pytest.mark.parametrize("file", [README, *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_every_link_and_picture_is_there(file: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", file.read_text())
    missing = [t for t in targets if not t.startswith("http") and not (file.parent / t).exists()]
    assert not missing


def test_the_guide_to_sweeps_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "sweeps.md").read_text()
    seen: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(code, "sweeps.md", "exec"), seen)
    assert seen["found"].rungs == (seen["rungs"],)
    assert seen["rungs"].reached.tolist() == [64, 32, 16, 8]
    (settings,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    Path("space.toml").write_text(settings)
    options = read_options(Path("space.toml"))
    assert options["stop"] == SuccessiveHalving("loss", eta=2)
    assert options["space"]["width"] == structural(choice([16, 64]))


def test_the_guide_to_comparisons_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "bench.md").read_text()
    seen: dict[str, Any] = {}
    rule, code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    Path("my_rules.py").write_text(rule)
    monkeypatch.delitem(sys.modules, "my_rules", raising=False)
    (own,) = load_contestants("my_rules:normalized")  # raises where it breaks a contract
    assert name_of(own) == "Normalized"
    exec(compile(code, "bench.md", "exec"), seen)
    assert capsys.readouterr().out.startswith(str(seen["verdict"]))
    assert seen["again"].summary() == seen["found"].summary()
    there = {path.name for path in seen["folder"].iterdir()}
    (listed,) = re.findall(r"The folder holds (.*?)```toml", text, re.DOTALL)
    named = set(re.findall(r"`(\w+\.\w+)`", listed)) - {"bench.load"}
    pictures = {name for name in there if name.endswith((".png", ".svg"))}
    assert named - {"runs.db", "campaign.toml"} == there - pictures
    (campaign,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    Path("campaign.toml").write_text(campaign)
    wanted = load_campaign("campaign.toml")
    assert wanted.optimizers == ("adamw", "clipped(adamw)")
    assert wanted.fixed == {"adamw": {"b1": 0.9}}
    commands: Any = typer.main.get_command(app)
    told = [commands.commands["bench"], *commands.commands["report"].commands.values()]
    known = {name for one in told for option in one.params for name in option.opts}
    named = set(re.findall(r"(--\w+)", text))
    assert named <= known
    assert {"--studies", "--schedule", "--budget", "--store", "--campaign"} <= named


def test_defaults_of_comparisons_are_those_of_the_guide() -> None:
    text = (DOCS / "bench.md").read_text()
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    defaults = {key.removeprefix("`protocol."): default for _, key, default in rows}
    for name, value in dataclasses.asdict(Protocol()).items():
        told = defaults[f"{name}`"]
        assert told == str(value) if value is not None else told.startswith(("the ", "a "))
    assert defaults["`optimizers`"].replace(" ", "") == DEFAULT_OPTIMIZERS
    assert f"or {NUM_STEPS}" in defaults["num_steps`"]
    assert f"or {BATCH_SIZE}" in defaults["batch_size`"]


def test_the_two_commands_are_there() -> None:
    commands = re.findall(r"```\n(python3 -m venv .*?)\n```", README.read_text())
    assert len(commands) == 2
    assert commands[0].endswith("jaxnn bench")
    assert commands[1].endswith("pytest")
