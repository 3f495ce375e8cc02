"""Event -> what the terminal says about it, as blocks of cells. Pure: no I/O, no colour codes, no width.

A block is a label (`columns`, `scores`) and rows of cells; `terminal` aligns them, wraps the last cell and colours them.
Every cell that came from data passes through `text.visible`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepwell.tracking.text import (
    duration,
    expectation,
    measure,
    measured,
    number,
    plural,
    reached,
    setting,
    shared_folder,
    shares,
    size,
    visible,
)

Event = Mapping[str, Any]
Row = tuple[str, ...]
SHOWN_COLUMNS = 24
"""Longer schemas are abbreviated to this many rows, targets always among them."""

SHOWN_PATH = 60
"""Characters of a file's path."""


@dataclass(frozen=True)
class Block:
    """What is printed for one event. style: "", "strong" (the verdict), "bad" (a failure) or "faint" (an aside)."""

    label: str
    rows: Sequence[Row]
    style: str = ""


def block(event: Event) -> Block | None:
    """The block of an event; None for those that are not printed (progress, checks, figures, examples)."""
    writer = _WRITERS.get(str(event.get("event")))
    return writer(event) if writer else None


def _run(event: Event) -> Block:
    files = event.get("data", {}).get("files", [])
    rows = event.get("data", {}).get("rows")
    paths = [str(f["path"]) for f in files]
    what = ", ".join(_path(path) for path in paths)
    if len(paths) > 3:
        what = f"{plural(event['data'].get('file_count', len(paths)), 'file')} in {_path(shared_folder(paths) or './')}"
    limit = event.get("time")
    facts = [plural(rows, "row") if rows is not None else "", f"seed {event.get('seed')}"]
    facts += [f"time limit {duration(limit)}"] if limit else []
    return Block(
        "run", [(visible(event.get("id") or event.get("task", ""), 80),), (" · ".join(f for f in [what, *facts] if f),)]
    )


def _path(path: str) -> str:
    """A path by its end: that is where files differ."""
    return visible(path if len(path) <= SHOWN_PATH else f"…{path[1 - SHOWN_PATH :]}")


def _schema(event: Event) -> Block:
    fields = event.get("fields", [])
    ranked = sorted(range(len(fields)), key=lambda i: fields[i].get("role") != "target")
    chosen = sorted(ranked[:SHOWN_COLUMNS]) if len(fields) > SHOWN_COLUMNS + 2 else range(len(fields))
    rows: list[Row] = [
        (visible(f["name"], 28), f["kind"], visible(f.get("role", ""), 12), visible(f.get("reason", ""), 160))
        for f in (fields[i] for i in chosen)
    ]
    kept = set(chosen)
    left = Counter(f["kind"] for i, f in enumerate(fields) if i not in kept)
    if left:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in left.most_common())
        rows.append((f"and {plural(sum(left.values()), 'more column')}: {kinds}",))
    return Block("columns", rows)


def _parts(event: Event) -> Block:
    counts = " · ".join(f"{visible(name, 20)} {number(n)}" for name, n in event.get("counts", {}).items())
    notes = [(visible(note),) for note in event.get("notes", [])]
    return Block("parts", [(counts,), (visible(event.get("reason", "")),), *notes])


def _rejected(event: Event) -> Block | None:
    count = event.get("count", 0)
    if not count:
        return None
    rows: list[Row] = [(f"{number(count)} of {plural(event.get('read'), 'row')} could not be used",)]
    rows += [(f"{visible(r['where'], 80)}: {visible(r['reason'], 120)}",) for r in event.get("rows", [])[:3]]
    if count > 3:
        rows.append((f"and {number(count - 3)} more, listed in rejected.jsonl",))
    return Block("rejected", rows)


def _network(event: Event) -> Block:
    size_name = f", size {visible(event['size'], 20)}" if event.get("size") else ""
    return Block(
        "network", [(f"{visible(event.get('name', ''), 60)}, {number(event.get('parameters'))} parameters{size_name}",)]
    )


UNPRINTED_DECISIONS = ("horizon", "checks", "calibration", "training time", "closing")
"""Decisions that what is expected, the progress line and the scores show anyway; the record and the report have them all."""


def _expected(event: Event) -> Block | None:
    said = expectation(event)
    return Block("expected", [(said,)]) if said else None


def _speed(event: Event) -> Block | None:
    said = reached(event)
    return Block("speed", [(said,)]) if said else None


def _rewind(event: Event) -> Block:
    step = event.get("step")
    rows: list[Row] = [
        (f"goes on after step {visible(step, 20)}" if step else "begins again: no state had been saved",)
    ]
    opened = event.get("opened") or 0
    rows += [(f"the test part was opened {plural(opened, 'time')} before",)] if opened else []
    return Block("resumed", rows)


