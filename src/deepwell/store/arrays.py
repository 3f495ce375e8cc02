"""A cache of arrays on disk, mapped into memory: what took long to make is made once and shared by all runs.

Unusual: an entry is one data file and one manifest, in a directory named by a hash of all that the arrays were made from; so
nothing is ever updated, and two runs that write the same entry at once may both win. The lock of an entry belongs to the
open file behind its mapping, so it lives exactly as long as the arrays do, also in a process that is killed: an entry that
is in use is never removed. Room on the disk is reserved before an array is handed out, because a full disk would otherwise
kill the process at the first store into a page that has no place.

    ROOT/KEY/data          all arrays, each beginning at a multiple of 64 bytes
    ROOT/KEY/entry.json    name -> dtype, shape, offset; size and checksum of the data; its own SHA-256
    ROOT/.tmp-...          being written: data -> fsync -> entry.json, fsync -> fsync directory -> rename -> fsync ROOT

The checksum covers data of up to CHECKED_BYTES completely, and evenly spaced blocks of larger data: to read all of it at each
start would cost what the cache saves. What is cut short, missing or overwritten with other contents is found; a single bit
that the disk has lost may not be.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import math
import mmap
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepwell.core.errors import BundleError, RunError
from deepwell.core.text import escape_terminal
from deepwell.store import json
from deepwell.store.files import failpoint, open_regular, read_exactly, sync_directory, write_file

LIMIT_BYTES = 20 << 30
"""What the entries of a cache take together unless told otherwise."""
CHECKED_BYTES = 1 << 20
"""Bytes of an entry that are read to check it."""
DATA, MANIFEST = "data", "entry.json"
_BLOCK = 4096
_ALIGNED = 64
_SEGMENT = 16 << 20
_STALE_SECONDS = 60.0
_MANIFEST_LIMIT = json.Limit(bytes=64 << 20, values=4_000_000)
_KEY = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{16}")
_DTYPE = re.compile(r"[<|][biuf][1248]")


def default_root() -> Path:
    """$DEEPWELL_CACHE, else deepwell in $XDG_CACHE_HOME, else ~/.cache/deepwell (without a home: in a temporary directory)."""
    if os.environ.get("DEEPWELL_CACHE"):
        return Path(os.environ["DEEPWELL_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "deepwell"
    home = os.path.expanduser("~")
    return Path(tempfile.gettempdir() if home == "~" else home, ".cache", "deepwell")


def mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """The mapped file that an array is a view of; None where the array lies in anonymous memory."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    return owner if isinstance(owner, mmap.mmap) else None


def mapped(array: NDArray[Any]) -> bool:
    """Whether an array is a view of a mapped file, so that it takes no anonymous memory."""
    return mapping_of(array) is not None


@dataclass(frozen=True)
class Entry:
    """One entry. what: in words, from its writer. used: when it was last opened or written, seconds since 1970."""

    key: str
    bytes: int
    used: float
    what: str


