"""Text files with one example a line, one file for each class: positive.txt, negative.txt -> columns `text` and `label`.

Also rt-polarity.pos and rt-polarity.neg, and train.pos, train.neg, test.pos, test.neg with parts. A folder is taken for this,
and not for documents, if it holds two or more text files, whose names say more than a part, and each of them has at least 20
lines, hardly any blank one, and lines that are neither long as paragraphs nor wrapped at one width: documents have blank lines
between their paragraphs, stanzas or speeches. --form documents reads whole files, --form text_lines one file without classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Table
from deepwell.data.sources import files, parts, prose
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions

READS = "text files with one example a line, one for each class (positive.txt, negative.txt)"
HEAD = 1 << 16
LEAST_LINES = 20
MOST_FILES = 200
BLANK = 0.01
LONG = 600
WRAPPED_FROM = 50


def claims(path: Path) -> float:
    """0.44 for a folder of such files, see the rule at the top; 0.15 for a text file and a folder with any."""
    if not path.is_dir():
        return 0.15 if path.is_file() and prose.is_prose(path) and not prose.is_table(path) else 0.0
    found = prose.directly(path)
    names = _names(found) if 2 <= len(found) <= MOST_FILES else {}
    labels = [label for _, label in names.values()]
    if len(set(labels)) > 1 and all(labels) and all(_one_a_line(p) for p in found):
        return 0.44
    return 0.15 if found else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each line that is not blank; in a folder labelled by what its file's name has of its own.

    Raises DataError for unreadable files, and for names that say parts without a train.
    """
    if path.is_file():
        return _lines(path, options)
    found = prose.directly(path)
    if not found:
        raise DataError("there is no text file here", where=str(path), repair="give files with one example a line")
    if len(found) == 1:
        return _lines(found[0], options)
    names = _names(found)
    tables = []
    for file in found:
        part, label = names[file]
        lines = _lines(file, options)
        labelled = lines.with_columns({"label": np.full(len(lines), label, dtype=object)})
        tables.append((str(file), part or "", labelled))
    return parts.by_name(tables)


def _lines(path: Path, options: ReadOptions) -> Table:
    """The lines of one file as rows."""
    lines = prose.read(path, options.encoding).split("\n")
    kept = [number for number, line in enumerate(lines, start=1) if line.strip()]
    origin = Origin((str(path),), np.zeros(len(kept), np.int32), np.array(kept, np.int64))
    return Table({"text": objects(lines[number - 1].strip() for number in kept)}, origin)


def _names(found: Sequence[Path]) -> Mapping[Path, tuple[str | None, str]]:
    """For each file the part that its name says, and its label: the rest, without what all of them begin with."""
    whole = {p: p.name.removesuffix(".gz") for p in found}
    plain = {p: files.stem(p) if files.suffix(p) in prose.TEXTS else name for p, name in whole.items()}
    said = {p: parts.part_of(name) for p, name in plain.items()}
    rest = {p: parts.without_part(name) if said[p] else name for p, name in plain.items()}
    each = [re.split(r"([\W_]+)", name) for name in rest.values()]
    same = 0
    while min(map(len, each)) > same + 1 and len({tuple(pieces[: same + 2]) for pieces in each}) == 1:
        same += 2
    return {p: (said[p], "".join(pieces[same:])) for p, pieces in zip(found, each, strict=True)}


def _one_a_line(path: Path) -> bool:
    """Whether a file's first lines look like examples and not like a document."""
    if prose.is_table(path):
        return False
    lines = files.magic(path, HEAD).split(b"\n")[:-1]
    lengths = np.array([len(line) for line in lines if line.strip()])
    if len(lengths) < LEAST_LINES or len(lines) - len(lengths) > BLANK * len(lines):
        return False
    middle, most, longest = np.quantile(lengths, (0.5, 0.9, 0.99))
    wrapped = middle >= WRAPPED_FROM and most <= 1.2 * middle
    return bool(longest <= LONG and not wrapped)
