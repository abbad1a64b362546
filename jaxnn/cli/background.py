"""Work that Ctrl-C can end at any moment."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_background"]

T = TypeVar("T")


def in_background(work: Callable[[], T]) -> T:
    """What `work()` returns or raises, run in a thread of its own while this one waits.

    Python raises KeyboardInterrupt in the main thread, wherever that is. Inside a callback of XLA
    it would end the process with SIGABRT; here it is always waiting. The thread is left behind.
    """
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not outcome.done():  # a wait without an end cannot be interrupted everywhere
        concurrent.futures.wait([outcome], timeout=0.5)
    return outcome.result()
