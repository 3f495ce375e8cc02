"""One owner of a directory at a time, by a lock that the kernel releases when the owner dies, however it dies.

Unusual: the lock belongs to an open file, which forked workers inherit; so they close it at once, or a killed run would
stay locked for as long as an orphaned worker lives. The file `.lock` stays: removing it would let two owners in.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from deepwell.core.errors import RunError, UsageError
from deepwell.core.text import escape_terminal

NAME = ".lock"
_held: set[int] = set()


def _let_go_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


def owned(directory: str | os.PathLike[str]) -> bool:
    """Whether a process that lives owns the directory now."""
    try:
        descriptor = os.open(Path(directory, NAME), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def own(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Own a directory until the block ends or the process dies.

    Raises UsageError at once, naming host, process and start of the owner, where another one has it; RunError where the
    lock file cannot be made.
    """
    path = Path(directory, NAME)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise RunError(f"could not be locked: {error.strerror}", where=escape_terminal(str(path))) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 400, 0).decode("utf-8", "replace")
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise RunError(f"could not be locked: {error.strerror}", where=escape_terminal(str(path))) from error
        raise UsageError(
            f"another run owns this directory: {escape_terminal(owner) or 'it has just started'}",
            where=escape_terminal(str(directory)), repair="wait until it ends or stop it, or give another directory",
        ) from None  # fmt: skip
    _held.add(descriptor)
    owner_process = os.getpid()
    try:
        start = datetime.now().astimezone().isoformat(timespec="seconds")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"host {socket.gethostname()}, process {owner_process}, since {start}".encode(), 0)
        yield
    finally:
        if os.getpid() == owner_process:
            os.ftruncate(descriptor, 0)
            _held.discard(descriptor)
            os.close(descriptor)
