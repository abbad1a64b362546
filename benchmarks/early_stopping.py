"""What successive halving saves, compilation included, and whether it finds as good a setting.

    python benchmarks/early_stopping.py [--trials 512] [--steps 6000] [--hidden 128] [--rounds 5]

Both sides are the same sweep: rates and momenta of Adam for a digits MLP (64, hidden, 10), batch
32, by the mean of two seeds; one side stops by halving (η = 2, rungs after 1/8, 1/4 and 1/2 of the
steps). Each run is a process of its own, without a compilation cache, and its time counts from the
call of `sweeps.run` to its results. Sides alternate; the ratio is the median over pairs with its
exact interval. The winners of both are trained on fresh seeds, and their difference is reported
with a 95 % interval; every survivor's row must be equal, to the bit, to that of the whole sweep.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import typer

FRESH_SEEDS = 32


def sweep(halving: bool, trials: int, steps: int, hidden: int, out: str) -> None:
    """One side, in this process; its table, time and winner to a file."""
    from jaxnn import sweeps, training
    from jaxnn.space import log_uniform, one_minus

    staged = training.stages(
        problem(hidden), "adam", num_steps=steps, batch_size=32, record_every=0
    )
    space = {"learning_rate": log_uniform(1e-5, 1e0), "b1": one_minus(log_uniform(1e-2, 1e0))}
    stop = sweeps.SuccessiveHalving(eta=2) if halving else None
    started = time.perf_counter()
    found = sweeps.run(staged, space, num_trials=trials // 2, num_seeds=2, width=(2, 16), stop=stop)
    seconds = time.perf_counter() - started
    columns = {name: found.table()[name] for name in ("loss", "accuracy", "status")}
    np.savez(out, seconds=seconds, winner=json.dumps(found.best("loss")), **columns)


def problem(hidden: int) -> Any:
    """The digits, for a network of one hidden layer."""
    from jaxnn import problems

    return problems.get("digits", sizes=(64, hidden, 10))


def fresh(settings: list[dict[str, Any]], steps: int, hidden: int) -> np.ndarray[Any, Any]:
    """Test losses [settings, seeds] on seeds that no sweep has seen."""
    from jaxnn import sweeps, training

    staged = training.stages(
        problem(hidden), "adam", num_steps=steps, batch_size=32, record_every=0, split="test"
    )
    found = sweeps.run(staged, settings, num_seeds=FRESH_SEEDS, seed=1)
    return found.by_setting("loss")


def run(halving: bool, trials: int, steps: int, hidden: int) -> dict[str, Any]:
    """One side in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "side.npz")
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); import early_stopping as e; "
            "from jaxnn.cli.devices import use_all_cores; use_all_cores(); "
            "e.sweep(bool(int(sys.argv[2])), *map(int, sys.argv[3:6]), sys.argv[6])"
        )
        numbers = [str(x) for x in (int(halving), trials, steps, hidden)]
        given = [str(Path(__file__).parent), *numbers, out]
        subprocess.run([sys.executable, "-W", "ignore", "-c", program, *given], check=True)
        with np.load(out) as read:
            return dict(read)


def main(
    trials: int = 512,
    steps: int = 6000,
    hidden: int = 128,
    rounds: int = 5,
    out: Path | None = None,
) -> dict[str, Any]:
    """Time both sides in turn, and compare what they find."""
    from jaxnn.bench.statistics import mean_interval, median_interval

    pairs, whole, halved = [], {}, {}
    for number in range(rounds):
        order = (False, True) if number % 2 == 0 else (True, False)
        sides = {halving: run(halving, trials, steps, hidden) for halving in order}
        whole, halved = sides[False], sides[True]
        pairs.append([float(whole["seconds"]), float(halved["seconds"])])
    went_on = halved["status"] == 0
    same = all(
        halved[name][went_on].tobytes() == whole[name][went_on].tobytes()
        for name in ("loss", "accuracy")
    )
    winners = [json.loads(str(side["winner"])) for side in (whole, halved)]
    losses = fresh(winners, steps, hidden)
    ratios = [one / other for one, other in pairs]
    report = {
        "command": f"python benchmarks/early_stopping.py --trials {trials} --steps {steps}"
        f" --hidden {hidden} --rounds {rounds}",
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "seconds": {"whole": [a for a, _ in pairs], "halving": [b for _, b in pairs]},
        "speedup": float(np.median(ratios)),
        "speedup_interval_95": [float(x) for x in median_interval(ratios)[1:]],
        "survivors": int(went_on.sum()),
        "survivors_bit_equal": same,
        "winners": winners,
        "test_loss_of_winners": losses.mean(axis=1).tolist(),
        "difference_and_interval_95": [float(x) for x in mean_interval(losses[1] - losses[0])],
    }
    print(json.dumps(report, indent=2))
    if out is not None:
        out.write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    typer.run(main)
