"""The benchmark of time limits: what counts as punctual, and that the process beside it ends."""

import os

import pytest
from benchmarks.punctual import Seen, busy, summary

from benchmarks import punctual


def seen(seconds: float) -> Seen:
    return Seen("adult", seconds, 60.0, 0.92, 100, {"train": 40.0})


def test_three_seconds_over_still_count_and_time_left_is_said() -> None:
    said = summary([seen(63.0), seen(63.1), seen(56.0), seen(58.0)])
    assert said == "over by at most 3 s in 3 of 4; worst +3.1 s; 1.5 s not used on average"
    assert "over by  -4.0 s" in str(seen(56.0))


def test_the_process_beside_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    popen = punctual.subprocess.Popen

    def remembered(*words: object, **options: object) -> object:
        started.append(popen(*words, **options))
        return started[0]

    monkeypatch.setattr(punctual, "BUSY", "while True: pass")
    monkeypatch.setattr(punctual.subprocess, "Popen", remembered)
    with busy(True):
        assert started[0].poll() is None
    assert started[0].poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(started[0].pid, 0)
    with busy(False):
        assert len(started) == 1
