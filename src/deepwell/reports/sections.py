"""Story -> the sections of the page as plain values and figures. Which sections exist follows from which events exist.

A damaged or foreign record must still give a page: a section that cannot be drawn says so in its place.
"""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

from markupsafe import Markup

from deepwell.reports import plots
from deepwell.reports.story import Event, Story, wall
from deepwell.reports.svg import ACCENT, FAULTS, MUTED, SECOND, bars
from deepwell.tracking.text import (
    decimals,
    duration,
    expectation,
    measure,
    measured,
    number,
    plural,
    reached,
    setting,
    shared_folder,
    size,
    visible,
)  # fmt: skip

View = dict[str, Any]
SHOWN_COLUMNS = 40
SHOWN_EXAMPLES = 60
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Section:
    """One section: id (its name on the page), title, body (HTML)."""

    id: str
    title: str
    body: Markup


def sections(story: Story, draw: Callable[[str, View], Markup]) -> list[Section]:
    """All sections that the record supports, in reading order. draw: (id, view) -> HTML, the template."""
    found = []
    for name, title, build in _BUILDERS:
        try:
            view = build(story)
            body = draw(name, view) if view else None
        except FAULTS as fault:
            text = f"This part of the record cannot be drawn ({type(fault).__name__}: {visible(str(fault))})."
            body = Markup('<p class="note">{}</p>').format(text)
        if body is not None:
            found.append(Section(name, title, body))
    return found


def _picture(build: Callable[..., Markup | Sequence[Markup]], *arguments: Any, title: str = "") -> View:
    """A figure drawn: {title, pictures, problem}. What cannot be drawn is said in words, and the rest of the page stands."""
    try:
        drawn = build(*arguments)
    except FAULTS as fault:
        return {"title": title, "pictures": [], "problem": f"This figure cannot be drawn: {visible(str(fault))}."}
    return {"title": title, "pictures": [drawn] if isinstance(drawn, Markup) else drawn, "problem": ""}


def _cell(score: Mapping[str, Any], sign: Literal["", "+"] = "", places: int | None = None) -> View:
    value, interval = measured(score["value"], score["low"], score["high"], sign, places)
    return {"value": value, "interval": interval}


def _main(story: Story) -> Event:
    """The scores that count: of the test part, else of the last part that was scored."""
    return story.scores.get("test") or next(reversed(story.scores.values()), {})


# the sections, in reading order ---------------------------------------------------------------------------------------


def _scores(story: Story) -> View | None:
    main = _main(story)
    if not main.get("scores"):
        return None
    baselines = list(story.baselines.values())
    by_name = [{s["name"]: s for s in b.get("scores", [])} for b in baselines]
    rows, figures = [], []
    for i, score in enumerate(main["scores"]):
        others = [scores.get(score["name"]) for scores in by_name]
        better = "higher is better" if score.get("direction") == "higher" else "lower is better"
        unit = score.get("unit", "")
        places = max(decimals(s["low"], s["high"]) for s in (score, *others) if s)  # one row, one precision
        rows.append({
            "name": measure(score["name"]), "better": better, "unit": unit, "own": _cell(score, places=places),
            "others": [_cell(s, places=places) if s else None for s in others],
        })  # fmt: skip
        lines = [{**score, "name": "network"}] + [
            {**s, "name": b["name"], "kind": b.get("kind")} for b, s in zip(baselines, others, strict=True) if s
        ]
        if i < 4 and len(lines) > 1:
            figures.append(_picture(plots.forest, lines, f"{measure(score['name'])}, {better}", f"forest{i}"))
    apart = [
        {d["name"]: {**_cell(d, "+"), "better": d.get("better", "")} for d in b.get("differences", [])}
        for b in baselines
    ]
    differences = (
        [{"name": measure(s["name"]), "cells": [known.get(s["name"]) for known in apart]} for s in main["scores"]]
        if any(apart)
        else []
    )
    others = [{"part": p, "scores": [{"name": measure(s["name"]), **_cell(s)} for s in e.get("scores", [])]}
              for p, e in story.scores.items() if e is not main]  # fmt: skip
    return {
        "part": main.get("part"), "n": main["scores"][0].get("n"), "opened": main.get("opened"), "rows": rows,
        "baselines": [{"name": b["name"], "kind": b.get("kind", "")} for b in baselines], "figures": figures,
        "differences": differences, "other_parts": others,
    }  # fmt: skip


