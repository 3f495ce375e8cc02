"""Ctrl-C and SIGTERM: the first sets a flag that the loop reads at a step boundary, the second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deepwell.core.errors import Interrupted


class Stop:
    """Whether somebody asked the run to stop."""

    requested = False

    def __call__(self) -> bool:
        return self.requested


@contextmanager
def stopping() -> Iterator[Stop]:
    """Listen for SIGINT and SIGTERM while the context lasts; elsewhere than in the main thread nothing is changed."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            os._exit(Interrupted.exit_code)
        stop.requested = True

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
