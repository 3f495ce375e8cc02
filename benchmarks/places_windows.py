"""`python -m benchmarks.places_windows [--pairs 9]`: windows of a series a second.

Our feed, against a Dataset that gives one window and a DataLoader that collates, the way of the public repositories of Informer,
DLinear and PatchTST: `__getitem__` slices arrays of values (and of marks of time, where there are any) in past and future,
`default_collate` makes tensors and stacks them. No worker processes on either side: with two cores they cost more than they
bring, for the work is too little to be sent between processes. One thread. Both sides give the same windows in the same order;
ours also says which values are missing, and in what unit they are.

Unusual: two rows. A window of one target is little to copy, and what it costs is the way to it; one of seven targets with four
marks is so much to copy that the memory of the machine limits both.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from benchmarks.language import Side, compare
from deepwell.core.keys import Key
from deepwell.data.series.windows import Flat, HistoryWindows, Places
from deepwell.training.allocation import kept
from deepwell.training.feed import Feed

CONTEXT, HORIZON = 336, 96


@dataclass(frozen=True)
class Case:
    """How much there is: steps of the series, targets, marks of time, and windows of a batch."""

    targets: int
    marks: int
    batch: int = 256
    steps: int = 8640

    @property
    def count(self) -> int:
        """All windows of the series."""
        return self.steps - CONTEXT - HORIZON + 1

    def series(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Values (steps, targets) and marks (steps, marks)."""
        draws = np.random.default_rng(0)
        values, marks = (draws.normal(size=(self.steps, width)) for width in (self.targets, self.marks))
        return values.astype(np.float32), marks.astype(np.float32)


CASES = {"1 target": Case(1, 0), "7 targets and 4 marks": Case(7, 4)}


def our_windows(case: Case) -> HistoryWindows:
    """All windows of the series, as a forecasting task has them."""
    values, marks = case.series()
    seen, none = np.ones(values.shape, np.uint8), np.zeros((case.steps, 0), np.float32)
    offset, factor = np.zeros((1, case.targets)), np.ones((1, case.targets))
    flat = Flat(
        values, seen, seen, marks, none, none[:1], offset, factor,
        series=np.zeros(1, np.int64), start=np.array([0, case.steps]), first=np.zeros(1, np.int64),
    )  # fmt: skip
    origin = np.arange(CONTEXT, case.steps - HORIZON + 1)
    places = Places(origin, np.zeros(case.count, np.int64), origin + HORIZON, origin // HORIZON)
    return HistoryWindows(flat, places, CONTEXT, HORIZON)


class TheirWindows(Dataset[tuple[NDArray[np.float32], ...]]):
    """One window at a time: past, future, and the marks of both."""

    def __init__(self, case: Case) -> None:
        self.columns = [column for column in case.series() if column.shape[1]]
        self.count = case.count

    def __len__(self) -> int:
        """All windows of the series."""
        return self.count

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], ...]:
        """Slices; nothing is copied yet."""
        now = index + CONTEXT
        return tuple(part for column in self.columns for part in (column[index:now], column[now : now + HORIZON]))


def sides(case: Case) -> tuple[Side, Side]:
    """All windows once in random order, by our feed and by a DataLoader; each tells how many there were."""
    feed, theirs = Feed(our_windows(case), torch.device("cpu")), TheirWindows(case)

    def feeding() -> float:
        order = np.random.default_rng(0).permutation(case.count)
        for start in range(0, case.count, case.batch):
            feed.batch(order[start : start + case.batch], Key(0))
        return case.count

    def loading() -> float:
        order = np.random.default_rng(0).permutation(case.count)
        for _ in DataLoader(theirs, case.batch, sampler=order.tolist()):
            pass
        return case.count

    return feeding, loading


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places_windows")
    parser.add_argument("--pairs", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| row | ratio | ours | theirs |\n" + "|---" * 4 + "|", flush=True)
    with kept():  # as in training
        for name, case in CASES.items():
            figure, mine, other = compare(*sides(case), asked.pairs)
            print(f"| windows of {name} | {figure} | {mine:,.0f} windows/s | {other:,.0f} windows/s |", flush=True)


if __name__ == "__main__":
    main()