def _decision(event: Event) -> Block | None:
    if event.get("what") in UNPRINTED_DECISIONS:
        return None
    step = f"step {number(event['step'])}, " if event.get("step") else ""
    value, why = event.get("value"), visible(event.get("why", ""))
    # Where each field of the value has its own reason, `why` sums the value up.
    said = why if isinstance(value, Mapping) and "reasons" in value else f"{setting(value)}; {why}"
    return Block("decision", [(f"{step}{visible(event.get('what', ''))}: {said}",)])


def _phase(event: Event) -> Block | None:
    seconds = (event.get("wall") or {}).get("seconds")
    if seconds is None:
        return None
    return Block("time", [(f"{visible(event.get('name', ''), 20)} {duration(seconds)}",)], "faint")


def _score_cells(score: Mapping[str, Any]) -> Row:
    value, interval = measured(score["value"], score["low"], score["high"])
    return (measure(score["name"]), value, f"({interval}) {visible(score.get('unit', ''), 20)}".rstrip())


def _scores(event: Event) -> Block:
    scores = event.get("scores", [])
    n = f" on {plural(scores[0]['n'], 'unit')}" if scores and "n" in scores[0] else ""
    opened = event.get("opened") or 0
    rows: list[Row] = [(f"{visible(event.get('part', ''), 20)} part{n}, 95% intervals",)]
    rows += [_score_cells(s) for s in scores]
    if opened > 1:
        rows.append(
            (f"the test part has been opened {number(opened)} times: choosing by it makes its scores too good",)
        )
    return Block("scores", rows)


def _baseline(event: Event) -> Block:
    first = next(iter(event.get("scores", [])), None)
    head = f"{visible(event.get('name', ''), 40)} ({event.get('kind', '')})"
    if first and not isinstance(first["value"], int | float):  # such as a likelihood that cannot be compared
        return Block("baseline", [(head, f"has no {measure(first['name'])} to compare")])
    cells = _score_cells(first) if first else ()
    said: list[Row] = []
    for d in event.get("differences", [])[:1]:
        value, interval = measured(d["value"], d["low"], d["high"], "+")
        winner = {"network": "the network is better", "baseline": "the baseline is better"}
        said = [(f"{winner.get(d.get('better', ''), 'no clear difference')}: {value} ({interval})",)]
    return Block("baseline", [(head, *cells), *said])


def _calibration(event: Event) -> Block | None:
    before, after = (event.get(k, {}).get("ece") for k in ("before", "after"))
    if before is None and after is None:
        return None
    return Block("calibration", [(f"expected calibration error {number(before)} before, {number(after)} after",)])


def _bundle(event: Event) -> Block:
    return Block(
        "model",
        [(f"{visible(event.get('path', ''))}, {size(event.get('bytes'))}",), (f"sha256 {event.get('sha256')}",)],
    )


def _end(event: Event) -> Block:
    wall = event.get("wall") or {}
    status = visible(event.get("status", ""), 20)
    peak = f", peak memory {size(wall['peak_bytes'])}" if wall.get("peak_bytes") else ""
    took = f" after {duration(wall['seconds'])}" if wall.get("seconds") is not None else ""
    why = f": {visible(event['reason'])}" if event.get("reason") else ""
    rows: list[Row] = [(f"{status}{took}{peak}{why}",)]
    rows += [(f"time: {shares(wall['phases'])}",)] if wall.get("phases") else []
    rows += [(f"report: {visible(event['report'])}",)] if event.get("report") else []
    return Block("end", rows, "bad" if status == "failed" else "faint")


_WRITERS: dict[str, Callable[[Event], Block | None]] = {
    "run": _run, "schema": _schema, "parts": _parts, "rejected": _rejected, "network": _network,
    "expected": _expected, "rewind": _rewind,
    "decision": _decision, "phase": _phase, "scores": _scores, "baseline": _baseline, "calibration": _calibration,
    "bundle": _bundle, "end": _end, "speed": _speed,
    "verdict": lambda e: Block("verdict", [(visible(e.get("text", ""), 1000),)], "strong"),
    "note": lambda e: Block("note", [(visible(e.get("text", "")),)], "faint"),
}  # fmt: skip


def _steady(value: Any) -> str:
    """Four significant digits with trailing zeros, so that a live figure keeps its width."""
    return f"{value:#.4g}".rstrip(".") if isinstance(value, float) else number(value)


def progress(event: Event, check: Event | None) -> tuple[str, list[str]]:
    """(`step 1,240/6,000`, what else is known of it, most important first): loss, watched metric, speed, time left."""
    wall = event.get("wall") or {}
    of = f"/{number(event['of'])}" if event.get("of") else ""
    facts = []
    if "loss" in event:
        facts.append(f"loss {_steady(event['loss'])}")
    if wall.get("left") is not None:
        facts.append(f"{duration(wall['left'])} left")
    for name, value in list((check or {}).get("values", {}).items())[:1]:
        facts.append(f"select {measure(name)} {_steady(value)}")
    if wall.get("rate"):
        facts.append(f"{number(round(wall['rate']))} examples/s")
    return f"step {number(event.get('step'))}{of}", facts
