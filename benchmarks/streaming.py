"""Training on a Parquet file four times larger than the memory allowed, against the same training in memory.

`python -m benchmarks.streaming FILE SMALL MEMORY STEPS` is one side: a process that trains on SMALL first, then the same
network with the same batches on FILE, and prints {"beyond": peak of anonymous memory less the peak of the small training,
"rate": examples a second, "weights": their SHA-256, "tier": ..., "seconds": of reading and fitting}. So libraries, network and
batches do not count, only what comes with the data. Anonymous memory is what /proc/self/status calls RssAnon: mapped files
are none, since the system drops their pages whenever it needs room.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from benchmarks.outcomes import Row

ROOT = Path(__file__).parents[1]
COLUMNS = 28
STEPS = 300
TIMES = 4


def write_parquet(path: Path, rows: int, columns: int = COLUMNS) -> int:
    """Random numbers, a text column and a label that depends on them; returns the bytes that the columns take in memory."""
    import polars as pl

    draws = np.random.default_rng(0)
    cells: dict[str, Any] = {f"x{i}": draws.standard_normal(rows) for i in range(columns)}
    cells["colour"] = np.array(["red", "green", "blue", "grey"])[draws.integers(0, 4, rows)]
    score = cells["x0"] + 0.5 * cells["x1"] * cells["x2"] + 0.5 * draws.standard_normal(rows)
    cells["label"] = np.where(score > 0, "yes", "no")
    pl.DataFrame(cells).write_parquet(path)
    return rows * len(cells) * 8


def anonymous() -> int:
    """Bytes of anonymous memory that this process holds."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


class Peak(threading.Thread):
    """The most anonymous memory, looked at every two milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._bytes = 0

    def run(self) -> None:
        while True:
            self._bytes = max(self._bytes, anonymous())
            time.sleep(0.002)

    def taken(self) -> int:
        """The peak since the last question."""
        found, self._bytes = self._bytes, 0
        return found


def one_side(path: str, small: str, memory: str, steps: int) -> dict[str, Any]:
    """Prepare and train in this process; see the top of this file."""
    from deepwell.data.cache import tier
    from deepwell.runs import fitting
    from deepwell.runs.options import TrainOptions, parse
    from deepwell.runs.prepare import prepare

    def train(data: str, memory: str, steps: int) -> dict[str, Any]:
        asked = {"target": "label", "memory": memory, "steps": steps, "size": "small"}
        fixed = {"plan": ["threads=1"], "set": ["batch_size=1024"]}
        options = parse(TrainOptions, {**asked, **fixed})
        began, record = time.perf_counter(), fitting.Memory()
        prepared = prepare(data, options)
        predictor, _ = fitting.fit(prepared, options, record, lambda: False, None)
        digest = hashlib.sha256()
        for name, array in sorted(predictor.contents.weights.items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        progress = [event for event in record.events if event["event"] == "progress"]
        return {
            "rate": progress[-1]["wall"]["rate"], "weights": digest.hexdigest(),
            "tier": tier(prepared.examples["train"]), "seconds": prepared.seconds, "all": time.perf_counter() - began,
        }  # fmt: skip

    peak = Peak()
    peak.start()
    train(small, "1g", 20)
    before = peak.taken()
    found = train(path, memory, steps)
    return {"beyond": peak.taken() - before, **found}


def side(path: Path, small: Path, memory: str, steps: int, cache: Path) -> dict[str, Any]:
    """One side in a fresh process. cache: where it keeps mapped columns, emptied from the system's file pages before."""
    for file in cache.rglob("data"):
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.streaming", str(path), str(small), memory, str(steps)],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "DEEPWELL_CACHE": str(cache)},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"one side of streaming ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def streaming(seeds: int) -> list[Row]:
    """A table of 512 MB with 128 MB allowed: first run (which fills the cache), second run from a cold disk, in memory.

    seeds: how often the last two are run, in turns; the fastest of each counts, since other processes only slow down.
    """
    from benchmarks.outcomes import Row

    allowed = 128 << 20
    with tempfile.TemporaryDirectory() as folder:
        path, small, cache = Path(folder, "large.parquet"), Path(folder, "small.parquet"), Path(folder, "cache")
        rows = TIMES * allowed // (8 * (COLUMNS + 2)) + 1
        size = write_parquet(path, rows)
        write_parquet(small, 5_000)
        cache.mkdir()
        first = side(path, small, str(allowed), STEPS, cache)
        pairs = [
            (side(path, small, str(allowed), STEPS, cache), side(path, small, "100g", STEPS, cache))
            for _ in range(seeds)
        ]
    second, whole = (max(tier, key=lambda found: found["rate"]) for tier in zip(*pairs, strict=True))
    every = [first, *(found for pair in pairs for found in pair)]
    same = "bit-equal" if len({found["weights"] for found in every}) == 1 else "different"
    ratio = second["rate"] / whole["rate"]
    return [
        Row(
            f"anonymous memory beyond libraries, table of {size >> 20} MB in {rows:,} rows, {allowed >> 20} MB allowed",
            "bounded", f"{first['beyond'] >> 20} MB, second run {second['beyond'] >> 20} MB",
            f"in memory {whole['beyond'] >> 20} MB",
        ),
        Row(
            f"examples/s of training, {second['tier']} from a cold disk", ">= 70% of in memory",
            f"{second['rate']:,.0f} ({ratio:.0%})", f"{whole['tier']} {whole['rate']:,.0f}",
        ),
        Row("weights after the same steps", "bit-equal", same),
        Row(
            "seconds until training", "", f"{sum(first['seconds'].values()):.1f}, second run "
            f"{sum(second['seconds'].values()):.1f}", f"in memory {sum(whole['seconds'].values()):.1f}",
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(one_side(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))))
