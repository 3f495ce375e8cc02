"""Run directories: runs/<task>/<NNN>/, one per run, numbered from 001. A number is taken by mkdir alone, so races are safe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepwell.core.errors import UsageError, nearest
from deepwell.store import files
from deepwell.store import json as store_json

RECORD = "events.jsonl"
_NUMBER = re.compile(r"[0-9]{3,9}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run, by name. None of them need exist yet."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """`<task>/<NNN>`, as it stands below the root."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def record(self) -> Path:
        """events.jsonl: what happened, the only truth that terminal, trackers and report read."""
        return self.path / RECORD

    @property
    def run(self) -> Path:
        """run.json: command, config, seed, versions, data."""
        return self.path / "run.json"

    @property
    def schema(self) -> Path:
        """schema.json: each column's kind, role and reason."""
        return self.path / "schema.json"

    @property
    def split(self) -> Path:
        """split.json: which row went to which part, and why."""
        return self.path / "split.json"

    @property
    def model(self) -> Path:
        """model.well: the sealed bundle."""
        return self.path / "model.well"

    @property
    def report(self) -> Path:
        """report.html: the record, drawn."""
        return self.path / "report.html"

    @property
    def checkpoints(self) -> Path:
        """checkpoints/: the states of a training that is not finished."""
        return self.path / "checkpoints"

    @property
    def answers(self) -> Path:
        """answers.csv: the answers on the test part."""
        return self.path / "answers.csv"

    @property
    def rejected(self) -> Path:
        """rejected.jsonl: every row that could not be used, where it stands and why."""
        return self.path / "rejected.jsonl"

    def save(self, path: Path, value: Any) -> None:
        """Writes JSON values to one of the files above: whole or not at all."""
        files.write_file(path, store_json.write(value))


def create(root: str | Path, task: str) -> RunDirectory:
    """Makes and returns the next run directory `root/task/NNN`, readable by its owner only (mode 0700).

    Raises UsageError where `task` cannot name a directory or the place cannot be written.
    """
    if not _NAME.fullmatch(task):
        raise UsageError(
            f"a run directory cannot be named after the task {task!r}", repair="use letters, digits, _ or -"
        )
    parent = Path(root) / task
    try:
        parent.mkdir(parents=True, exist_ok=True)
        number = max((int(p.name) for p in parent.iterdir() if _NUMBER.fullmatch(p.name)), default=0) + 1
        while True:
            path = parent / f"{number:03d}"
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:  # another run took the number a moment ago
                number += 1
                continue
            files.sync_directory(parent)
            files.sync_directory(parent.parent)
            return RunDirectory(path)
    except OSError as error:
        raise UsageError(
            f"no run directory can be made in {str(parent)!r}: {error.strerror}",
            repair="choose another place with --out DIRECTORY, or free this one",
        ) from None


def runs_in(root: str | Path) -> list[RunDirectory]:
    """All runs below a root, in the order of their names; empty where there are none."""
    found = [p.parent for p in Path(root).glob(f"*/*/{RECORD}") if _NUMBER.fullmatch(p.parent.name)]
    return [RunDirectory(p) for p in sorted(found, key=lambda p: (p.parent.name, len(p.name), p.name))]


def sealed(path: str | Path) -> Path:
    """The sealed model that a path names: that of a run directory, or a bundle itself (a file, or its unpacked directory).

    Raises UsageError where there is nothing, and where a run has no model, with the nearest runs that do exist.
    """
    asked = Path(path)
    if asked.is_file() or (asked / "manifest.json").is_file():
        return asked
    model = find(asked).model
    if not model.exists():
        raise UsageError(f"the run {str(asked)!r} has no model: it ended before one was sealed")
    return model


def find(path: str | Path) -> RunDirectory:
    """The run directory at `path`, or the one that holds the file `path`.

    Raises UsageError, with the nearest runs that do exist, where there is none.
    """
    asked = Path(path)
    for candidate in (asked, asked.parent if asked.is_file() else asked):
        if (candidate / RECORD).is_file():
            return RunDirectory(candidate)
    what = (
        f"{str(asked)!r} is not a run directory: it holds no {RECORD}" if asked.exists() else f"no run {str(asked)!r}"
    )
    runs = _runs_near(asked)
    inside = [r for r in runs if asked in Path(r).parents]
    if inside:
        raise UsageError(f"{what}; the last run in it is {inside[-1]!r}")
    raise UsageError(
        what + nearest(str(asked), runs), repair="" if runs else "`deepwell train DATA` makes a run directory"
    )


def _runs_near(path: Path) -> list[str]:
    """Runs at most two levels below the closest ancestors of `path` that exist (the place itself, task, root), sorted."""
    for place in (path, path.parent, path.parent.parent):
        if place.is_dir():
            found = [p.parent for depth in ("*", "*/*") for p in place.glob(f"{depth}/{RECORD}")]
            if found:
                return [str(p) for p in sorted(found, key=lambda p: (str(p.parent), len(p.name), p.name))]
    return []