def _data(story: Story) -> View | None:
    parts, rejected, data = story.get("parts"), story.get("rejected"), story.get("run").get("data", {})
    if not (parts or rejected or data):
        return None
    counts = {name: count for name, count in parts.get("counts", {}).items() if isinstance(count, int | float)}
    total = sum(counts.values())
    return {
        "parts": [
            {"name": n, "count": number(c), "share": round(100 * c / total, 2) if total else 0} for n, c in counts.items()
        ],
        "reason": parts.get("reason", ""), "notes": parts.get("notes", []),
        "files": [
            {"path": f.get("path", ""), "size": size(f.get("bytes")), "sha256": f.get("sha256", "")}
            for f in data.get("files", [])
        ],
        "file_count": data.get("file_count", len(data.get("files", []))), "read": rejected.get("read"),
        "rejected": rejected.get("count") or 0, "listed": rejected.get("rows", []),
    }  # fmt: skip


def _columns(story: Story) -> View | None:
    fields = {f["name"]: f for f in story.get("schema").get("fields", [])}
    known = {c["name"]: c for c in story.get("columns").get("columns", [])}
    if not (fields or known):
        return None
    rows = []
    for name in dict.fromkeys([*fields, *known]):
        both = {**known.get(name, {}), **fields.get(name, {})}
        rows.append({
            "name": name, "kind": both.get("kind", ""), "role": both.get("role", ""), "reason": both.get("reason", ""),
            "missing": both.get("missing"), "stats": _stats(both), "spark": _spark(both),
        })  # fmt: skip
    rows.sort(key=lambda row: row["role"] != "target")
    return {
        "reason": story.get("schema").get("task_reason", ""), "rows": rows[:SHOWN_COLUMNS], "more": rows[SHOWN_COLUMNS:],
        "drawn": bool(known),
    }  # fmt: skip


def _stats(column: Mapping[str, Any]) -> str:
    top = column.get("top") or []
    if top:
        return ", ".join(f"{visible(value, 24)} ({number(count)})" for value, count in top[:3])
    stats = {k: v for k, v in (column.get("stats") or {}).items() if k != "rows"}
    shown = {k: stats[k] for k in ("min", "median", "max") if k in stats} or dict(list(stats.items())[:4])
    return ", ".join(f"{visible(k, 20)} {number(v, 3)}" for k, v in shown.items())


def _spark(column: Mapping[str, Any]) -> Markup:
    name = visible(column["name"], 60)
    if column.get("bins"):
        edges, counts = column["bins"]["edges"], column["bins"]["counts"]
        return bars(counts, f"distribution of {name} from {number(edges[0])} to {number(edges[-1])}")
    top = (column.get("top") or [])[:24]
    return bars([count for _, count in top], f"most frequent values of {name}") if top else Markup("")


def _learning(story: Story) -> View | None:
    figures, best = [], next((c["step"] for c in reversed(story.checks) if c.get("best")), None)
    checks: dict[str, dict[str, list[tuple[Any, Any]]]] = {}
    for check in story.checks:
        for name, value in check.get("values", {}).items():
            checks.setdefault(name, {}).setdefault(str(check.get("chosen", "raw")), []).append((check["step"], value))
    for weights in checks.values():
        if len(weights) > 1 and not set.intersection(*({step for step, _ in points} for points in weights.values())):
            # Each check recorded only the better of raw and averaged weights: together they are one curve.
            points = sorted((point for points in weights.values() for point in points), key=itemgetter(0))
            weights.clear()
            weights["select"] = points
    train = [(p["step"], p.get("loss")) for p in story.progress if "loss" in p]
    losses = [("train", train), *checks.pop("loss", {}).items()]
    plans = [("loss", losses, best)]
    plans += [(measure(name), list(lines.items()), best) for name, lines in checks.items()][:4]
    rates = [(p["step"], p["learning_rate"]) for p in story.progress if p.get("learning_rate") is not None]
    plans += [("learning rate", [("rate", rates)], None)]
    for i, (label, named, kept) in enumerate(plans):
        lines = [
            {
                "name": _CURVES.get(name, (name, ACCENT))[0],
                "colour": _CURVES.get(name, (name, ACCENT))[1],
                "steps": [p[0] for p in points],
                "values": [p[1] for p in points],
            }
            for name, points in named
            if len(points) > 1 and any(value is not None for _, value in points)
        ]
        if lines:
            figures.append(_picture(plots.curves, lines, label, kept, f"curve{i}"))
    network = story.get("network")
    if not (figures or network):
        return None
    return {
        "figures": figures,
        "network": network,
        "best": best,
        "steps": next((p["step"] for p in story.progress[::-1]), 0),
    }


