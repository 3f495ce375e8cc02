"""A Parquet file several times larger than the memory allowed: what it takes, and that the result is the same to the bit.

Memory is anonymous memory (RssAnon of /proc/self/status), looked at every two milliseconds in a process of its own. A small
training before it takes what libraries, network and batches take, so that only what comes with the data is counted.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.conftest import CommandLine

from deepwell.data import gathering
from deepwell.data.cache import tier
from deepwell.runs import fitting
from deepwell.runs.options import TrainOptions, parse
from deepwell.runs.prepare import prepare
from deepwell.store.arrays import ArrayCache

NUMBERS = 24
ALLOWED = 16 << 20
PROCESS = """
import json, sys, threading, time
from pathlib import Path
from deepwell.data.cache import tier
from deepwell.runs import fitting
from deepwell.runs.options import TrainOptions, parse
from deepwell.runs.prepare import prepare

peak = 0

def anonymous():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024

def watch():
    global peak
    while True:
        peak = max(peak, anonymous())
        time.sleep(0.002)

def train(path, memory):
    options = {"target": "label", "size": "tiny", "steps": 8, "plan": ["threads=1"], "set": ["batch_size=512"]}
    asked = parse(TrainOptions, {**options, "memory": memory})
    prepared = prepare(path, asked)
    fitting.fit(prepared, asked, fitting.Memory(), lambda: False, None)
    return tier(prepared.examples["train"])

threading.Thread(target=watch, daemon=True).start()
train(sys.argv[1], None)
before, peak = peak, 0
found = train(sys.argv[2], sys.argv[3])
print(json.dumps({"beyond": peak - before, "tier": found}))
"""


def write(path: Path, rows: int, numbers: int = NUMBERS) -> Path:
    """Numbers (some missing), whole numbers, text, and a label that depends on them, in row groups of 60,000."""
    draws = np.random.default_rng(rows)
    columns = {f"x{i}": draws.standard_normal(rows) for i in range(numbers)}
    label = np.where(columns["x0"] + 0.3 * draws.standard_normal(rows) > 0, "yes", "no")
    columns["x1"][::9] = np.nan
    columns["colour"] = np.array(["red", "green", "blue"])[draws.integers(0, 3, rows)]
    columns["count"] = draws.integers(0, 50, rows)
    pl.DataFrame({**columns, "label": label}).write_parquet(path, row_group_size=60_000)
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells anonymous memory")
def test_anonymous_memory_stays_far_below_the_table(tmp_path: Path) -> None:
    rows = 4 * ALLOWED // (8 * (NUMBERS + 3))
    small, large = write(tmp_path / "small.parquet", 3000), write(tmp_path / "large.parquet", rows)
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, small, large, str(ALLOWED)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "DEEPWELL_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["tier"] == "mapped"
    # One copy of the table is four times what is allowed; in memory the same takes more than ten times that.
    assert found["beyond"] < 2 * ALLOWED, f"{found['beyond'] / 2**20:.0f} MB"


def test_the_same_weights_in_every_tier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gathering, "COPIED_ROWS", 100)
    path = write(tmp_path / "table.parquet", 4000, numbers=3)
    found = {}
    for memory in ("20k", "1g"):
        options = parse(TrainOptions, {"target": "label", "size": "tiny", "steps": 12, "memory": memory})
        prepared = prepare(path, options)
        predictor, _ = fitting.fit(prepared, options, fitting.Memory(), lambda: False, None)
        found[memory] = (prepared, predictor.contents.weights)
    (mapped, ours), (whole, theirs) = found.values()
    assert [tier(one.examples["train"]) for one in (mapped, whole)] == ["mapped", "memory"]
    assert mapped.parts.train.rows.entry
    assert not whole.parts.train.rows.entry
    assert np.array_equal(mapped.parts.assignment, whole.parts.assignment)
    assert (mapped.parts.reason, mapped.schema, mapped.columns) == (whole.parts.reason, whole.schema, whole.columns)
    assert mapped.pipeline.state() == whole.pipeline.state()
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert np.array_equal(weight, theirs[name]), name


def test_the_command_takes_a_mapped_table_from_file_to_report(
    deepwell: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without a target, a label that is renamed, the author's test file: all of it with mapped columns."""
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gathering, "COPIED_ROWS", 100)
    path, test = write(tmp_path / "table.parquet", 2000, numbers=3), write(tmp_path / "other.parquet", 500, numbers=3)
    labels = pl.read_parquet(path).with_columns(
        pl.when(pl.int_range(pl.len()) % 400 == 7).then(None).otherwise("label").alias("label")
    )
    labels = labels.with_columns(
        pl.when(pl.col("label").is_null()).then(None).otherwise(pl.read_parquet(path)["label"]).alias("label")
    )
    labels.write_parquet(path)
    words = [
        "train",
        path,
        "--test",
        test,
        "--target",
        "label",
        "--map",
        "yes -> sure",
        "--steps",
        "5",
        "--size",
        "tiny",
    ]
    out = {}
    for memory in ("10k", "1g"):
        said = deepwell(*words, "--memory", memory, "--out", tmp_path / memory, "--max-rejected", "0.1", "--quiet")
        assert said.code == 0, said.err
        run = next((tmp_path / memory).glob("*/*/run.json")).parent
        out[memory] = (run / "answers.csv").read_text()
        assert (
            json.loads((run / "run.json").read_text())["options"]["memory"] == {"10k": 10 << 10, "1g": 1 << 30}[memory]
        )
        assert len((run / "rejected.jsonl").read_text().splitlines()) == 5
    assert out["10k"] == out["1g"]
    assert "sure" in out["10k"]
    assert len(ArrayCache(tmp_path / "cache").entries()) >= 4  # two files, both joined, the rows with a target
