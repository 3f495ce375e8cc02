"""Events of runs that never were: the pieces that fake_records puts together."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Event = dict[str, Any]


def score(name: str, value: float, half: float, n: int, unit: str = "share", direction: str = "higher") -> Event:
    return {
        "name": name,
        "value": value,
        "low": value - half,
        "high": value + 0.9 * half,
        "n": n,
        "unit": unit,
        "direction": direction,
    }


def difference(name: str, value: float, half: float, direction: str = "higher") -> Event:
    low, high = value - half, value + half
    sign = 1 if direction == "higher" else -1
    better = "neither" if low <= 0 <= high else "network" if sign * value > 0 else "baseline"
    return {"name": name, "value": value, "low": low, "high": high, "direction": direction, "better": better}


def baseline(name: str, kind: str, scores: Sequence[Event], own: Sequence[Event]) -> Event:
    differences = [
        difference(s["name"], o["value"] - s["value"], 0.4 * (o["high"] - o["low"]), s["direction"])
        for s, o in zip(scores, own, strict=True)
    ]
    return {
        "event": "baseline",
        "name": name,
        "kind": kind,
        "scores": list(scores),
        "differences": differences,
        "wall": {"seconds": 3.1},
    }


def opening(task: str, command: Sequence[str], files: Sequence[Event], rows: int) -> Event:
    """The event `run`."""
    return {
        "event": "run",
        "id": f"{task}/003",
        "task": task,
        "command": list(command),
        "seed": 0,
        "time": 60.0,
        "versions": {"python": "3.11.9", "deepwell": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6", "polars": "2.1.0"},
        "machine": {
            "processor": "Intel Xeon Platinum 8581C",
            "cores": 2,
            "memory": 16_700_000_000,
            "system": "Linux-6.1",
        },
        "data": {"files": list(files), "rows": rows},
        "config": {
            "size": "auto",
            "epochs": 30.0,
            "batch_size": 0,
            "learning_rate": 0.001,
            "weight_decay": 0.01,
            "schedule": "cosine",
            "clip": 1.0,
            "ema": 0.05,
            "patience": 10,
        },
    }


def training(steps: int, metric: str, start: float, end: float, seed: int = 0) -> list[Event]:
    """Decisions, progress and checks of a training in which `metric` goes from start to end."""
    draw = np.random.default_rng(seed)
    events: list[Event] = [
        {"event": "network", "name": "PredictionNetwork", "parameters": 312_410, "size": "small"},
        {
            "event": "decision",
            "step": 0,
            "what": "plan",
            "why": "the fastest of 4 that were timed: 1.8 times the slowest",
            "value": {"device": "cpu", "threads": 2, "precision": "float32", "channels_last": False},
        },
        {"event": "decision", "step": 40, "what": "horizon", "value": steps, "why": "46 s are left at 132 steps/s"},
    ]
    best = -np.inf
    for step in range(10, steps + 1, 10):
        done = step / steps
        loss = 0.28 + 0.5 * np.exp(-6 * done) + draw.normal(0, 0.015)
        rate = 1e-3 * min(1, done / 0.05) * 0.5 * (1 + np.cos(np.pi * done))
        wall = {"rate": 12_400 + draw.normal(0, 300), "left": 46 * (1 - done), "seconds": 46 * done}
        events.append(
            {
                "event": "progress",
                "step": step,
                "of": steps,
                "epoch": 12 * done,
                "loss": loss,
                "learning_rate": rate,
                "wall": wall,
            }
        )
        if step % (steps // 30 // 10 * 10) == 0:
            for chosen, lag in (("raw", 0.0), ("ema", -0.004)):
                value = (
                    end + (start - end) * np.exp(-7 * done) - lag + draw.normal(0, 0.003 if chosen == "raw" else 0.0008)
                )
                better = chosen == "ema" and value > best
                best = max(best, value) if chosen == "ema" else best
                values = {metric: value, "loss": loss + 0.03 + draw.normal(0, 0.004)}
                events.append(
                    {
                        "event": "check",
                        "step": step,
                        "values": values,
                        "chosen": chosen,
                        "best": bool(better),
                        "wall": {},
                    }
                )
    events.append({"event": "phase", "name": "train", "wall": {"seconds": 46.2}})
    return events


def closing(task: str, text: str, winner: str) -> list[Event]:
    """Verdict, bundle and end."""
    return [
        {"event": "verdict", "text": text, "winner": winner},
        {"event": "bundle", "path": f"runs/{task}/003/model.well", "bytes": 1_312_004, "sha256": "9f2c" * 16},
        {"event": "phase", "name": "seal", "wall": {"seconds": 0.4}},
        {
            "event": "end",
            "status": "done",
            "report": f"runs/{task}/003/report.html",
            "wall": {"seconds": 58.3, "peak_bytes": 812_000_000},
        },
    ]


def png(pixels: NDArray[np.uint8]) -> str:
    """Grey or RGB pixels as base64 of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def adult_columns() -> tuple[list[Event], list[Event]]:
    """The fields and columns of a table like Adult."""
    draw = np.random.default_rng(1)
    numbers = [
        ("age", draw.normal(38, 13, 5000).clip(17, 90), "numbers with 73 different values"),
        ("fnlwgt", draw.lognormal(12, 0.5, 5000), "numbers with 21,648 different values"),
        ("capital-gain", np.where(draw.random(5000) < 0.08, draw.lognormal(9, 1, 5000), 0), "numbers; 92% are 0"),
        ("hours-per-week", draw.normal(40, 12, 5000).clip(1, 99), "numbers with 94 different values"),
    ]
    texts = [
        ("workclass", ["Private", "Self-emp-not-inc", "Local-gov", "?", "State-gov"], "text with 9 different values"),
        (
            "education",
            ["HS-grad", "Some-college", "Bachelors", "Masters", "Assoc-voc"],
            "text with 16 different values",
        ),
        ("marital-status", ["Married-civ-spouse", "Never-married", "Divorced"], "text with 7 different values"),
        (
            "native-country",
            ["United-States", "Mexico", "?", "Philippines"],
            "text with 42 different values, 23 of them rare",
        ),
    ]
    fields, columns = [], []
    for name, values, reason in numbers:
        counts, edges = np.histogram(values, bins=24)
        stats = {"mean": values.mean(), "median": float(np.median(values)), "min": values.min(), "max": values.max()}
        fields.append({"name": name, "kind": "number", "role": "input", "reason": reason, "facts": {}})
        columns.append(
            {
                "name": name,
                "kind": "number",
                "role": "input",
                "missing": 0,
                "stats": stats,
                "bins": {"edges": edges.tolist(), "counts": counts.tolist()},
            }
        )
    for name, labels, reason in texts:
        counts = (24_000 * 0.4 ** np.arange(len(labels))).astype(int).tolist()
        fields.append({"name": name, "kind": "category", "role": "input", "reason": reason, "facts": {"levels": 9}})
        columns.append(
            {
                "name": name,
                "kind": "category",
                "role": "input",
                "missing": 1836,
                "stats": {},
                "top": [list(pair) for pair in zip(labels, counts, strict=True)],
            }
        )
    fields.append(
        {
            "name": "income",
            "kind": "category",
            "role": "target",
            "reason": "chosen with --target; two classes",
            "facts": {},
        }
    )
    columns.append(
        {
            "name": "income",
            "kind": "category",
            "role": "target",
            "missing": 0,
            "stats": {},
            "top": [["<=50K", 24_720], [">50K", 7_841]],
        }
    )
    fields.append(
        {"name": "row id", "kind": "id", "role": "ignore", "reason": "a different value in every row", "facts": {}}
    )
    return fields, columns
