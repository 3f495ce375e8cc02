"""Raw files or objects -> Table. One file per raw form, found by file name; see find.py for what such a file offers.

Public: read, ReadOptions. Unusual: importing this loads neither polars nor any form; paths load them on first use, and data
in memory never do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepwell.core.errors import DataError
from deepwell.core.table import Table
from deepwell.data.sources import arrays, parts
from deepwell.data.sources.options import ReadOptions

__all__ = ["ReadOptions", "form_of", "read"]


def read(source: Any, options: ReadOptions | None = None) -> Table:
    """Anything that holds data as one Table, rows in order, unusable rows in `rejected`.

    source: a path (file or folder), a list of paths, a Table, a dict of columns, a list of records (dicts), a pandas,
        polars or Arrow frame, a numpy array (rows, columns) or pictures (rows, height, width[, channels]), a list of
        pictures (arrays, PIL images, paths), or a pair (X, y) of these.
    The author's parts (files or folders called train/valid/test, `options.test`) become a column `split` with the values
    train, select, test. Where `options.test` lies inside the folder `source` (one of several test files), it is the test, and
    the rows of the folder's other test files are left out. Rows read = rows of the Table + rejected ones.

    Raises DataError naming file, line or column and the repair: missing, empty, unreadable or unknown files, doubled column
    names, columns that differ between files, parts said twice.
    """
    asked = options or ReadOptions()
    table = _one(source, replace(asked, test=None))
    if asked.test is None:
        return table
    test = _one(asked.test, replace(asked, test=None))
    if _inside(asked.test, source):
        table = parts.without_test(table, test, str(asked.test))
    return parts.with_test(table, test, (_name(source, "the data"), _name(asked.test, "the test data")))


def form_of(source: Any) -> str | None:
    """The name of the raw form in which `read` reads a path, of several paths the first; None for data in memory."""
    if isinstance(source, list) and source:
        return form_of(source[0])
    if not isinstance(source, (str, Path)):
        return None
    from deepwell.data.sources import find

    return find.form_of(source)


def _name(source: Any, otherwise: str) -> str:
    """What a source is called in error texts."""
    return str(source) if isinstance(source, (str, Path)) else otherwise


def _inside(test: Any, source: Any) -> bool:
    """Whether the test is a path inside the folder that is the source."""
    if not isinstance(test, (str, Path)) or not isinstance(source, (str, Path)):
        return False
    return Path(source).resolve() in Path(test).resolve().parents


def _one(source: Any, options: ReadOptions) -> Table:
    """One source without the test data that go with it."""
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, Path)):
        from deepwell.data.sources import find

        return find.read_path(source, options)
    if isinstance(source, list) and source and all(isinstance(s, (str, Path)) for s in source):
        return _paths([Path(s) for s in source], options)
    return arrays.read(source, options)


def _paths(paths: Sequence[Path], options: ReadOptions) -> Table:
    """A list of paths: pictures become a column `image`, sides of parallel text columns, tables are put one below the other."""
    from deepwell.data.sources import find, parallel, pictures

    if all(pictures.is_picture(p) for p in paths):
        return pictures.listed(paths)
    doubled = [p for i, p in enumerate(paths) if p in paths[:i]]
    if doubled:
        raise DataError("the same file is given twice", where=str(doubled[0]), repair="give each file once")
    if options.form in (None, "parallel") and parallel.are_sides(paths):
        return parallel.join(paths, options)
    each = find.sharing(paths, options)
    return parts.by_name([(str(p), p.stem, find.read_path(p, each)) for p in paths])
