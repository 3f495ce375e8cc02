"""Plain text: a file is one document, a folder as many as it holds files, at any depth -> column `text`.

Unusual: a document is never cut here: applications cut it into windows. Files called train, valid, test are the author's
parts. Text files that are tables by their look are not taken for documents in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Rejected, Table
from deepwell.data.sources import files, parts, prose
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions

READS = "plain text (.txt .md, or a folder of such files)"
MOST_TABLES = 0.05


def claims(path: Path) -> float:
    """0.5 for a text file by its name, 0.2 for another that begins as prose, 0.35 for a folder with text files below."""
    if path.is_dir():
        return 0.35 if any(prose.is_prose(p) for p in files.entries(path)) or prose.below(path) else 0.0
    if files.suffix(path) in prose.TEXTS | prose.MARKED_UP:
        return 0.5
    return 0.2 if path.is_file() and prose.is_prose(path) and not prose.is_table(path) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each file; files called train, valid and test directly in the folder are marked as parts.

    In a folder, files that cannot be used are rejected. Raises DataError for a single unusable file, where none is usable,
    and where more than a twentieth of the files look like tables.
    """
    if path.is_file():
        return table([(path, prose.read(path, options.encoding))], [])
    found = prose.below(path)
    if options.form is None:
        check_tables(path, found)
    named = [p for p in found if p.parent == path and parts.part_of(files.stem(p)) is not None]
    if len({parts.part_of(files.stem(p)) for p in named}) > 1 and len(named) == len(found):
        return parts.by_name([(str(p), files.stem(p), gather([p], options)) for p in named])
    return gather(found, options)


def gather(paths: Sequence[Path], options: ReadOptions) -> Table:
    """One row for each file that can be read, the others rejected. Raises the first one's DataError where all are."""
    good: list[tuple[Path, str]] = []
    bad: list[DataError] = []
    for path in paths:
        try:
            good.append((path, prose.read(path, options.encoding)))
        except DataError as error:
            bad.append(error)
    if bad and not good:
        raise bad[0]
    return table(good, [Rejected(error.where, error.what) for error in bad])


def table(documents: Sequence[tuple[Path, str]], rejected: Sequence[Rejected]) -> Table:
    """Documents as a Table; each row is a file of its own."""
    n = len(documents)
    origin = Origin(tuple(str(p) for p, _ in documents), np.arange(n, dtype=np.int32), np.zeros(n, np.int64), "file")
    return Table({"text": objects(content for _, content in documents)}, origin, tuple(rejected))


def check_tables(folder: Path, found: Sequence[Path]) -> None:
    """Raise DataError where so many of the files look like tables that they are hardly documents."""
    tables = [p for p in found if prose.is_table(p)]
    if len(tables) > MOST_TABLES * len(found):
        shown = ", ".join(str(p.relative_to(folder)) for p in tables[:5]) + (", ..." if len(tables) > 5 else "")
        raise DataError(
            f"of the {len(found)} text files here, {len(tables)} are tables by their look and no plain text: {shown}",
            where=str(folder), repair="give one of the files, or --form documents to take each file for a document",
        )  # fmt: skip
