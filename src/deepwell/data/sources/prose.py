"""Plain text files: which files hold prose, and a file's content as text.

Unusual: a document is one value, so no byte of it is guessed: a file that fits no single encoding is refused with the offset
of the first byte that does not fit. Line ends \\r\\n and \\r become \\n; nothing else is changed.
"""

from __future__ import annotations

import codecs
from functools import lru_cache
from pathlib import Path

from deepwell.core.errors import ConfigError, DataError
from deepwell.data.sources import files, text
from deepwell.data.sources.class_folders import walk
from deepwell.data.sources.dialect import SINGLE, Dialect, sniff
from deepwell.data.sources.header import is_number
from deepwell.data.sources.options import ReadOptions
from deepwell.data.sources.pictures import PICTURE_LIKE, SUFFIXES

TEXTS = frozenset(".txt .text .asc .tex".split())
MARKED_UP = frozenset(".md .markdown .rst".split())
NO_PROSE = (SUFFIXES | PICTURE_LIKE) | frozenset(
    ".csv .tsv .tab .data .json .jsonl .ndjson .yml .yaml .parquet .npy .npz .xml .html .htm .wav .mp3 .flac .ogg .m4a .mid "
    ".midi .mp4 .avi .zip .tar .tgz .7z .rar .bz2 .xz .pt .pth .pkl .pickle .joblib .h5 .hdf5 .mat .db .sqlite .pdf .doc "
    ".docx .xls .xlsx .ods .well .safetensors .onnx .bin .exe .so .pyc .names".split()
)
HEAD = 1 << 14
LEAST_LINES = 5
NUMBERS = 0.9
FOREIGN = 0.3


def is_prose(path: Path) -> bool:
    """Whether a file's name, or for a name that says nothing its first bytes, are those of plain text. Notes are none."""
    if files.note(path.name):
        return False
    kind = files.suffix(path)
    return kind in TEXTS or (kind not in NO_PROSE and begins_as_text(path))


def below(folder: Path) -> list[Path]:
    """The plain text files at any depth below a folder, sorted. Markdown counts only where there is nothing else."""
    found = walk(folder)
    marked_up = [p for p in found if files.suffix(p) in MARKED_UP and not files.about(p.name)]
    return [p for p in found if is_prose(p)] or marked_up


def directly(folder: Path) -> list[Path]:
    """The plain text files directly in a folder, sorted by name."""
    return [p for p in files.entries(folder) if p.is_file() and is_prose(p)]


def is_table(path: Path) -> bool:
    """Whether a text file is cut into cells: by tabs, semicolons, bars or commas in every line, or into numbers by blanks."""
    try:
        facts = path.stat()
    except OSError:
        return False
    return _is_table(path, facts.st_size, facts.st_mtime_ns)


def read(path: Path, encoding: str | None = None) -> str:
    """A file's content. encoding: the user's word; None: UTF-8, UTF-16, or else the western one (cp1252, latin-1).

    Raises DataError for empty files, for NUL bytes and other signs of no text, and for bytes that fit no single encoding.
    """
    raw, where = files.read_bytes(path), str(path)
    if encoding is not None or raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or text.wide(raw):
        found = text.decode(raw, encoding, where).data.decode("utf-8", "replace")
    else:
        found = _found_out(raw, where)
    if "\0" in found:
        raise _binary(raw, where)
    if not found.strip():
        raise DataError("the file holds nothing but blanks", where=where, repair="give the file that holds the text")
    return found.replace("\r\n", "\n").replace("\r", "\n") if "\r" in found else found


def _found_out(raw: bytes, where: str) -> str:
    """Bytes that are no UTF-16 as text."""
    if b"\0" in raw:
        raise _binary(raw, where)
    text.check_text(raw, where)
    data = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start + len(raw) - len(data)
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    if any(text.is_utf8(line) for line in lines):
        row = raw.count(b"\n", 0, offset) + 1
        raise DataError(
            f"mixed encodings: other lines are UTF-8, but the byte 0x{raw[offset]:02x} at offset {offset:,} (line {row:,}) not",
            where=where, repair="save the whole file as UTF-8, or name one encoding that fits all of it with --encoding",
        )  # fmt: skip
    foreign = len(data) - len(data.translate(None, bytes(range(128, 256))))
    if foreign > FOREIGN * len(data.translate(None, b" \t\r\n")):
        raise DataError(
            f"this is neither UTF-8 nor a western encoding: the first foreign byte is 0x{raw[offset]:02x} at offset {offset:,}",
            where=where, repair="say --encoding, e.g. gbk, shift_jis or cp1251, or save the file as UTF-8",
        )  # fmt: skip
    return text.decode(data, None, where).data.decode("utf-8")


def _binary(raw: bytes, where: str) -> DataError:
    """The DataError for a file that is no text."""
    return DataError(
        f"this is no text: there is a NUL byte at offset {raw.find(0):,}",
        where=where, repair="give plain text; a picture, an archive or a document of a word processor is none",
    )  # fmt: skip


def begins_as_text(path: Path) -> bool:
    """Whether a file's first bytes hold no control characters, and there are any."""
    sample = files.magic(path, 4096)
    return bool(sample) and not any(b < 32 and b not in b"\t\n\r\f" for b in sample)


@lru_cache(maxsize=1 << 17)
def _is_table(path: Path, size: int, changed: int) -> bool:
    """is_table by the first bytes; size and changed only name the state of the file."""
    raw = files.magic(path, HEAD)
    if b"\0" in raw and not text.wide(raw):
        return False
    try:
        sample = text.decode(raw, None, str(path)).data
        dialect = sniff(sample if len(raw) < HEAD else sample[: sample.rfind(b"\n") + 1], ReadOptions())
    except (DataError, ConfigError):
        return False
    return bool(dialect.rows) and _cuts(dialect)


def _cuts(dialect: Dialect) -> bool:
    """Whether what was found cuts cells and not sentences.

    A few lines of prose may by chance have a comma each: so few lines are cells only beside a column of numbers.
    """
    body = dialect.rows[1:] or dialect.rows
    if dialect.delimiter == SINGLE or len(body[0]) < 2:
        numeric = sum(is_number(row[0]) for row in body if row)
        return numeric >= NUMBERS * len(body)
    if dialect.delimiter in "\t;|" or len(body) >= LEAST_LINES:
        return True
    return any(all(is_number(cell) for cell in column) for column in zip(*body, strict=False))
