"""Lives: trainings that are killed and taken up again, and what must be the same afterwards as without a kill."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.conftest import columns_of, write_csv

from deepwell.bundle import read as bundle
from deepwell.tracking import record

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("DEEPWELL_FAULTS") == "long"
LIMIT = 32.0
"""Seconds of an open budget, on the fake clock; exactly representable, as the ticks are."""
TICK, CHECK = 1.0, 2.0
DIFFERING = ("note", "phase", "rewind")
"""Events that tell of the lives themselves."""


def cases(short: int, long: int) -> range:
    """The numbers of the cases to try: a few beside all other tests, many where `make faults` asks for it.

    DEEPWELL_FAULTS_PART=2/4 takes the second quarter of the many.
    """
    if not LONG:
        return range(short)
    part, _, of = os.environ.get("DEEPWELL_FAULTS_PART", "1/1").partition("/")
    first, last = ((int(part) - less) * long // int(of) for less in (1, 0))
    return range(first, last)


class Nursery:
    """The client of tests.faults.nursery."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, *lives: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Fork these lives at once, and wait until all have ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"lives": lives}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the nursery died"
        found: list[dict[str, Any]] = json.loads(line)
        return found


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery that has imported everything."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("DEEPWELL_FAIL_AT", None)
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults.nursery"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == "ready"
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass(frozen=True)
class Subject:
    """A training to be killed: how it is started. timed: under an open --time, on the fake clock."""

    name: str
    words: Sequence[str]
    steps: int
    timed: bool = False

    @property
    def budget(self) -> list[str]:
        """The words that say how long it takes."""
        return ["--time", f"{LIMIT:g}s"] if self.timed else ["--steps", str(self.steps)]


COMMON = ("--device", "cpu", "--plan", "threads=1", "--quiet")


def subjects(folder: Path) -> dict[str, Subject]:
    """An MLP on a table, a CNN on pictures, and the probe that generates step by step; their data are made in `folder`."""
    table = write_csv(folder / "table.csv", columns_of(160))
    draw = np.random.default_rng(0)
    labels = np.arange(120) % 2
    pictures = draw.integers(0, 120, (120, 8, 8, 1)) + 100 * labels[:, None, None, None]
    np.savez(folder / "pictures.npz", images=pictures.astype(np.uint8), labels=labels)
    small = ("--size", "tiny", "--set", "batch_size=16")
    probe = str(ROOT / "tests" / "probes" / "stepwise.py")
    asked = {
        "MLP": [str(table), "--target", "label", *small],
        "CNN": [str(folder / "pictures.npz"), *small],
        "step generation": ["--task", probe, "--demo", "--set", "batch_size=16"],
    }
    found = {name: Subject(name, words, 24 if name != "CNN" else 16) for name, words in asked.items()}
    return found | {f"{s.name}, --time": Subject(f"{s.name}, --time", s.words, 0, True) for s in list(found.values())}


