"""`jaxnn bench` goes on where it was stopped or killed; `jaxnn report` reads what it left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import call

from jaxnn.bench import load
from jaxnn.sweeps import Store, StoreError

JAXNN = Path(sys.executable).with_name("jaxnn")
CAMPAIGN = """\
optimizers = ["sgd", "momentum"]
problems = ["rosenbrock", "saddle"]

[protocol]
tuning_trials = 4
tuning_seeds = 2
evaluation_seeds = 3
num_steps = 30
"""


def figures(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """All but times."""
    document = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    for outcome in document["outcomes"]:
        for name in ("microseconds", "compile_seconds", "total_seconds"):
            del outcome["cost"][name]
    for row in document["table"]:
        for name in ("microseconds_a_step", "compile_seconds", "total_seconds"):
            del row[name]
    return (folder / "runs.npz").read_bytes(), document


def num_chunks(store: Path) -> int:
    try:
        with Store.open(store, read_only=True) as kept:
            return len(kept.names())
    except (StoreError, ValueError):
        return 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAXNN_CACHE", "")
    (tmp_path / "campaign.toml").write_text(CAMPAIGN, encoding="utf-8")
    return tmp_path


def test_killed_it_goes_on_to_the_same_figures(folder: Path) -> None:
    command = [JAXNN, "bench", "--campaign", "campaign.toml", "--out", "killed"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        while num_chunks(folder / "killed" / "runs.db") < 2 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "killed" / "comparison.json").exists()
    before = num_chunks(folder / "killed" / "runs.db")
    assert before >= 2
    # In a process of its own: the suite compiles otherwise.
    calls = [[*map(str, command[1:-1]), out] for out in ("killed", "whole")]
    code = f"from jaxnn.cli.app import app\nfor x in {calls}: app(x, standalone_mode=False)"
    other = [sys.executable, "-c", code]
    subprocess.run(other, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    assert figures(folder / "killed") == figures(folder / "whole")
    assert num_chunks(folder / "killed" / "runs.db") > before
    assert (folder / "whole" / "campaign.toml").read_text(encoding="utf-8").startswith("optimizers")
    again = load(folder / "whole")
    assert again.problems == ("rosenbrock", "saddle")


def test_stopped_it_says_how_to_go_on(folder: Path) -> None:
    command = [JAXNN, "bench", "--campaign", "campaign.toml", "--out", "stopped"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        while num_chunks(folder / "stopped" / "runs.db") < 1 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    assert errors == (
        "stopped; what is done is kept. Go on with: jaxnn bench --campaign stopped/campaign.toml "
        "--out stopped\n"
    )
    assert (folder / "stopped" / "campaign.toml").exists()


def test_results_are_put_together_and_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--trials", "2", "--seeds", "2", "--steps", "8", "--store", "all.db")
    first = ("bench", "--problem", "iris,saddle", "--optimizers", "sgd", "--out", "one", *small)
    assert call(*first) == 0
    both = ("bench", "--problem", "iris", "--optimizers", "sgd,momentum", "--out", "two", *small)
    chunks = num_chunks(folder / "all.db")
    assert call(*both) == 0
    assert num_chunks(folder / "all.db") == chunks + 2  # only the later contestant's
    assert call("report", "merge", "one", "two", "--out", "merged") == 0
    merged = load("merged")
    assert (merged.problems, merged.optimizers) == (("iris", "saddle"), ("sgd", "momentum"))
    np.testing.assert_array_equal(
        merged.values("sgd", "loss", "iris"), load("one").values("sgd", "loss", "iris")
    )
    capsys.readouterr()
    assert call("report", "compare", "one", "two") == 0
    out = capsys.readouterr().out
    assert "3 of 8 figures are the same" in out
    assert "only in one" in out
    assert call("report", "merge", "one", "nowhere", "--out", "x") == 2
    assert "`folder` must be one with results" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--campaign", "campaign.toml", "--seeds", "3"),
            "`--campaign` must be given alone: it says all the rest; got --seeds besides. "
            "Change the file, or leave --campaign away.",
        ),
        (("--campaign", "no.toml"), "load_campaign: `path` must be a file that can be read; "),
        (("--suite", "smal"), "`--problem` must be a known name; got 'smal'."),
        (("--store", "campaign.toml"), "campaign.toml"),
    ],
)
def test_bad_input(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert call("bench", *arguments, "--out", "out") in (1, 2)
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["campaign.toml"]
    assert (folder / "campaign.toml").read_text(encoding="utf-8") == CAMPAIGN
