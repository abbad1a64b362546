"""A line in a terminal while a sweep runs: what is done, what is left, how fast, and the best."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.progress import Progress
from jaxnn.sweeps.stopping import Mode

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Display"]

REDRAWS = 4
"""A second; calls between them only take down numbers."""

MAX_BAR = 30


class Display:
    """What `sweeps.run(progress=)` calls; a context manager around the run.

    metric and mode: whose best value is shown, the mean over the replicates of a block; nothing
    where no such metric is. Trials a second and the time left count from the first call, when the
    first program is compiled, and are averages.
    console: by default one on stderr. Nothing is shown where it is no terminal.
    """

    def __init__(
        self, metric: str = "loss", mode: Mode = "min", console: Console | None = None
    ) -> None:
        self.metric, self.mode = metric, mode
        self.best: float | None = None
        self.num_failed = 0
        self._first: Progress | None = None
        self._last: Progress | None = None
        self._started = self._began = time.monotonic()
        self._console, self._live = console, None

    def __enter__(self) -> Display:
        from rich.console import Console
        from rich.live import Live

        console = self._console or Console(stderr=True)
        self._started = time.monotonic()
        if console.is_terminal:
            self._live = Live(
                console=console,
                get_renderable=self._line,
                refresh_per_second=REDRAWS,
                transient=True,
            )
            self._live.start(refresh=True)
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, told: Progress) -> None:
        """Take down what is done."""
        if self._first is None:
            self._first, self._began = told, time.monotonic()
        self._last = told
        if told.block is not None:
            self._take(told.block.metrics)

    def _take(self, metrics: Mapping[str, NDArray[Any]]) -> None:
        status, values = metrics["status"], metrics.get(self.metric)
        failed = np.count_nonzero(status)
        self.num_failed += failed
        if values is None or values.shape != status.shape:
            return
        # As little as can be: of trials that do next to nothing there are 10,000 blocks a second.
        means = values[0]
        if len(values) > 1:
            with np.errstate(invalid="ignore"):
                means = values.mean(axis=0, dtype=np.float64)
        found = float(means.min() if self.mode == "min" else means.max())
        if failed or not math.isfinite(found):
            good = (status == 0).all(axis=0) & np.isfinite(means)
            if not good.any():
                return
            found = float(means[good].min() if self.mode == "min" else means[good].max())
        better = min if self.mode == "min" else max
        self.best = found if self.best is None else better(self.best, found)

    def words(self) -> list[str]:
        """What there is to say, the most important first."""
        told, first = self._last, self._first
        if told is None or first is None:
            return [f"compiling, {_clock(time.monotonic() - self._started)}"]
        found = [f"{told.rows:,}/{told.num_rows:,} trials"]
        passed, seconds = told.segments - first.segments, time.monotonic() - self._began
        if passed > 0 and seconds > 0:
            # In segments: trials come in blocks, and at a rung many at once.
            left = (told.num_segments - told.segments) * seconds / passed
            found.append(f"{_clock(left)} left")
            of_all = passed / max(told.num_segments - first.segments, 1)
            rate = (told.num_rows - first.rows) * of_all / seconds
            found.append(f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s")
        if self.best is not None:
            found.append(f"best {self.metric} {self.best:.4g}")
        if self.num_failed:
            found.append(f"{self.num_failed:,} failed")
        return found

    def _line(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        text = Text("  ".join(self.words()), no_wrap=True, overflow="ellipsis")
        line = Table.grid(padding=(0, 1))
        if self._last is None:
            line.add_row(text)
            return line
        told = self._last
        width = min(MAX_BAR, self._width - text.cell_len - 2)
        bar = ProgressBar(told.num_segments, told.segments, width=max(width, 4))
        line.add_row(bar, text)
        return line

    @property
    def _width(self) -> int:
        return self._live.console.width if self._live is not None else 80


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock(5.2), _clock(3723)
    ('0:06', '1:02:03')
    """
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