@dataclass
class Place:
    """A directory of runs of its own, and what lives in it."""

    folder: Path
    nursery: Nursery
    subject: Subject
    save_every: str = "0.001s"
    rest: Mapping[str, Any] = field(default_factory=dict)
    """What every life here is asked besides: see tests.faults.nursery.Life."""

    def asked(self, argv: Sequence[str], **rest: Any) -> dict[str, Any]:
        """A life to ask the nursery for."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self.folder.glob("*.err")))
        files = {name: str(self.folder / f"{number}.{name}") for name in ("out", "err")}
        seconds = LIMIT if self.subject.timed else None
        fake = {"step": TICK, "check": CHECK, "seconds": seconds}
        return {"argv": list(argv), **files, "fake": fake, "blank": True, **self.rest, **rest}

    def beginning(self) -> list[str]:
        """The command that starts the training."""
        where = ["--out", str(self.folder / "runs"), "--save-every", self.save_every]
        return ["train", *self.subject.words, *self.subject.budget, *where, *COMMON]

    def train(self, *words: str, **rest: Any) -> dict[str, Any]:
        """Start it and wait for its end."""
        return self.nursery.ask(self.asked([*self.beginning(), *words], **rest))[0]

    def resume(self, **rest: Any) -> dict[str, Any]:
        """Take it up again and wait for its end."""
        return self.nursery.ask(self.asked(["resume", str(self.run), "--quiet"], **rest))[0]

    @property
    def runs(self) -> list[Path]:
        """All runs that have been made here."""
        return sorted(p for p in (self.folder / "runs").glob("*/*") if p.is_dir())

    @property
    def run(self) -> Path:
        """The run that was made last."""
        return self.runs[-1]

    @property
    def begun(self) -> bool:
        """Whether there is a run that can be taken up: before it has said what it is, nothing was done that could be lost."""
        return bool(self.runs) and (self.run / "run.json").is_file()

    def go_on(self, **rest: Any) -> dict[str, Any]:
        """What a user does after a kill: take the run up again, or start it anew where it had not begun."""
        return self.resume(**rest) if self.begun else self.train(**rest)

    def events(self) -> list[dict[str, Any]]:
        """The record as readers see it."""
        return record.read(self.run / "events.jsonl")

    def done(self) -> bool:
        """Whether the run has come to its end."""
        return self.begun and any(e["event"] == "end" and e["status"] == "done" for e in self.events())

    def weights(self) -> dict[str, bytes]:
        """The sealed weights: name -> type, shape and bytes as one."""
        found = bundle.read(self.run / "model.well").weights
        return {n: f"{a.dtype} {a.shape} ".encode() + a.tobytes() for n, a in found.items()}

    def clear(self) -> None:
        """Remove everything here."""
        shutil.rmtree(self.folder, ignore_errors=True)


def comparable(events: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Kind -> its events, without what may differ between two lives of the same run: wall time, places, ids.

    Decisions are sorted: recorded ones stay where they were, those that follow from the run are told again after them.
    """
    found: dict[str, list[Any]] = {}
    for event in events:
        kind = event["event"]
        leave = {"wall", "id", "command", "options", "source", "path", "sha256", "bytes", "report", "opened"}
        leave |= {"machine", "repeats"}
        if kind not in DIFFERING:
            found.setdefault(kind, []).append({k: v for k, v in event.items() if k not in leave})
    found["end"] = found["end"][-1:]
    for decision in found["decision"]:
        del decision["why"]  # it may tell what was measured
    found["decision"].sort(key=lambda d: (d.get("step", 1 << 60), d["what"], str(d["value"])))
    return found


def differences(place: Place, reference: Place) -> list[str]:
    """In what a run differs from the one that nobody disturbed; empty where they are equal bit for bit."""
    said = []
    if not place.done():
        return ["the run is not done"]
    one, two = place.weights(), reference.weights()
    said += [f"weights of {n!r}" for n in sorted({*one, *two}) if one.get(n) != two.get(n)]
    first, second = comparable(place.events()), comparable(reference.events())
    for kind in sorted({*first, *second}):
        if first.get(kind) != second.get(kind):
            mine, other = first.get(kind, []), second.get(kind, [])
            pairs = [(a, b) for a, b in zip(mine, other, strict=False) if a != b]
            said.append(f"events {kind!r}: {len(mine)} and {len(other)}; {str(pairs[:1])[:400]}")
    if (place.run / "answers.csv").read_bytes() != (reference.run / "answers.csv").read_bytes():
        said.append("answers.csv")
    left = [p.name for p in place.run.rglob(".tmp-*")] + [p.name for p in place.run.glob("checkpoints")]
    return said + [f"left behind: {name}" for name in left]


def finite(place: Place) -> bool:
    """Whether everything on the disk is finite: all checkpoints and, where there is one, the model."""
    from deepwell.store import tensors

    files = list(place.run.glob("checkpoints/step-*/state.safetensors"))
    arrays = [tensors.read(f.read_bytes(), f.name) for f in files]
    if (place.run / "model.well").exists():
        arrays.append(dict(bundle.read(place.run / "model.well").weights))
    return all(tensors.non_finite(a) is None for a in arrays)


@dataclass
class Tally:
    """Counts one row of the table."""

    case: str
    cases: int = 0
    survived: int = 0
    equal: int = 0
    lost: list[float] = field(default_factory=list)
    seconds: float = field(default_factory=time.monotonic)
    notes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Count something that is told beside the row."""
        self.notes[what] = self.notes.get(what, 0) + 1

    def judge(self, place: Place, reference: Place, what: str) -> None:
        """Count a case that has come to its end; `what` tells how to repeat it."""
        found = differences(place, reference)
        self.cases += 1
        self.survived += place.done()
        self.equal += not found
        if found:
            self.failures.append(f"{what} in {place.folder}: {'; '.join(found)}")
        else:
            place.clear()

    def row(self) -> dict[str, Any]:
        """The row."""
        lost = f"{np.mean(self.lost):.2f} (most {max(self.lost):.2f})" if self.lost else "-"
        notes = ", ".join(f"{count} {what}" for what, count in sorted(self.notes.items()))
        return {
            "case": self.case,
            "cases": self.cases,
            "survived": self.survived,
            "bit-equal": self.equal,
            "seconds lost": lost,
            "notes": notes,
        }