_CURVES = {"train": ("train", MUTED), "raw": ("select, raw", SECOND), "ema": ("select, averaged", ACCENT)}
"""What a curve is called and drawn in: the training loss, and checks of the raw and of the averaged (EMA) weights."""


def _calibration(story: Story) -> View | None:
    figures = _drawn(story, lambda kind: kind == "reliability")
    events = [
        {
            "target": e.get("target", ""),
            "numbers": [{"name": k, "value": number(v)} for k, v in e.get("numbers", {}).items()],
            "before": (e.get("before") or {}).get("ece"), "after": (e.get("after") or {}).get("ece"),
        }
        for e in story.calibrations
    ]  # fmt: skip
    return {"figures": figures, "events": events} if figures or events else None


def _errors(story: Story) -> View | None:
    figures = _drawn(story, lambda kind: kind != "reliability")
    return {"figures": figures} if figures else None


_FIGURES = {
    "confusion": "Confusion", "reliability": "Reliability", "roc": "ROC", "residuals": "Answers",
    "scatter": "Answers", "histogram": "Distribution", "bars": "Values", "fan": "Forecast", "lines": "Curves",
}  # fmt: skip


def _drawn(story: Story, wanted: Callable[[str], bool]) -> list[View]:
    """The figure events of the wanted kinds, drawn: [{title, pictures, problem}]."""
    found = []
    for i, event in enumerate(story.figures.values()):
        kind = str(event.get("kind"))
        if not wanted(kind):
            continue
        title = str(event.get("title") or event.get("target") or "")
        named = (
            title
            if title and title != event.get("target")
            else f"{_FIGURES.get(kind, kind)}{': ' + title if title else ''}"
        )
        found.append(_picture(plots.draw, event, f"fig{i}", title=named))
    return found


def _examples(story: Story) -> View | None:
    tables = []
    for event in story.examples.values():
        names = [c["name"] for c in event["columns"]]
        rows = [[_example_cell(cell) for cell in row] for row in _without_folder(event["rows"][:SHOWN_EXAMPLES])]
        pictures = max((sum("png" in cell for cell in row) for row in rows), default=0)
        if rows:
            tables.append({
                "title": event.get("title", ""), "names": names, "rows": rows, "pictures": pictures,
                "left": max(0, len(event["rows"]) - SHOWN_EXAMPLES),
            })  # fmt: skip
    return {"tables": tables} if tables else None


