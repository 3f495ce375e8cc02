"""Files that survive a crash: written beside their place, synced, renamed; and sealed directories, written all or nothing.

Unusual: one protocol for everything. A reader sees the old file or the new one, never half of one, also after a power
cut, since bytes are on the disk (fsync) before the name points at them, and the name is synced after. `failpoint` marks
each arrow of the protocol, so that tests can die there.

    file       temporary beside it -> write -> fsync -> rename -> fsync the parent
    directory  temporary beside it -> each file: write, fsync -> manifest last -> fsync -> rename -> fsync parent -> verify
"""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import BundleError, RunError
from deepwell.core.text import escape_terminal, quote
from deepwell.store import json, manifest

Path_ = str | os.PathLike[str]
Bytes = bytes | memoryview

_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{16}")
_CHUNK = 1 << 20
_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Die at once, as by kill -9, where the environment says DEEPWELL_FAIL_AT=name, or =name:3 for the third time.

    For tests of crash safety only.
    """
    asked, _, count = os.environ.get("DEEPWELL_FAIL_AT", "").partition(":")
    if asked == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(count or 1):
            os._exit(137)


def write_file(path: Path_, data: Bytes | Iterable[Bytes]) -> None:
    """Write or replace one file so that a crash at any instant leaves the old bytes or the new ones. Mode: from umask.

    data: the bytes, or their pieces in order. Raises RunError naming the path; on a full disk also the bytes needed and free.
    """
    target = Path(path)
    pieces = [data] if isinstance(data, bytes | memoryview) else list(data)
    temporary = target.with_name(_temporary_name())
    with _explained(target, sum(len(p) for p in pieces)):
        try:
            _write_new(temporary, pieces)
            failpoint("file.rename")
            os.replace(temporary, target)
            failpoint("file.sync-parent")
            sync_directory(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def sha256(source: Path_ | bytes) -> str:
    """The SHA-256 of a file, read in pieces, or of bytes; 64 hexadecimal digits. Raises OSError."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal_directory(path: Path_, files: Mapping[str, Bytes], facts: Mapping[str, Any] | None = None) -> None:
    """Make a directory with these files and a manifest, all or nothing, and read it back.

    files: plain name -> bytes. facts: JSON values for the manifest. The directory must not exist yet.
    Raises RunError where it exists, cannot be written, or does not read back as written.
    """
    target = Path(path)
    bad = next((name for name in files if not manifest.plain(name)), None)
    if bad is not None:
        raise RunError(f"{quote(bad)} cannot be a file of a sealed directory", where=str(target))
    if os.path.lexists(target):
        raise RunError("is already there; a sealed directory is never changed", where=str(target))
    temporary = target.with_name(_temporary_name())
    with _explained(target, sum(len(data) for data in files.values())):
        try:
            temporary.mkdir()
            for name, data in files.items():
                failpoint("directory.file")
                _write_new(temporary / name, [data])
            failpoint("directory.manifest")
            _write_new(temporary / manifest.NAME, [manifest.write(files, facts or {})])
            failpoint("directory.sync")
            sync_directory(temporary)
            failpoint("directory.rename")
            temporary.rename(target)
            failpoint("directory.sync-parent")
            sync_directory(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    failpoint("directory.verify")
    try:
        verify_directory(target)
    except BundleError as error:
        raise RunError(f"was written and reads back differently: {error}", where=str(target)) from error


@dataclass(frozen=True)
class Sealed:
    """A sealed directory as read: the manifest's facts, and name -> bytes of each file, all checked."""

    facts: dict[str, Any]
    files: dict[str, memoryview]


def open_directory(path: Path_, limit_bytes: int | None = None) -> Sealed:
    """All files of a sealed directory, read once and checked against sizes and hashes. Links are not followed.

    limit_bytes: most bytes of all files together. Raises BundleError for anything that is missing, added or changed.
    """
    with _directory(path) as (descriptor, listed):
        total = sum(size for size, _ in listed.files.values())
        if limit_bytes is not None and total > limit_bytes:
            raise BundleError(f"its files have {total:,} bytes; at most {limit_bytes:,} are allowed")
        return Sealed(listed.facts, dict(_checked(descriptor, listed)))


def verify_directory(path: Path_) -> None:
    """Raise BundleError unless a sealed directory is exactly as it was written. Holds one file in memory at a time."""
    with _directory(path) as (descriptor, listed):
        for _ in _checked(descriptor, listed):
            pass


def sweep(directory: Path_) -> list[str]:
    """Remove what writers that died here left half-written; returns the names. Only the owner of a directory may call it."""
    left = sorted(name for name in os.listdir(directory) if _TEMPORARY.fullmatch(name))
    for name in left:
        path = Path(directory, name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return left


@contextmanager
def open_regular(path: Path_, directory: int | None = None) -> Iterator[tuple[io.FileIO, int]]:
    """An unbuffered file and its size in bytes; `directory`: descriptor that a relative path starts from.

    Raises BundleError for what is missing, unreadable, a link, or no regular file (a pipe would hang, a device act).
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if not stat.S_ISREG(os.stat(path, dir_fd=directory, follow_symlinks=False).st_mode):
            raise BundleError("is a link or no regular file", repair="give the file itself")
        file = io.FileIO(os.open(path, flags, dir_fd=directory))
    except OSError as error:
        raise BundleError(f"cannot be opened: {error.strerror}") from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise BundleError("is no regular file")
        yield file, status.st_size


def read_exactly(file: io.FileIO, size: int) -> memoryview:
    """The next `size` bytes, read-only, aligned for any number type. Raises BundleError where the file ends before."""
    # numpy gives memory that is aligned and not cleared first.
    data = np.empty(size, np.uint8).data
    done = 0
    while done < size:
        try:
            count = file.readinto(data[done : done + _CHUNK])
        except OSError as error:
            raise BundleError(f"cannot be read: {error.strerror}") from error
        if not count:
            raise BundleError(f"ends {size - done:,} bytes too early")
        done += count
    return data.toreadonly()


@contextmanager
def _directory(path: Path_) -> Iterator[tuple[int, manifest.Manifest]]:
    """The descriptor of a sealed directory and its manifest, once its list of files is the manifest's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise BundleError(f"cannot be opened: {error.strerror}", where=escape_terminal(str(path))) from error
    try:
        with _within(manifest.NAME), open_regular(manifest.NAME, descriptor) as (file, size):
            if size > json.DEFAULT.bytes:
                raise BundleError(f"has {size:,} bytes; at most {json.DEFAULT.bytes:,} are allowed")
            listed = manifest.read(bytes(read_exactly(file, size)))
        with os.scandir(descriptor) as entries:
            found = {entry.name for entry in itertools.islice(entries, len(listed.files) + 2)}
        wanted = {manifest.NAME, *listed.files}
        for name in sorted(found ^ wanted):
            raise BundleError(f"the file {quote(name)} is {'not in the manifest' if name in found else 'missing'}")
        yield descriptor, listed
    finally:
        os.close(descriptor)


def _checked(descriptor: int, listed: manifest.Manifest) -> Iterator[tuple[str, memoryview]]:
    """Name and bytes of each file: its size is compared before a byte is read, its hash before it is given away."""
    for name, (expected, _) in listed.files.items():
        with _within(name), open_regular(name, descriptor) as (file, size):
            if size != expected:
                raise BundleError(f"has {size:,} bytes; the manifest says {expected:,}")
            data = read_exactly(file, size)
            listed.check(name, data)
        yield name, data


@contextmanager
def _within(name: str) -> Iterator[None]:
    """Say in which file of a directory an error arose."""
    try:
        yield
    except BundleError as error:
        raise BundleError(error.what, where=name, repair=error.repair) from error.__cause__


def _temporary_name() -> str:
    return f".tmp-{secrets.token_hex(8)}"


def _write_new(path: Path, pieces: Iterable[Bytes]) -> None:
    """Make a file that is not there yet, and have its bytes on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        failpoint("file.write")
        for piece in pieces:
            file.write(piece)
        file.flush()
        failpoint("file.sync")
        os.fsync(file.fileno())


def sync_directory(directory: Path_) -> None:
    """Have the names in a directory on the disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(target: Path, needed: int) -> Iterator[None]:
    """Turn what the system says into a RunError that names the path and, on a full disk, the bytes needed and free."""
    try:
        yield
    except OSError as error:
        where = escape_terminal(str(target))
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            free = shutil.disk_usage(target.parent).free
            raise RunError(
                f"could not be written: {error.strerror}; {needed:,} bytes are needed, {free:,} are free on the disk",
                where=where, repair=f"make room in {escape_terminal(str(target.parent))}, then start again",
            ) from error  # fmt: skip
        missing = not target.parent.is_dir()
        raise RunError(
            f"could not be written: {error.strerror}", where=where,
            repair=f"make the directory {escape_terminal(str(target.parent))}" if missing else "",
        ) from error  # fmt: skip
