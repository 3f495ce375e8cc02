"""Class folders of texts: reviews/pos/1.txt, reviews/neg/2.txt -> columns `text` and `label` (the folder's name).

A folder is taken for class folders, and not for a tree of documents, if it holds two or more folders, each with text files
directly in it (or empty) and no folder with text files further down, and at most a tenth as many files lie beside these
folders. --form documents reads it as documents. Markdown files alone never make classes: they are documentation.
"""

from __future__ import annotations

from pathlib import Path

from deepwell.core.errors import DataError
from deepwell.core.table import Rejected, Table
from deepwell.data.sources import documents, files, parts, prose
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions

READS = "class folders of texts (reviews/pos/*.txt)"
UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled", "unsupervised"})
BESIDE = 0.1


def claims(path: Path) -> float:
    """0.45 for a folder of class folders; see the rule at the top."""
    if not path.is_dir():
        return 0.0
    folders = [p for p in files.entries(path) if p.is_dir()]
    if len(folders) < 2 or not all(_flat(folder) for folder in folders):
        return 0.0
    count = sum(len(prose.directly(folder)) for folder in folders)
    beside = [p for p in files.entries(path) if p.is_file() and not files.about(p.name)]
    return 0.45 if count and len(beside) <= BESIDE * count else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """All text files of the class folders, labelled by the folder; in folders called unsup or unlabelled the label is missing.

    Text files beside the folders and unreadable ones are rejected. Raises DataError where none is usable or a class holds
    tables.
    """
    rejected = [
        Rejected(str(p), "the file lies outside the class folders, so it has no label") for p in prose.directly(path)
    ]
    tables: list[tuple[str, Table]] = []
    for folder in (p for p in files.entries(path) if p.is_dir()):
        texts = prose.directly(folder)
        if not texts:
            continue
        if options.form is None:
            documents.check_tables(folder, texts)
        found = documents.gather(texts, options)
        label = None if folder.name.lower() in UNLABELLED else folder.name
        tables.append((str(folder), found.with_columns({"label": objects([label] * len(found))})))
    if not tables:
        raise DataError("there is no text in the class folders", where=str(path), repair="give .txt files")
    stacked = parts.stack(tables)
    return Table(stacked.columns, stacked.origin, (*rejected, *stacked.rejected))


def _flat(folder: Path) -> bool:
    """Whether a folder has text files directly in it and none further down, or no file at all."""
    inside = files.entries(folder)
    if any(p.is_dir() for p in inside):
        return False
    return not any(p.is_file() for p in inside) or any(p.is_file() and prose.is_prose(p) for p in inside)
