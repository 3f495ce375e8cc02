"""A folder of pictures with a table beside them (metadata.csv, labels.csv, train.csv, captions.txt, metadata.jsonl).

Unusual: which column names the pictures is found out by looking its values up among the files, with or without folder and
suffix. That column keeps its name and becomes ImageFile; a row whose picture is missing is rejected. Boxes may stand beside it,
as lists or as JSON text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import Column, ImageFile, Rejected, Table
from deepwell.data.sources import csv, dialect, files, jsonlines, marked_pictures, parts, pictures, text
from deepwell.data.sources.class_folders import walk
from deepwell.data.sources.columns import as_text, objects
from deepwell.data.sources.options import ReadOptions

READS = "a folder of pictures with a table that names them (metadata.csv)"
ENOUGH = 0.2
HEAD = 1 << 16

Index = dict[str, Path | None]


def claims(path: Path) -> float:
    """0.95 for a folder with pictures (at any depth) and a table directly in it that names some of them."""
    if not path.is_dir():
        return 0.0
    tables = _tables(path)
    if not tables:
        return 0.0
    index = _index(path)
    return 0.95 if index and any(_names_pictures(t, index) for t in tables) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """The rows of the table that names pictures; of several (train.csv, test.csv) one below the other, as parts.

    Raises DataError where two tables name pictures and do not say their part, or no column names enough pictures.
    """
    index = _index(path)
    tables = [t for t in _tables(path) if _names_pictures(t, index)]
    if len(tables) > 1 and len({parts.part_of(files.stem(t)) for t in tables} - {None}) < len(tables):
        shown = ", ".join(t.name for t in tables)
        raise DataError(
            f"several tables here name the pictures: {shown}", where=str(path),
            repair="keep one, or name them train, valid and test",
        )  # fmt: skip
    return parts.by_name([(str(t), files.stem(t), _one(t, index, options)) for t in tables])


def _one(path: Path, index: Index, options: ReadOptions) -> Table:
    """One table with its picture column looked up."""
    form = jsonlines if jsonlines.claims(path) else csv
    table = form.read(path, options)
    shares = {n: _share(as_text(c), index) for n, c in table.columns.items() if c.ndim == 1}
    name = max(shares, key=lambda n: shares[n])
    if shares[name] < ENOUGH:
        raise DataError("no column names the pictures beside it", where=str(path), repair="add a column of file names")
    values = as_text(table[name])
    looked_up = [_find(v, index) for v in values.tolist()]
    usable = np.array([isinstance(p, Path) and not pictures.problem(p) for p in looked_up], dtype=bool)
    rejected = list(table.rejected)
    for row in np.flatnonzero(~usable).tolist():
        found = looked_up[row]
        why = pictures.problem(found) if isinstance(found, Path) else _absence(str(values[row]), index)
        rejected.append(Rejected(table.where(row), f"picture {values[row]!r}: {why}"))
    kept = np.flatnonzero(usable)
    if not len(kept):
        raise DataError(
            "none of the pictures that the table names is usable", where=str(path), repair="check the names"
        )
    images = objects(ImageFile(str(looked_up[row])) for row in kept.tolist())
    used = table.take(kept).with_columns({name: images})
    named = Table(used.columns, used.origin, tuple(rejected))
    return marked_pictures.in_table(named, name) if options.targets else named


def _absence(value: str, index: Index) -> str:
    """Why a value leads to no picture."""
    return "several files have this name" if value in index else "there is no such file"


def _tables(path: Path) -> list[Path]:
    """Text tables directly in a folder."""
    return [
        p for p in files.entries(path)
        if p.is_file() and not files.note(p.name) and (files.suffix(p) in csv.RANKS or jsonlines.claims(p))
    ]  # fmt: skip


def _index(path: Path) -> Index:
    """Every name a table may use -> the picture: relative path or file name, with or without suffix. None: ambiguous."""
    index: Index = {}
    for picture in walk(path):
        if not pictures.is_picture(picture):
            continue
        relative = picture.relative_to(path)
        for key in {relative.as_posix(), relative.with_suffix("").as_posix(), picture.name, picture.stem}:
            index[key] = None if key in index and index[key] != picture else picture
    return index


def _find(value: object, index: Index) -> Path | None:
    """The picture a cell names, also by a longer path than the folder's; None if there is none or it is not clear."""
    if not isinstance(value, str):
        return None
    key = value.replace("\\", "/").removeprefix("./")
    return index.get(key) or index.get(key.rsplit("/", 1)[-1])


def _share(values: Column, index: Index) -> float:
    """The share of present cells that name a picture."""
    present = [v for v in values.tolist() if isinstance(v, str)]
    return sum(_find(v, index) is not None for v in present) / len(present) if present else 0.0


def _names_pictures(path: Path, index: Index) -> bool:
    """Whether some column of a table names pictures, by its first rows."""
    columns = _first_columns(path)
    return any(_share(objects(c), index) >= ENOUGH for c in columns)


def _first_columns(path: Path) -> list[Sequence[str | None]]:
    """The first cells of each column of a text table; empty where it is no text table."""
    try:
        sample = text.decode(files.head(path, HEAD), None, str(path)).data
    except DataError:
        return []
    if jsonlines.claims(path):
        lines = sample.rsplit(b"\n", 1)[0] if len(sample) >= HEAD else sample
        records = [v for _, v in jsonlines.lines(lines.decode("utf-8", "replace")) if isinstance(v, dict)]
        return [[str(v) for v in column.tolist()] for column in jsonlines.by_key(records, frozenset()).values()]
    rows = dialect.sniff(sample, ReadOptions()).rows
    found = rows[1:] or rows
    width = max((len(row) for row in found), default=0)
    return [[row[i] for row in found if i < len(row)] for i in range(width)]
