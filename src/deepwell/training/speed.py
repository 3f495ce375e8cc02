"""Speed: what the machine's matrix product reaches, and what share of it a training uses.

Unusual: the peak is measured, not read off a data sheet: torch's own product on square matrices of a few sizes, the best
median counts. So the share says what is lost between the library and the loop, not what the maker promised.
"""

from __future__ import annotations

import statistics
import time

import torch

from deepwell.training.pace import using_threads
from deepwell.training.plan import PRECISIONS

SIDES = {"cpu": (256, 512, 1024, 2048), "cuda": (2048, 4096, 8192)}
"""Rows of the matrices by kind of device, the smallest first: a slow machine then never gets to the large ones."""
TIMES = 5


def peak(precision: str, threads: int, seconds: float = 0.2, device: str = "cpu") -> float:
    """FLOP/s of a matrix product: 2 n^3 operations over the median time. precision: of plan.PRECISIONS. seconds: about.

    Other kinds of device than those in SIDES are measured as a CPU is.
    """
    kind = torch.device(device).type
    sides = SIDES.get(kind, SIDES["cpu"])
    best = 0.0
    with using_threads(threads), torch.no_grad():
        for side in sides:
            a, b = (torch.ones(side, side, dtype=PRECISIONS[precision], device=device) for _ in range(2))
            taken = _median(a, b, seconds / len(sides))
            best = max(best, 2 * side**3 / taken)
            if taken * 8 * 2 > seconds:  # the next size has eight times the operations
                break
    return best


def _median(a: torch.Tensor, b: torch.Tensor, seconds: float) -> float:
    """Median seconds of a product, after one that warms up; at least one is timed."""
    torch.mm(a, b)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or (len(taken) < TIMES and time.perf_counter() < end):
        _wait(a)
        began = time.perf_counter()
        torch.mm(a, b)
        _wait(a)
        taken.append(time.perf_counter() - began)
    return max(statistics.median(taken), 1e-9)


def _wait(tensor: torch.Tensor) -> None:
    if tensor.device.type != "cpu":
        torch.accelerator.synchronize(tensor.device)


def share(flops: float, rate: float, of: float) -> float:
    """The share of a peak that a training uses (MFU). flops: per example. rate: examples/s. of: FLOP/s of the peak."""
    return flops * rate / of
