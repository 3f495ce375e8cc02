"""Allocation: freed memory is kept for the next step, and given back at the end."""

import ctypes
import subprocess
import sys

import pytest

from deepwell.training import allocation

GLIBC = hasattr(ctypes.CDLL(None), "mallopt") and sys.platform.startswith("linux")
SCRIPT = """
import contextlib, resource, sys
import torch
from deepwell.training.allocation import kept

def anonymous():
    return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) << 10

def step():
    for _ in range(3):
        torch.ones(12 << 20)  # 48 MB: glibc maps it anew each time

before = anonymous()
with kept() if sys.argv[1] == "kept" else contextlib.nullcontext():
    for _ in range(8):
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    inside = anonymous() - before
print(faults, inside, anonymous() - before)
"""


@pytest.mark.skipif(not GLIBC, reason="needs glibc")
def test_pages_are_not_made_anew_each_step_and_are_given_back() -> None:
    seen = {}
    for how in ("kept", "plain"):
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        seen[how] = [int(word) for word in done.stdout.split()]
    assert seen["plain"][0] > 300  # 15 times 48 MB, even in pages of 2 MB
    assert seen["kept"][0] < seen["plain"][0] / 5
    assert seen["kept"][1] > 40 << 20
    assert seen["kept"][2] < 10 << 20


@pytest.mark.skipif(not GLIBC, reason="needs glibc")
def test_only_the_outermost_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []

    class Library:
        mallopt = staticmethod(lambda *given: calls.append(given))
        malloc_trim = staticmethod(lambda *given: calls.append(given))

    monkeypatch.setattr(allocation, "_glibc", Library)
    with allocation.kept() as outer:
        told = len(calls)
        with allocation.kept() as inner:
            pass
        assert (outer, inner) == (True, True)
        assert len(calls) == told
    assert len(calls) > told
    with pytest.raises(KeyError), allocation.kept():
        raise KeyError
    told = len(calls)
    with allocation.kept():
        assert len(calls) > told, "it begins anew after an error"


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with allocation.kept() as told:
        assert not told
