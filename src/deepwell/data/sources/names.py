"""Column names from a UCI .names file (the form of C4.5: Quinlan 1993), or from a text file with one name a line.

Unusual: a .names file that merely lies beside the data is used only if all of it is in C4.5's form and its number of names
fits; most .names files are prose.
"""

from __future__ import annotations

import re
from pathlib import Path

from deepwell.core.errors import DataError
from deepwell.data.sources import files
from deepwell.data.sources.parts import without_part
from deepwell.data.sources.text import decode

ATTRIBUTE = re.compile(r"\s*([^:|]+?)\s*:\s*(continuous|ignore|label|discrete\b.*|[^:]*,[^:]*)\s*\.?\s*", re.IGNORECASE)


def parse(text: str) -> list[str]:
    """The attribute names of a C4.5 .names text; empty if it is not wholly in that form.

    `|` begins a comment; the first entry lists the classes; every other line is `name: continuous.` or `name: a, b, c.`
    """
    lines = [line.split("|")[0].strip() for line in text.splitlines()]
    entries = [line for line in lines if line]
    if entries and not ATTRIBUTE.fullmatch(entries[0]):
        entries = entries[1:]
    found = [ATTRIBUTE.fullmatch(line) for line in entries]
    return [m.group(1) for m in found if m] if found and all(found) else []


def given(path: str | Path) -> list[str]:
    """The names in a file that the user gave. Raises DataError if there are none."""
    file = files.check(path)
    text = _text(file)
    found = parse(text) or [m.group(1) for line in text.splitlines() if (m := ATTRIBUTE.fullmatch(line.split("|")[0]))]
    if found:
        return found
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and all(len(line) <= 80 and ":" not in line for line in lines):
        return lines[0].split(",") if len(lines) == 1 else lines
    raise DataError(
        "no column names were found in this file", where=str(file),
        repair="write lines such as `age: continuous.`, or one name a line",
    )  # fmt: skip


def beside(path: Path) -> list[str]:
    """The names in a C4.5 .names file of the same stem (also without train/test): adult.names for adult-train.csv."""
    stem = files.stem(path)
    for name in dict.fromkeys([stem, without_part(stem)]):
        candidate = path.with_name(f"{name}.names")
        if candidate.is_file() and candidate.stat().st_size:
            return parse(_text(candidate))
    return []


def _text(path: Path) -> str:
    """A names file as text."""
    return decode(files.read_bytes(path, limit=1 << 24), None, str(path)).data.decode("utf-8", "replace")
