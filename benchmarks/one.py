"""`python -m benchmarks.one SIDE ROW --steps N` is one measurement in a process of its own; it prints one line of JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import math
from typing import Any

from benchmarks.datasets import Arrays
from benchmarks.measuring import Setting, Side, Stopwatch
from benchmarks.workloads import WORKLOADS, Workload
from deepwell.runs.machine import peak_bytes

SIDES = {"engine": "benchmarks.engine", "tuned": "benchmarks.loops", "idiomatic": "benchmarks.loops"}
"""Side -> module with a function of that name, imported when asked: no side's memory holds another's code."""


def measure(side: str, workload: Workload, arrays: Arrays, setting: Setting) -> dict[str, Any]:
    """Rows a second, microseconds a step, peak memory in bytes, last loss."""
    watch = Stopwatch(setting.warm)
    train: Side = getattr(importlib.import_module(SIDES[side]), side)
    loss = train(workload, arrays, setting, watch)
    timed = watch.finish()
    return {
        "rows_per_second": timed["rows"] / timed["seconds"],
        "microseconds_per_step": 1e6 * timed["seconds"] / timed["steps"],
        "seconds": timed["seconds"],
        "steps": timed["steps"],
        "peak_bytes": peak_bytes(),
        "loss": loss if math.isfinite(loss) else None,
    }


def main() -> None:
    """Measure as asked and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one")
    parser.add_argument("side", choices=list(SIDES))
    parser.add_argument("row", choices=list(WORKLOADS))
    parser.add_argument("--steps", type=int, required=True, help="timed steps")
    parser.add_argument("--warm", type=int, default=None, help="steps before them; the row's trial if not given")
    parser.add_argument("--horizon", type=int, default=0, help="steps of the run that these are the beginning of")
    parser.add_argument("--threads", type=int, default=None, help="torch's default if not given")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mfu", action="store_true", help="also the share of the matrix product's speed")
    asked = parser.parse_args()
    workload = WORKLOADS[asked.row]
    warm = workload.trial if asked.warm is None else asked.warm
    setting = Setting(asked.steps, warm, asked.horizon, asked.threads, asked.precision, asked.seed)
    arrays = workload.data()
    found = {"side": asked.side, "row": asked.row, **measure(asked.side, workload, arrays, setting)}
    if asked.mfu:
        from benchmarks.engine import utilisation

        found |= utilisation(workload, arrays, setting, found["rows_per_second"])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
