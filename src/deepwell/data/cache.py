"""Storage: where encoded columns lie. In memory while they are small, else in mapped files of the cache that all runs share.

Unusual: nothing downstream knows the difference, because a mapped column is an array like any other; and what is in the
columns does not depend on it, because rows are encoded one by one by transforms that are fitted already. Columns that do
not fit are encoded in chunks of rows straight into the files, so anonymous memory stays bounded; a later run on the same
data with the same transforms opens the files and encodes nothing. What takes long to make, such as decoded photographs,
goes there even where it would fit (as in FFCV: Leclerc et al. 2023, arXiv 2306.12517).

An entry's key is a hash over the raw cells (of files that cells refer to: path, size and time of change), the fitted
transforms, and the source code that encodes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Encoded, EncodedColumn, IntArray, Ragged
from deepwell.core.errors import RunError
from deepwell.core.examples import Examples
from deepwell.core.table import Column, ImageFile, MaskFile
from deepwell.store.arrays import ArrayCache, Writer, default_root, mapped

SAMPLE = 16
"""Rows that are encoded to learn how much room the columns take."""
CHUNK_BYTES = 32 << 20
"""Encoded bytes of a chunk at the most; with little memory allowed, an eighth of that."""
MOST_ROWS = 1 << 16
"""Rows of a chunk at the most, since raw text takes more room than what it is encoded to."""
DEAR_SECONDS = 2.0
"""Encoding that takes so long is not done twice."""

_PICTURE = ("mode", "size", "info", "getpalette", "tobytes")

Columns = Mapping[str, EncodedColumn]
Chunk = Callable[[int, int], tuple[Columns, Mapping[int, str]]]
Tier = Literal["memory", "mapped"]


@dataclass(frozen=True)
class Encoding:
    """Columns that are to be encoded.

    rows: of the table. chunk: (start, stop) -> arrays with one entry for each of these rows, and row (counted from start)
    -> why it cannot be used; row-wise: it does not matter how the rows are cut. row_bytes: anonymous memory that a row
    takes. seconds: what encoding all rows takes, roughly. key: hash of all that the arrays depend on, asked for only when
    it is needed, since it reads every raw cell. what: the columns in words.
    """

    rows: int
    chunk: Chunk
    row_bytes: float
    seconds: float
    key: Callable[[], str]
    what: str


class Storage:
    """The memory that encoded columns of a run may take, and the cache for those that take more.

    Args:
        allowed_bytes: anonymous memory for all columns together.
        cache: None: the user's, at `default_root`.
    Attributes:
        left: bytes of memory that are not taken yet. notes: what a user should know, in words.
    """

    def __init__(self, allowed_bytes: int, cache: ArrayCache | None = None) -> None:
        self._cache = cache
        self.left = allowed_bytes
        self.chunk_bytes = min(CHUNK_BYTES, max(1 << 20, allowed_bytes // 8))
        self.notes: list[str] = []

    @property
    def cache(self) -> ArrayCache:
        """The cache; the user's is looked up only when something goes there."""
        if self._cache is None:
            self._cache = ArrayCache(default_root())
        return self._cache

    def mapped(self, encoding: Encoding) -> Encoded | None:
        """The usable rows in mapped arrays; None where they are to be encoded in memory, whose room is then taken.

        Raises RunError where they do not fit into memory and the cache cannot be written.
        """
        needed = int(encoding.row_bytes * encoding.rows)
        fits = needed <= self.left
        if not fits or encoding.seconds > DEAR_SECONDS:
            try:
                return self._opened(encoding)
            except RunError as error:
                if not fits:
                    raise
                self.notes.append(f"encoded columns are not kept for later runs: {error.what}")
        self.left -= needed
        return None

    def _opened(self, encoding: Encoding) -> Encoded:
        key = encoding.key()
        arrays = self.cache.open(key)
        if arrays is None:
            with self.cache.write(key, encoding.what) as writer:
                rows = _chunk_rows(encoding, self.chunk_bytes)
                _fill(writer, encoding, [(a, min(a + rows, encoding.rows)) for a in range(0, encoding.rows, rows)])
            arrays = writer.arrays
        return _encoded(arrays)


def tier(examples: Examples) -> Tier:
    """Where the columns of examples lie: "mapped" if any is a mapped file, else "memory"."""
    return "mapped" if any(mapped(column) for column in (examples.columns or {}).values()) else "memory"


def bytes_per_example(examples: Examples) -> float:
    """Encoded bytes of an example, the same in every tier; 0 where examples are not slices of columns."""
    columns = (examples.columns or {}).values()
    return sum(column.nbytes for column in columns) / examples.count if examples.count else 0.0


def fresh_bytes(*stages: Columns) -> int:
    """Anonymous memory of the arrays of several stages, each counted once; read-only ones are views of raw data."""
    arrays: dict[int, NDArray[Any]] = {}
    for column in (column for stage in stages for column in stage.values()):
        for array in (column.values, column.offsets) if isinstance(column, Ragged) else (column,):
            if array.flags.writeable:
                arrays[id(array)] = array
    return sum(array.nbytes for array in arrays.values())


# the key -------------------------------------------------------------------------------------------------------------
def content_key(columns: Iterable[Column], facts: str, code: Iterable[str]) -> str:
    """SHA-256 over raw columns, facts (the transforms as text) and the source of modules given by name.

    Cells of a type that is not known here make a key that never occurs again, so that what they are is never guessed.
    """
    digest = hashlib.sha256(facts.encode("utf-8", "surrogatepass"))
    for piece in _code(code):
        digest.update(piece)
    for column in columns:
        digest.update(f"{column.dtype.str} {column.shape}".encode())
        for start in range(0, len(column), MOST_ROWS):
            some = column[start : start + MOST_ROWS]
            if some.dtype == object:
                for cell in some.tolist():
                    digest.update(_cell(cell))
            else:
                digest.update(np.ascontiguousarray(some).view(np.uint8).data if some.size else b"")
    return digest.hexdigest()


def _code(modules: Iterable[str]) -> Iterator[bytes]:
    """What encodes: versions of the libraries, the transforms of every kind, this file, and the modules named."""
    yield f"numpy {np.__version__}, pillow {metadata.version('pillow')}".encode()
    here = Path(__file__)
    files = {here, here.with_name("pipeline.py"), *here.with_name("fields").glob("*.py")}
    for name in modules:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None:
            yield secrets.token_bytes(32)
        else:
            files.add(Path(file))
    for path in sorted(files):
        yield hashlib.sha256(path.read_bytes()).digest()


def _cell(cell: Any) -> bytes:
    """The bytes of one raw cell, different for different cells, whatever follows them."""
    if isinstance(cell, str):
        text = cell.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(text), text)
    if isinstance(cell, ImageFile | MaskFile):
        return _file(cell.path)
    if cell is None or isinstance(cell, (bool, int, float, np.generic)):
        return _cell(f"{type(cell).__name__} {cell!r}")
    if isinstance(cell, bytes):
        return b"b%d:%b" % (len(cell), cell)
    if isinstance(cell, np.ndarray) and cell.dtype != object:
        return _cell(f"{cell.dtype.str} {cell.shape}") + cell.tobytes()
    if isinstance(cell, (list, tuple)):
        return b"l%d:" % len(cell) + b"".join(_cell(part) for part in cell)
    if isinstance(cell, dict):
        return b"d" + _cell(list(cell.items()))
    if all(hasattr(cell, name) for name in _PICTURE) and not hasattr(cell, "filename"):  # of Pillow, made in memory
        return _cell([cell.mode, *cell.size, cell.tobytes(), cell.getpalette(), cell.info.get("transparency")])
    return secrets.token_bytes(32)


def _file(path: str) -> bytes:
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return _cell(["missing", path])
    return _cell(["file", os.path.abspath(path), facts.st_size, facts.st_mtime_ns])


# what is in an entry -------------------------------------------------------------------------------------------------
#   rows                        (n,) int64: the usable rows, as Encoded has them
#   column NAME                 (N, ...): dense; the first n entries count
#   values NAME, offsets NAME   of ragged columns; the first n + 1 offsets count. `padded NAME` where batches pad them
#   problem rows, texts         (P,) int64; uint8: UTF-8, each ended by a zero byte
def _chunk_rows(encoding: Encoding, most_bytes: int) -> int:
    """Rows of a chunk: enough for every core, few enough for the memory."""
    rows = int(most_bytes / max(encoding.row_bytes, 1.0))
    return max(1, min(MOST_ROWS, max(rows, 2 * (os.cpu_count() or 1))))


