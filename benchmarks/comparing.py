"""How sides are compared: trials that settle the setting, rounds that interleave, ratios pair by pair. Starts no process.

`measure(side, row, steps, choice)` gives one measurement; processes.measured is the real one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.processes import KERAS, MeasurementError
from benchmarks.ratios import Median, difference, ratio
from benchmarks.workloads import WORKLOADS

Measure = Callable[[str, str, int, Mapping[str, Any]], Mapping[str, Any]]
Measurements = Mapping[str, Sequence[Mapping[str, Any]]]

PRECISIONS = ("float32", "bfloat16")
LEAST_STEPS = 8


def choose(row: str, cores: int, measure: Measure) -> dict[str, Any]:
    """The threads and precision at which the tuned loop is fastest here, with the rows a second of all that were tried."""
    tried = []
    for threads, precision in itertools.product(sorted({1, cores}), PRECISIONS):
        choice = {"threads": threads, "precision": precision}
        tried.append({**choice, "rows_per_second": _rate(measure("tuned", row, WORKLOADS[row].trial, choice))})
    best = max(tried, key=lambda t: t["rows_per_second"])
    return {"threads": best["threads"], "precision": best["precision"], "tried": tried}


def fastest(row: str, backends: Sequence[str], measure: Measure, say: Callable[[str], None]) -> str | None:
    """The side of Keras's fastest backend, None where none works; what does not is said."""
    rates: dict[str, float] = {}
    for backend in backends:
        try:
            rates[f"{KERAS}{backend}"] = _rate(measure(f"{KERAS}{backend}", row, WORKLOADS[row].trial, {}))
        except MeasurementError as error:
            say(f"skipped: Keras on {backend} ({error})")
    return max(rates, key=rates.__getitem__) if rates else None


def steps_for(row: str, measurement: Mapping[str, Any], seconds: float) -> int:
    """How many steps take about `seconds` at the rate of a trial."""
    return max(LEAST_STEPS, round(seconds * _rate(measurement) / WORKLOADS[row].batch))


def interleaved(sides: Sequence[str], pairs: int, measure: Callable[[str], Mapping[str, Any]]) -> Measurements:
    """Each side measured once a round; the order turns around from round to round, so that a drift favours nobody."""
    found: dict[str, list[Mapping[str, Any]]] = {side: [] for side in sides}
    for number in range(pairs):
        for side in sides if number % 2 == 0 else reversed(sides):
            found[side].append(measure(side))
    return found


def ratios(found: Measurements) -> dict[str, Median]:
    """Our rows a second over those of each other side, paired by round."""
    ours = [_rate(m) for m in found["engine"]]
    return {side: ratio(ours, [_rate(m) for m in theirs]) for side, theirs in found.items() if side != "engine"}


def overhead(found: Measurements) -> Median:
    """Microseconds that a step of ours takes beyond one of the loop by hand."""
    ours, theirs = ([m["microseconds_per_step"] for m in found[side]] for side in ("engine", "tuned"))
    return difference(ours, theirs)


def goal(row: str, side: str, figure: Median) -> tuple[str, bool | None]:
    """What a ratio should reach, in words, and whether it does; None where nothing is asked."""
    if side == "tuned":
        return "interval reaches 0.97", figure.high >= 0.97
    if side == "idiomatic":
        return (">= 2.5", figure.value >= 2.5) if row == "convnet" else ("", None)
    return ">= 1.5", figure.value >= 1.5


def first_at(curve: Sequence[Sequence[float]], accuracy: float) -> float | None:
    """Seconds at which a curve of (seconds, accuracy) first reaches an accuracy; None if never."""
    return next((seconds for seconds, reached in curve if reached >= accuracy), None)


def smallest_budget(
    budgets: Sequence[float], accuracy: float, train: Callable[[float], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Runs of growing budgets, until one ends at the accuracy; that one is the last."""
    runs: list[dict[str, Any]] = []
    for seconds in budgets:
        runs.append({"budget": seconds, **train(seconds)})
        if first_at(runs[-1]["curve"], accuracy) is not None:
            break
    return runs


def _rate(measurement: Mapping[str, Any]) -> float:
    return float(measurement["rows_per_second"])
