"""Bytes of a text table -> UTF-8 bytes with plain line ends; the encoding is found out.

Unusual: where most lines with foreign letters are sound UTF-8 and a few are not, the few are left as they are for the reader
to reject line by line; a file is taken for cp1252 (the superset of latin-1 that Windows writes) only if that explains more.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from encodings import normalize_encoding
from encodings.aliases import aliases

from deepwell.core.errors import DataError

ENCODINGS = frozenset(
    "ascii big5 big5hkscs cp037 cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 "
    "cp1258 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 "
    "cp864 cp865 cp866 cp869 cp874 cp875 cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk "
    "hp_roman8 hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr "
    "iso8859_1 iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 iso8859_2 iso8859_3 iso8859_4 "
    "iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 johab koi8_r koi8_t koi8_u kz1048 latin_1 mac_arabic "
    "mac_croatian mac_cyrillic mac_farsi mac_greek mac_iceland mac_latin2 mac_roman mac_romanian mac_turkish ptcp154 "
    "shift_jis shift_jis_2004 shift_jisx0213 tis_620 utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le utf_8 "
    "utf_8_sig".split()
)
"""Encodings of text, as Python names their modules. Python's other codecs (idna, unicode_escape, rot13) are none."""
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
    if not is_encoding(encoding):
        raise DataError(
            f"there is no encoding {encoding!r}",
            where=where, repair="use utf-8, utf-16, latin-1, cp1252 or another name",
        )  # fmt: skip
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"the bytes in line {line} are not {encoding} ({error.reason})",
            where=where, repair="leave --encoding out to have it found, or save the file as UTF-8",
        ) from None  # fmt: skip
    return text.removeprefix("\ufeff").encode("utf-8", "replace")


def is_encoding(name: str) -> bool:
    """Whether this is the name of an encoding of text, in any of the spellings that Python knows: utf-8, UTF8, latin1."""
    plain = normalize_encoding(name).lower()
    return aliases.get(plain, plain) in ENCODINGS


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
