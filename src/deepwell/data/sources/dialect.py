"""How a text table is written: delimiter, quoting, whether the first row is a header. Found from its first lines.

Unusual: a delimiter is chosen by how evenly it cuts the lines, in the order tab ; | , space, so that decimal commas and
commas in text do not mislead; the first line must be cut like the rest.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from deepwell.core.errors import ConfigError
from deepwell.data.sources import records
from deepwell.data.sources.header import is_header, is_number
from deepwell.data.sources.options import ReadOptions

SAMPLE_BYTES = 1 << 18
SAMPLE_LINES = 1000
EVEN = 0.95
MOSTLY = 0.6
MOSTLY_QUOTED = 0.9
CANDIDATES = "\t;|,"
QUOTE_LINES = 50
SINGLE = "\x1f"


@dataclass(frozen=True)
class Dialect:
    """How the cells stand in the file.

    Attributes:
        delimiter: one character; " " means any run of blanks, SINGLE that there is one column and nothing cuts it.
        quote: the quoting character, None where quotes are ordinary letters.
        header: the first row names the columns.
        skip: bytes to leave out at the beginning (Excel's `sep=;` line).
        rows: the first rows as cells, for a look at the content (header included).
    """

    delimiter: str
    quote: str | None
    header: bool
    skip: int
    rows: tuple[tuple[str, ...], ...]


def sniff(data: bytes, options: ReadOptions) -> Dialect:
    """The dialect of UTF-8 text; what the options say is taken as said. Raises ConfigError for a bad delimiter."""
    skip, told = _excel_line(data)
    lines = _lines(data[skip : skip + SAMPLE_BYTES], whole=len(data) <= skip + SAMPLE_BYTES)
    delimiter = _given(options.delimiter) or told or _delimiter(lines)
    quote = _quote(lines, delimiter)
    rows = tuple(tuple(c.strip() for c in cut(line, delimiter, quote)) for line in _joined(lines, quote))
    dialect = Dialect(delimiter, quote, False, skip, rows)
    header = is_header(rows) if options.header is None else options.header
    return replace(dialect, header=header)


def cut(line: str, delimiter: str, quote: str | None) -> list[str]:
    """The cells of one record."""
    if delimiter == " ":
        return line.split()
    if quote is None or quote not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote, skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)


def _given(delimiter: str | None) -> str | None:
    """The user's delimiter as one character."""
    if delimiter is None:
        return None
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
    found = named.get(delimiter.lower(), delimiter)
    if len(found) != 1 or found in '"\r\n\0' or ord(found) > 127:
        raise ConfigError(f"delimiter must be one ASCII character or 'tab', 'space'; got {delimiter!r}")
    return found


def _excel_line(data: bytes) -> tuple[int, str | None]:
    """Length and delimiter of a first line `sep=;`; (0, None) if there is none."""
    end = data.find(b"\n") + 1
    first = data[:end].strip()
    if first[:4].lower() == b"sep=" and len(first) == 5:
        return end, chr(first[4])
    return 0, None


def _lines(sample: bytes, *, whole: bool) -> list[str]:
    """The first non-blank lines; the last is left out where the sample cut it."""
    lines = sample.decode("utf-8", "replace").split("\n")
    if not whole and len(lines) > 1:
        lines.pop()
    return [line.rstrip("\r") for line in lines if line.strip()][:SAMPLE_LINES]


def _joined(lines: list[str], quote: str | None) -> list[str]:
    """Records: lines put together while a quote is open that began a cell; one that stays open is taken as a letter."""
    if quote is None:
        return lines
    opens = re.compile(rf"(?:^|[{CANDIDATES}]) *{quote}")
    records: list[str] = []
    i = 0
    while i < len(lines):
        j, text = i, lines[i]
        while text.count(quote) % 2 and opens.search(lines[i]) and j + 1 < len(lines) and j - i < QUOTE_LINES:
            j += 1
            text += "\n" + lines[j]
        if text.count(quote) % 2:
            j, text = i, lines[i]
        records.append(text)
        i = j + 1
    return records


def _delimiter(lines: list[str]) -> str:
    """The delimiter that cuts the lines most evenly; where none does, a comma for numbers and SINGLE for text."""
    records = _joined(lines, '"')
    best, best_share = "", 0.0
    for candidate in CANDIDATES:
        counts = [len(cut(r, candidate, '"')) for r in records]
        width, times = Counter(counts).most_common(1)[0] if counts else (1, 0)
        share = times / len(counts) if counts else 0.0
        if width == 1:
            continue
        if share >= EVEN and counts[0] == width:
            return candidate
        if share >= MOSTLY and share > best_share:
            best, best_share = candidate, share
    if best:
        return best
    if _blanks(records):
        return " "
    return "," if sum(is_number(r.strip()) for r in records) >= EVEN * (len(records) - 1) else SINGLE


def encloses(data: bytes, delimiter: str, quote: str) -> bool:
    """Whether quotes enclose cells; False where they are letters: 5" pipe, or the token " in tab-separated text.

    In tab-separated text and single columns, quotes are letters if more than a tenth of the cells that begin with one do
    not end with one on the same line, and the lines are even without quoting.
    """
    mark, before = re.escape(quote), rf"(?:\A|[\n{re.escape(delimiter)}]) *"
    opened = len(re.findall(f"{before}{mark}".encode(), data))
    if not opened or delimiter not in ("\t", SINGLE):
        return opened > 0
    closing = rf"{before}{mark}(?:[^{mark}\n]|{mark}{mark})*{mark} *(?=[\r\n{delimiter}]|\Z)"
    if len(re.findall(closing.encode(), data)) >= MOSTLY_QUOTED * opened:
        return True
    found = records.scan(data, delimiter, None)
    if found is None:
        return True
    widths = found.fields[~records.blank(data, found, 1)]
    return not len(widths) or int(np.bincount(widths).max()) < EVEN * len(widths)


def _blanks(records: list[str]) -> bool:
    """Whether runs of blanks cut all lines evenly and at least one column is numbers, so that it is no prose."""
    rows = [r.split() for r in records]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or widths == {1} or len(rows) < 2:
        return False
    return any(all(is_number(cell) for cell in column[1:]) for column in zip(*rows, strict=True))


def _quote(lines: list[str], delimiter: str) -> str | None:
    """The quoting character: single quotes where they enclose every cell of a column, double ones where cells use them.

    None where cells begin with double quotes that are letters.
    """
    naive = [[c.strip() for c in (line.split() if delimiter == " " else line.split(delimiter))] for line in lines]
    if any(c[:1] == '"' for row in naive for c in row):
        return '"' if encloses("\n".join(lines).encode(), delimiter, '"') else None
    body = naive[1:] or naive
    width = Counter(len(row) for row in body).most_common(1)[0][0] if body else 0
    columns = list(zip(*(row for row in body if len(row) == width), strict=True))
    wrapped = [all(len(c) > 1 and c[0] == c[-1] == "'" for c in column) for column in columns]
    return "'" if any(wrapped) else '"'
