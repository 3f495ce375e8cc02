"""Subject: a task trained on its own demo through the command line, in a process that may not touch the network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deepwell import tasks
from deepwell.core.errors import RunError
from deepwell.core.task import Task
from deepwell.runs.options import TrainOptions
from deepwell.runs.prepare import Prepared, prepare
from deepwell.runs.run import Run
from deepwell.runtime.predictor import Predictor
from deepwell.tracking.directory import find

OFFLINE = """
import sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        raise RuntimeError(f"the network was touched: {event} {arguments}")
sys.addaudithook(hook)
from deepwell.cli import main
raise SystemExit(main(sys.argv[1:]))
"""
"""The command line in a process whose audit hook (PEP 578) forbids connections and look-ups of names."""


@dataclass(frozen=True)
class Subject:
    """What the checks look at. name: as the user gave it (a name or a file)."""

    name: str
    task_class: type[Task]
    run: Run
    directory: Path

    @property
    def verdict(self) -> str:
        """The verdict of the shared training."""
        return self.run.verdict

    @cached_property
    def prepared(self) -> Prepared:
        """The demo data, prepared in this process exactly as the training prepared it."""
        return prepare(None, TrainOptions(task=self.name, demo=True))

    @cached_property
    def predictor(self) -> Predictor:
        """The sealed model."""
        return Run(self.run.directory, self.task_class).model


def train(name: str, directory: Path, seconds: float) -> Subject:
    """Train a task on its demo through the command line. Raises RunError with what the command said when it fails."""
    words = ["train", "--task", name, "--demo", "--time", f"{seconds:g}s", "--out", str(directory / "runs"), "--quiet"]
    command(
        [*words, "--plan", "threads=1", "--plan", "precision=float32"]
    )  # the seconds are for steps, not for measuring
    task = tasks.find(name)
    return Subject(name, task, Run(find(directory / "runs" / task.name() / "001"), task), directory)


def command(words: Sequence[str]) -> str:
    """The output of one command in its own process, without network. Raises RunError when it fails."""
    return python(OFFLINE, words)


def python(code: str, words: Sequence[str] = ()) -> str:
    """The output of Python code in its own process. Raises RunError with the end of its errors when it fails."""
    paths = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode:
        raise RunError(f"{' '.join(words) or 'Python'} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout
