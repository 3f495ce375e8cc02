"""`python -m benchmarks.draw RESULT.json PICTURE` draws a saved comparison: each ratio with its interval, on a log scale.

The picture's kind follows its suffix (.svg or .png). The same result gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"tuned loop": "#1b6ca8", "idiomatic loop": "#d1782b", "Keras": "#4d8a3d"}
"""By side; told apart by marker as well, for those who see colours otherwise."""
MARKERS = {"tuned loop": "o", "idiomatic loop": "s", "Keras": "D"}
TICKS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
TITLES = {"convnet": "convnet on MNIST", "mlp": "MLP on Adult", "transformer": "small transformer", "lstm": "LSTM",
          "time-to-99": "time to 99% on MNIST"}  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """One ratio: which row, beside which side, its value and the ends of its interval."""

    row: str
    side: str
    value: float
    low: float
    high: float


def bars(result: Mapping[str, Any]) -> list[Bar]:
    """The ratios of a result, in its order. Of a time to an accuracy: median, smallest and largest of the seeds."""
    found = []
    for row, measured in result["rows"].items():
        if row not in TITLES:
            continue
        if "seconds" in measured:
            ours = measured["seconds"]["engine"]
            for side, theirs in measured["seconds"].items():
                if side != "engine" and None not in ours and None not in theirs:
                    each = [b / a for a, b in zip(ours, theirs, strict=True)]
                    found.append(Bar(row, named(side), statistics.median(each), min(each), max(each)))
        else:
            for side, figure in measured["figures"].items():
                found.append(Bar(row, named(side), figure["value"], figure["low"], figure["high"]))
    return found


def named(side: str) -> str:
    """A side in the picture's words."""
    return "Keras" if side.startswith("keras") else f"{side} loop"


def draw(result: Mapping[str, Any]) -> Figure:
    """The picture of a result."""
    found = bars(result)
    rows = list(dict.fromkeys(bar.row for bar in found))
    places, place = [], 0.0
    for number, bar in enumerate(found):
        place += 0.7 if number and bar.row != found[number - 1].row else 0.0
        places.append(place)
        place += 1.0
    figure = Figure(figsize=(8.0, 0.8 + 0.3 * place), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(1.0, color="#555555", linewidth=1.0)
    for bar, y in zip(found, places, strict=True):
        colour = COLOURS[bar.side]
        axes.plot([bar.low, bar.high], [y, y], color=colour, linewidth=3.0, solid_capstyle="round")
        axes.plot(
            bar.value, y, MARKERS[bar.side], color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.8
        )
        words = f"{bar.side}  {bar.value:.3g}×  ({bar.low:.3g} to {bar.high:.3g})"
        around = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.annotate(words, (bar.high, y), (10, 0), textcoords="offset points", va="center", fontsize=9, bbox=around)
    axes.set_yticks([statistics.mean(y for b, y in zip(found, places, strict=True) if b.row == row) for row in rows])
    axes.set_yticklabels([TITLES[row] for row in rows])
    axes.invert_yaxis()
    _scale(axes, found)
    made = result["machine"]
    axes.set_title(f"Deepwell's engine over other loops ({made['processor']}, {made['cores']} cores)", loc="left")
    axes.set_xlabel(
        "times as fast; median and 95% interval of interleaved pairs\n(time to 99%: median and range of seeds)"
    )
    return figure


def _scale(axes: Axes, found: list[Bar]) -> None:
    low, high = min(0.9, *(b.low for b in found)), max(1.1, *(b.high for b in found))
    axes.set_xscale("log")
    axes.set_xlim(low / 1.1, high * (high / low) ** 0.5)  # room for the words on the right
    axes.set_xticks(ticks := [t for t in TICKS if low / 1.1 <= t <= high * 1.1])
    axes.set_xticklabels([f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as the path's suffix says, without dates or random names."""
    with mpl.rc_context({"svg.hashsalt": "deepwell"}):
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Draw the asked result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draw")
    parser.add_argument("result", type=Path, help="benchmarks/results/DATE-engine.json")
    parser.add_argument("picture", type=Path, help="where to, e.g. docs/engine.svg")
    asked = parser.parse_args()
    save(draw(json.loads(asked.result.read_text())), asked.picture)


if __name__ == "__main__":
    main()
