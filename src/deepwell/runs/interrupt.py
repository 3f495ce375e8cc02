"""Ctrl-C, SIGTERM and SIGHUP: the first sets a flag that the loop reads at a step boundary, the second leaves at once.

Ctrl-C wants what there is so far: the best weights are sealed. SIGTERM comes from a machine that will be gone in
seconds, SIGHUP from a terminal that is gone: the state is saved, and the run is left.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deepwell.core.errors import Interrupted


class Stop:
    """Whether somebody asked the run to stop, and whether nothing but saving the state should follow (SIGTERM, SIGHUP)."""

    requested = False
    leave = False

    def __call__(self) -> bool:
        return self.requested


@contextmanager
def stopping() -> Iterator[Stop]:
    """Listen for signals to stop while the context lasts; elsewhere than in the main thread nothing is changed.

    What is ignored stays ignored: `nohup` wants a run to outlive its terminal.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            os._exit(Interrupted.exit_code)
        stop.requested, stop.leave = True, number != signal.SIGINT

    heard = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, hear) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
