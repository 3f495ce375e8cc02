"""The verdict: one sentence that says what the network reaches and whether that is worth more than a baseline.

Unusual: it may say that the network is not worth it. "Better" is said only where the paired interval excludes 0.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deepwell.core.scores import Score
from deepwell.evaluation.intervals import Difference


@dataclass(frozen=True)
class Verdict:
    """The sentence for the reader; winner: "network", the name of a baseline, or "neither"."""

    text: str
    winner: str


def verdict(score: Score, differences: Mapping[str, Difference], trivial: Collection[str] = ()) -> Verdict:
    """The verdict on the primary metric.

    Args:
        score: the network's primary metric. differences: baseline name -> network minus baseline, of that metric.
        trivial: names of the baselines that look at no input (majority, mean): not beating those is said in so many words.
    """
    metric = score.name.replace("_", " ")
    if not math.isfinite(score.value):
        return Verdict(f"No verdict: {metric} is undefined on these {score.n:,} units.", "neither")
    head = f"The network reaches {_figure(metric, score)}"
    known = {name: d for name, d in differences.items() if math.isfinite(d.value)}
    if not known:
        return Verdict(f"{head}; there is no baseline to compare it with.", "neither")
    sign = 1 if score.direction == "higher" else -1
    # The strongest rival: one that is better beyond doubt goes before one that only seems so.
    name, rival = min(known.items(), key=lambda item: (item[1].better != "baseline", sign * item[1].value))
    which = "the best baseline" if len(known) > 1 else "the baseline"
    unit = "" if score.unit == metric else _suffix(score.unit)  # "nats 88.7", not "nats 88.7 nats"
    if rival.better == "neither":
        beaten = name not in trivial and any(n in trivial and d.better != "network" for n, d in known.items())
        tail = " It does not beat a trivial answer either." if beaten else ""
        if name in trivial:
            tail = " That baseline looks at no input: nothing useful was shown to be learned."
        gap = f"network minus baseline {_signed(rival)}{unit}"
        return Verdict(f"{head}: not distinguishable from {which}, {name} ({gap}).{tail}", "neither")
    by = f"{_amount(rival)}{unit}"
    if rival.better == "network":
        return Verdict(f"{head}: better than {which}, {name}, by {by}.", "network")
    return Verdict(f"{head}; {which}, {name}, is better by {by}: use it.", name)


def _figure(metric: str, score: Score) -> str:
    """`accuracy 0.867 (0.862 to 0.872, n = 16,281)`."""
    unit = "" if score.unit == metric else _suffix(score.unit)  # nats 88.7, and not nats 88.7 nats
    if not (math.isfinite(score.low) and math.isfinite(score.high)):
        return f"{metric} {score.value:.3g}{unit} (n = {score.n:,}, too few for an interval)"
    places = _places(score.low, score.high)
    low, high = f"{score.low:.{places}f}", f"{score.high:.{places}f}"
    return f"{metric} {score.value:.{places}f}{unit} ({low} to {high}, n = {score.n:,})"


def _amount(found: Difference) -> str:
    """The size of a difference without its sign: `0.015 (0.012 to 0.019)`."""
    low, high = sorted((abs(found.low), abs(found.high)))
    places = _places(low, high)
    return f"{abs(found.value):.{places}f} ({low:.{places}f} to {high:.{places}f})"


def _signed(found: Difference) -> str:
    """A difference with its sign: `-0.001, interval -0.004 to +0.002`."""
    if not math.isfinite(found.low):
        return f"{found.value:+.3g}, too few units for an interval"
    places = _places(found.low, found.high)
    value, low, high = (f"{round(v, places) + 0.0:+.{places}f}" for v in (found.value, found.low, found.high))
    return f"{value}, interval {low} to {high}"


def _places(low: float, high: float) -> int:
    """Decimals that show an interval's width with one or two digits, and no more."""
    width = high - low
    return 3 if width <= 0 else min(max(1 + math.ceil(-math.log10(width)), 0), 9)


def _suffix(unit: str) -> str:
    """A unit as it is written after a number; a share has none."""
    return "" if unit in ("", "share", "squared share") else f" {unit}"
