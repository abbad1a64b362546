"""What a sweep costs beside the trials themselves: time a trial, and memory, against its peers.

    python benchmarks/sweep_overhead.py [--trials 100000] [--rounds 3] [--out FILE]
    python benchmarks/sweep_overhead.py --progress

All try points of two numbers on a function that costs next to nothing. Each side is a process of
its own, the sides in turn; a figure is the median over rounds. **overhead** is wall time less
compilation and, for this library, less the time inside compiled calls (waited for), over trials;
what a peer's objective takes (0.3 µs) is part of its figure. **peak** is how far resident memory
rose at most above what it was when the sweep began.

Peers: Optuna with its random sampler, in memory and on SQLite; hyperoptax's random search, whose
loop is Python (`optimize`) or one compiled scan (`optimize_scan`, whose compilation is left out as
ours is). SQLite waits for the disk at every step of a trial, so that Optuna tries a hundredth of
the trials on it: its time is that of one trial, its peak that of those alone. Peers that are not
installed (`pip install optuna hyperoptax`) are left out.

"training" is no contest but a look at what the host does for trials that have segments, and numbers
to check: XOR by `training.stages`, Adam, 100 steps, a tenth of the trials.

--progress: what `progress=True` costs a sweep of 256 networks (digits, 2,000 steps), in turn with
none, by the wall time less compilation; the terminal is a pseudo-terminal.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

SIDES: dict[str, tuple[str, float]] = {
    "jaxnn": ("jaxnn", 1.0),
    "jaxnn, store": ("jaxnn", 1.0),
    "jaxnn, store, 64 lanes": ("jaxnn", 1.0),
    "jaxnn, store, training": ("jaxnn", 0.1),
    "Optuna, memory": ("optuna", 1.0),
    "Optuna, SQLite": ("optuna", 0.01),
    "hyperoptax, optimize": ("hyperoptax", 1.0),
    "hyperoptax, optimize_scan": ("hyperoptax", 1.0),
}
"""Sides by name: the package, and the share of the trials that it tries."""

LIMITS = {"overhead_us": 20.0, "peak_mib": 1024.0}
"""What a sweep of a cheap function may take, its store included."""


def side(name: str, trials: int, folder: str) -> dict[str, float]:
    """One side in this process: seconds, and bytes above the start."""
    run = {"jaxnn": _ours, "optuna": _optuna, "hyperoptax": _hyperoptax}[SIDES[name][0]]
    return run(name, trials, folder)


def _ours(name: str, trials: int, folder: str) -> dict[str, float]:
    import jax
    import scipy.stats.qmc  # noqa: F401  (imported when points are drawn)

    from jaxnn import sweeps, training
    from jaxnn.space import log_uniform, uniform

    inside = [0.0]
    engines = []

    def timed(compiled: Any) -> Any:
        def call(*args: Any) -> Any:
            started = time.perf_counter()
            out = jax.block_until_ready(compiled(*args))
            inside[0] += time.perf_counter() - started
            return out

        call.timed = True  # type: ignore[attr-defined]
        return call

    class Timed(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, timed(value))

    def made(engine: Any) -> None:
        engine._compiled = Timed()
        engines.append(engine)

    def cheap(key: Any, hyper: Any) -> Any:
        del key
        return {"loss": (hyper["x"] - 0.3) ** 2 + hyper["y"] ** 2}

    trial, space = cheap, {"x": uniform(0, 1), "y": uniform(-1, 1)}
    if "training" in name:
        trial = training.stages("xor", "adam", num_steps=100, record_every=0)
        space = {"learning_rate": log_uniform(1e-4, 1e-1), "b1": uniform(0.5, 0.99)}

    def run(count: int, path: str | None) -> None:
        options: dict[str, Any] = {"width": (1, 64)} if "64 lanes" in name else {}
        sweeps.run(trial, space, num_trials=count, store=path, **options)

    with _noted(made):
        run(64, None)  # what is done once in a process
        inside[0] = 0.0
        engines.clear()
        before = _start()
        started = time.perf_counter()
        run(trials, str(Path(folder) / "sweep.db") if "store" in name else None)
        wall = time.perf_counter() - started
    compiling = sum(engine.compile_seconds for engine in engines)
    return {"seconds": wall - compiling - inside[0], "wall": wall, "bytes": _peak() - before}


@contextlib.contextmanager
def _noted(made: Callable[[Any], None]) -> Iterator[None]:
    """Calls `made` with every engine, before it compiles anything."""
    from jaxnn import sweeps

    make = sweeps.Engine.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        made(self)

    sweeps.Engine.__init__ = init  # type: ignore[method-assign]
    try:
        yield
    finally:
        sweeps.Engine.__init__ = make  # type: ignore[method-assign]


def _optuna(name: str, trials: int, folder: str) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{folder}/optuna.db" if "SQLite" in name else None
    sampler = optuna.samplers.RandomSampler(seed=0)

    def objective(trial: Any) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", -1, 1)
        return (x - 0.3) ** 2 + y**2

    optuna.create_study(sampler=sampler).optimize(objective, n_trials=10)
    before = _start()
    study = optuna.create_study(sampler=sampler, storage=url)
    started = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    wall = time.perf_counter() - started
    return {"seconds": wall, "wall": wall, "bytes": _peak() - before}


def _hyperoptax(name: str, trials: int, folder: str) -> dict[str, float]:
    del folder
    import jax
    from hyperoptax import LinearSpace, RandomSearch

    def objective(key: Any, params: Any) -> Any:
        del key
        return (params["x"] - 0.3) ** 2 + params["y"] ** 2

    space = {"x": LinearSpace(0.0, 1.0), "y": LinearSpace(-1.0, 1.0)}
    state, search = RandomSearch.init(space, n_parallel=64)
    count = max(trials // 64, 1)
    if "scan" in name:
        compiled = jax.jit(lambda key: search.optimize_scan(state, key, objective, count)[1])
        compiled = compiled.lower(jax.random.key(0)).compile()
    else:

        def compiled(key: Any) -> Any:
            return search.optimize(state, key, objective, count)[1]

        search.optimize(state, jax.random.key(1), objective, 1)
    before = _start()
    started = time.perf_counter()
    jax.block_until_ready(compiled(jax.random.key(0)))
    wall = time.perf_counter() - started
    return {"seconds": wall, "wall": wall, "bytes": _peak() - before}


def _start() -> int:
    """Resident bytes now, from where the peak is counted anew if the platform can do so."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """Resident bytes at most; Linux counts in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measured(name: str, trials: int) -> dict[str, float]:
    """One side in a process of its own."""
    count = max(int(trials * SIDES[name][1]), 64)
    with tempfile.TemporaryDirectory() as folder:
        program = (
            "import sys, json; sys.path.insert(0, sys.argv[1]); import sweep_overhead as s; "
            "print(json.dumps(s.side(sys.argv[2], int(sys.argv[3]), sys.argv[4])))"
        )
        given = [str(Path(__file__).parent), name, str(count), folder]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, *given],
            check=True,
            capture_output=True,
            text=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "trials": count,
        "overhead_us": 1e6 * found["seconds"] / count,
        "wall_us": 1e6 * found["wall"] / count,
        "peak_mib": found["bytes"] / 2**20,
    }


