"""`python -m benchmarks.door`: the classic first script, word for word, by Deepwell's door and by Keras on its backends.

Unusual: the script is examples/mnist_convnet.py itself; for Keras only the word `deepwell` is replaced. Each run is a process of
its own, from the start of the interpreter to the printed accuracy, and the sides take turns. Keras gets its MNIST from the same
files, so nothing is downloaded. The first run of each side is left out (warm: compiled files, caches of the disk).
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.outcomes import DATA, ROOT
from benchmarks.processes import MeasurementError, keras_python, line_of
from benchmarks.ratios import median
from deepwell.runs.machine import machine

SCRIPT = ROOT / "examples" / "mnist_convnet.py"
SIDES = ("deepwell", "tensorflow", "jax")
PRELUDE = """
import json, os, runpy, sys
import numpy as np
side, script, arrays, seed = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if side == "deepwell":
    from deepwell import keras
else:
    if side == "tensorflow":
        import tensorflow
        from tensorflow import keras
    else:
        import keras
    found = np.load(arrays)
    keras.datasets.mnist.load_data = lambda: ((found["a"], found["b"]), (found["c"], found["d"]))
keras.utils.set_random_seed(seed)
names = runpy.run_path(script)
sys.stdout.flush()
print()
print(json.dumps({"accuracy": float(names["test_acc"]), "loss": float(names["test_loss"])}))
"""


def main() -> None:
    """Run all sides in turns and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.door")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each side")
    parser.add_argument("--sides", default=",".join(SIDES), help="out of " + ", ".join(SIDES))
    parser.add_argument("--cold", action="store_true", help="leave the run that warms each side up out")
    parser.add_argument("--save", action="store_true", help="also write benchmarks/results/DATE-door.md")
    asked = parser.parse_args()
    os.environ.setdefault("DEEPWELL_DATA", str(DATA))
    sides = [s for s in asked.sides.split(",") if s == "deepwell" or keras_python() is not None]
    if len(sides) < len(asked.sides.split(",")):
        print("there is no Keras (`make bench-keras`, or KERAS_PYTHON): only our side is run")
    with tempfile.TemporaryDirectory() as folder:
        arrays = _arrays(Path(folder))
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        accuracy: dict[str, list[float]] = {side: [] for side in sides}
        for seed in range(0 if asked.cold else -1, asked.seeds):
            for side in sides:
                began = time.perf_counter()
                found = _run(side, Path(folder), arrays, max(seed, 0))
                took = time.perf_counter() - began
                print(
                    f"{side}, seed {seed}: {took:.1f} s, accuracy {found:.4f}{' (warming up)' if seed < 0 else ''}",
                    flush=True,
                )
                if seed >= 0:
                    seconds[side].append(took)
                    accuracy[side].append(found)
    lines = _table(seconds, accuracy)
    print("\n".join(lines))
    if asked.save:
        path = Path(__file__).parent / "results" / f"{datetime.date.today().isoformat()}-door.md"
        path.write_text("\n".join(lines) + "\n")


def _table(seconds: dict[str, list[float]], accuracy: dict[str, list[float]]) -> list[str]:
    here = machine()
    lines = [f"{here['processor']}, {here['cores']} cores, load {os.getloadavg()[0]:.1f}", ""]
    lines += ["| side | seconds, start to end | accuracy, mean (each) | our speed beside it |", "|---|---|---|---|"]
    for side, took in seconds.items():
        each = ", ".join(f"{a:.4f}" for a in accuracy[side])
        pairs = [theirs / ours for ours, theirs in zip(seconds.get("deepwell", took), took, strict=True)]
        ratio = "" if side == "deepwell" or "deepwell" not in seconds else str(median(pairs))
        lines.append(
            f"| {side} | {statistics.median(took):.1f} | {statistics.mean(accuracy[side]):.4f} ({each}) | {ratio} |"
        )
    return lines


def _arrays(folder: Path) -> Path:
    """MNIST as Keras gives it, in one file. Raises MeasurementError where the data are not there."""
    import numpy as np

    from deepwell.keras.datasets import mnist

    if not (DATA / "image-classification" / "mnist").is_dir():
        raise MeasurementError(f"there is no MNIST in {DATA}; set DEEPWELL_DATA")
    (a, b), (c, d) = mnist.load_data()
    np.savez(folder / "mnist.npz", a=a, b=b, c=c, d=d)
    return folder / "mnist.npz"


def _run(side: str, folder: Path, arrays: Path, seed: int) -> float:
    """The accuracy that the script prints."""
    words = {"deepwell": "deepwell", "tensorflow": "tensorflow", "jax": "keras"}
    script = folder / f"{side}.py"
    text = SCRIPT.read_text()
    script.write_text(
        text if side == "deepwell" else text.replace("deepwell.keras", _module(side)).replace("deepwell", words[side])
    )
    python = sys.executable if side == "deepwell" else str(keras_python())
    environment = {"KERAS_BACKEND": side if side != "deepwell" else "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = line_of([python, "-c", PRELUDE, side, str(script), str(arrays), str(seed)], environment)
    return float(found["accuracy"])


def _module(side: str) -> str:
    return "tensorflow.keras" if side == "tensorflow" else "keras"


if __name__ == "__main__":
    main()
