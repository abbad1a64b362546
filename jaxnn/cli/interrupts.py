"""What Ctrl-C does: it stops the process at once, or is noted where something must be finished.

Never an exception out of nowhere: inside an import or a callback of XLA, KeyboardInterrupt is
swallowed at times, and at times it takes the process down with a signal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["STOPPED", "Noted", "ignore", "noted", "stop_at_once"]

STOPPED = "stopped: nothing was saved"
_SHOW_CURSOR = "\x1b[?25h"


@dataclasses.dataclass
class Noted:
    """Whether Ctrl-C was pressed."""

    pressed: bool = False


def stop_at_once() -> None:
    """From here on Ctrl-C ends the process with exit code 130, whatever it does."""
    _handle(_stop)


def ignore() -> None:
    """From here on there is nothing left to stop."""
    _handle(signal.SIG_IGN)


@contextlib.contextmanager
def noted() -> Iterator[Noted]:
    """Inside, Ctrl-C only sets `pressed`; who waits looks at it. The handler before comes back."""
    found = Noted()

    def note(*_: Any) -> None:
        found.pressed = True

    before = _handle(note)
    try:
        yield found
    finally:
        _handle(before)


def _handle(handler: Any) -> Any:
    """Set what handles Ctrl-C and return what did; a thread that is not the main one may not."""
    if threading.current_thread() is not threading.main_thread():
        return None
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as a shell script starts what runs in its background
        signal.signal(signal.SIGINT, handler)
    return before


def _stop(*_: Any) -> None:
    # Not by exceptions, and not by the interpreter's way out, which waits for threads.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.write(_SHOW_CURSOR if stream.isatty() else "")
            stream.flush()
    os.write(2, f"{STOPPED}\n".encode())
    os._exit(130)
