"""`jaxnn sweep` through its entry point: run, watch, go on, export, mend."""

from __future__ import annotations

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jaxnn import sweeps
from jaxnn.cli import main

JAXNN = str(Path(sys.executable).parent / "jaxnn")

MINE = """
import time
import jax, jax.numpy as jnp
from jaxnn.sweeps import Staged

def trial(key, hyper):
    noise = 0.1 * jax.random.normal(key)
    return {"loss": (jnp.log10(hyper["rate"]) + 2) ** 2 + noise}

def failing(key, hyper):
    return {"loss": jnp.nan * hyper["rate"]}

def nap(x):
    time.sleep(0.02)
    return x

def slow(key, hyper):
    shape = jax.ShapeDtypeStruct((), jnp.float32)
    return {"loss": jax.pure_callback(nap, shape, hyper["rate"], vmap_method="sequential")}
"""

SPACE = """
num_trials = 8
num_seeds = 2
width = [2, 4]
[space]
rate = { log_uniform = [1e-4, 1e-1] }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "space.toml").write_text(SPACE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield tmp_path
    signal.signal(signal.SIGINT, before)
    sys.modules.pop("mine", None)


@pytest.fixture
def jaxnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command in this process: (exit code, what it printed, what it complained of)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["jaxnn", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run


def test_a_sweep_runs_is_watched_and_exported(jaxnn: Callable[..., Any]) -> None:
    code, ran, _ = jaxnn("sweep", "mine:trial", "--space", "space.toml")
    assert code == 0
    head, columns, best, *_ = ran.splitlines()
    assert head == "8 settings × 2 seeds in space.db: 16 done"
    assert columns.split() == ["setting", "loss", "95", "%", "rate"]
    found = sweeps.load("space.db")
    number = int(found.ranking("loss")[0])
    assert best.split()[0] == str(number)
    assert best.split()[-1] == f"{found.setting(number)['rate']:.4g}"
    assert jaxnn("sweep", "status", "space.db")[:2] == (0, ran)
    assert jaxnn("sweep", "run", "mine:trial", "--space", "space.toml")[:2] == (0, ran)
    assert jaxnn("sweep", "resume", "space.db", "mine:trial")[:2] == (0, ran)
    assert jaxnn("sweep", "export", "space.db", "t.csv")[:2] == (0, "16 rows in t.csv\n")
    with open("t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == found.table()["loss"].tolist()
    assert [float(row["rate"]) for row in rows] == found.table()["rate"].tolist()
    code, more, _ = jaxnn("sweep", "mine:trial", "--space", "space.toml", "--trials", "12")
    assert (code, more.splitlines()[0]) == (0, "12 settings × 2 seeds in space.db: 24 done")


def test_where_every_trial_fails(jaxnn: Callable[..., Any]) -> None:
    code, printed, _ = jaxnn("sweep", "mine:failing", "--space", "space.toml", "--store", "f.db")
    assert code == 0
    assert printed.splitlines() == [
        "8 settings × 2 seeds in f.db: 0 done, 16 failed",
        "no setting has a loss on all of its seeds",
    ]


def test_a_damaged_store_is_mended(jaxnn: Callable[..., Any]) -> None:
    _, ran, _ = jaxnn("sweep", "mine:trial", "--space", "space.toml")
    assert jaxnn("sweep", "doctor", "space.db")[:2] == (0, "nothing is damaged\n")
    connection = sqlite3.connect("space.db")
    connection.execute("UPDATE chunks SET data = zeroblob(9) WHERE name = ?", (b"0-3/0-1",))
    connection.commit()
    connection.close()
    code, _, complaint = jaxnn("sweep", "status", "space.db")
    assert code == 1
    assert "chunk '0-3/0-1' is damaged" in complaint
    assert jaxnn("sweep", "doctor", "space.db")[:2] == (
        0,
        "damaged: 0-3/0-1\nGo on with the sweep: what is missing is computed again.\n",
    )
    head = jaxnn("sweep", "status", "space.db")[1].splitlines()[0]
    assert head == "8 settings × 2 seeds in space.db: 8 done, 8 not run yet"
    assert jaxnn("sweep", "resume", "space.db", "mine:trial")[:2] == (0, ran)
    with open("space.db", "r+b") as file:  # the header of the file
        file.write(b"\0" * 16)
    code, mended, _ = jaxnn("sweep", "doctor", "space.db")
    assert code == 0
    assert "rebuilt with 2 chunks" in mended
    assert jaxnn("sweep", "status", "space.db")[:2] == (0, ran)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("mine:nothing", "--space", "space.toml"),
            "sweep: `trial` must be an importable module:attribute; got 'mine:nothing'. "
            "mine has no 'nothing'.",
        ),
        (
            ("mine:trial", "--space", "no.toml"),
            "sweep: `space` must be a TOML file; got 'no.toml'. [Errno 2] No such file or "
            "directory: 'no.toml'.",
        ),
        (
            ("mine:trial", "--space", "empty.toml"),
            "sweep: `space` must be a file with a table [space]; got 'empty.toml'. For example "
            "[space] and learning_rate = { log_uniform = [1e-4, 1e-1] }.",
        ),
        (
            ("mine:trial", "--space", "odd.toml"),
            "sweep: `space` must be one of ceiling, common, method, num_seeds, num_trials, seed, "
            "space, width; got 'trials'. Did you mean 'num_trials'?",
        ),
        (
            ("status", "no.db"),
            "Store.open: `path` must be an existing store; got '{folder}/no.db'. "
            "Store.create makes one.",
        ),
        (
            ("export", "no.db", "t.txt"),
            "sweep: `out` must be a file that ends in .csv or .parquet; got 't.txt'.",
        ),
    ],
)
def test_bad_input(
    jaxnn: Callable[..., Any], folder: Path, arguments: tuple[str, ...], text: str
) -> None:
    (folder / "empty.toml").write_text("num_trials = 3")
    (folder / "odd.toml").write_text("trials = 3\n[space]\nrate = 1.0")
    code, printed, complaint = jaxnn("sweep", *arguments)
    assert (code, printed) == (2, "")
    assert complaint == f"error: {text.replace('{folder}', str(folder))}\n"
    assert not list(folder.glob("*.db"))


def test_ctrl_c_finishes_the_block_and_says_how_to_go_on(folder: Path) -> None:
    (folder / "space.toml").write_text(SPACE.replace("num_trials = 8", "num_trials = 4000"))
    with subprocess.Popen(
        [JAXNN, "sweep", "mine:slow", "--space", "space.toml"],
        env={**os.environ, "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _wait_for_a_block(folder / "space.db")
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaint.splitlines()[-1] == (
        "stopped; go on with: jaxnn sweep resume space.db mine:slow"
    )
    table = sweeps.load("space.db").table()
    done = table["status"] == 0
    assert 8 <= done.sum() < 8000
    assert list(table["loss"][done]) == pytest.approx(list(table["rate"][done]), rel=1e-6)


def _wait_for_a_block(path: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.exists() and path.stat().st_size:
            try:
                with sweeps.Store.open(path, read_only=True) as store:
                    if store.names():
                        return
            except Exception:  # not made yet
                time.sleep(0.05)
        time.sleep(0.05)
    raise AssertionError
