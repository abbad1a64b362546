"""The command line through its entry point: exit codes, one-sentence errors, what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jaxnn
from jaxnn import problems
from jaxnn.bench import report
from jaxnn.cli import interrupts, main
from jaxnn.cli.app import app
from jaxnn.cli.bench import DEFAULT_OPTIMIZERS
from jaxnn.cli.listing import tables
from jaxnn.optimizers import OPTIMIZERS

JAXNN = str(Path(sys.executable).parent / "jaxnn")

OWN = """
import numpy as np
from jaxnn import problems
from jaxnn.models import MLP

x = np.random.default_rng(0).normal(size=(60, 3))
y = np.argmax(x, axis=1)

def good():
    return problems.classification(x, y, model=MLP((3, 4, 3)), name="own")

def nan():
    spoiled = x.copy()
    spoiled[7, 2] = np.nan
    return problems.classification(spoiled, y)

def needs(argument):
    return argument

def raises():
    raise RuntimeError("no data today")

def out_of_range():
    return problems.classification(x, y + 1, model=MLP((3, 4, 3)))

def empty():
    return problems.classification(x[:0], y[:0])

def mismatched():
    return problems.classification(x, y[:50])
"""


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C is heard, here and in what is started from here, whoever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own to work in, with a module of one's own problems."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("import no_such_package")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    return tmp_path


def call(*arguments: str) -> int:
    """Run the entry point in this process; the exit code."""
    before, handler = sys.argv, signal.getsignal(signal.SIGINT)
    sys.argv = ["jaxnn", *arguments]
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        sys.argv = before
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
    return caught.value.code or 0


SMALL = ("--trials", "2", "--seeds", "2", "--steps", "10")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--optimizers", "sgd,adm"),
            "`--optimizers` must be a known name; got 'adm'. Did you mean 'adam'? "
            "See `jaxnn list optimizers`.",
        ),
        (
            ("--optimizers", "zzz"),
            "`--optimizers` must be a known name; got 'zzz'. See `jaxnn list optimizers`.",
        ),
        (
            ("--optimizer", "adm", "--optimizers", "sgd"),  # the first is read too
            "`--optimizers` must be a known name; got 'adm'. Did you mean 'adam'? "
            "See `jaxnn list optimizers`.",
        ),
        (
            ("--problem", "irys", "--problems", "rosenbrock,iris"),
            "`--problem` must be a known name; got 'irys'. Did you mean 'iris'? "
            "See `jaxnn list problems`.",
        ),
        (
            ("--optimizers", "sgd,adam", "--set", "adm.b1=0.8"),
            "`--set` must be one of adam, sgd; got 'adm'. Did you mean 'adam'?",
        ),
        (
            ("--set", "sgd.rate=1"),
            "`--set sgd` must be one of learning_rate; got 'rate'. Did you mean 'learning_rate'?",
        ),
        (("--trials", "-1"), "`--trials` must be >= 0; got -1. Pass 0 or more."),
        (
            ("--set", "sgd.learning_rate=-0.1"),
            "sgd: `learning_rate` must be > 0; got -0.1. Did you mean 0.1?",
        ),
        (
            ("--set", "sgd"),
            "`--set` must be optimizer.number=value; got 'sgd'. For example adam.b1=0.8.",
        ),
        (
            ("--problem", "own:nan"),
            None,
        ),
        (("--problem", "os:path"), None),
        (("--problem", "own:x"), None),
        (("--problem", ":x"), None),
        (("--problem", "os.nothing:x"), None),
        (("--steps", "99999999999"), None),
        (("--problem", "own:out_of_range"), None),
        (("--problem", "own:empty"), None),
        (("--problem", "own:mismatched"), None),
        (
            ("--problem", "digitz"),
            "`--problem` must be a known name; got 'digitz'. Did you mean 'digits'? "
            "See `jaxnn list problems`.",
        ),
        (
            ("--problem", "own:missing"),
            "`--problem` must be an importable module:attribute; got 'own:missing'. "
            "own has no 'missing'.",
        ),
        (
            ("--problem", "own:needs"),
            "`--problem` must be an importable module:attribute; got 'own:needs'. It must be "
            "callable without arguments: missing a required argument: 'argument'.",
        ),
        (
            ("--problem", "own:raises"),
            "`--problem` must be an importable module:attribute; got 'own:raises'. Calling it "
            "failed: RuntimeError: no data today (own.py, line 21).",
        ),
        (
            ("--problem", "broken:x"),
            "`--problem` must be an importable module:attribute; got 'broken:x'. Importing broken "
            "failed: ModuleNotFoundError: No module named 'no_such_package' (broken.py, line 1).",
        ),
        (
            ("--problem", "nowhere:good"),
            "`--problem` must be an importable module:attribute; got 'nowhere:good'. "
            "Run the command in the folder that holds it, or set PYTHONPATH.",
        ),
        (
            ("--seed", "-1"),
            "`--seed` must be in [0, 4294967296); got -1. Pass for example 0.",
        ),
        (
            ("--seed", "4294967296"),
            "`--seed` must be in [0, 4294967296); got 4294967296. Pass for example 0.",
        ),
        (
            ("--seeds", "1"),
            "`--seeds` must be >= 2; got 1. Pass 2 or more.",
        ),
        (
            ("--out", ""),
            "`--out` must be a folder of its own; got the current one. Name a new one, or leave "
            "--out away.",
        ),
        (("--steps", "0"), "`--steps` must be >= 1; got 0. Pass 1 or more."),
        (
            ("--out", "own.py/results"),
            "`--out` must be a folder that can be written to; got 'own.py/results' "
            "(Not a directory). Choose another with --out.",
        ),
    ],
)
def test_bad_input_is_one_sentence_with_the_fix_and_exit_code_2(
    arguments: tuple[str, ...], message: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("bench", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert re.search(r"must be .*; got .*\. .+[.?]\n$", captured.err)
    assert "Traceback" not in captured.out + captured.err
    if message:
        assert captured.err == f"error: {message}\n"
    assert not Path("jaxnn-results").exists()


def test_a_comparison_of_ones_own_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--problem", "own:good", "--optimizers", "sgd,adam", "--out", "here")
    assert call("bench", *arguments, *SMALL, "--set", "adam.b1=0.8") == 0
    out = capsys.readouterr().out
    assert "own: 2 optimizers × (2 tuning trials × 3 seeds + 2 fresh seeds) × 10 steps" in out
    assert "b1=0.8" in out
    assert "• Test loss: " in out
    assert out.endswith("Results: here\nReport:  here/report.html\n")
    assert (folder / "here" / "report.md").exists()


def test_results_go_to_a_folder_of_their_own_by_default(folder: Path) -> None:
    assert call("bench", "--problem", "own:good", "--optimizers", "sgd", *SMALL) == 0
    (made,) = (folder / "jaxnn-results").iterdir()
    assert re.fullmatch(r"bench-\d{8}-\d{6}", made.name)


def test_narrow_terminals_break_nothing_in_two(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "56")  # this problem has a column less than others
    assert call("bench", "--problem", "own:good", "--optimizers", "sgd", *SMALL) == 0
    out = capsys.readouterr().out
    assert "own: 1 optimizer × " in out
    table = out.partition("Brackets:")[0]
    assert all(line.count("[") == line.count("]") for line in table.splitlines())
    assert table.splitlines()[-1].count("[") == 2  # under their figures
    monkeypatch.setenv("COLUMNS", "80")
    call("bench", "--help")
    options = capsys.readouterr().out
    assert all(name in options for name in DEFAULT_OPTIMIZERS.split(","))
    assert "…" not in options
    assert call("list", "optimizers") == 0
    assert re.search(r"^  dpsgd .* key,\n {40,}per_example_grads$", capsys.readouterr().out, re.M)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"jaxnn {jaxnn.__version__}\n"


def test_help_imports_no_jax() -> None:
    code = "import sys; sys.argv = ['jaxnn', '--help']\nfrom jaxnn.cli import main\ntry:\n main()\n"
    code += "except SystemExit as e:\n assert not e.code\n"
    code += "print('heavy:', sorted({'jax', 'numpy', 'optax', 'scipy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.rstrip().endswith("heavy: []")
    for command in ("bench", "list", "doctor"):
        assert command in run.stdout


def test_list_shows_every_entry_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list") == 0
    out = capsys.readouterr().out
    for title, entries in tables().items():
        assert title in out
        for name in entries:
            assert re.search(rf"^\s*{name}\s+\S", out, re.MULTILINE), name


def test_list_knows_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", "losses") == 0
    assert "squared_error" in capsys.readouterr().out
    assert call("list", "optimisers") == 2
    assert capsys.readouterr().err == (
        "error: list: `table` must be one of activations, initializers, losses, models, "
        "optimizers, problems, schedules; got 'optimisers'. Did you mean 'optimizers'?\n"
    )


def test_doctor_shows_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("doctor") == 0
    out = capsys.readouterr().out
    for word in ("jaxnn", "jaxlib", "devices", "cores", "memory", "µs a network and step"):
        assert word in out


def test_the_default_contestants_and_problem_exist() -> None:
    assert set(DEFAULT_OPTIMIZERS.split(",")) <= set(OPTIMIZERS)
    assert "digits" in problems.PROBLEMS


def test_an_unknown_option_is_a_usage_error() -> None:
    run = subprocess.run([JAXNN, "bench", "--optimisers", "sgd"], capture_output=True, text=True)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_ctrl_c_ends_cleanly(tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [JAXNN, "bench", "--steps", "200000", "--trials", "2", "--out", "new/out"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("digits: 8 optimizers")
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    assert errors == "stopped: nothing was saved\n"
    assert list(tmp_path.iterdir()) == []


def test_who_started_it_with_ctrl_c_ignored_keeps_it_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts.stop_at_once()
        with interrupts.noted():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("delay", [0.6, 1.2])  # Python itself takes a while to start
def test_ctrl_c_while_modules_are_imported(delay: float, tmp_path: Path) -> None:
    with subprocess.Popen([JAXNN, "bench"], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"stopped: nothing was saved\n")
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_that_is_done_is_saved_whatever_is_pressed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = report.save

    def pressed(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return save(*arguments, **options)

    monkeypatch.setattr(report, "save", pressed)
    arguments = ("--problem", "own:good", "--optimizers", "sgd", "--out", "here")
    with pytest.raises(SystemExit) as caught:
        app(["bench", *arguments, *SMALL])
    assert caught.value.code == 130
    assert capsys.readouterr().err == "stopped: the results were saved\n"
    assert (folder / "here" / "comparison.json").exists()
