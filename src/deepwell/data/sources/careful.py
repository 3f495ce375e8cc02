"""Records of a text table whose quotes are not well-formed, line by line.

Unusual: a quote that is never closed costs its own line only: that line is rejected and reading goes on with the next.
Slower than records.py by a factor of about ten; used only where that gives up.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST_LINES = 1000


def rows(text: str, delimiter: str, quote: str | None) -> Iterator[tuple[int, list[str] | str]]:
    """(line number of the record, its cells; or why the line cannot be used) for each non-blank record, in order.

    A quote that opens a cell encloses it; quotes within an unquoted cell, and lone quotes within a quoted one that ends on
    the same line, are letters. A doubled quote within a quoted cell is one quote.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")]
    i = 0
    while i < len(lines):
        line = lines[i]
        if quote is None or quote not in line:
            if line.strip():
                yield i + 1, line.split(delimiter)
            i += 1
            continue
        found = _record(lines, i, delimiter, quote)
        if found is None:
            yield i + 1, f"a quote ({quote}) is opened here and never properly closed"
            i += 1
        else:
            yield i + 1, found[0]
            i = found[1] + 1


def _record(lines: list[str], first: int, delimiter: str, quote: str) -> tuple[list[str], int] | None:
    """The cells of the record that begins on line `first`, and its last line; None where a quote stays open."""
    cells: list[str] = []
    row, at = first, 0
    while True:
        line = lines[row]
        begin = at + len(line[at:]) - len(line[at:].lstrip(" "))
        if line[begin : begin + 1] == quote:
            cell = _quoted(lines, row, begin + 1, delimiter, quote)
            if cell is None:
                return None
            value, row, at = cell
        else:
            end = line.find(delimiter, at)
            end = len(line) if end < 0 else end
            value, at = line[at:end], end
        cells.append(value)
        if at >= len(lines[row]):
            return cells, row
        at += 1


def _quoted(lines: list[str], first: int, at: int, delimiter: str, quote: str) -> tuple[str, int, int] | None:
    """The text of a quoted cell, the line it ends on and the place of the delimiter behind it; None if it stays open."""
    pieces: list[str] = []
    row = first
    while row < len(lines) and row - first <= MOST_LINES:
        line = lines[row]
        mark = line.find(quote, at)
        if mark < 0:
            pieces.append(line[at:] + "\n")
            row, at = row + 1, 0
            continue
        pieces.append(line[at:mark])
        rest = line[mark + 1 :]
        if rest.startswith(quote):
            pieces.append(quote)
            at = mark + 2
            continue
        gap = len(rest) - len(rest.lstrip(" "))
        if gap == len(rest) or rest[gap] == delimiter:
            return "".join(pieces), row, mark + 1 + gap
        if row != first:
            return None
        pieces.append(quote)
        at = mark + 1
    return None
