"""Checkpoints: the state of a training on the disk, such that a kill at any instant loses at most the interval.

    record: fsync -> temporary directory -> each file: write, fsync -> manifest last -> fsync -> rename -> fsync parent
    -> read back -> prune

Unusual: "the latest" is computed: the highest step whose every byte still has the hash in its manifest, so no pointer can
run ahead of the data. An older checkpoint is removed only after the new one has been read back; two are kept. A disk that is
full now costs nothing that was saved before: training goes on and saving is tried again.
"""

from __future__ import annotations

import math
import re
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.errors import BundleError, RunError
from deepwell.store import json as strict_json
from deepwell.store import tensors as safetensors
from deepwell.store.files import failpoint, open_directory, seal_directory, sweep, sync_directory, verify_directory

KEEP = 2
"""Checkpoints that are kept; the older one is for the day on which the newer turns out damaged."""
SECONDS = 30.0
"""Time between two checkpoints, where nothing else is asked."""
SHARE = 0.02
"""The most of the time that saving may take: where it is slow, the interval grows."""
TRIES = 3
"""After so many failures in a row the run stops; it can be resumed when there is room again."""
_NAME = re.compile(r"step-([0-9]{9})")
_TENSORS, _FACTS = "state.safetensors", "facts.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps: arrays by name and JSON values; damaged: what was passed over to get here."""

    step: int
    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]
    damaged: Sequence[str] = field(default_factory=tuple)


class Checkpoints:
    """The checkpoints of one run, in a directory of their own that nobody else writes to.

    seconds: between two of them, on `clock`; 0: after every step. tell: hears in words when saving failed and is tried again.
    first: called before each save; it has the record on the disk, or a power cut could leave a state without its record.
    """

    def __init__(
        self,
        directory: Path,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], object] | None = None,
        first: Callable[[], object] | None = None,
    ) -> None:
        self.directory, self._seconds, self._clock, self._tell, self._first = directory, seconds, clock, tell, first
        self._last, self._cost, self._failed = math.nan, 0.0, 0

    def due(self) -> bool:
        """Whether the interval is over; the first begins when this is first asked."""
        if math.isnan(self._last):
            self._last = self._clock()
        return self._clock() - self._last >= max(self._seconds, self._cost / SHARE if self._seconds else 0.0)

    def save(self, step: int, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], must: bool = False) -> bool:
        """Save the state after `step` steps; whether it is on the disk.

        must: a failure raises at once (nothing follows that could try again). Raises RunError when arrays are not finite,
        and when the disk has refused TRIES times in a row.
        """
        began = self._clock()
        bad = safetensors.non_finite(arrays)
        if bad is not None:
            raise RunError(f"the state {bad!r} is not finite after step {step}, so it is not saved")
        files = {_TENSORS: safetensors.write(arrays), _FACTS: strict_json.write(dict(facts))}
        try:
            if self._first is not None:
                self._first()
            self._seal(step, files)
            self._prune(step)
        except RunError as error:
            self._failed += 1
            if must or self._failed >= TRIES:
                raise
            if self._tell is not None:
                self._tell(f"step {step} could not be saved ({error.what}); trying again later, training goes on")
            return False
        finally:
            self._last, self._cost = self._clock(), self._clock() - began
        self._failed = 0
        return True

    def _seal(self, step: int, files: Mapping[str, bytes]) -> None:
        try:
            if not self.directory.is_dir():
                self.directory.mkdir(mode=0o700)
                sync_directory(self.directory.parent)
        except OSError as error:
            raise RunError(f"no checkpoint can be saved: {error.strerror}", where=str(self.directory)) from error
        target = self.directory / f"step-{step:09d}"
        if target.exists():
            if _whole(target):
                return
            _remove(target)
        seal_directory(target, files, {"step": step})

    def _prune(self, newest: int) -> None:
        """Remove all but the KEEP last up to the newest, which has been read back; later steps belong to a life rewound."""
        failpoint("checkpoint.prune")
        steps = [step for step, _ in _found(self.directory)]
        kept = sorted(step for step in steps if step <= newest)[-KEEP:]
        for step in steps:
            if step not in kept:
                _remove(self.directory / f"step-{step:09d}")
        failpoint("checkpoint.pruned")

    def clear(self) -> None:
        """Remove all checkpoints: the run is done and its model is sealed."""
        if self.directory.exists():
            shutil.rmtree(self.directory)


def latest(directory: Path) -> Checkpoint | None:
    """The checkpoint of the highest step that is whole; None where there is none. Only the owner of the run may call it.

    What died half-written here is swept away. Damaged checkpoints are passed over and named in `damaged`; they are removed
    where a whole one is found, or the next save would keep one of them in the place of that.
    """
    if not directory.is_dir():
        return None
    sweep(directory)
    damaged: list[str] = []
    for step, path in sorted(_found(directory), reverse=True):
        try:
            sealed = open_directory(path)
            arrays = {n: np.asarray(a) for n, a in safetensors.read(sealed.files[_TENSORS], _TENSORS).items()}
            facts = strict_json.read(bytes(sealed.files[_FACTS]), _FACTS)
            if sealed.facts != {"step": step}:
                raise BundleError(f"its manifest is that of {sealed.facts}")
        except BundleError as error:
            damaged.append(f"{path.name}: {error}")
            continue
        except KeyError as error:
            damaged.append(f"{path.name}: the file {error} is missing")
            continue
        for later in [other for number, other in _found(directory) if number > step]:
            _remove(later)
        return Checkpoint(step, arrays, facts, damaged)
    return Checkpoint(0, {}, {}, damaged) if damaged else None


def _remove(path: Path) -> None:
    # Renamed first: a kill in the middle leaves something that `sweep` knows, not half a checkpoint.
    doomed = path.with_name(f".tmp-{secrets.token_hex(8)}")
    try:
        path.rename(doomed)
        failpoint("checkpoint.remove")
        shutil.rmtree(doomed)
    except OSError as error:
        raise RunError(f"an old checkpoint cannot be removed: {error.strerror}", where=str(path)) from error


def _found(directory: Path) -> list[tuple[int, Path]]:
    matches = ((path, _NAME.fullmatch(path.name)) for path in directory.iterdir())
    return [(int(match[1]), path) for path, match in matches if match]


def _whole(path: Path) -> bool:
    try:
        verify_directory(path)
    except BundleError:
        return False
    return True
