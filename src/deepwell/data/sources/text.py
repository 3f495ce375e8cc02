"""Bytes of a text table -> UTF-8 bytes with plain line ends; the encoding is found out.

Unusual: where most lines with foreign letters are sound UTF-8 and a few are not, the few are left as they are for the reader
to reject line by line; a file is taken for cp1252 (the superset of latin-1 that Windows writes) only if that explains more.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from deepwell.core.errors import DataError

SAMPLE = 1 << 16
MAX_CONTROL = 0.05


@dataclass(frozen=True)
class Text:
    """A text file's content. data: bytes with \\n or \\r\\n line ends, no byte-order mark; sound: all of it is UTF-8."""

    data: bytes
    sound: bool


def decode(raw: bytes, encoding: str | None, where: str) -> Text:
    """The bytes as UTF-8. encoding: the user's word, None = found out.

    Raises DataError for an unknown encoding, bytes that do not fit the encoding given, and files that are no text.
    """
    if encoding is not None:
        return Text(_line_ends(_as_told(raw, encoding, where)), True)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Text(_line_ends(_as_told(raw, "utf-16", where)), True)
    data = raw.removeprefix(codecs.BOM_UTF8)
    told = wide(data)
    if told:
        return Text(_line_ends(_as_told(data, told, where)), True)
    check_text(data, where)
    data = _line_ends(data)
    if is_utf8(data):
        return Text(data, True)
    foreign = [line for line in data.split(b"\n") if not line.isascii()]
    good = sum(is_utf8(line) for line in foreign)
    if good and good >= len(foreign) - good:
        return Text(data, False)
    return Text(_western(data).encode(), True)


def _as_told(raw: bytes, encoding: str, where: str) -> bytes:
    """The bytes decoded by a named encoding, as UTF-8."""
    try:
        text = raw.decode(encoding)
    except LookupError:
        raise DataError(
            f"there is no encoding {encoding!r}",
            where=where,
            repair="use utf-8, utf-16, latin-1, cp1252 or another name",
        ) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"the bytes in line {line} are not {encoding} ({error.reason})",
            where=where, repair="leave --encoding out to have it found, or save the file as UTF-8",
        ) from None  # fmt: skip
    return text.removeprefix("\ufeff").encode("utf-8", "replace")


def wide(data: bytes) -> str:
    """utf-16-le or utf-16-be for text without a mark in which every other byte is mostly zero; else empty."""
    sample = data[:SAMPLE]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(1, len(sample) // 2)
    if odd > 0.4 * half and even < 0.1 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.1 * half else ""


def check_text(data: bytes, where: str) -> None:
    """Raise DataError where more than a twentieth of the first bytes are control characters (NUL bytes included)."""
    sample = data[:SAMPLE]
    control = sum(sample.count(bytes([b])) for b in range(32) if b not in b"\t\n\r\f\x1a")
    if control > MAX_CONTROL * len(sample):
        bad = next(i for i, b in enumerate(sample) if b < 32 and b not in b"\t\n\r\f\x1a")
        line = data.count(b"\n", 0, bad) + 1
        raise DataError(
            f"this is no text: line {line} holds bytes that no text has (0x{sample[bad]:02x})",
            where=where, repair="give a CSV, TSV, JSON lines or Parquet file, saved as UTF-8",
        )  # fmt: skip


def _line_ends(data: bytes) -> bytes:
    """Old Macintosh line ends (\\r alone) as \\n; \\r\\n stays."""
    return data.replace(b"\r", b"\n") if b"\r" in data and b"\n" not in data else data


def is_utf8(data: bytes) -> bool:
    """Whether bytes are sound UTF-8; decoded in blocks, so that no copy of a large file is made."""
    if data.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    try:
        for start in range(0, len(data), SAMPLE):
            decoder.decode(view[start : start + SAMPLE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _western(data: bytes) -> str:
    """Text as cp1252, or latin-1 where cp1252 leaves a byte undefined."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
