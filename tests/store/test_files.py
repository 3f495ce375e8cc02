"""Writing survives death at every arrow of the protocol; sealed directories are found out when anything changed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepwell.core.errors import BundleError, RunError
from deepwell.store import files, manifest

FILE_POINTS = ["file.write", "file.sync", "file.rename", "file.sync-parent"]
DIRECTORY_POINTS = [
    "directory.file", "file.write", "file.sync", "directory.manifest", "directory.sync", "directory.rename",
    "directory.sync-parent", "directory.verify",
]  # fmt: skip
SET = {"a.json": b"{}", "b.bin": bytes(range(256)) * 40}


def _python(code: str, *arguments: Path, point: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "DEEPWELL_FAIL_AT": point}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("point", FILE_POINTS)
def test_death_while_writing_a_file_leaves_the_old_or_the_new(tmp_path: Path, point: str) -> None:
    target = tmp_path / "f"
    files.write_file(target, b"old")
    code = "import sys; from deepwell.store.files import write_file; write_file(sys.argv[1], b'new' * 10**5)"
    assert _python(code, target, point=point).returncode == 137
    assert target.read_bytes() == (b"new" * 10**5 if point == "file.sync-parent" else b"old")
    left = files.sweep(tmp_path)
    assert len(left) == (point != "file.sync-parent")
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("point", DIRECTORY_POINTS)
def test_death_while_sealing_leaves_a_whole_directory_or_none(tmp_path: Path, point: str) -> None:
    target = tmp_path / "step-1"
    code = (
        "import sys; from deepwell.store.files import seal_directory;"
        "seal_directory(sys.argv[1], {'a.json': b'{}', 'b.bin': bytes(range(256)) * 40}, {'step': 1})"
    )
    assert _python(code, target, point=point).returncode == 137
    if target.exists():
        assert files.open_directory(target).facts == {"step": 1}
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == (["step-1"] if target.exists() else [])
    assert target.exists() == (point in ("directory.sync-parent", "directory.verify"))


def test_bytes_are_on_disk_before_the_name_and_the_name_is_synced_last(tmp_path: Path, monkeypatch: Any) -> None:
    seen: list[str] = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        seen.append("sync " + ("directory" if os.path.isdir(f"/dev/fd/{descriptor}") else "file"))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append("rename"), replace(a, b)))
    files.write_file(tmp_path / "f", [b"a", b"b"])
    assert seen == ["sync file", "rename", "sync directory"]
    assert (tmp_path / "f").read_bytes() == b"ab"


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        files.write_file(tmp_path / "f", b"")
        files.seal_directory(tmp_path / "d", {"a": b""})
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_the_old_file_and_says_how_much_is_needed(
    tmp_path: Path, monkeypatch: Any, code: int
) -> None:
    target = tmp_path / "f"
    files.write_file(target, b"old")

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"12,345 bytes are needed, [0-9,]+ are free") as found:
        files.write_file(target, bytes(12345))
    assert str(target) in str(found.value)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]
    with pytest.raises(RunError, match="10,242 bytes are needed"):
        files.seal_directory(tmp_path / "d", SET)
    assert os.listdir(tmp_path) == ["f"]


def test_a_real_short_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "f"
    files.write_file(target, b"old")
    code = (
        "import sys, resource; from deepwell.store.files import write_file; from deepwell.core.errors import RunError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: write_file(sys.argv[1], bytes(10**6))\n"
        "except RunError as error: print(error)"
    )
    done = _python(code, target)
    assert "could not be written" in done.stdout, done
    assert "1,000,000 bytes are needed" in done.stdout
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"repair: make the directory .*nowhere"):
        files.write_file(tmp_path / "nowhere" / "f", b"")


def test_sha256_of_file_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(tmp_path / "f") == files.sha256(b"abc") == known


def test_sealed_directory_round_trip(tmp_path: Path) -> None:
    files.seal_directory(tmp_path / "d", SET, {"step": 7})
    found = files.open_directory(tmp_path / "d")
    assert found.facts == {"step": 7}
    assert {name: bytes(data) for name, data in found.files.items()} == SET
    with pytest.raises(RunError, match="already there"):
        files.seal_directory(tmp_path / "d", SET)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "manifest.json", "", "ü", "x" * 129, "a\n"])
def test_only_plain_names_are_sealed(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="cannot be a file"):
        files.seal_directory(tmp_path / "d", {name: b""})
    assert os.listdir(tmp_path) == []


def _swap(d: Path) -> None:
    (d / "a.json").rename(d / "t")
    (d / "b.bin").rename(d / "a.json")
    (d / "t").rename(d / "b.bin")


def _link(d: Path) -> None:
    (d / "a.json").rename(d.parent / "elsewhere")
    (d / "a.json").symlink_to(d.parent / "elsewhere")


def _pipe(d: Path) -> None:
    (d / "a.json").unlink()
    os.mkfifo(d / "a.json")


CHANGES = {
    "file missing": lambda d: (d / "a.json").unlink(),
    "file added": lambda d: (d / "c").write_bytes(b""),
    "file longer": lambda d: (d / "a.json").write_bytes(b"{} "),
    "other bytes": lambda d: (d / "a.json").write_bytes(b"[]"),
    "files swapped": _swap,
    "link": _link,
    "pipe": _pipe,
    "manifest missing": lambda d: (d / "manifest.json").unlink(),
    "manifest empty": lambda d: (d / "manifest.json").write_bytes(b""),
    "manifest huge": lambda d: (d / "manifest.json").write_bytes(b" " * (2 << 20)),
    "directory inside": lambda d: (d / "e").mkdir(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_found(tmp_path: Path, name: str) -> None:
    files.seal_directory(tmp_path / "d", SET)
    CHANGES[name](tmp_path / "d")
    with pytest.raises(BundleError):
        files.verify_directory(tmp_path / "d")


def test_a_flipped_bit_in_any_byte_is_found(tmp_path: Path) -> None:
    target = tmp_path / "d"
    files.seal_directory(target, {"a.json": b'{"x":1}', "b": b"bytes"}, {"step": 12, "note": "ünï"})
    for path in sorted(target.iterdir()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
            with pytest.raises(BundleError):
                files.open_directory(target)
        path.write_bytes(whole)
    files.verify_directory(target)


def test_links_to_directories_are_not_followed_and_size_is_capped(tmp_path: Path) -> None:
    files.seal_directory(tmp_path / "d", SET)
    (tmp_path / "link").symlink_to(tmp_path / "d")
    with pytest.raises(BundleError):
        files.open_directory(tmp_path / "link")
    files.open_directory(tmp_path / "d", limit_bytes=10_242)
    with pytest.raises(BundleError, match="at most 10,241"):
        files.open_directory(tmp_path / "d", limit_bytes=10_241)


def test_a_manifest_cannot_point_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "manifest.json").write_bytes(manifest.write({"../secret": b"x"}, {}))
    with pytest.raises(BundleError, match="not allowed"):
        files.open_directory(tmp_path / "d")


@pytest.mark.parametrize("size", [-1, 1.0, True, "1", None])
def test_a_manifest_needs_proper_sizes(size: object) -> None:
    entry = {"a": {"bytes": size, "sha256": "0" * 64}}
    bare = json.dumps({"facts": {}, "files": entry}, separators=(",", ":")).encode()
    data = bare[:-1] + b',"sha256":"' + files.sha256(bare).encode() + b'"}'
    with pytest.raises(BundleError, match="proper size"):
        manifest.read(data)


def test_sweep_leaves_everything_else(tmp_path: Path) -> None:
    (tmp_path / ".tmp-0123456789abcdef").mkdir()
    (tmp_path / ".tmp-0123456789abcdef" / "x").write_bytes(b"")
    (tmp_path / ".tmp-mine").write_bytes(b"")
    (tmp_path / "data").mkdir()
    (tmp_path / ".tmp-aaaaaaaaaaaaaaaa").symlink_to(tmp_path / "data")
    assert files.sweep(tmp_path) == [".tmp-0123456789abcdef", ".tmp-aaaaaaaaaaaaaaaa"]
    assert sorted(os.listdir(tmp_path)) == [".tmp-mine", "data"]


@pytest.mark.parametrize("kind", ["missing", "link", "pipe", "directory", "device"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "link":
        (tmp_path / "y").write_bytes(b"")
        path.symlink_to(tmp_path / "y")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    with pytest.raises(BundleError), files.open_regular(path):
        pass
