"""What a user waits for before anything runs: imports, `--help`, and a whole cold comparison.

    python benchmarks/startup.py [--bench] [--repeats 5]

Each figure is the median of fresh processes, interleaved with `import jax`, the peer. --bench adds
one cold `jaxnn bench` and one `jaxnn bench --quick`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JAXNN = str(Path(sys.executable).parent / "jaxnn")
CASES = {
    "import jax": [sys.executable, "-c", "import jax"],
    "import jaxnn": [sys.executable, "-c", "import jaxnn"],
    "import jaxnn.training": [sys.executable, "-c", "import jaxnn.training"],
    "jaxnn --help": [JAXNN, "--help"],
}


def seconds(command: list[str], folder: str | None = None) -> float:
    """Wall time of a fresh process."""
    cold = os.environ | {"JAXNN_CACHE": ""}  # nothing that was compiled before
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=cold)
    return time.perf_counter() - started


def main(repeats: int = 5, *, bench: bool = False) -> dict[str, float]:
    """Seconds by case; prints them with their ratio to `import jax`."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(repeats + 1):
        for name, command in CASES.items():
            times[name].append(seconds(command))
    # The first round warms the disk.
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    if bench:
        for command in (["bench", "--quick"], ["bench"]):
            with tempfile.TemporaryDirectory() as folder:
                medians[f"jaxnn {' '.join(command)}"] = seconds([JAXNN, *command], folder)
    for name, value in medians.items():
        ratio = value / medians["import jax"]
        print(f"{name:24s} {value:7.2f} s   {ratio:6.2f} × import jax")
    return medians


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bench", action="store_true")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    figures = main(given.repeats, bench=given.bench)
    if given.out:
        document = {"seconds": figures, "cores": os.cpu_count(), "python": sys.version.split()[0]}
        given.out.write_text(json.dumps(document, indent=1) + "\n")
