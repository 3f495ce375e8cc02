"""A record of time and place in one: fans, curves, boxes and masks on pictures. No run gives all of them; the page shows any."""

from __future__ import annotations

import base64

import numpy as np
from PIL import Image
from tests.reports.fake_events import Event, baseline, closing, opening, score, training

from deepwell.data import drawing

SIDE = 64
BOXES = [
    {"label": "disc", "box": [5, 8, 28.5, 31], "score": 0.93},
    {"label": "square", "box": [34, 30, 60, 56], "score": 0.41},
    {"label": "crowd", "box": [40, 2, 62, 14], "ignore": True},
]
COLOURS = ["#000000", "#e69f00", "#56b4e9"]


def fan(steps: int, before: int, hours: bool) -> Event:
    """Waves with a gap in the history, and an interval that grows."""
    t = np.arange(before + steps)
    values = 20 + 5 * np.sin(t / 3.8) + 0.02 * t
    answer = values[before:] + 0.4 * np.sin(t[before:])
    half = np.linspace(0.5, 2.5, steps)
    history: list[float | None] = [float(v) for v in values[:before]]
    history[3:6] = [None, None, None]
    label = "2017-11-{:02d} {:02d}:00:00" if hours else "19{:02d}-{:02d}"
    labels = [
        label.format(1 + i // 24, i % 24) if hours else label.format(49 + i // 12, 1 + i % 12) for i in range(len(t))
    ]
    truth = [float(v) for v in values[before:]]
    return {
        "history": history, "truth": truth, "answer": answer.tolist(), "low": (answer - half).tolist(),
        "high": (answer + half).tolist(), "labels": labels,
    }  # fmt: skip


def drawn(place: int) -> list[object]:
    """A row of the examples: a picture with boxes, and one under a mask."""
    pixels = np.random.default_rng(place).integers(120, 200, (SIDE, SIDE, 3)).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20:50, 10 + place : 40], mask[:12] = 1, 2
    images = [
        drawing.with_boxes(pixels, BOXES, ["disc", "square"], 256),
        Image.fromarray(pixels) if place == 1 else drawing.overlay(pixels, mask, COLOURS, 256),
    ]
    cells = [{"png": base64.b64encode(drawing.png(image, 128)).decode()} for image in images]
    return [f"pictures/{place}.png", *cells]


def figure(kind: str, title: str, data: Event) -> Event:
    return {"event": "figure", "kind": kind, "target": "load", "title": title, "data": data}


def places() -> list[Event]:
    """Forecasts with fans, errors by step, precision by recall, and drawn examples."""
    own = [score("mse (scaled)", 0.371, 0.02, 29, "", "lower"), score("coverage of 80%", 0.81, 0.03, 29)]
    naive = [score("mse (scaled)", 1.29, 0.08, 29, "", "lower"), score("coverage of 80%", 0.62, 0.05, 29)]
    steps = [float(v) for v in 0.2 + 0.3 * np.sqrt(np.arange(96) / 96)]
    recall = np.linspace(0, 1, 101)
    curves = [
        {"name": name, "values": np.clip(1.05 - recall**power, 0, 1).tolist()}
        for name, power in (("RBC", 3), ("WBC", 8), ("Platelets", 2))
    ]
    return [
        opening("forecasting", ["deepwell", "train", "ETTh1.csv"],
                [{"path": "ETTh1.csv", "bytes": 2589657, "sha256": "ef" * 32}], 17420),
        {"event": "parts", "counts": {"train": 8640, "select": 2880, "calibrate": 0, "test": 2880},
         "reason": "Cut in time: 12/4/4 months.", "notes": []},
        {"event": "rejected", "read": 17420, "used": 14400, "count": 0, "rows": []},
        *training(900, "mse", 1.0, 0.37, 4),
        {"event": "scores", "part": "test", "scores": own, "opened": 1},
        baseline("repeat last", "trivial", naive, own),
        figure("fan", "load: a window in the middle by its error", fan(96, 192, True)),
        figure("fan", "load: the worst window", fan(12, 24, False)),
        figure("fan", "without an interval", {**fan(12, 24, False), "low": [], "high": []}),
        figure("lines", "error by step", {"x": list(range(1, 97)), "series": [{"name": "network", "values": steps},
               {"name": "repeat last", "values": [None, *[3 * v for v in steps[1:]]]}],
               "x_label": "step ahead (hours)", "y_label": "mean squared error"}),
        figure("lines", "precision and recall", {"x": recall.tolist(), "series": curves, "x_label": "recall",
               "y_label": "precision"}),
        figure("lines", "by day", {"x": ["Monday", "Tuesday", "Sunday"], "series": [{"name": "error", "values": [1, 2, 3]}]}),
        {"event": "examples", "title": "Answers drawn at random", "columns": [{"name": "row", "kind": "text"},
         {"name": "objects, answered", "kind": "boxes"}, {"name": "mask, answered", "kind": "mask"}],
         "rows": [drawn(0), drawn(1)]},
        *closing("forecasting", "The network reaches mse 0.371 (0.351 to 0.391, n = 29): better than repeat last.", "network"),
    ]  # fmt: skip