class Writer:
    """An entry that is being written.

    Attributes:
        arrays: name -> read-only mapped array, once the block of `ArrayCache.write` has ended; empty before.
    """

    def __init__(self, cache: ArrayCache, descriptor: int, where: str) -> None:
        self.arrays: Mapping[str, NDArray[Any]] = {}
        self._cache, self._descriptor, self._where = cache, descriptor, where
        self._layout: dict[str, dict[str, Any]] = {}
        self._segments: list[mmap.mmap] = []
        self._start = self._end = self._stop = 0  # first byte of the last segment; end of the last array and segment

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A writable array of zeros, mapped to its place in the entry. It must not be written after the block has ended.

        dtype: booleans, integers or floats. Raises RunError where the disk has no room for it, even after entries that
        nobody uses have made room; ValueError for a name that is taken or another dtype.
        """
        kind = np.dtype(dtype).newbyteorder("<")
        if name in self._layout or not _DTYPE.fullmatch(kind.str):
            raise ValueError(f"the array {name!r} of type {kind} cannot be part of this entry")
        size = math.prod(shape) * kind.itemsize
        start = -(-self._end // _ALIGNED) * _ALIGNED
        if start + size > self._stop or not self._segments:
            start = self._next_segment(size)
        self._reserve(start, size)
        self._layout[name] = {"dtype": kind.str, "shape": list(shape), "offset": start}
        self._end = start + size
        return np.ndarray(shape, kind, self._segments[-1], start - self._start)

    def _next_segment(self, size: int) -> int:
        """Map a further piece of the file, at least `size` bytes; returns its first byte.

        Pieces grow with the file: each mapping holds a file descriptor, and there may be thousands of arrays.
        """
        page = mmap.ALLOCATIONGRANULARITY
        self._start = -(-self._end // page) * page
        length = -(-max(size, self._start, _SEGMENT) // page) * page
        with _explained(self._where, size):
            os.ftruncate(self._descriptor, self._start + length)  # a hole: takes no room yet
            self._segments.append(mmap.mmap(self._descriptor, length, offset=self._start))
        self._stop = self._start + length
        return self._start

    def _reserve(self, start: int, size: int) -> None:
        if not size:
            return
        try:
            _allocate(self._descriptor, start, size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._cache.clear():
                with _explained(self._where, size):
                    raise
            with _explained(self._where, size):
                _allocate(self._descriptor, start, size)

    def _finish(self, directory: Path, what: str) -> None:
        """Have the data on the disk, then the manifest that says what it is."""
        failpoint("array.sync")
        for segment in self._segments:
            segment.flush()
        os.ftruncate(self._descriptor, self._end)
        os.fsync(self._descriptor)
        self._segments = []
        facts = {"what": what, "bytes": self._end, "checksum": _checksum(self._descriptor, self._end)}
        failpoint("array.manifest")
        write_file(directory / MANIFEST, _sealed({**facts, "arrays": self._layout}))
        self.arrays = _map(self._descriptor, self._end, self._layout)


class ArrayCache:
    """The entries below a directory, which is made when something is written. Any number of processes may share it.

    Args:
        root: the directory, on a disk of this machine.
        limit_bytes: what all entries may take together. The least recently used go first, never one that is in use, and
            never the one that was just written, even where it alone is larger: the run that made it needs it, and it goes
            when the next one is written.
    """

    def __init__(self, root: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.root, self.limit_bytes = Path(root), limit_bytes

    def open(self, key: str) -> Mapping[str, NDArray[Any]] | None:
        """The arrays of an entry, read-only, and in use as long as one of them (or a view of it) lives.

        They are plain arrays over a mapped file (`mapped` tells), so that what numpy copies from them is an ordinary array.
        None where there is no such entry, or it was damaged: then it has been removed.
        """
        try:
            directory = os.open(self._path(key), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            facts = _read_manifest(directory)
            with open_regular(DATA, directory) as (file, size):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if size != facts["bytes"] or _checksum(file.fileno(), size) != facts["checksum"]:
                    raise BundleError("is not the data that was written")
                with suppress(OSError):  # a cache that may only be read works, without being told what is used
                    os.utime(MANIFEST, dir_fd=directory)
                return _map(file.fileno(), size, facts["arrays"])
        except BundleError:
            self.remove(key)
            return None
        except OSError:  # it is being removed, or cannot be locked or mapped, which writing it anew will tell
            return None
        finally:
            os.close(directory)

    @contextmanager
    def write(self, key: str, what: str = "") -> Iterator[Writer]:
        """A Writer whose arrays become the entry when the block ends; nothing is left of them where it ends by an error.

        what: the entry in words, for people who look at the cache. Where another run has written the same entry in the
        meantime, that one stays. Raises RunError where the directory cannot be written, naming it and the bytes.
        """
        target = self._path(key)
        temporary = self.root / f".tmp-{secrets.token_hex(8)}"
        descriptor = -1
        try:
            with _explained(str(target)):
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                temporary.mkdir()
                descriptor = os.open(temporary / DATA, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            writer = Writer(self, descriptor, str(target))
            yield writer
            with _explained(str(target)):
                writer._finish(temporary, what)
                sync_directory(temporary)
                failpoint("array.rename")
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                _rename(temporary, target)
                sync_directory(self.root)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
            shutil.rmtree(temporary, ignore_errors=True)
        self.prune(keep=key)

    def entries(self) -> list[Entry]:
        """All whole entries, least recently used first."""
        found = []
        for name in self._names(_KEY):
            try:
                size = (self.root / name / DATA).stat().st_size
                status = (self.root / name / MANIFEST).stat()
                facts = _sealed_facts((self.root / name / MANIFEST).read_bytes())
            except (OSError, BundleError):  # removed meanwhile, or damaged: `open` sees to that
                continue
            found.append(Entry(name, size + status.st_size, status.st_mtime, facts["what"]))
        return sorted(found, key=lambda entry: (entry.used, entry.key))

    def remove(self, key: str) -> bool:
        """Remove an entry unless it is in use; whether it is gone."""
        return _remove(self._path(key), self.root)

    def clear(self) -> int:
        """Remove every entry that is not in use, and what killed writers have left; returns the bytes freed."""
        self._sweep()
        return sum(entry.bytes for entry in self.entries() if self.remove(entry.key))

    def prune(self, keep: str = "") -> None:
        """Remove the least recently used entries, but for `keep`, until the rest is within the limit."""
        self._sweep()
        entries = self.entries()
        excess = sum(entry.bytes for entry in entries) - self.limit_bytes
        for entry in entries:
            if excess <= 0:
                return
            if entry.key != keep and self.remove(entry.key):
                excess -= entry.bytes

    def _sweep(self) -> None:
        """Remove what writers have left that died. A living one holds its lock; a young one may not have it yet."""
        for name in self._names(_TEMPORARY):
            path = self.root / name
            with suppress(OSError):  # somebody else has removed it
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    _remove(path, self.root)

    def _names(self, pattern: re.Pattern[str]) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.root) if pattern.fullmatch(name))
        except OSError:
            return []

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"the key of an entry is a SHA-256 in hexadecimal digits; got {key!r}")
        return self.root / key


def _allocate(descriptor: int, start: int, size: int) -> None:
    """Have the file system set bytes of a file aside. Raises OSError where it has too few."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, size)
        return
    zeros = bytes(1 << 20)
    for place in range(start, start + size, len(zeros)):
        os.pwrite(descriptor, zeros[: start + size - place], place)


