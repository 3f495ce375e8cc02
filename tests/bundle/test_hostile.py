"""Foreign bytes: every flip, cut and crafted archive gives a BundleError and nothing else."""

import io
import json as standard
import os
import random
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepwell.bundle.contents import ENTRIES, LIMITS, Contents
from deepwell.bundle.read import read
from deepwell.bundle.write import seal
from deepwell.core.errors import BundleError
from deepwell.core.text import escape_terminal
from deepwell.store import manifest, tensors

Forge = Callable[..., bytes]


@pytest.fixture(scope="module")
def sealed(contents: Contents, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sealed") / "model.well"
    seal(path, contents)
    return path.read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "model.well"


def _read(place: Path, data: bytes) -> Contents:
    place.write_bytes(data)
    try:
        return read(place)
    finally:
        assert os.listdir(place.parent) == [place.name]


def _refused(place: Path, data: bytes) -> str:
    with pytest.raises(BundleError) as found:
        _read(place, data)
    text = str(found.value)
    assert text.startswith(str(place))
    assert escape_terminal(text, lines=True) == text
    assert len(text) < 700
    return text


def test_a_flipped_bit_in_every_byte_is_found(place: Path, sealed: bytes) -> None:
    for index in range(len(sealed)):
        _refused(place, sealed[:index] + bytes([sealed[index] ^ 1 << index % 8]) + sealed[index + 1 :])


def test_random_flips_and_truncations_are_all_found(place: Path, sealed: bytes) -> None:
    draw = random.Random(0)
    for _ in range(1000):
        if draw.random() < 0.5:
            index, bit = draw.randrange(len(sealed)), draw.randrange(8)
            _refused(place, sealed[:index] + bytes([sealed[index] ^ 1 << bit]) + sealed[index + 1 :])
        else:
            _refused(place, sealed[: draw.randrange(len(sealed))])


def test_bytes_before_between_and_behind_are_found(place: Path, sealed: bytes) -> None:
    cuts = [0, len(sealed), *(found.start() for found in re.finditer(b"PK[\x01-\x06]{2}", sealed))]
    assert len(cuts) == 2 + 2 * (1 + len(ENTRIES)) + 1
    for cut in cuts:
        for extra in (b"\0", b"PK\x03\x04", sealed):
            _refused(place, sealed[:cut] + extra + sealed[cut:])


def _zip(sealed: bytes, change: Callable[[zipfile.ZipFile, str, bytes], None], **options: Any) -> bytes:
    """The entries of a bundle written by Python's zipfile, one by one through `change`."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sealed)) as old, zipfile.ZipFile(made, "w", **options) as new:
        for info in old.infolist():
            change(new, info.filename, old.read(info))
    return made.getvalue()


def _dated(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = info.create_version = info.extract_version = 0
    return info


class Pipe(io.RawIOBase):
    """A place to write that cannot seek, which makes zipfile use data descriptors."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


def test_archives_by_other_programs_are_refused(place: Path, sealed: bytes) -> None:
    def stored(new: zipfile.ZipFile, name: str, data: bytes) -> None:
        new.writestr(_dated(name), data)

    def deflated(new: zipfile.ZipFile, name: str, data: bytes) -> None:
        new.writestr(_dated(name), data, zipfile.ZIP_DEFLATED)

    def renamed(new: zipfile.ZipFile, name: str, data: bytes) -> None:
        stored(new, name.replace("card.md", "../card.md"), data)

    def doubled(new: zipfile.ZipFile, name: str, data: bytes) -> None:
        stored(new, name, data)
        if name == "card.md":
            with pytest.warns(UserWarning, match="Duplicate"):
                stored(new, name, b"another")

    def zip64(new: zipfile.ZipFile, name: str, data: bytes) -> None:
        with new.open(_dated(name), "w", force_zip64=True) as entry:
            entry.write(data)

    def extra(new: zipfile.ZipFile, name: str, data: bytes) -> None:
        info = _dated(name)
        info.extra = struct.pack("<HHL", 0x7075, 4, 0)
        new.writestr(info, data)

    def commented(new: zipfile.ZipFile, name: str, data: bytes) -> None:
        stored(new, name, data)
        new.comment = b"hello"

    for change in (stored, deflated, renamed, doubled, zip64, extra, commented):
        _refused(place, _zip(sealed, change))
    pipe = Pipe()
    with zipfile.ZipFile(io.BytesIO(sealed)) as old, zipfile.ZipFile(pipe, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    assert "packed by another program" in _refused(place, pipe.data)


def test_fields_of_entry_headers_and_of_the_list_at_the_end_cannot_disagree(place: Path, sealed: bytes) -> None:
    """Every two-byte field of every header set to values that other readers would act on (encrypted, ZIP64, disks...)."""
    headers = [(found.start(), found[0]) for found in re.finditer(b"PK[\x01-\x06]{2}", sealed)]
    lengths = {b"PK\x03\x04": 30, b"PK\x01\x02": 46, b"PK\x05\x06": 22}
    tried = 0
    for start, kind in headers:
        for offset in range(start + 4, start + lengths[kind], 2):
            for value in (0x0001, 0x0008, 0xFFFF):
                data = sealed[:offset] + value.to_bytes(2, "little") + sealed[offset + 2 :]
                if data != sealed:
                    _refused(place, data)
                    tried += 1
    assert tried > 700


NAMES = [
    "../x",
    "/etc/passwd",
    "a\\b",
    "card.md\0",
    "Card.md",
    "card.md ",
    "graphs/forward.onnx",
    "",
    "ü",
    "\x1b[2J",
    "c" * 300,
]


@pytest.mark.parametrize("name", NAMES)
def test_other_entry_names_are_refused(place: Path, sealed: bytes, name: str) -> None:
    raw = name.encode()
    renamed = sealed.replace(struct.pack("<HH", 7, 0) + b"card.md", struct.pack("<HH", len(raw), 0) + raw)
    assert renamed != sealed
    assert "where card.md must stand" in _refused(place, renamed)


ENTRY_FAULTS: dict[str, tuple[dict[str, bytes | None], str]] = {
    "entry missing": ({"card.md": None}, "does not list exactly"),
    "entry added": ({"graphs.onnx": b""}, "does not list exactly"),
    "schema object": ({"schema.json": b"{}"}, "not a list"),
    "schema of numbers": ({"schema.json": b"[1]"}, "field 0 needs"),
    "schema without facts": ({"schema.json": b'[{"name":"a","kind":"id","role":"id","reason":""}]'}, "field 0 needs"),
    "schema facts list": ({"schema.json": b'[{"name":"a","kind":"id","role":"","reason":"","facts":[]}]'}, "field 0"),
    "schema extra key": ({"schema.json": b'[{"name":"a","kind":"id","role":"","reason":"","facts":{},"x":1}]'}, "field 0"),
    "schema kind": ({"schema.json": b'[{"name":"a","kind":"\\u001b","role":"","reason":"","facts":{}}]'}, "kind"),
    "schema twice": (
        {"schema.json": b"[" + b",".join([b'{"name":"a","kind":"id","role":"","reason":"","facts":{}}'] * 2) + b"]"},
        "two fields are called 'a'",
    ),
    "config list": ({"config.json": b"[]"}, "not an object"),
    "config keys": ({"config.json": b'{"config":{},"sizes":{},"safe_mode":false}'}, "two objects"),
    "config values": ({"config.json": b'{"config":{},"sizes":[]}'}, "two objects"),
    "calibration text": ({"calibration.json": b'{"x":"1"}'}, "'x' is not a number"),
    "calibration truth": ({"calibration.json": b'{"x":true}'}, "not a number"),
    "calibration NaN": ({"calibration.json": b'{"x":NaN}'}, "holds NaN"),
    "pipeline twice": ({"pipeline.json": b'{"a":1,"a":2}'}, "twice"),
    "evidence deep": ({"evidence.json": b'{"a":' * 33 + b"1" + b"}" * 33}, "nested deeper"),
    "evidence large": ({"evidence.json": b"{}" + b" " * (1 << 20)}, "at most 1,048,576"),
    "card not text": ({"card.md": b"\xff"}, "not UTF-8"),
    "card large": ({"card.md": b"x" * ((1 << 20) + 1)}, "at most 1,048,576"),
    "weights pickle": ({"weights.safetensors": b"\x80\x04\x95cos\nsystem\n"}, "header"),
    "weights NaN": ({"weights.safetensors": tensors.write({"w": np.array([np.nan])})}, "the tensor w holds NaN"),
    "weights metadata": (
        {"weights.safetensors": safetensors.numpy.save({"w": np.ones(1)}, {"format": "pt"})}, "not as Deepwell",
    ),
    "weights empty": ({"weights.safetensors": b""}, "header"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRY_FAULTS)
def test_entries_with_right_hashes_and_wrong_contents_are_refused(place: Path, forge: Forge, name: str) -> None:
    changed, says = ENTRY_FAULTS[name]
    assert says in _refused(place, forge(changed))


@pytest.mark.parametrize(
    "facts",
    [
        {"task": None}, {"task": 1}, {"task": "a/b"}, {"task": ""}, {"task": "x" * 129}, {"task_version": 0},
        {"task_version": True}, {"task_version": "1"}, {"versions": []}, {"versions": {"a": 1}}, {"extra": 1},
        {"format": 0}, {"format": "1"}, {"format": True}, {"format": 1.0}, {"format": None}, {"trust_remote_code": True},
    ],
)  # fmt: skip
def test_wrong_facts_are_refused(place: Path, forge: Forge, facts: dict[str, Any]) -> None:
    _refused(place, forge(None, **facts))


def test_a_newer_format_says_to_upgrade(place: Path, forge: Forge, sealed: bytes) -> None:
    text = _refused(place, forge({"graphs.onnx": b"x"}, format=3, versions={"deepwell": "9.1\x1b[2J"}, more=1))
    assert "bundle format 3, written by deepwell '9.1\\x1b[2J'; this deepwell reads formats up to 2" in text
    assert "repair: pip install --upgrade deepwell" in text
    _refused(place, forge(None, format=3, versions=7))


def test_limits_at_the_edge(place: Path, forge: Forge) -> None:
    for name in ("pipeline.json", "evidence.json", "card.md"):
        limit = LIMITS[name].bytes
        assert _read(place, forge({name: b"{}".ljust(limit)})) is not None
        _refused(place, forge({name: b"{}".ljust(limit + 1)}))
    inside = b'{"a":[' + b",".join([b"0"] * (LIMITS["evidence.json"].values - 3)) + b"]}"
    assert _read(place, forge({"evidence.json": inside})) is not None
    _refused(place, forge({"evidence.json": inside.replace(b"[0,", b"[0,0,")}))


def test_the_caller_caps_the_size(place: Path, sealed: bytes) -> None:
    place.write_bytes(sealed)
    read(place, limit_bytes=len(sealed))
    with pytest.raises(BundleError, match="at most"):
        read(place, limit_bytes=len(sealed) - 1)


def test_other_files_are_named_as_such(place: Path) -> None:
    assert "is not a model file" in _refused(place, b"\x89PNG" + bytes(100))
    assert "too early" in _refused(place, b"")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as torch_file:
        torch_file.writestr("archive/data.pkl", b"\x80\x02.")
    assert "has the entry 'archive/data.p" in _refused(place, made.getvalue())


def test_links_pipes_and_missing_files_are_refused(tmp_path: Path, sealed: bytes) -> None:
    (tmp_path / "real").write_bytes(sealed)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "nothing", "nul\0"):
        with pytest.raises(BundleError):
            read(tmp_path / name)


def test_directory_form_is_as_strict(tmp_path: Path, contents: Contents, forge: Forge) -> None:
    seal(tmp_path / "d", contents, directory=True)
    entries = {p.name: p.read_bytes() for p in (tmp_path / "d").iterdir()}
    for name, data in entries.items():
        for index in random.Random(name).choices(range(len(data)), k=25):
            (tmp_path / "d" / name).write_bytes(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])
            with pytest.raises(BundleError, match=re.escape(str(tmp_path / "d"))):
                read(tmp_path / "d")
        (tmp_path / "d" / name).write_bytes(data)
    (tmp_path / "d" / "graphs.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match="not in the manifest"):
        read(tmp_path / "d")
    facts = standard.loads(entries.pop(manifest.NAME))["facts"]
    (tmp_path / "d" / manifest.NAME).write_bytes(manifest.write({**entries, "graphs.onnx": b""}, facts))
    with pytest.raises(BundleError, match=r"'graphs\.onnx' is unknown"):
        read(tmp_path / "d")


# Structured fuzzing: a valid bundle, then one to three changes, resealed so that they reach the deeper checks. ---------

JUNK = [
    b"NaN",
    b"1e999",
    b'"\\ud800"',
    b"[" * 40,
    b"null",
    b"-1",
    b"true",
    b'{"":0}',
    b"9" * 30,
    b'"\x1b[2J"',
    b"",
    b"\xff",
    b"[]",
]
change = st.tuples(
    st.sampled_from(ENTRIES), st.sampled_from(["token", "byte", "cut", "repeat", "swap", "drop"]), st.integers(0, 2**31),
    st.sampled_from(JUNK),
)  # fmt: skip


def _changed(data: bytes, how: str, number: int, junk: bytes) -> bytes:
    if how == "token":
        tokens = re.split(rb'("(?:[^"\\]|\\.)*"|[0-9.eE+-]+|[\[\]{}:,])', data)
        tokens[number % len(tokens)] = junk
        return b"".join(tokens)
    at = number % (len(data) + 1)
    return {
        "byte": data[:at] + bytes([number >> 8 & 255]) + data[at + 1 :], "cut": data[:at], "repeat": data[:at] + data,
        "swap": data[at:] + data[:at], "drop": b"",
    }[how]  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(change, min_size=1, max_size=3), st.booleans())
def test_structured_mutations_give_only_bundle_errors(
    place: Path, sealed: bytes, forge: Forge, changes: list[tuple[str, str, int, bytes]], twist: bool
) -> None:
    with zipfile.ZipFile(io.BytesIO(sealed)) as old:
        entries = {name: old.read(name) for name in ENTRIES}
    for name, how, number, junk in changes:
        entries[name] = _changed(entries[name], how, number, junk)
    data = forge(entries)
    if twist:
        data = _changed(data, "byte", changes[0][2], b"")
    try:
        found = _read(place, data)
    except BundleError:
        return
    assert not tensors.non_finite(found.weights)
