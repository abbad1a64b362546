"""A line for each contestant while a comparison runs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["ContestProgress"]

# Compiling takes most of the time, so that it gets a share of the bar before the blocks.
_SHARE = {"compiling": (0, 0), "tuning": (50, 25), "evaluating": (75, 25)}


class ContestProgress:
    """Called by `bench.run` from its threads; a context manager around it.

    names: of the contestants. num_problems: that each of them is run on.
    """

    def __init__(self, console: Console, names: Sequence[str], num_problems: int = 1) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[contestant]:<12}"),
            BarColumn(bar_width=30),
            TextColumn("{task.description:<16}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=5,
        )
        self._tasks = {
            name: self._progress.add_task(
                "waiting", total=100 * num_problems, contestant=name, start=False
            )
            for name in names
        }
        self._num_problems = num_problems
        self._completed: dict[str, dict[str, float]] = {name: {} for name in names}
        self._lock = threading.Lock()

    def __enter__(self) -> ContestProgress:
        self._progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._progress.stop()

    def __call__(self, optimizer: str, problem: str, phase: str, done: int, total: int) -> None:
        """Phase "compiling", "tuning" or "evaluating", with segments done and in all."""
        start, share = _SHARE[phase]
        task = self._tasks[optimizer]
        with self._lock:
            if phase == "compiling":
                self._progress.start_task(task)
            completed = self._completed[optimizer]
            completed[problem] = start + share * done / total
            whole = sum(completed.values())
            ended = whole >= 100 * self._num_problems
            doing = phase if self._num_problems == 1 else f"{problem}: {phase}"
            text = "done" if ended else doing
            self._progress.update(task, completed=whole, description=text)
            if ended:
                self._progress.stop_task(task)
