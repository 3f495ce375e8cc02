"""The record: what was emitted can be read back, a decision is on the disk before it counts, nothing but a kill tears it."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import DataError, RunError
from deepwell.tracking.record import Record, plain, read


class Heard:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []

    def emit(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)


class Broken:
    """A sink whose other end has gone."""

    def emit(self, event: Mapping[str, Any]) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(events=st.lists(st.dictionaries(st.text(max_size=5), values, max_size=3), max_size=4))
def test_what_was_emitted_is_read_back(tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("record") / "events.jsonl"
    sent = [{**e, "event": "any"} for e in events]
    heard = Heard()
    with Record(path, [heard]) as record:
        for event in sent:
            record.emit(event)
    assert read(path) == sent == heard.events
    assert path.read_bytes().count(b"\n") == len(sent)  # one line each, whatever the strings hold


def test_numpy_values_become_plain_and_undefined_numbers_null() -> None:
    event = {
        "loss": np.float32(0.5), "step": np.int64(7), "best": np.bool_(True), "none": float("nan"),
        "far": np.inf, "counts": np.arange(3), "path": Path("a/b"), 3: (1, np.nan),
    }  # fmt: skip
    assert json.loads(json.dumps(plain(event), allow_nan=False)) == {
        "loss": 0.5, "step": 7, "best": True, "none": None, "far": None, "counts": [0, 1, 2], "path": "a/b", "3": [1, None],
    }  # fmt: skip
    with pytest.raises(TypeError, match="cannot hold a set"):
        plain({"labels": {1}})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_every_bit(number: float) -> None:
    assert math.copysign(1, json.loads(json.dumps(plain(number)))) == math.copysign(1, number)
    assert json.loads(json.dumps(plain(np.float64(number)))) == number


def test_a_decision_is_synced_before_it_is_heard_or_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, order = tmp_path / "events.jsonl", []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (order.append(("sync", path.read_bytes().count(b"\n"))), sync(handle))
    )

    class Listening:
        def emit(self, event: Mapping[str, Any]) -> None:
            order.append(("heard", event["event"]))

    with Record(path, [Listening()]) as record:
        record.decide(40, "horizon", 3000, "46 s are left")
        order.append(("returned", None))
        assert order == [("sync", 1), ("heard", "decision"), ("returned", None)]
    assert read(path) == [{"event": "decision", "step": 40, "what": "horizon", "value": 3000, "why": "46 s are left"}]


def test_a_sink_that_fails_is_let_go_and_the_run_goes_on(tmp_path: Path) -> None:
    heard = Heard()
    with Record(tmp_path / "events.jsonl", [Broken(), heard]) as record:
        record.emit({"event": "phase", "name": "read"})
        record.emit({"event": "phase", "name": "fit"})
    events = read(tmp_path / "events.jsonl")
    assert [e["event"] for e in events] == ["phase", "note", "phase"]
    assert "Broken" in events[1]["text"]
    assert [e.get("name") for e in heard.events if e["event"] == "phase"] == ["read", "fit"]


@pytest.mark.parametrize("cut", [1, 5, 18])
def test_a_torn_last_line_is_left_out_with_a_note_and_mended_on_reopening(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.jsonl"
    with Record(path) as record:
        record.emit({"event": "phase", "name": "read"})
        record.emit({"event": "phase", "name": "größe"})
    path.write_bytes(path.read_bytes()[:-cut])
    events = read(path)
    assert [e["event"] for e in events] == ["phase", "note"]
    assert "torn" in events[1]["text"]
    with Record(path) as record:
        record.emit({"event": "phase", "name": "again"})
    assert [e.get("name") for e in read(path)] == ["read", None, "again"]


@pytest.mark.parametrize(
    "line", [b"{half", b"[1]", b'{"name":1}', b'{"event":NaN}', b"", b"\xff\xfe", b'{"event":7}', b"[" * 100_000]
)
def test_garbage_in_the_middle_is_refused_by_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event":"run"}\n' + line + b'\n{"event":"end"}\n')
    with pytest.raises(DataError, match=r"events\.jsonl, line 2: this is not") as error:
        read(path)
    assert "restore it from a copy" in str(error.value)


def test_a_full_disk_leaves_the_record_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    record = Record(path)
    record.emit({"event": "run"})
    write = os.write

    def half(handle: int, data: bytes) -> int:
        if len(data) > 10:
            return write(handle, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(RunError, match="No space left on device"):
        record.emit({"event": "progress", "step": 1})
    monkeypatch.undo()
    record.emit({"event": "end"})
    record.close()
    record.close()
    assert [e["event"] for e in read(path)] == ["run", "end"]


def test_names_that_are_not_unicode_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    with Record(tmp_path / "events.jsonl") as record:
        record.emit({"event": "run", "file": name})
    assert read(tmp_path / "events.jsonl")[0]["file"] == name


def test_a_missing_record_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "events.jsonl")
    with pytest.raises(RunError, match="cannot be opened"):
        Record(tmp_path / "no" / "events.jsonl")
