"""A whole comparison over the *small* suite, cold: time, peak memory, and what a kill changes.

    python benchmarks/small_suite.py [--trials 32] [--seeds 20] [--kill] [--out FILE]

`jaxnn bench --suite small` in a process of its own, with nothing compiled before. With --kill a
second one is killed (−9) when half that time has passed, and resumed by the same command; every
file of both folders must then be the same byte for byte, apart from what says how long things took.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jaxnn.bench import Comparison, load
from jaxnn.bench.pages import html_page

JAXNN = str(Path(sys.executable).parent / "jaxnn")
OPTIMIZERS = "sgd,momentum,nesterov,adagrad,rmsprop,adadelta,adam,adamw,lion,muon"
TIMES = ("microseconds", "compile_seconds", "total_seconds")
COLUMNS = ("microseconds_a_step", "compile_seconds", "total_seconds")


def timed(command: list[str], folder: str, kill_after: float | None = None) -> dict[str, float]:
    """Wall seconds and highest resident memory of a process; killed when its time is up."""
    cold = os.environ | {"JAXNN_CACHE": ""}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=cold, stdout=subprocess.DEVNULL)
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (0 if kill_after is None else -signal.SIGKILL):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return {"seconds": time.perf_counter() - started, "peak_mib": usage.ru_maxrss / 1024}


def contents(folder: Path) -> dict[str, Any]:
    """Every file of a folder of results, without what says how long something took."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("runs.db") or path.name.startswith("report."):
            continue  # blocks in the order in which they came; the reports are made again below
        text = path.read_bytes()
        if path.name == "comparison.json":
            document = json.loads(text)
            for outcome in document["outcomes"]:
                outcome["cost"] = {k: x for k, x in outcome["cost"].items() if k not in TIMES}
            for row in document["table"]:
                row |= dict.fromkeys(COLUMNS)
            found[path.name] = document
        elif path.name == "table.csv":
            rows = csv.DictReader(io.StringIO(text.decode()))
            found[path.name] = [row | dict.fromkeys(COLUMNS) for row in rows]
        else:
            found[path.name] = text
    found["report.html"] = html_page(_without_times(load(folder)))
    return found


def _without_times(comparison: Comparison) -> Comparison:
    none = dict.fromkeys(TIMES, float("nan"))
    outcomes = [
        dataclasses.replace(one, cost=one.cost._replace(**none)) for one in comparison.outcomes
    ]
    return dataclasses.replace(comparison, outcomes=tuple(outcomes))


def main(
    trials: int = 32,
    seeds: int = 20,
    *,
    problem: str | None = None,
    optimizers: str = OPTIMIZERS,
    steps: int | None = None,
    kill: bool = False,
) -> dict[str, Any]:
    """What was measured; prints it."""
    with tempfile.TemporaryDirectory() as place:
        asked = ["--problem", problem] if problem else ["--suite", "small"]
        command = [JAXNN, "bench", *asked, "--optimizers", optimizers]
        command += ["--trials", str(trials), "--seeds", str(seeds)]
        command += [] if steps is None else ["--steps", str(steps)]
        load_average = os.getloadavg()[0]
        whole = timed([*command, "--out", "whole"], place)
        number = len(load(Path(place, "whole")).problems)
        print(
            f"{len(optimizers.split(','))} optimizers on {number} problems, {trials} trials, "
            f"{seeds} seeds, cold: {whole['seconds']:.0f} s, at most {whole['peak_mib']:.0f} MiB"
        )
        found: dict[str, Any] = {
            "command": " ".join(["jaxnn", *command[1:]]),
            "cores": os.cpu_count(),
            "load_average": load_average,
            **whole,
        }
        if kill:
            again = [*command, "--out", "killed"]
            killed = timed(again, place, kill_after=whole["seconds"] / 2)
            resumed = timed(again, place)
            one, other = (contents(Path(place, name)) for name in ("whole", "killed"))
            differ = sorted(x for x in one.keys() | other.keys() if one.get(x) != other.get(x))
            took = f"{killed['seconds']:.0f} s, resumed, {resumed['seconds']:.0f} s"
            print(f"killed after {took}: {', '.join(differ) or 'nothing'} differs")
            found |= {"killed": killed, "resumed": resumed, "files": sorted(one), "differ": differ}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--problem", help="instead of the suite, for a look")
    parser.add_argument("--optimizers", default=OPTIMIZERS)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = vars(parser.parse_args())
    out = given.pop("out")
    figures = main(**given)
    if out:
        out.write_text(json.dumps(figures, indent=1) + "\n")
