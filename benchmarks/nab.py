"""The score of the Numenta Anomaly Benchmark, rewritten from its paper, and its files; for scores of rows, not for alarms.

Lavin and Ahmad 2015 (arXiv:1510.03336), "Evaluating real-time anomaly detection algorithms". Around each labelled anomaly lies a
window of rows, given with the data: all windows of a file together are a tenth of it. A detector gives each row a score; rows
with at least a threshold are alarms. With sigma(y) = 2 / (1 + exp(5 y)) - 1:

    the earliest alarm in a window earns sigma(y) / sigma(-1), y from -1 at its first row to almost 0 at its last; others nothing
    a window without an alarm costs FN
    an alarm outside costs FP * sigma(y), y the distance from the end of the window before it in widths of that window; sigma is
    -1 from 3 on, and where no window came before

The first 15% of a file, at most 750 rows, are probation: not scored. The sum over all files is brought to 0 for the detector that
never alarms and 100 for the one that alarms at the first row of each window alone.
Unusual: the protocol chooses the threshold, one for all files, by the very score that it reports (its own sweep). So the figure
says how well scores order rows across files, and is no estimate of what a threshold chosen beforehand would reach.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEEP = 5.0
FAR = 3.0
PROBATION, MOST_PROBATION = 0.15, 750


@dataclass(frozen=True)
class Profile:
    """What is earned by a window that is found, and lost by one that is missed and by an alarm far outside."""

    found: float = 1.0
    false: float = 0.11
    missed: float = 1.0


STANDARD = Profile()


@dataclass(frozen=True)
class Series:
    """A file. times: (rows,) datetime64[s]; values: (rows,). windows: (anomalies, 2) first and last row of each, in order."""

    name: str
    times: NDArray[np.datetime64]
    values: Floats
    windows: Ints

    @property
    def probation(self) -> int:
        """Rows at the beginning that are not scored."""
        return min(int(PROBATION * len(self.values)), MOST_PROBATION)


@dataclass(frozen=True)
class Result:
    """score: 0 to 100. threshold: the best one, infinite where no alarm is best. found: of the windows; false: alarms outside."""

    score: float
    threshold: float
    found: int
    windows: int
    false: int


def read(folder: Path) -> list[Series]:
    """The files of a copy of the benchmark with its labels, sorted by name."""
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())
    series = []
    for name in sorted(windows):
        lines = (folder / "data" / name).read_text().splitlines()[1:]
        cells = [line.split(",") for line in lines]
        times = np.array([cell[0] for cell in cells], "datetime64[s]")
        limits = np.array(windows[name], "datetime64[us]").astype("datetime64[s]").reshape(-1, 2)
        inside = [np.flatnonzero((times >= first) & (times <= last)) for first, last in limits]
        bounds = np.array([[rows[0], rows[-1]] for rows in inside], np.int64).reshape(-1, 2)
        series.append(Series(name, times, np.array([float(cell[1]) for cell in cells]), bounds))
    return series


def sigma(y: Floats) -> Floats:
    """The scaled sigmoid: 1 far before the end of a window (negative y), 0 at its end, -1 far after."""
    found: Floats = 2.0 / (1.0 + np.exp(STEEP * np.minimum(y, FAR))) - 1.0
    return np.where(y >= FAR, -1.0, found)


def worth(series: Series, profile: Profile = STANDARD) -> tuple[Floats, Ints]:
    """(rows,) what an alarm at each row earns or costs, and the number of its window, -1 outside."""
    rows = np.arange(len(series.values))
    place, window = np.full(len(rows), FAR), np.full(len(rows), -1)
    for number, (first, last) in enumerate(series.windows):
        width = last - first + 1
        place[rows > last] = ((rows - last) / max(width - 1, 1))[rows > last]
        inside = (rows >= first) & (rows <= last)
        place[inside] = (-(last - rows + 1) / width)[inside]
        window[inside] = number
    earned = np.where(window >= 0, sigma(place) * profile.found / sigma(np.array(-1.0)), sigma(place) * profile.false)
    return earned, window


def score(files: Sequence[Series], scores: Sequence[Floats], profile: Profile = STANDARD) -> Result:
    """The figure of the scores (rows,) of each file, at the threshold that is best for all of them together."""
    each: list[Floats] = []
    earned: list[Floats] = []
    window: list[Ints] = []
    windows = 0
    for series, given in zip(files, scores, strict=True):
        gain, number = worth(series, profile)
        scored = slice(series.probation, None)
        each.append(given[scored])
        earned.append(gain[scored])
        window.append(np.where(number >= 0, number + windows, -1)[scored])
        windows += len(series.windows)
    every, gain, owner = np.concatenate(each), np.concatenate(earned), np.concatenate(window)
    order = np.argsort(-every, kind="stable")
    every, gain, owner = every[order], gain[order], owner[order]
    step = np.where(owner < 0, gain, 0.0)
    first = np.zeros(len(owner), np.bool_)
    for one in range(windows):  # the best alarm so far counts: what a row adds is what it is better by
        mine = np.flatnonzero(owner == one)
        best = np.maximum.accumulate(np.concatenate([[-profile.missed], gain[mine]]))
        step[mine] = np.diff(best)
        first[mine[:1]] = True
    totals = np.concatenate([[0.0], np.cumsum(step)]) - profile.missed * windows
    ends = np.flatnonzero(np.append(np.append(True, every[1:] != every[:-1]), True))  # equal scores alarm together
    best_end = int(ends[np.argmax(totals[ends])])
    perfect, null = profile.found * windows, -profile.missed * windows
    figure = 100.0 * (float(totals[best_end]) - null) / (perfect - null)
    threshold = float(every[best_end - 1]) if best_end else float("inf")
    return Result(figure, threshold, int(first[:best_end].sum()), windows, int((owner[:best_end] < 0).sum()))


def windowed_gaussian(values: Floats, window: int = 6400, step: int = 100) -> Floats:
    """(rows,) the benchmark's own baseline: 1 minus the tail of a normal distribution of the last `window` values, whose mean and
    deviation are found anew with each value until the window is full, then every `step` values."""
    scores = np.zeros(len(values))
    mean, deviation = 0.0, 1.0
    for row, value in enumerate(values):
        if row:
            scores[row] = 1.0 - 0.5 * math.erfc(abs(value - mean) / deviation / math.sqrt(2))
        full = row + 1 > window
        if not full or (row + 1 - window) % step == 0:
            last = values[max(0, row + 1 - window) : row + 1]
            mean, deviation = float(last.mean()), float(last.std()) or 1e-6
    return scores