def _fill(writer: Writer, encoding: Encoding, chunks: list[tuple[int, int]]) -> None:
    """Encode all chunks into arrays of the writer, then close the gaps of unusable rows."""
    places: dict[str, EncodedColumn] = {}
    ends: dict[str, int] = {}
    problems: dict[int, str] = {}
    for start, stop in chunks:
        columns, bad = encoding.chunk(start, stop)
        if not places:
            places = _places(writer, encoding, columns, chunks)
            ends = {name: 0 for name, place in places.items() if isinstance(place, Ragged)}
        problems |= {start + row: why for row, why in bad.items()}
        for name, place in places.items():
            column = columns[name]
            if isinstance(place, Ragged) and isinstance(column, Ragged):
                end = ends[name] + len(column.values)
                place.values[ends[name] : end] = column.values
                place.offsets[start + 1 : stop + 1] = column.offsets[1:] + ends[name]
                ends[name] = end
            elif isinstance(place, np.ndarray) and isinstance(column, np.ndarray) and place.dtype == column.dtype:
                place[start:stop] = column
            else:
                raise TypeError(f"the column {name!r} is encoded to another type in rows {start} to {stop}")
    rows = _usable(writer, encoding.rows, problems)
    if problems:
        for place in places.values():
            _close_gaps(place, rows)


def _places(
    writer: Writer, encoding: Encoding, first: Columns, chunks: list[tuple[int, int]]
) -> dict[str, EncodedColumn]:
    """An array for each column of the first chunk. Where one is ragged, all chunks are encoded once to count its values."""
    totals = {name: 0 for name, column in first.items() if isinstance(column, Ragged)}
    for start, stop in chunks if totals else ():
        columns, _ = encoding.chunk(start, stop)
        for name in totals:
            column = columns[name]
            totals[name] += len(column.values) if isinstance(column, Ragged) else 0
    places: dict[str, EncodedColumn] = {}
    for name, column in first.items():
        if isinstance(column, Ragged):
            form = "padded" if column.padded else "values"
            values = writer.array(f"{form} {name}", (totals[name], *column.values.shape[1:]), column.values.dtype)
            places[name] = Ragged(values, writer.array(f"offsets {name}", (encoding.rows + 1,), np.int64))
        else:
            places[name] = writer.array(f"column {name}", (encoding.rows, *column.shape[1:]), column.dtype)
    return places


def _usable(writer: Writer, count: int, problems: Mapping[int, str]) -> IntArray:
    """Write which rows are usable, and why the others are not."""
    bad = np.array(sorted(problems), np.int64)
    rows: IntArray = writer.array("rows", (count - len(bad),), np.int64)
    start = 0
    for row, past in zip([-1, *bad.tolist()], [*bad.tolist(), count], strict=True):  # the stretches between bad rows
        rows[start : start + past - row - 1] = np.arange(row + 1, past)
        start += past - row - 1
    writer.array("problem rows", bad.shape, np.int64)[:] = bad
    lines = [problems[row].replace("\0", " ").encode("utf-8", "surrogatepass") + b"\0" for row in bad.tolist()]
    texts = np.frombuffer(b"".join(lines), np.uint8)
    writer.array("problem texts", texts.shape, np.uint8)[:] = texts
    return rows


def _close_gaps(place: EncodedColumn, rows: IntArray) -> None:
    """Move the entries of usable rows (ascending) up to the front, some at a time; nothing else is copied."""
    size = place.values.nbytes + place.offsets.nbytes if isinstance(place, Ragged) else place.nbytes
    step = max(1, CHUNK_BYTES * len(place) // max(size, 1))
    end = 0
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        if isinstance(place, Ragged):
            taken = place.take(some)
            place.values[end : end + len(taken.values)] = taken.values
            place.offsets[start + 1 : start + 1 + len(some)] = taken.offsets[1:] + end
            end += len(taken.values)
        else:
            place[start : start + len(some)] = place[some]


def _encoded(arrays: Mapping[str, NDArray[Any]]) -> Encoded:
    rows = arrays["rows"]
    columns: dict[str, EncodedColumn] = {}
    for stored, array in arrays.items():
        form, _, name = stored.partition(" ")
        if form == "column":
            columns[name] = array[: len(rows)]
        elif form in ("values", "padded"):
            offsets = arrays[f"offsets {name}"][: len(rows) + 1]
            columns[name] = Ragged(array[: offsets[-1]], offsets, padded=form == "padded")
    texts = arrays["problem texts"].tobytes().split(b"\0")[:-1]
    said = [text.decode("utf-8", "surrogatepass") for text in texts]
    return Encoded(columns, rows, dict(zip(arrays["problem rows"].tolist(), said, strict=True)))