def _map(descriptor: int, size: int, layout: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Read-only arrays over a data file. The mapping duplicates the descriptor and so keeps the lock on it."""
    whole: Any = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b""
    return {
        name: np.ndarray(tuple(a["shape"]), np.dtype(a["dtype"]), whole, a["offset"])
        if math.prod(a["shape"])
        else np.zeros(a["shape"], a["dtype"])
        for name, a in layout.items()
    }


def _checksum(descriptor: int, size: int) -> str:
    """SHA-256 of the data, or of evenly spaced blocks of it, the first and the last among them."""
    digest = hashlib.sha256(str(size).encode())
    most = CHECKED_BYTES // _BLOCK
    blocks = -(-size // _BLOCK)
    chosen = range(blocks) if blocks <= most else np.linspace(0, blocks - 1, most).astype(np.int64).tolist()
    for block in chosen:
        digest.update(os.pread(descriptor, _BLOCK, block * _BLOCK))
    return digest.hexdigest()


def _sealed(facts: dict[str, Any]) -> bytes:
    return json.write({**facts, "sha256": hashlib.sha256(json.write(facts)).hexdigest()})


def _sealed_facts(data: bytes) -> dict[str, Any]:
    """What `_sealed` was given. Raises BundleError unless the bytes are exactly those that it made."""
    value = json.read(data, MANIFEST, limit=_MANIFEST_LIMIT)
    if not isinstance(value, dict) or list(value) != ["what", "bytes", "checksum", "arrays", "sha256"]:
        raise BundleError("is not the manifest of an entry", where=MANIFEST)
    facts = {name: part for name, part in value.items() if name != "sha256"}
    if _sealed(facts) != data:
        raise BundleError("its own SHA-256 does not match: it was damaged or changed", where=MANIFEST)
    return facts


def _read_manifest(directory: int) -> dict[str, Any]:
    with open_regular(MANIFEST, directory) as (file, size):
        if size > _MANIFEST_LIMIT.bytes:
            raise BundleError(f"has {size:,} bytes", where=MANIFEST)
        return _sealed_facts(bytes(read_exactly(file, size)))


def _rename(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else another run has written the same arrays
            raise


def _remove(path: Path, root: Path) -> bool:
    """Remove a directory unless somebody holds the lock of its data; whether it is gone."""
    try:
        descriptor = os.open(path / DATA, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)  # without data nobody can use it
        return not path.exists()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(descriptor).st_nlink:
            return False  # another process removed it first, and a new one may stand in its place
        gone = root / f".tmp-{secrets.token_hex(8)}"
        path.rename(gone)  # at once for readers; the bytes may take longer
        shutil.rmtree(gone, ignore_errors=True)
        return True
    except OSError:  # in use, or not ours to remove
        return False
    finally:
        os.close(descriptor)


@contextmanager
def _explained(where: str, needed: int = 0) -> Iterator[None]:
    """Turn what the system says into a RunError that names the path and, on a full disk, the bytes needed and free."""
    try:
        yield
    except OSError as error:
        root = Path(where).parent
        free = f"; {shutil.disk_usage(root).free:,} bytes are free on the disk" if root.is_dir() else ""
        wanted = f"; {needed:,} bytes are needed" if needed else ""
        raise RunError(
            f"the cache could not be written: {error.strerror}{wanted}{free}",
            where=escape_terminal(where),
            repair="`deepwell cache --clear` makes room; DEEPWELL_CACHE=DIRECTORY puts the cache on another disk",
        ) from error
