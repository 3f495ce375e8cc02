"""Figures of forecasts, as `figure` events: fans over the truth, error and coverage by step.

    fan    history [b], truth [h], answer [h], low [h], high [h], labels [b + h]; null where something is not known
    lines  x [n], series [{name, values [n]}], x_label, y_label

Unusual: windows are not picked for beauty. Of each target one is the middle of all by its error, one the worst there is, and the
titles say so. Errors by step are in the target's own unit where there is one target, else in deviations of training values.

Legend: n windows, H horizon, B steps of history that are shown, T targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns

Event = dict[str, Any]
Floats = NDArray[np.float64]
Label = Callable[[int], Sequence[str]]
"""A window -> the times of the B steps of its history and of its H steps ahead, as texts."""
MOST_TARGETS = 4
SHARE = 0.8


def figures(columns: Columns, names: Sequence[str], units: Sequence[str], label: Label | None = None) -> list[Event]:
    """The figures of all measured windows.

    columns: future.truth (NaN where missing), future.answer, and where there are intervals future.low and future.high (n, H, T),
    standardised; future.before (n, B, T), NaN where missing; future.factor, future.offset (n, T). names, units: of the targets.
    label: without it, steps are numbered, 0 the last one of the history.
    """
    truth = columns["future.truth"]
    if not len(truth):
        return []
    shown = range(min(MOST_TARGETS, len(names)))
    events = [event for target in shown for event in _fans(columns, target, names[target], units[target], label)]
    return [*events, *_by_step(columns, names, units)]


def _fans(columns: Columns, target: int, name: str, unit: str, label: Label | None) -> list[Event]:
    """The window whose error is the middle of all, and the worst one; of few windows the same one is not shown twice."""
    missed = (columns["future.answer"][..., target] - columns["future.truth"][..., target]).astype(np.float64)
    counted = np.isfinite(missed).sum(1)
    error = np.where(counted > 0, np.where(np.isfinite(missed), missed**2, 0).sum(1) / np.maximum(counted, 1), -1)
    order = np.argsort(error, kind="stable")[np.count_nonzero(error < 0) :]
    if not len(order):
        return []
    chosen = {int(order[len(order) // 2]): "a window in the middle by its error"}
    chosen.setdefault(int(order[-1]), "the worst window")
    where = f" ({unit})" if unit else ""
    return [
        {
            "event": "figure", "kind": "fan", "target": name, "title": f"{name}{where}: {which}",
            "data": _fan(columns, window, target, label),
        }
        for window, which in chosen.items()
    ]  # fmt: skip


def _fan(columns: Columns, window: int, target: int, label: Label | None) -> Event:
    factor, offset = (float(columns[f"future.{what}"][window, target]) for what in ("factor", "offset"))

    def own(name: str) -> list[float | None]:
        if name not in columns:
            return []
        values = columns[name][window, :, target].astype(np.float64) * factor + offset
        return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]

    history, truth = own("future.before"), own("future.truth")
    steps = [str(step) for step in range(1 - len(history), len(truth) + 1)]
    return {
        "history": history, "truth": truth, "answer": own("future.answer"), "low": own("future.low"),
        "high": own("future.high"), "labels": steps if label is None else list(label(window)),
    }  # fmt: skip


def _by_step(columns: Columns, names: Sequence[str], units: Sequence[str]) -> list[Event]:
    """Root mean squared error by step, of each target or of all; and the share of truths inside the interval by step."""
    alone = len(names) == 1
    missed = (columns["future.answer"] - columns["future.truth"]).astype(np.float64)
    known = np.isfinite(missed)
    if alone:
        missed = missed * columns["future.factor"][:, None]
    squared = np.where(known, missed, 0) ** 2
    series: list[Event] = (
        [{"name": "all targets", "values": _root(squared.sum((0, 2)), known.sum((0, 2)))}] if not alone else []
    )
    for target, name in enumerate(names[:MOST_TARGETS]):
        series.append({"name": name, "values": _root(squared[..., target].sum(0), known[..., target].sum(0))})
    steps = list(range(1, missed.shape[1] + 1))
    unit = (units[0] or "own unit") if alone else "deviations of training values"
    events = [_lines("Error by step ahead", steps, series, f"root mean squared error ({unit})")]
    if "future.low" in columns and "future.high" in columns:
        inside = (columns["future.low"] <= columns["future.truth"]) & (
            columns["future.truth"] <= columns["future.high"]
        )
        share = _json((inside & known).sum((0, 2)), known.sum((0, 2)))
        promised: Event = {"name": f"promised: {SHARE:.0%}", "values": [SHARE] * len(steps)}
        series = [{"name": "inside the interval", "values": share}, promised]
        events.append(_lines("Coverage of the interval by step ahead", steps, series, "share of truths inside"))
    return events


def _root(total: Floats, count: NDArray[np.integer]) -> list[float | None]:
    return [None if value is None else float(np.sqrt(value)) for value in _json(total, count)]


def _json(total: NDArray[Any], count: NDArray[np.integer]) -> list[float | None]:
    """total / count; None where nothing counts, for JSON has no NaN."""
    return [float(above / below) if below else None for above, below in zip(total, count, strict=True)]


def _lines(title: str, steps: list[int], series: list[Event], y_label: str) -> Event:
    data = {"x": steps, "series": series, "x_label": "steps ahead", "y_label": y_label}
    return {"event": "figure", "kind": "lines", "target": "", "title": title, "data": data}
