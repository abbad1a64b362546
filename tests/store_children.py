"""Stores for the tests of a sweep's store, in this process and in others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxnn.sweeps.store import Journal, Store

MANIFEST = {"space": {"x": {"uniform": [0.0, 1.0]}}, "seed": 0}
JOURNALS: list[Journal] = ["wal", "rollback"]

# A process that has the store and not the sweeps around it, and so starts without JAX.
CHILD = """
import os, sys, types
import numpy as np
import jaxnn
package = types.ModuleType("jaxnn.sweeps")
package.__path__ = [jaxnn.__path__[0] + "/sweeps"]
sys.modules["jaxnn.sweeps"] = package
from jaxnn.sweeps import filesystem
from jaxnn.sweeps.store import Store, StoreError

def arrays(number):
    values = np.random.default_rng(number).normal(size=20 + 150 * (number % 7))
    return {"loss": values.astype(np.float32), "step": np.int64(number)}

path = sys.argv[1]
"""


def arrays(number: int) -> dict[str, Any]:
    values = np.random.default_rng(number).normal(size=20 + 150 * (number % 7))
    return {"loss": values.astype(np.float32), "step": np.int64(number)}


def name(number: int) -> str:
    return f"block/{number:05}"


def child(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD + code, *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)


def output(code: str, *arguments: object) -> str:
    with child(code, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said, errors = process.communicate()
    assert process.returncode == 0, errors
    return said


def equal(one: dict[str, Any], two: dict[str, Any]) -> bool:
    def bits(given: dict[str, Any]) -> list[Any]:
        found = [(k, np.asarray(x)) for k, x in given.items()]
        return [(k, x.dtype, x.shape, x.tobytes()) for k, x in found]

    return bits(one) == bits(two)


def filled(path: Path, count: int, journal: Journal | None = None) -> Path:
    with Store.create(path, MANIFEST, journal=journal) as store:
        for number in range(count):
            store.put(name(number), arrays(number), seconds=0.25)
    return path


PUTS = """
first, last, lock = map(int, sys.argv[2:])
if not lock:
    filesystem.fcntl = None
with Store.open(path) as store:
    for number in range(first, last):
        store.put(f"block/{number:05}", arrays(number))
        if number % 10 == 0:
            store.replace_manifest({"done": list(range(number))})
        print(f"block/{number:05}", flush=True)
"""
