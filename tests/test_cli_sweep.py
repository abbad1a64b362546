"""`jaxnn sweep` through its entry point: preview, run, watch, go on, export, mend."""

from __future__ import annotations

import csv
import inspect
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
    return {"loss": jnp.nan * hyper["rate"] * jax.random.normal(key)}

def begin(key, hyper, data):
    return {"at": hyper["rate"] * 1.0}

def advance(state, hyper, step, data):
    at = state["at"] * 0.5
    return {"at": at}, {"score": -at}

def ends(state, hyper, data):
    return {"score": -state["at"], "sizes": jnp.ones(2)}

stepped = Staged(begin, advance, ends, 8)

def wide(key, hyper):
    rest = sum(x for name, x in hyper.items() if name.startswith("b"))
    return {"loss": hyper["rate"] * len(hyper["name"]) + rest + jax.random.normal(key)}

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
    head, programs, _, columns, best, *_, words, bars = ran.splitlines()
    assert head == "8 settings × 2 seeds in space.db: 16 done"
    assert programs == "1 program, 2 blocks of 2 seeds × 4 settings, none of 16 lanes padded"
    assert columns.split() == ["setting", "loss", "95", "%", "rate"]
    found = sweeps.load("space.db")
    first, *_ = found.leaders("loss")
    interval = [f"{first.low:.4g}", "–", f"{first.high:.4g}"]
    setting = f"{first.setting['rate']:.4g}"
    assert best.split() == [str(first.number), f"{first.mean:.4g}", *interval, setting]
    means = found.by_setting("loss").mean(axis=1)
    assert words == f"loss of 8 settings, from {means.min():.3g} to {means.max():.3g}:"
    assert bars[0] + bars[-1] == "[]"
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
        "8 settings × 2 seeds in f.db: 0 done, 16 failed (not finite)",
        "1 program, 2 blocks of 2 seeds × 4 settings, none of 16 lanes padded",
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
            "sweep: `space` must be a file with a table [space] or a list [[settings]]; got "
            "'empty.toml'. For example [space] and learning_rate = { log_uniform = [1e-4, 1e-1] }.",
        ),
        (
            ("mine:trial", "--space", "odd.toml"),
            "sweep: `space` must be one of {arguments}; got 'trials'. Did you mean 'num_trials'?",
        ),
        (
            ("status", "no.db"),
            "Store.open: `path` must be an existing store; got '{folder}/no.db'. "
            "Store.create makes one.",
        ),
        (
            ("export", "no.db", "t.txt"),
            "sweep.export: `out` must be a file that ends in .csv or .parquet; got 't.txt'.",
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
    known = {*inspect.signature(sweeps.run).parameters, "settings"} - {"trial", "progress"}
    text = text.replace("{folder}", str(folder)).replace("{arguments}", ", ".join(sorted(known)))
    assert complaint == f"error: {text}\n"
    assert not list(folder.glob("*.db"))


def test_a_metric_that_is_not_there_ends_the_sweep_at_its_first_block(
    jaxnn: Callable[..., Any],
) -> None:
    code, printed, complaint = jaxnn(
        "sweep", "mine:trial", "--space", "space.toml", "--metric", "los"
    )
    text = (
        "sweep: `metric` must be one of loss, status, status_step; got 'los'. Did you mean 'loss'?"
    )
    assert (code, printed, complaint) == (2, "", f"error: {text}\n")
    assert sweeps.load("space.db").outcomes["done"] >= 8  # what ran is kept
    assert jaxnn("sweep", "status", "space.db", "--metric", "los")[0] == 2


def test_early_stopping_and_a_metric_of_a_rule_from_a_file(
    jaxnn: Callable[..., Any], folder: Path
) -> None:
    (folder / "space.toml").write_text(
        """
num_trials = 32
width = [1, 8]
stop = { rule = "successive_halving", eta = 2, metric = "score", mode = "max", first = 2 }
store = "kept.db"
[space]
rate = { log_uniform = [1e-4, 1e-1] }
"""
    )
    code, dry, _ = jaxnn("sweep", "mine:stepped", "--space", "space.toml", "--dry-run")
    assert (code, [line.rstrip() for line in dry.splitlines()]) == (
        0,
        [
            "32 settings × 1 seed: 32 trials of 8 steps",
            "settings  blocks  padded lanes  structure and numbers",
            "      32       4             0  rate",
            "1 program, 4 blocks of 1 seed × 8 settings, none of 32 lanes padded, at first",
            "successive_halving looks at 2, 4 of 8 steps",
            "kept.db is not there yet",
        ],
    )
    code, ran, _ = jaxnn("sweep", "mine:stepped", "--space", "space.toml")
    assert code == 0
    lines = ran.splitlines()
    assert lines[0] == "32 settings × 1 seed in kept.db: 8 done, 24 stopped early"
    assert lines[3].split() == ["setting", "score", "curve", "rate"]
    assert [len(line.split()[2]) for line in lines[4:9]] == [8] * 5
    assert lines[4].split()[2][-1] == "█"
    assert lines[9].startswith("curves: score by step, from -")
    assert lines[12] == ("rungs at 2, 4 of 8 steps: 32 → 16 → 8; rank correlations 1.00, 1.00")
    assert lines[14].startswith("at an edge: 5 of the best 5 settings have rate in the outermost")
    assert jaxnn("sweep", "status", "kept.db")[:2] == (0, ran)
    lowest = jaxnn("sweep", "status", "kept.db", "--min")[1].splitlines()
    assert lowest[4].split()[0] == str(sweeps.load("kept.db").leaders("score")[0].number)
    after = jaxnn("sweep", "mine:stepped", "--space", "space.toml", "--dry-run")[1].splitlines()
    assert after[-1] == "kept.db has 32 trials that are done, 0 that are not"


def test_a_preview_compiles_nothing_and_knows_the_store(
    jaxnn: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "wide.toml").write_text(
        """
num_seeds = 2
num_trials = 6
width = [2, 4]
[space]
rate = { log_uniform = [1e-4, 1e-1] }
name = { grid = ["a", "bb", "ccc"] }
"""
    )
    preview = "sweep", "mine:wide", "--space", "wide.toml", "--dry-run"
    with monkeypatch.context() as patch:
        patch.setattr(sweeps.Engine, "compile", None)
        code, printed, _ = jaxnn(*preview)
    assert (code, [line.rstrip() for line in printed.splitlines()]) == (
        0,
        [
            "18 settings × 2 seeds: 36 trials",
            "settings  blocks  padded lanes  structure and numbers",
            "       6       2             4  name = 'a', rate",
            "       6       2             4  name = 'bb', rate",
            "       6       2             4  name = 'ccc', rate",
            "3 programs, 6 blocks of 2 seeds × 4 settings, 25 % of 48 lanes padded",
            "wide.db is not there yet",
        ],
    )
    assert not (folder / "wide.db").exists()
    assert jaxnn("sweep", "mine:wide", "--space", "wide.toml")[0] == 0
    assert jaxnn(*preview)[1].splitlines()[-1] == "wide.db has 6 of 6 blocks"
    more = jaxnn(*preview, "--trials", "8")[1].splitlines()
    assert more[-1] == "wide.db has 3 of 6 blocks"
    code, _, complaint = jaxnn(*preview, "--seed", "1")
    assert code == 2
    assert "`store` must be that of this sweep" in complaint
    (folder / "odd.toml").write_text("[space]\nother = 1.0")
    code, _, complaint = jaxnn("sweep", "mine:trial", "--space", "odd.toml", "--dry-run")
    assert code == 2
    assert "must be one of other; got 'rate'." in complaint


def test_a_preview_of_many_structures_and_of_a_sampler(
    jaxnn: Callable[..., Any], folder: Path
) -> None:
    (folder / "many.toml").write_text(
        """
num_trials = 2
width = [1, 28]
[space]
rate = { log_uniform = [1e-4, 1e-1] }
name = { grid = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"] }
"""
    )
    code, printed, _ = jaxnn("sweep", "mine:wide", "--space", "many.toml", "--dry-run")
    lines = printed.splitlines()
    assert (code, len(lines), lines[14]) == (0, 19, "… and 2 structures more")
    assert " ".join(line.strip() for line in lines[17:]) == (
        "note: 364 of 392 lanes are padding (93%): 14 programs of 2 to 2 settings fill blocks of "
        "28. Pass width=(1, 2), or more trials."
    )
    (folder / "space.toml").write_text(
        SPACE.replace("width", 'method = { optuna = { sampler = "random", batch = 4 } }\nwidth')
    )
    code, printed, _ = jaxnn("sweep", "mine:trial", "--space", "space.toml", "--dry-run")
    assert (code, printed.splitlines()[:2]) == (
        0,
        [
            "8 settings × 2 seeds: 16 trials",
            "random proposes them 4 at a time; a batch at random, for example:",
        ],
    )


def test_settings_with_many_numbers_are_tables_that_fit(
    jaxnn: Callable[..., Any], folder: Path
) -> None:
    names = [f"b{k}_of_a_long_name" for k in range(6)]
    space = "".join(f"{name} = {{ uniform = [0.0, 1.0] }}\n" for name in names)
    (folder / "many.toml").write_text(f"num_trials = 4\n[space]\nname = 'a'\nrate = 0.1\n{space}")
    code, printed, _ = jaxnn("sweep", "mine:wide", "--space", "many.toml")
    lines = printed.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if line.split()[:1] == ["setting"]]
    assert heads[0] == ["setting", "loss"]
    assert [name for head in heads[1:] for name in head[1:]] == ["name", "rate", *names]
    assert all(head[0] == "setting" for head in heads)


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
