"""`python -m benchmarks.side_by_side` compares the engine with loops by hand and with Keras: what `make bench` runs.

For each row, short trials first find the threads and the precision that pay here (with the tuned loop; the engine gets the
same plan), Keras's fastest backend, and how many steps fill `--seconds`. Then each round measures every side once, each in
a fresh process. Prints one table; `--save` also writes every single measurement to benchmarks/results/DATE-engine.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparing import (
    Measurements,
    choose,
    fastest,
    first_at,
    goal,
    interleaved,
    overhead,
    ratios,
    smallest_budget,
    steps_for,
)  # fmt: skip
from benchmarks.processes import BACKENDS, MeasurementError, keras, keras_python, line_of, measured
from benchmarks.workloads import WORKLOADS
from deepwell.runs.machine import machine, versions
from deepwell.training.plan import physical_cores

RESULTS = Path(__file__).parent / "results"
SPEED = ("convnet", "mlp", "transformer", "lstm")
OVERHEAD, UNTIL = "overhead", "time-to-99"
ROWS = (*SPEED, OVERHEAD, UNTIL)
GOAL = 0.99
BUDGETS = (4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 60.0)
"""Seconds of training that the engine is given in turn, until the test accuracy reaches GOAL."""
HEAD = "| row | beside | figure | to reach | reached | ours | theirs | peak memory, ours and theirs |"


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line: pairs, rows (a list), seconds, seeds, no_keras, save. Leaves with words where it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side")
    parser.add_argument("--pairs", type=int, default=9, help="rounds of each row; 9 give an interval of 96%%")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"out of {','.join(ROWS)}; all if not given")
    parser.add_argument("--seconds", type=float, default=3.0, help="timed in each measurement")
    parser.add_argument("--seeds", type=int, default=3, help=f"of {UNTIL}")
    parser.add_argument("--no-keras", action="store_true", help="leave Keras out")
    parser.add_argument("--save", action="store_true", help="also write benchmarks/results/DATE-engine.json")
    asked = parser.parse_args(words)
    asked.rows = asked.rows.split(",")
    if unknown := sorted(set(asked.rows) - set(ROWS)):
        parser.error(f"there is no row {unknown[0]!r}; known: {', '.join(ROWS)}")
    if asked.pairs < 1 or asked.seeds < 1:
        parser.error("--pairs and --seeds must be at least 1")
    return asked


def main() -> None:
    """Run the asked rows and print one table."""
    asked = options()
    backends = [] if asked.no_keras or not _keras_is_there() else list(BACKENDS)
    today = datetime.date.today().isoformat()
    result: dict[str, Any] = {"date": today, "machine": machine(), "load": os.getloadavg()[0], "versions": versions()}
    result["rows"] = {}
    cores = f"{result['machine']['cores']} cores, load {result['load']:.1f} at the start"
    print(f"{today}: {result['machine']['processor']}, {cores}\n\n{HEAD}\n{'|---' * 8}|", flush=True)
    for row in asked.rows:
        compare = {OVERHEAD: _overhead, UNTIL: _until}.get(row, _speed)
        result["rows"][row], lines = compare(row, asked, backends)
        print("\n".join(lines), flush=True)
        if asked.save:
            (RESULTS / f"{today}-engine.json").write_text(json.dumps(result, indent=1) + "\n")


def _keras_is_there() -> bool:
    if keras_python() is not None:
        return True
    _say("skipped: Keras (`make bench-keras` makes .venv-keras for it, or set KERAS_PYTHON)")
    return False


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# speed ---------------------------------------------------------------------------------------------------------------
def _speed(row: str, asked: argparse.Namespace, backends: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Rows a second and peak memory of all sides of a row."""
    choice = choose(row, physical_cores(), measured)
    sides = ["tuned", "engine", "idiomatic"]
    keras_side = fastest(row, backends, measured, _say)
    sides += [keras_side] if keras_side else []
    trial = WORKLOADS[row].trial
    steps = {s: steps_for(row, measured(s, row, trial, choice), asked.seconds) for s in sides if s != "engine"}
    steps["engine"] = steps["tuned"]  # as many checks on either side
    found = interleaved(sides, asked.pairs, lambda side: measured(side, row, steps[side], choice))
    figures = ratios(found)
    lines = []
    for side, figure in figures.items():
        to_reach, reached = goal(row, side, figure)
        ours, theirs = (f"{_middle(found[s], 'rows_per_second'):,.0f} rows/s" for s in ("engine", side))
        memory = " and ".join(f"{_middle(found[s], 'peak_bytes') / 1e6:.0f} MB" for s in ("engine", side))
        lines.append(_line(row, side, f"{figure} times", to_reach, reached, ours, theirs, memory))
    mfu = _middle(found["engine"], "mfu")
    if row == "convnet":
        peak = f"bfloat16 peak {_middle(found['engine'], 'bfloat16_peak') / 1e9:.0f} GFLOP/s"
        lines.append(_line(row, "", f"MFU {mfu:.1%}", ">= 45%", mfu >= 0.45, peak, "", ""))
    return {"choice": choice, "steps": steps, "mfu": mfu, **_json(found, figures)}, lines


