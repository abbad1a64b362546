"""Work that Ctrl-C can end at any moment."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

from jaxnn.cli.interrupts import noted

__all__ = ["in_background"]

T = TypeVar("T")


def in_background(work: Callable[[], T]) -> T:
    """What `work()` returns or raises, run in a thread of its own while this one waits.

    Ctrl-C raises KeyboardInterrupt here, and leaves the thread behind.
    """
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    with noted() as ctrl_c:
        while not outcome.done():
            if ctrl_c.pressed:
                raise KeyboardInterrupt
            concurrent.futures.wait([outcome], timeout=0.1)
    return outcome.result()