def _without_folder(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The rows with the folder that all their first cells share (`/data/pets/cat/7.png`) left out of them."""
    first = [row[0] for row in rows if row and isinstance(row[0], str)]
    folder = shared_folder(first) if len(first) == len(rows) else ""
    return [[row[0][len(folder) :], *row[1:]] if folder else list(row) for row in rows]


def _example_cell(cell: Any) -> View:
    """Text, or a picture that has been checked to be one: {png: data address, small: whether to enlarge its pixels}."""
    if not isinstance(cell, Mapping):
        return {"text": number(cell) if isinstance(cell, int | float) else "" if cell is None else str(cell)}
    try:
        data = base64.b64decode(cell["png"], validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data.startswith(_PNG) or len(data) < 24:
        return {"text": "(a picture that cannot be shown)"}
    width = int.from_bytes(data[16:20], "big")
    address = Markup("data:image/png;base64,") + base64.b64encode(data).decode()
    return {"png": address, "small": width < 64}


def _decisions(story: Story) -> View | None:
    """rows: decisions of one line. detailed: those whose value has a reason for each field, as rows of their own."""
    rows, detailed = [], []
    for event in story.decisions:
        value = event.get("value")
        said = {"step": number(event.get("step")), "what": event.get("what", ""), "why": event.get("why", "")}
        if isinstance(value, Mapping) and isinstance(value.get("reasons"), Mapping):
            fields = [
                {"name": str(k).replace("_", " "), "value": setting(v), "why": value["reasons"].get(k, "")}
                for k, v in value.items()
                if k != "reasons"
            ]
            detailed.append({**said, "fields": fields})
        else:
            rows.append({**said, "value": setting(value)})
    return {"rows": rows, "detailed": detailed} if rows or detailed else None


def _again(story: Story) -> View | None:
    run, bundle, end = story.get("run"), story.get("bundle"), wall(story.get("end"))
    if not (run or bundle):
        return None
    machine = [*run.get("machine", {}).items(), ("peak memory", size(end.get("peak_bytes")))]
    spent = end.get("phases") or {name: wall(event)["seconds"] for name, event in story.phases.items()}
    spent = {**spent, "whole run": end.get("seconds")}
    times = [(name, duration(seconds)) for name, seconds in spent.items() if seconds is not None]
    told = {"expected before training": expectation(story.get("expected")), "speed": reached(story.get("speed"))}
    times += [(name, said) for name, said in told.items() if said]
    return {
        "command": shlex.join(str(word) for word in run.get("command", [])), "seed": run.get("seed"),
        "config": [(k, setting(v)) for k, v in run.get("config", {}).items()],
        "versions": [(k, str(v)) for k, v in run.get("versions", {}).items()],
        "machine": [(k, size(v) if k == "memory" else setting(v)) for k, v in machine if v != "–"], "phases": times,
        "bundle": bundle and {**bundle, "size": size(bundle.get("bytes"))},
    }  # fmt: skip


_BUILDERS: Sequence[tuple[str, str, Callable[[Story], View | None]]] = (
    ("scores", "Scores against baselines", _scores),
    ("errors", "Where it errs", _errors),
    ("calibration", "Calibration", _calibration),
    ("examples", "Example answers", _examples),
    ("data", "Data", _data),
    ("columns", "Columns", _columns),
    ("learning", "Learning", _learning),
    ("decisions", "Decisions", _decisions),
    ("again", "Run it again", _again),
)


def cards(story: Story) -> list[View]:
    """The few figures that stand at the top: [{label, value, note}]."""
    found = []
    for build in (_score_cards, _size_cards):
        try:
            found += build(story)
        except FAULTS:  # the section of the same events says what is wrong with them
            continue
    return found


def _score_cards(story: Story) -> list[View]:
    score = next(iter(_main(story).get("scores", [])), None)
    if not score:
        return []
    sign = 1 if score.get("direction") == "higher" else -1
    rivals = [
        (b["name"], s) for b in story.baselines.values() for s in b.get("scores", []) if s["name"] == score["name"]
    ]
    best = max((r for r in rivals if r[1]["value"] is not None), key=lambda r: sign * r[1]["value"], default=None)
    shown = [(f"{measure(score['name'])}, network", score)] + (
        [(f"{measure(score['name'])}, {visible(best[0], 40)}", best[1])] if best else []
    )
    found = [{"label": label, "value": _cell(s)["value"], "note": _cell(s)["interval"]} for label, s in shown]
    part = _main(story).get("part", "")
    return [*found, {"label": f"{part} part", "value": number(score.get("n")), "note": "units scored"}]


def _size_cards(story: Story) -> list[View]:
    found = []
    network, bundle, seconds = (
        story.get("network"),
        story.get("bundle"),
        wall(story.get("end")).get("seconds"),
    )
    if network:
        found.append({"label": "network", "value": number(network.get("parameters")), "note": "parameters"})
    if seconds is not None:
        steps = next((p["step"] for p in story.progress[::-1]), None)
        found.append({"label": "whole run", "value": duration(seconds), "note": plural(steps, "step") if steps else ""})
    if bundle:
        found.append({"label": "model file", "value": size(bundle.get("bytes")), "note": "sealed"})
    return found