def _overhead(row: str, asked: argparse.Namespace, backends: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Microseconds a step beyond the loop by hand with the same clip, EMA and checks, on a network of next to nothing."""
    choice = {"threads": 1, "precision": "float32"}
    steps = steps_for("tiny", measured("engine", "tiny", WORKLOADS["tiny"].trial, choice), asked.seconds)
    found = interleaved(["tuned", "engine"], asked.pairs, lambda side: measured(side, "tiny", steps, choice))
    figure = overhead(found)
    ours, theirs = (f"{_middle(found[s], 'microseconds_per_step'):.0f} µs a step" for s in ("engine", "tuned"))
    line = _line(row, "bare loop", f"{figure} µs a step", "<= 60", figure.value <= 60, ours, theirs, "")
    return {"choice": choice, "steps": {"engine": steps, "tuned": steps}, **_json(found, {"tuned": figure})}, [line]


def _middle(measurements: Sequence[Mapping[str, Any]], name: str) -> float:
    return statistics.median(float(m[name]) for m in measurements)


def _json(found: Measurements, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {"figures": {side: f.to_json() for side, f in figures.items()}, "measurements": found}


def _line(*cells: str | bool | None) -> str:
    words = {True: "yes", False: "no", None: ""}
    return "| " + " | ".join(words[c] if isinstance(c, bool) or c is None else c for c in cells) + " |"


# time to an accuracy -------------------------------------------------------------------------------------------------
def _until(row: str, asked: argparse.Namespace, backends: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Seconds of training to the test accuracy GOAL on MNIST: the engine's smallest budget that ends there."""
    choice = choose("convnet", physical_cores(), measured)
    keras_side = fastest("convnet", backends, measured, _say)
    curves: dict[str, list[Any]] = {"engine": [], "idiomatic": []} | ({keras_side: []} if keras_side else {})
    for seed in range(asked.seeds):
        words = ["--seed", str(seed)]
        curves["engine"].append(smallest_budget(BUDGETS, GOAL, _engine_run([*words, *_words(choice)])))
        idiomatic = [sys.executable, "-m", "benchmarks.time_to", "idiomatic", "--goal", str(GOAL), *words]
        curves["idiomatic"].append(line_of(idiomatic))
        if keras_side:
            backend = keras_side.rpartition("-")[2]
            curves[keras_side].append(keras(backend, ["convnet", "--until", str(GOAL), *words]))
    seconds = {"engine": [first_at(runs[-1]["curve"], GOAL) for runs in curves["engine"]]}
    seconds |= {s: [first_at(run["curve"], GOAL) for run in runs] for s, runs in curves.items() if s != "engine"}
    lines = [_until_line(row, side, seconds) for side in curves if side != "engine"]
    return {"choice": choice, "goal": GOAL, "seconds": seconds, "curves": curves}, lines


def _engine_run(words: Sequence[str]) -> Callable[[float], Mapping[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.time_to", "engine", *words]
    return lambda seconds: line_of([*command, "--seconds", str(seconds)])


def _words(choice: Mapping[str, Any]) -> list[str]:
    return ["--threads", str(choice["threads"]), "--precision", choice["precision"]]


def _until_line(row: str, side: str, seconds: Mapping[str, Sequence[float | None]]) -> str:
    """One line: each seed's ratio, and whether the smallest is 5 or more; a side that never arrives has no ratio."""
    pairs = [(a, b) for a, b in zip(seconds["engine"], seconds[side], strict=True) if a is not None and b is not None]
    told = ["/".join("never" if s is None else f"{s:.0f}" for s in seconds[name]) + " s" for name in ("engine", side)]
    if len(pairs) < len(seconds[side]):
        return _line(row, side, "not all seeds arrived", ">= 5", False, *told, "")
    each = [theirs / ours for ours, theirs in pairs]
    figure = f"{statistics.median(each):.3g} times ({min(each):.3g} to {max(each):.3g}, {len(each)} seeds)"
    return _line(row, side, figure, ">= 5", statistics.median(each) >= 5, *told, "")


if __name__ == "__main__":
    try:
        main()
    except MeasurementError as error:
        raise SystemExit(str(error)) from None