def progress_cost(rounds: int, steps: int = 2000) -> dict[str, Any]:
    """Wall time with a live line over that without, less compilation; sides in turn."""
    import pty
    import threading

    from rich.console import Console

    from jaxnn import sweeps, training
    from jaxnn.space import log_uniform
    from jaxnn.sweeps.display import Display

    staged = training.stages("digits", "adam", num_steps=steps, batch_size=32, record_every=0)
    space = {"learning_rate": log_uniform(1e-4, 1e-1)}
    master, slave = pty.openpty()
    terminal = os.fdopen(slave, "w")
    engines: list[Any] = []

    def read() -> None:  # as a terminal does: what nobody reads would fill its buffer
        with contextlib.suppress(OSError):
            while os.read(master, 1 << 16):
                pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def run(shown: bool) -> float:
        engines.clear()
        started = time.perf_counter()
        if shown:
            with Display(console=Console(file=terminal, force_terminal=True)) as display:
                sweeps.run(staged, space, num_trials=256, progress=display)
        else:
            sweeps.run(staged, space, num_trials=256, progress=False)
        seconds = time.perf_counter() - started
        return seconds - max(engine.compile_seconds for engine in engines)

    pairs = []
    with _noted(engines.append):
        for number in range(rounds + 1):
            order = (True, False) if number % 2 else (False, True)
            times = {shown: run(shown) for shown in order}
            pairs.append(times[True] / times[False])
    terminal.close()
    reader.join()
    os.close(master)
    ratios = sorted(pairs[1:])
    return {"ratio": statistics.median(ratios), "ratios": ratios}


def main(
    trials: int = 100_000,
    rounds: int = 3,
    progress: bool = False,
    sides: str = "all",
    out: Path | None = None,
) -> dict[str, Any]:
    """Every side that is installed; a row each."""
    report: dict[str, Any] = {
        "command": f"python benchmarks/sweep_overhead.py --trials {trials} --rounds {rounds}"
        + (" --progress" if progress else "")
        + (f" --sides {sides!r}" if sides != "all" else ""),
        "cores": os.cpu_count(),
        "load_average": [os.getloadavg()[0]],
        "versions": {name: importlib.metadata.version(name) for name in ("jax", "jaxlib")},
        "limits": LIMITS,
        "rows": {},
    }
    names = list(SIDES) if sides == "all" else sides.split(";")
    there = [name for name in names if importlib.util.find_spec(SIDES[name][0])]
    for name in names:
        package = SIDES[name][0]
        if name in there:
            report["versions"][package] = importlib.metadata.version(package)
        else:
            print(f"{name}: {package} is not installed")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in there}
    for _ in range(rounds):
        for name in there:
            found[name].append(measured(name, trials))
    for name in there:
        row: dict[str, Any] = {
            key: statistics.median(x[key] for x in found[name]) for key in found[name][0]
        }
        every = [x["overhead_us"] for x in found[name]]
        row["overhead_us_range"] = [min(every), max(every)]
        report["rows"][name] = row
    for name, row in report["rows"].items():
        low, high = row["overhead_us_range"]
        line = f"{name:26s} {row['trials']:9,.0f} trials {row['overhead_us']:10,.1f} µs a trial"
        line += f" ({low:,.1f} to {high:,.1f}; {row['wall_us']:,.1f} in all)"
        line += f" {row['peak_mib']:6.0f} MiB"
        if "jaxnn, store" in report["rows"]:
            row["ratio"] = row["overhead_us"] / report["rows"]["jaxnn, store"]["overhead_us"]
            line += f" {row['ratio']:10,.1f} × ours with a store"
        print(line)
    if progress:
        report["progress"] = progress_cost(2 * rounds + 1)
        ratios = report["progress"]["ratios"]
        print(
            f"progress: {report['progress']['ratio'] - 1:+.1%}"
            f" ({ratios[0] - 1:+.1%} to {ratios[-1] - 1:+.1%})"
        )
    report["load_average"].append(os.getloadavg()[0])
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    typer.run(main)
