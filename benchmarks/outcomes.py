"""What rows are made of: whole commands in fresh processes, the scores they leave, and how several of them are told."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DEEPWELL_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    figure: str
    goal: str
    seen: str
    beside: str = ""


@dataclass(frozen=True)
class Outcome:
    """A finished command: its events and its wall-clock seconds, start of the interpreter included."""

    events: Sequence[Mapping[str, Any]]
    seconds: float

    def score(self, name: str) -> float:
        """A score on the test part by metric name."""
        scores = next(e for e in self.events if e["event"] == "scores")["scores"]
        return float(next(s["value"] for s in scores if s["name"] == name))

    def baseline(self, name: str) -> Mapping[str, Any]:
        """The event of a baseline."""
        return next(e for e in self.events if e["event"] == "baseline" and e["name"] == name)

    def interval(self, name: str) -> Mapping[str, Any]:
        """A score on the test part with its interval: value, low, high."""
        scores = next(e for e in self.events if e["event"] == "scores")["scores"]
        return dict(next(s for s in scores if s["name"] == name))

    def beaten(self) -> str:
        """The verdict's sentence."""
        return str(next(e for e in self.events if e["event"] == "verdict")["text"])

    @property
    def peak(self) -> int:
        """Peak resident memory in bytes."""
        return int(self.events[-1]["wall"]["peak_bytes"])


def run(*words: str, out: str = "") -> Outcome:
    """One command of Deepwell in a fresh process. out: the directory of its runs; one that is gone afterwards if not given."""
    with tempfile.TemporaryDirectory() as passing:
        out = out or passing
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "deepwell", *words, "--json", "--out", out],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"deepwell {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return Outcome([json.loads(line) for line in done.stdout.splitlines()], seconds)


def against(outcomes: Sequence[Outcome], metric: str, goal: str) -> Row:
    """The network's metric over seeds with those of all baselines beside it."""
    names = [e["name"] for e in outcomes[0].events if e["event"] == "baseline"]
    beside = []
    for name in names:
        values = [next(s["value"] for s in o.baseline(name)["scores"] if s["name"] == metric) for o in outcomes]
        beside.append(f"{name} {spread(values, '{:.4f}')}")
    return Row(
        f"{metric}, network alone", goal, spread([o.score(metric) for o in outcomes], "{:.4f}"), ", ".join(beside)
    )


def spread(values: Sequence[float], form: str = "{:.4f}") -> str:
    """Mean and range of several values."""
    mean = form.format(statistics.mean(values))
    return mean if len(values) == 1 or min(values) == max(values) else (
        f"{mean} ({form.format(min(values))} to {form.format(max(values))}, {len(values)} seeds)"
    )  # fmt: skip


Check = Callable[[int], list[Row]]
"""Makes the lines of a row from a number of seeds."""


def trained(words: Sequence[str], limit: str, metric: str, goal: str, most_seeds: int = 3) -> Check:
    """A row: one command of training within a limit, its metric on the test part with all baselines, and its wall time.

    most_seeds: of long rows.
    """

    def lines(seeds: int) -> list[Row]:
        outcomes = [
            run("train", *words, "--time", limit, "--seed", str(seed)) for seed in range(min(seeds, most_seeds))
        ]
        each = "; ".join("{value:.4g} ({low:.4g} to {high:.4g})".format(**o.interval(metric)) for o in outcomes)
        return [
            Row(f"intervals of {metric}, seed by seed", "", each, outcomes[0].beaten()),
            against(outcomes, metric, goal),
            Row("wall, all included", f"<= {limit}", spread([o.seconds for o in outcomes], "{:.1f} s")),
        ]

    return lines
