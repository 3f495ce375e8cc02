"""Files of data sets: found on this machine, or downloaded once, with checksum, progress and resume.

Unusual: a file that is there is taken as it is, wherever it came from, since its reader checks its form and runs no code; only
what is downloaded is compared with the published checksum, before it gets its name. A download that broke off goes on where
it ended, also in a later process. Nothing but `load_data()` comes here, and without network the error says which file goes
where.

    looked for in    $DEEPWELL_DATA (in folders of its own or named like the data set), the cache, and Keras's own cache
    downloaded to    CACHE/datasets/NAME/FILE, under the name FILE.part until it is whole and right
"""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deepwell.core.errors import DataError, RunError
from deepwell.store.arrays import default_root
from deepwell.store.files import sync_directory
from deepwell.store.lock import own

CHUNK = 1 << 18
ATTEMPTS = 5
"""How often a download that breaks off is taken up again, without a byte gained in between."""
TIMEOUT = 30.0
"""Seconds without an answer."""
PAUSE = 0.5
"""Seconds before a download is taken up again."""
FOLDER = "datasets"


@dataclass(frozen=True)
class Remote:
    """A published file. name: as it is called here. url: where from. digest: sha256, else md5; empty: not compared."""

    name: str
    url: str
    digest: str


@dataclass(frozen=True)
class DataSet:
    """Where the files of a data set may lie. name: its folder; places: folders below $DEEPWELL_DATA besides that."""

    name: str
    places: Sequence[str] = ()

    def folder(self) -> Path:
        """Where its downloads go."""
        return default_root() / FOLDER / self.name

    def candidates(self, file: str) -> Iterator[Path]:
        """Where a file of it is looked for, in order."""
        given = os.environ.get("DEEPWELL_DATA")
        if given:
            for place in (*self.places, self.name, f"{FOLDER}/{self.name}", FOLDER, ""):
                yield Path(given, place, file)
        yield self.folder() / file
        home = Path(os.environ.get("KERAS_HOME") or Path(os.path.expanduser("~"), ".keras"))
        yield home / FOLDER / self.name / file
        if not file.endswith("-ubyte.gz"):  # names that several data sets share
            yield home / FOLDER / file

    def find(self, file: str) -> Path | None:
        """The file on this machine, None where it is not there."""
        return next((path for path in self.candidates(file) if path.is_file()), None)

    def get(self, remote: Remote, path: str | None = None) -> Path:
        """The file, downloaded where it is nowhere on this machine.

        path: what the user calls it: a path to a file that is there, or the name under which it is kept. Raises DataError
        where it cannot be had, saying where it would go; RunError where what arrives is not what was published.
        """
        if path is not None and os.path.dirname(path) and Path(path).is_file():
            return Path(path)
        name = os.path.basename(path) if path else remote.name
        found = self.find(name)
        if found is None:
            found = self.folder() / name
            try:
                found.parent.mkdir(parents=True, exist_ok=True)
                with own(found.parent):
                    _download(remote, found)
            except OSError as error:
                reason = getattr(error, "reason", None) or error.strerror or str(error) or type(error).__name__
                raise DataError(
                    f"{name} is not on this machine and could not be downloaded from {remote.url}: {reason}",
                    repair=f"put the file at {found}, or set DEEPWELL_DATA to a folder that has it",
                ) from None
        return found


def _download(remote: Remote, target: Path) -> None:
    """Download to `target`, all or nothing. Raises OSError for the network and the disk, RunError for wrong bytes."""
    part = target.with_name(target.name + ".part")
    if not remote.digest:  # nothing could tell a right beginning from a wrong one
        part.unlink(missing_ok=True)
    began = part.stat().st_size if part.exists() else 0
    _receive(remote, part)
    found = _digest(part, remote.digest)
    if found != remote.digest and began:  # the beginning was another file's
        part.unlink()
        _receive(remote, part)
        found = _digest(part, remote.digest)
    if found != remote.digest:
        part.unlink()
        raise RunError(
            f"{remote.url} gave other bytes than were published: checksum {found}, expected {remote.digest}",
            repair="try again later; if it stays so, the file was changed or the network alters it",
        )
    os.replace(part, target)
    sync_directory(target.parent)


def _receive(remote: Remote, part: Path) -> None:
    """Bring `part` to its full length. Raises OSError when that does not go on."""
    attempts = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        fault: OSError | None = None
        try:
            if _continued(remote, part, before):
                return
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # there is nothing beyond what is here
                return
            raise
        except (OSError, http.client.HTTPException) as error:
            fault = (
                error if isinstance(error, OSError) else OSError(f"the connection broke off ({type(error).__name__})")
            )
        gained = part.exists() and part.stat().st_size > before
        attempts = 0 if gained else attempts + 1
        if attempts >= ATTEMPTS or (fault is not None and not gained and before == 0):
            raise fault or OSError("the connection breaks off again and again")
        time.sleep(PAUSE)


def _continued(remote: Remote, part: Path, begin: int) -> bool:
    """Receive what is missing from byte `begin` on; whether the file is whole then."""
    headers = {"User-Agent": "deepwell", **({"Range": f"bytes={begin}-"} if begin else {})}
    request = urllib.request.Request(remote.url, headers=headers)  # noqa: S310  # our own table of addresses
    with closing(urllib.request.urlopen(request, timeout=TIMEOUT)) as answer:  # noqa: S310
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
        begin = begin if resumed else 0
        length = answer.headers.get("Content-Length")
        total = None if length is None else begin + int(length)
        with open(part, "ab" if resumed else "wb") as file:
            done = _copied(answer, file, begin, _Progress(remote.name, total))
            file.flush()
            os.fsync(file.fileno())
    return total is None or done >= total


def _copied(answer: http.client.HTTPResponse, file: BinaryIO, begin: int, progress: _Progress) -> int:
    """Write what arrives; how many bytes there are then."""
    done = begin
    try:
        while piece := answer.read(CHUNK):
            file.write(piece)
            done += len(piece)
            progress.tell(done)
    finally:
        progress.close()
    return done


class _Progress:
    """One line on the terminal that moves; elsewhere one line at the start."""

    def __init__(self, name: str, total: int | None) -> None:
        self._name, self._total, self._last = name, total, 0.0
        self._moves = sys.stderr.isatty()
        if not self._moves:
            print(
                f"downloading {name}{'' if total is None else f' ({_megabytes(total)})'}", file=sys.stderr, flush=True
            )

    def tell(self, done: int) -> None:
        """So many bytes are here."""
        now = time.monotonic()
        if self._moves and (now - self._last > 0.1 or done == self._total):
            self._last = now
            share = "" if not self._total else f" {100 * done // self._total:3d}% of {_megabytes(self._total)}"
            print(f"\rdownloading {self._name}{share or ' ' + _megabytes(done)} ", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing more will come."""
        if self._moves:
            print(file=sys.stderr, flush=True)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _digest(path: Path, like: str) -> str:
    """The digest of a file by the algorithm that gives as many digits as `like`."""
    if not like:
        return like
    with open(path, "rb") as file:
        if len(like) == 32:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()
