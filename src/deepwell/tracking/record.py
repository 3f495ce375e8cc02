"""The record events.jsonl: one JSON object a line, appended, never rewritten.

Unusual: a decision is on the disk before `decide` returns, so what took effect is always known; a line without its
newline was torn by a kill and never counted; a sink that fails is let go, because a closed terminal must not end a run.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from deepwell.core.errors import DataError, RunError
from deepwell.core.runner import Sink
from deepwell.store.files import failpoint


class Record:
    """Appends events to a file and hands them to sinks, in this order.

    Args:
        path: events.jsonl; made (mode 0600) where it does not exist, continued where it does.
        sinks: who else hears the events.
    """

    def __init__(self, path: str | Path, sinks: Sequence[Sink] = ()) -> None:
        self.path = Path(path)
        self._sinks = list(sinks)
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            whole = _whole(self.path.read_bytes())
            if whole != os.fstat(self._file).st_size:
                os.ftruncate(self._file, whole)
                self.emit({"event": "note", "text": "a line torn by a sudden stop was removed from the record here"})
        except OSError as error:
            raise RunError(f"the record cannot be opened: {error.strerror}", where=str(self.path)) from None

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except RunError:
            if kind is None:  # else the error under way says more
                raise

    def close(self) -> None:
        """Flushes the record to the disk and closes it. Closing twice does nothing.

        Raises RunError where the disk does not take it.
        """
        if self._file < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._file)
            self._file = -1

    def emit(self, event: Mapping[str, Any]) -> None:
        """Appends one event; numpy values become plain ones, NaN and infinities null.

        An event with `live` is for the sinks alone: it comes when the clock says so, and would make equal runs unequal.
        Raises RunError where the disk does not take it (the record stays whole), TypeError for a value JSON cannot hold.
        """
        if event.get("live"):
            self._deliver(plain(event))
        else:
            self._append(event, durable=False)

    def decide(self, step: int, what: str, value: Any, why: str) -> None:
        """Records what the run decided by measuring or by the clock; it is on the disk when this returns."""
        self._append({"event": "decision", "step": step, "what": what, "value": value, "why": why}, durable=True)

    def sync(self) -> None:
        """Have all events so far on the disk. Raises RunError where it does not take them."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise RunError(f"the record cannot be written: {error.strerror}", where=str(self.path)) from None

    def _append(self, event: Mapping[str, Any], durable: bool) -> None:
        values = plain(event)
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # A lone surrogate (an undecodable file name) becomes \udcXX, which is how JSON writes it.
        line = text.encode("utf-8", "backslashreplace") + b"\n"
        before = os.fstat(self._file).st_size
        try:
            done = 0
            while done < len(line):
                done += os.write(self._file, line[done:])
            if durable:
                failpoint("decision.written")
                os.fsync(self._file)
                failpoint("decision.synced")
        except OSError as error:
            os.ftruncate(self._file, before)
            raise RunError(
                f"the record cannot be written: {error.strerror}",
                where=str(self.path),
                repair="free disk space; all events before this one are kept",
            ) from None
        self._deliver(values)

    def _deliver(self, event: Mapping[str, Any]) -> None:
        for sink in tuple(self._sinks):
            try:
                sink.emit(event)
            except (OSError, ValueError) as error:  # closed terminal, lost connection, closed file
                self._sinks.remove(sink)
                name = type(sink).__name__
                self.emit({"event": "note", "text": f"{name} could not take an event and was let go: {error}"})


def plain(value: Any) -> Any:
    """The value as JSON values: numpy scalars and arrays (and paths) converted, NaN and infinities None.

    Raises TypeError for anything else that JSON cannot hold.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, tensors
        return plain(value.tolist())
    raise TypeError(f"an event cannot hold a {type(value).__name__}: {value!r}")


def _whole(data: bytes) -> int:
    """How many bytes belong to finished lines."""
    return data.rfind(b"\n") + 1


def read(path: str | Path) -> list[dict[str, Any]]:
    """All events of a record, in order; what a resumed run took back is left out (see `effective`).

    A torn last line is left out and a `note` event in its place says so. Raises DataError, naming the line, for anything
    else that is not an event, and where the file cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"the record cannot be read: {error.strerror}", where=str(path)) from None
    whole = _whole(data)
    lines = data[:whole].split(b"\n")[:-1]
    events = [_event(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]
    if whole < len(data):
        text = f"the last line of the record ({len(data) - whole} bytes) was torn by a sudden stop and is left out"
        events.append({"event": "note", "text": text})
    return effective(events)


OPENING = ("run", "schema", "columns", "parts", "rejected", "rewind")
"""Events that no resumption takes back."""
BEGINNING = ("expected", "network")
"""Events without a step that open a training: told again where it begins again, and only there."""


def status(events: Sequence[Mapping[str, Any]]) -> str:
    """How a run ended, by its events as `read` gives them: done, interrupted or failed; unfinished where it has no end."""
    return next((str(e["status"]) for e in reversed(events) if e["event"] == "end"), "unfinished")


def effective(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events that count: each `rewind` {step} takes back what came after that step, which happens again below it.

    Decisions stay, for they take effect again at their steps; but those that follow from the run itself (`follows`) come
    anew, and a `stop` is what the rewind undoes. A rewind to step 0 begins again, so what opened the training comes anew
    as well; another one goes on in the middle, and nobody tells it again.
    """
    kept: list[dict[str, Any]] = []
    for event in events:
        if event["event"] == "rewind":
            kept = [e for e in kept if _outlasts(e, event["step"])]
        kept.append(event)
    return kept


def _outlasts(event: Mapping[str, Any], step: int) -> bool:
    name = event["event"]
    if name in OPENING:
        return True
    if name == "decision" and not event.get("follows"):
        return bool(event["what"] != "stop")
    return step > 0 and (name in BEGINNING or ("step" in event and event["step"] <= step))


def _event(line: bytes, where: str) -> dict[str, Any]:
    try:
        event = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is not JSON ({error}): {line[:60]!r}", where=where, repair=_REPAIR) from None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise DataError(f"this is not an event: {line[:60]!r}", where=where, repair=_REPAIR)
    return event


_REPAIR = "the record was changed after it was written: restore it from a copy, or cut it before this line"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
