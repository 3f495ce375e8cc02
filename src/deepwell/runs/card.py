"""card.md: the page about a model that travels inside its bundle. Plain text of the record; always shown escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

Events = Sequence[Mapping[str, Any]]


def card(events: Events, kept: Mapping[str, NDArray[Any]] = MappingProxyType({})) -> str:
    """The model card as Markdown: verdict, data, scores with intervals, baselines, limits. kept: see Contents."""
    run = _last(events, "run")
    fields = _last(events, "schema").get("fields", [])
    parts = _last(events, "parts")
    rejected = _last(events, "rejected")
    lines = [f"# {run.get('id', 'model')}", "", str(_last(events, "verdict").get("text", "")), "", "## Data", ""]
    lines += [f"- {f['path']} (sha256 {f['sha256']})" for f in run.get("data", {}).get("files", [])]
    counts = ", ".join(f"{name} {count:,}" for name, count in parts.get("counts", {}).items() if count is not None)
    lines += [f"- parts: {counts} ({parts.get('reason', '')})"]
    lines += [f"- rows read {rejected.get('read', 0):,}, used {rejected.get('used', 0):,}"]
    if kept:
        lines += [f"- {inside(kept)}"]
    lines += ["", "## Columns", ""]
    lines += [f"- {f['name']}: {f['kind']}, {f['role']}. {f['reason']}" for f in fields]
    lines += ["", "## Scores on the test part", "", "| metric | value | 95% interval | n |", "|---|---|---|---|"]
    lines += [_row("network", s) for s in _last(events, "scores").get("scores", [])]
    for event in events:
        if event["event"] == "baseline":
            lines += [_row(event["name"], s) for s in event["scores"][:1]]
    seed, versions = run.get("seed"), ", ".join(f"{k} {v}" for k, v in run.get("versions", {}).items())
    lines += ["", "## Made with", "", f"- seed {seed}; {versions}"]
    return "\n".join(lines) + "\n"


def inside(kept: Mapping[str, NDArray[Any]]) -> str:
    """What a model holds of the data itself, in a sentence; empty where it holds nothing."""
    if not kept:
        return ""
    listed = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in sorted(kept.items())[:20])
    more = f", and {len(kept) - 20} more" if len(kept) > 20 else ""
    return f"this model holds rows of the data themselves ({listed}{more}); training with --no-tail leaves them out"


def _row(who: str, score: Mapping[str, Any]) -> str:
    interval = f"{_figure(score['low'])} to {_figure(score['high'])}"
    return f"| {who}: {score['name']} | {_figure(score['value'])} | {interval} | {score['n']:,} |"


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"


def _last(events: Events, name: str) -> Mapping[str, Any]:
    return next((e for e in reversed(events) if e["event"] == name), {})
