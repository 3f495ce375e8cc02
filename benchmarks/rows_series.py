"""The row of anomalies in series: the files of the Numenta Anomaly Benchmark, one model for all, by two commands.

Training has the probation of each file alone (the first 15%, at most 750 rows), without labels; the second command asks about all
rows. What is scored is `onset`, since the benchmark rewards the earliest alarm of each window and charges all alarms outside.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.nab import Result, Series, read, score, windowed_gaussian
from benchmarks.outcomes import DATA, Check, Row, spread

NAB = DATA / "anomaly-detection" / "nab_subset"
SHARES = (("train", 0.7), ("select", 0.8), ("calibrate", 0.9), ("test", 1.0))
"""Parts of each file's probation, in the order of time, and where each ends."""
LIMIT = "60s"


def nab(seeds: int) -> list[Row]:
    """Our score and the windowed Gaussian's on the same files, each at the threshold that is best for it."""
    files = read(NAB)
    ours, walls = [], []
    for seed in range(min(seeds, 2)):
        began = time.perf_counter()
        ours.append(score(files, onsets(files, seed)))
        walls.append(time.perf_counter() - began)
    theirs = score(files, [windowed_gaussian(f.values) for f in files])
    figure = f"NAB score, standard profile, {len(files)} of 58 files, {theirs.windows} windows"
    return [
        Row(figure, "above windowed Gaussian", spread([o.score for o in ours], "{:.1f}"), f"windowed Gaussian {told(theirs)}"),
        Row("windows found, false alarms", "", "; ".join(told(o) for o in ours)),
        Row("wall, training and all answers", "", spread(walls, "{:.0f} s")),
    ]  # fmt: skip


def told(result: Result) -> str:
    """A result in words."""
    return f"{result.score:.1f}: {result.found} of {result.windows} windows, {result.false} false alarms"


def onsets(files: Sequence[Series], seed: int) -> list[NDArray[np.float64]]:
    """(rows,) of each file: what a model that was trained on the probations answers to all rows."""
    with tempfile.TemporaryDirectory() as out:
        learnt, asked, answers = (Path(out) / f"{name}.csv" for name in ("probation", "all", "answers"))
        write(learnt, files, probation=True)
        write(asked, files, probation=False)
        roles = ["--role", "timestamp=order", "--role", "file=group", "--role", "part=split"]
        words = ["train", str(learnt), "--task", "anomaly_detection", *roles, "--time", LIMIT, "--seed", str(seed)]
        for command in (
            [*words, "--out", f"{out}/runs"],
            ["predict", f"{out}/runs/anomaly_detection/001", str(asked), "--out", str(answers)],
        ):
            done = subprocess.run(
                [sys.executable, "-m", "deepwell", *command], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(f"deepwell {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        with answers.open(encoding="utf-8", newline="") as file:
            found = np.array([float(line["onset"]) for line in csv.DictReader(file)])
    return np.split(found, np.cumsum([len(f.values) for f in files])[:-1])


def write(path: Path, files: Sequence[Series], probation: bool) -> None:
    """All files as one table, by the column `file`; with the parts of training, or all rows without."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "timestamp", "value", *(["part"] if probation else [])])
        for one in files:
            rows = one.probation if probation else len(one.values)
            for row, (moment, value) in enumerate(
                zip(one.times[:rows].tolist(), one.values[:rows].tolist(), strict=True)
            ):
                part = next(name for name, end in SHARES if row < end * rows)
                table.writerow([one.name, str(moment), value, *([part] if probation else [])])


SERIES: Mapping[str, Check] = {"nab": nab}
