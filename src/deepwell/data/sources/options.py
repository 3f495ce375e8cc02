"""ReadOptions: what a user can say about how raw files are to be read. Everything has a default that is found out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReadOptions:
    """How to read.

    Attributes:
        test: the author's test data: a path, or anything else that `read` takes. Its rows get `split` = "test".
        names: a UCI .names file, or a text file with one column name a line, for tables without a header.
        header: whether the first row of a text table holds the column names; None: found out.
        delimiter: the character between cells ("tab" for a tab); None: found out.
        encoding: of text tables, e.g. "latin-1"; None: found out.
        missing: words that mean "missing" besides `columns.MISSING`.
        target_name: name of the last column where a .names file names all the others.
        memory: bytes that the columns of a table may take; those of larger Parquet and text files are written to the user's
            cache and mapped. None: no bound.
        form: the raw form, named after its module (documents, text_lines, csv, ...), where a path could be read in several
            ways; folders called train and test stay parts. None: found out.
        expected: names that columns are known by, as those of a model that is asked: a first row of nothing else is a header,
            whatever stands below it.
        usual: the raw form that the files of training had: it goes first where a path could be read in several ways and no
            form is sure, as for a .txt file.
        arrays: arrays of numbers stay as they are, one column each, instead of pictures or a column for each number.
        targets: whether what is to be learned is needed. A question needs none: pictures are read without what is marked in them.
    """

    test: Any = None
    names: str | Path | None = None
    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    target_name: str = "target"
    memory: int | None = None
    form: str | None = None
    expected: tuple[str, ...] = ()
    usual: str | None = None
    arrays: bool = False
    targets: bool = True
