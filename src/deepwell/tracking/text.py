"""How values are written for people: in the terminal and in the report alike.

Everything that came from data passes through `visible`: one value, one line, harmless, not endless.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from deepwell.core.text import escape_terminal


def visible(value: Any, limit: int = 200) -> str:
    """The text with control, format and unassigned characters as escapes, cut to `limit` characters with an ellipsis."""
    text = value if isinstance(value, str) else number(value) if isinstance(value, int | float) else str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return escape_terminal(text)


def shared_folder(paths: Sequence[str]) -> str:
    """The folder that all paths share, with its last slash; empty where there is none."""
    split = [path.split("/") for path in paths]
    shared = 0
    while split and all(len(parts) > shared + 1 and parts[shared] == split[0][shared] for parts in split):
        shared += 1
    return "".join(part + "/" for part in split[0][:shared]) if split else ""


def number(value: Any, digits: int = 4) -> str:
    """A number with up to that many significant digits, thousands separated; whole numbers whole; a dash for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if isinstance(value, int) or (value == int(value) if math.isfinite(value) else False):
        return f"{int(value):,}" if abs(value) < 1e15 else f"{Decimal(value):.{digits - 1}e}"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if 1e-4 <= abs(value) < 10**digits:
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:.{places}f}"
        return text.rstrip("0").rstrip(".") if places else text
    return f"{value:,.0f}" if 1 <= abs(value) < 1e9 else f"{value:.{digits - 1}e}"


def decimals(low: Any, high: Any) -> int:
    """Decimals that a value with this interval deserves: two digits of its half-width; 0 to 6; 4 where there is none."""
    if not _finite(low) or not _finite(high) or high <= low:
        return 4
    return min(6, max(0, 1 - math.floor(math.log10((high - low) / 2))))


def measured(
    value: Any, low: Any, high: Any, sign: Literal["", "+"] = "", places: int | None = None
) -> tuple[str, str]:
    """A value and its interval `low to high`; the interval is a dash where there is none.

    sign: "+" writes the sign of positive numbers too, as differences need it. places: decimals, default as `decimals`.
    """
    places = decimals(low, high) if places is None else places

    def written(number_: Any) -> str:
        text = f"{number_:{sign},.{places}f}" if _finite(number_) and abs(number_) < 1e15 else number(number_)
        return text.lstrip("+-") if text.strip("+-0.,") == "" else text  # no negative zero

    return written(value), f"{written(low)} to {written(high)}" if _finite(low) or _finite(high) else "–"


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def measure(name: Any) -> str:
    """The name of a metric as words: `balanced_accuracy` reads `balanced accuracy`."""
    return visible(name, 40).replace("_", " ")


def duration(seconds: Any) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return "–"
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: Any) -> str:
    """Bytes in decimal units: `812 B`, `1.2 MB`."""
    if not isinstance(count, int | float) or not math.isfinite(count):
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def shares(phases: Mapping[str, Any]) -> str:
    """How time was spent: `read 1.1 s, train 40 s, other 2.0 s`."""
    return ", ".join(f"{visible(name, 20)} {duration(seconds)}" for name, seconds in phases.items())


def expectation(event: Mapping[str, Any]) -> str:
    """What a run was expected to take: `at most 60 s, 1.1 GB of memory; state saved every 30 s, 12 MB each`.

    event: `expected`, whose `wall` has what could be known of seconds, at_most, steps, memory, checkpoint, every.
    """
    wall = event.get("wall") or {}
    takes = []
    if wall.get("seconds") is not None:
        takes.append(f"{'at most' if wall.get('at_most') else 'about'} {duration(wall['seconds'])}")
    if wall.get("steps") is not None:
        takes.append(plural(wall["steps"], "step"))
    if wall.get("memory") is not None:
        takes.append(f"{size(wall['memory'])} of memory")
    saved = ""
    if wall.get("checkpoint") is not None:
        every = f" every {duration(wall['every'])}" if wall.get("every") else ""
        saved = f"state saved{every}, {size(wall['checkpoint'])} each"
    return "; ".join(part for part in (", ".join(takes), saved) if part)


def reached(event: Mapping[str, Any]) -> str:
    """What training made of the machine: `5,346 examples/s, 12% of the 943 GFLOP/s (bfloat16) that its matrix product reaches`.

    event: `speed`, whose `wall` has rate (examples/s), share, peak (FLOP/s) and peak_precision.
    """
    wall = event.get("wall") or {}
    if not wall.get("rate") or not wall.get("peak"):
        return ""
    peak = f"{wall['peak'] / 1e9:,.0f} GFLOP/s ({wall.get('peak_precision')})"
    return (
        f"{number(round(wall['rate']))} examples/s, {wall['share']:.1%} of the {peak} that its matrix product reaches"
    )


def plural(count: Any, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def setting(value: Any) -> str:
    """A decided or configured value on one line: `rate = 0.001, threads = 2` for an object; inner ones in brackets."""
    if isinstance(value, Mapping):
        pairs = ((k, f"({setting(v)})" if isinstance(v, Mapping) else setting(v)) for k, v in value.items())
        return ", ".join(f"{visible(k, 40)} = {v}" for k, v in pairs)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int | float):
        return number(value)
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
