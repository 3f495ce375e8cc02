"""Files as the readers meet them: is it there, may it be read, how big does it become.

Unusual: gzip is recognised by its first bytes, not by its name, and nothing is unpacked beyond half of the machine's
memory, so a small file cannot become a large surprise.
"""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deepwell.core.errors import DataError, nearest

GZIP_MAGIC = b"\x1f\x8b"
BLOCK = 1 << 22
NOTES = ("readme", "license", "licence", "copying", "citation", "changelog", "notice")


def check(path: str | Path) -> Path:
    """The path, if a file or folder is there. Raises DataError with the nearest name in its folder, or for a device."""
    found = Path(path)
    try:
        if not found.exists():
            siblings = [p.name for p in found.parent.iterdir()] if found.parent.is_dir() else []
            near = nearest(found.name, siblings) if found.parent.is_dir() else f"; nor is the folder {found.parent}"
            raise DataError(f"there is no file or folder {str(found)!r}{near}", repair="check the path")
        if not (found.is_file() or found.is_dir()):
            raise DataError("this is neither a regular file nor a folder", where=str(found), repair="copy it to a file")
    except OSError as error:
        raise unreadable(found, error) from None
    return found


def unreadable(path: Path, error: OSError) -> DataError:
    """The DataError for a file that the system will not let us read."""
    reason = error.strerror or type(error).__name__
    kinds: dict[type[OSError], str] = {
        IsADirectoryError: "give a file, or leave --form out", NotADirectoryError: "give a folder, or leave --form out",
    }  # fmt: skip
    repair = kinds.get(type(error), "check its permissions (chmod u+r)")
    return DataError(f"cannot be read: {reason}", where=str(path), repair=repair)


def memory_limit() -> int:
    """Bytes that one file may become in memory: half of the machine's memory, 4 GiB where that cannot be asked."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return 1 << 32
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked if it is gzip. Raises DataError if it is unreadable or the gzip data are damaged."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == GZIP_MAGIC
            plain.seek(0)
            if not packed:
                yield plain
                return
            with gzip.GzipFile(fileobj=plain) as unpacked:
                yield unpacked  # type: ignore[misc]  # GzipFile reads like IO[bytes] but does not say so
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"the gzip data are damaged or cut off ({error})", where=str(path), repair="copy or download the file again"
        ) from None
    except OSError as error:
        raise unreadable(path, error) from None


def packed(path: Path) -> bool:
    """Whether a file begins as gzip does; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(2) == GZIP_MAGIC
    except OSError:
        return False


def head(path: Path, size: int) -> bytes:
    """At most the first `size` bytes (unpacked)."""
    with opened(path) as file:
        return file.read(size)


def magic(path: Path, size: int) -> bytes:
    """At most the first `size` bytes (unpacked); empty where the file cannot be read."""
    try:
        return head(path, size)
    except DataError:
        return b""


def plain_magic(path: Path, size: int) -> bytes:
    """As `magic`, of a text without its byte order mark, and as UTF-8 where it is UTF-16."""
    found = magic(path, size)
    if found.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return found.decode("utf-16", "ignore").encode()
    return found.removeprefix(codecs.BOM_UTF8)


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """All bytes (unpacked). Raises DataError for an empty file and for more than `limit` bytes (default: memory_limit)."""
    most = memory_limit() if limit is None else limit
    blocks: list[bytes] = []
    total = 0
    with opened(path) as file:
        while block := file.read(BLOCK):
            total += len(block)
            if total > most:
                raise DataError(
                    f"unpacks to more than {most:,} bytes, half of this machine's memory",
                    where=str(path), repair="cut the data into smaller files",
                )  # fmt: skip
            blocks.append(block)
    if not total:
        raise DataError("the file is empty (0 bytes)", where=str(path), repair="give the file that holds the data")
    return b"".join(blocks)


def hidden(name: str) -> bool:
    """Whether a file or folder name is the system's business: .DS_Store, Thumbs.db, __MACOSX."""
    return name.startswith((".", "__")) or name.lower() in ("thumbs.db", "desktop.ini")


def note(name: str) -> bool:
    """Whether a file name is that of a text about the data: README, LICENSE, *.md, adult.names."""
    return about(name) or name.lower().endswith((".md", ".rst", ".names", ".html"))


def about(name: str) -> bool:
    """Whether a file name says that it is about the data, whatever its suffix: README.txt, polarity.README.1.0."""
    first, *others = name.lower().split(".")
    return any(word in first for word in NOTES) or any(word in others for word in NOTES)


def suffix(path: Path) -> str:
    """The last suffix in lower case, a closing .gz set aside: `.csv` for adult.CSV.gz."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def stem(path: Path) -> str:
    """The file name without `suffix` and .gz: `adult-train` for adult-train.csv.gz."""
    name = path.name[: -len(".gz")] if path.name.lower().endswith(".gz") else path.name
    return Path(name).stem


def entries(folder: Path) -> list[Path]:
    """Visible files and folders directly in a folder, sorted by name; links back to a folder around them are left out.

    Raises DataError if it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            visible = [e for e in found if not hidden(e.name) and not (e.is_symlink() and _loops(Path(e.path)))]
        return [folder / name for name in sorted(e.name for e in visible)]
    except OSError as error:
        raise unreadable(folder, error) from None


def _loops(path: Path) -> bool:
    """Whether a link leads to a folder that it lies in: followed, it would give every picture a second label."""
    if not path.is_dir():
        return False
    parent = path.parent.resolve()
    return path.resolve() in (parent, *parent.parents)
