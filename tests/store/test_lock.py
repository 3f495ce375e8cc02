"""One owner of a directory; death of any kind frees it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepwell.core.errors import RunError, UsageError
from deepwell.store.lock import own

OWNER = """
import os, sys, time
from deepwell.store.lock import own
with own(sys.argv[1]):
    child = os.fork() if sys.argv[2] == "fork" else None
    if child == 0:
        time.sleep(60)
        os._exit(0)
    print(child or 0, flush=True)
    time.sleep(60)
"""


def _owner(directory: Path, how: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(directory), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def _own_within(directory: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with own(directory):
                return
        except UsageError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_a_second_owner_is_refused_by_name_and_kill_frees_the_directory(tmp_path: Path, how: str) -> None:
    process, child = _owner(tmp_path, how)
    try:
        with pytest.raises(UsageError) as found, own(tmp_path):
            pass
        assert f"host {socket.gethostname()}, process {process.pid}, since 20" in str(found.value)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Even while a forked worker of the dead owner is still alive: it lets go in its first moments.
        _own_within(tmp_path, seconds=10)
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.communicate()


def test_the_same_process_cannot_own_twice_and_can_again_after(tmp_path: Path) -> None:
    with own(tmp_path), pytest.raises(UsageError, match="another run owns"), own(tmp_path):
        pass
    with own(tmp_path):
        pass


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    code = (
        "import sys; from deepwell.store.lock import own; from deepwell.core.errors import UsageError\n"
        "sys.stdin.read(1)\n"
        "try:\n"
        "    with own(sys.argv[1]): print('mine', flush=True); sys.stdin.read()\n"
        "except UsageError: print('refused', flush=True); sys.stdin.read()"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("x")
        racer.stdin.flush()
    said = [racer.stdout.readline().strip() for racer in racers if racer.stdout is not None]
    for racer in racers:
        racer.communicate()
    assert sorted(said) == ["mine", "refused", "refused", "refused"]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not be locked"), own(tmp_path / "nowhere"):
        pass
