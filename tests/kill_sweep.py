"""kill −9 at random moments over a sweep with a store, until it is done; its table against another.

    python tests/kill_sweep.py --kills 200 --trials 1000 --devices 2 [--halving 1]

A child process trains small networks in a sweep with a store on so many host devices and is killed
after a random time, again and again; when a sweep is done its table and curves, as bytes, are
compared with those of a sweep that nobody stopped, and the next begins in a new store.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

NUM_SEEDS = 2
WIDTH = (2, 8)
DEFAULTS = {"kills": 200, "trials": 1000, "devices": 2, "halving": 0, "seed": 0}


def sweep(trials: int, halving: bool, store: pathlib.Path | None) -> str:
    """Run or go on with it in this process; the hash of its table and curves."""
    from jaxnn import sweeps, training
    from jaxnn.space import choice, log_uniform

    def make(structure: dict[str, Any]) -> Any:
        return training.stages("moons", structure["optimizer"], num_steps=40, batch_size=16)

    space = {"learning_rate": log_uniform(1e-4, 1e0), "optimizer": choice(["sgd", "adam"])}
    found = sweeps.run(
        sweeps.by_structure(make),
        space,
        num_trials=trials // NUM_SEEDS,
        num_seeds=NUM_SEEDS,
        width=WIDTH,
        store=store,
        stop=sweeps.SuccessiveHalving(first=5) if halving else None,
    )
    digest = hashlib.sha256()
    for name, column in (found.table() | found.curves).items():
        values = repr(column.tolist()) if column.dtype == object else ""
        digest.update(name.encode() + values.encode())
        digest.update(b"" if values else np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def child(
    trials: int, devices: int, halving: bool, store: pathlib.Path | None
) -> subprocess.Popen[str]:
    program = (
        "import sys, pathlib, jax; trials, devices, halving, store, folder = sys.argv[1:]; "
        "jax.config.update('jax_num_cpu_devices', int(devices)); sys.path.insert(0, folder); "
        "import kill_sweep; path = pathlib.Path(store) if store else None; "
        "print(kill_sweep.sweep(int(trials), bool(int(halving)), path))"
    )
    folder = str(pathlib.Path(__file__).parent)
    arguments = [str(trials), str(devices), str(int(halving)), str(store or ""), folder]
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main(
    kills: int = 200,
    trials: int = 1000,
    devices: int = 2,
    halving: bool = False,
    folder: pathlib.Path | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Kill so many times; how many sweeps came to an end, and how many of them differ."""
    rng = np.random.default_rng(seed)
    started = time.perf_counter()
    undisturbed = child(trials, devices, halving, None)
    wanted = (undisturbed.communicate()[0] or "").strip()
    alone = time.perf_counter() - started
    found: dict[str, Any] = {"kills": 0, "sweeps": 0, "different": 0, "moments": []}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        store = pathlib.Path(scratch) / "0.db"
        while found["kills"] < kills or store.exists():
            running = child(trials, devices, halving, store)
            moment = float(rng.uniform(0.2, 1.1)) * alone if found["kills"] < kills else None
            try:
                output = running.communicate(timeout=moment)[0]
            except subprocess.TimeoutExpired:
                running.kill()
                running.communicate()
                found["kills"] += 1
                found["moments"].append(round(moment or 0, 2))
                continue
            if running.returncode:
                raise SystemExit(f"the sweep failed: exit code {running.returncode}")
            found["sweeps"] += 1
            found["different"] += output.strip() != wanted
            store.unlink()
            store = pathlib.Path(scratch) / f"{found['sweeps']}.db"
    return found


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for option, default in DEFAULTS.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    print(json.dumps(main(**vars(parser.parse_args()))))
