"""`python -m benchmarks.punctual [--runs 20] [--busy] [--time 60s]`: is `deepwell train --time` kept?

Adult and MNIST in turn, each run a fresh process with a seed of its own; what counts is the wall clock around the whole
process, so also the start and end of the interpreter, the report and the disk. `--busy`: beside a process that multiplies
matrices on all cores all the while. Prints one line a run and, at the end, how many were over by at most 3 s.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.outcomes import Outcome, run
from benchmarks.rows import ADULT, MNIST
from deepwell.runs.options import TrainOptions, parse

OVER = 3.0
"""Seconds that a run may be over."""
SCORE = {"adult": "area_under_curve", "mnist": "accuracy"}
BUSY = "import torch\na = torch.randn(1500, 1500)\nwhile True:\n    a = torch.tanh(a @ a)\n"


@dataclass(frozen=True)
class Seen:
    """One run: seconds of the whole process, its limit, its score on the test part, seconds of each phase."""

    data: str
    seconds: float
    limit: float
    score: float
    steps: int
    phases: Mapping[str, float]

    @property
    def over(self) -> float:
        """Seconds beyond the limit; negative: time that was not used."""
        return self.seconds - self.limit

    def __str__(self) -> str:
        phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.phases.items())
        return (
            f"{self.data:6} {self.seconds:6.1f} s  over by {self.over:+5.1f} s  {SCORE[self.data]} {self.score:.4f}  "
            f"{self.steps:,} steps  ({phases})"
        )


def one(data: str, limit: str, seed: int) -> Seen:
    """Train once. Raises SystemExit when the command fails."""
    words = [str(MNIST)] if data == "mnist" else adult()
    outcome: Outcome = run("train", *words, "--time", limit, "--seed", str(seed))
    steps = max((e["step"] for e in outcome.events if e["event"] in ("progress", "check")), default=0)
    allowed = parse(TrainOptions, {"time": limit}).time
    phases = outcome.events[-1]["wall"].get("phases", {})
    return Seen(data, outcome.seconds, float(allowed or 0.0), outcome.score(SCORE[data]), steps, phases)


def adult() -> list[str]:
    """Adult with the author's test file."""
    words = [
        str(ADULT / "adult-train.csv"),
        "--test",
        str(ADULT / "adult-test.csv"),
        "--names",
        str(ADULT / "adult.names"),
    ]
    return [*words, "--target", "income", "--map", "<=50K. -> <=50K", "--map", ">50K. -> >50K"]


@contextmanager
def busy(asked: bool) -> Iterator[None]:
    """Beside a process that computes on all cores, if asked."""
    if not asked:
        yield
        return
    threads = str(os.cpu_count() or 1)
    other = subprocess.Popen([sys.executable, "-c", BUSY], env={**os.environ, "OMP_NUM_THREADS": threads})
    try:
        yield
    finally:
        other.kill()
        other.wait()


def summary(seen: list[Seen]) -> str:
    """How many were punctual, the worst, and how much time was left on average."""
    kept = sum(s.over <= OVER for s in seen)
    worst = max(s.over for s in seen)
    unused = sum(max(0.0, -s.over) for s in seen) / len(seen)
    return (
        f"over by at most {OVER:g} s in {kept} of {len(seen)}; worst {worst:+.1f} s; {unused:.1f} s not used on average"
    )


def main() -> None:
    """Run as asked, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.punctual")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--busy", action="store_true", help="beside a process that computes on all cores")
    parser.add_argument("--time", default="60s", help="the limit of each run")
    asked = parser.parse_args()
    if asked.runs < 1:
        parser.error("--runs must be at least 1")
    seen = []
    with busy(asked.busy):
        for number in range(asked.runs):
            seen.append(one(("adult", "mnist")[number % 2], asked.time, number))
            print(f"{number + 1:2}  load {os.getloadavg()[0]:4.1f}  {seen[-1]}", flush=True)
    print(summary(seen))


if __name__ == "__main__":
    main()
