"""Which raw form a path is: each module beside this one that has `claims` is a form; the one that claims it highest reads it.

Unusual: there is no list of forms. A new form is a new file with READS, claims and read (see Form).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from deepwell.core.errors import ConfigError, DataError, nearest
from deepwell.core.table import Table
from deepwell.data.sources import files, parallel, parts, pictures
from deepwell.data.sources.options import ReadOptions

PACKAGE = "deepwell.data.sources"
SURE = 0.8
"""A form that claims a path so surely reads it, whatever form other files had."""
POSSIBLE = 0.15
"""A form that claims a path at least so surely reads it where other files had that form, and no form is sure."""
CONVERT = {
    ".xlsx": "save the sheet as CSV", ".xls": "save the sheet as CSV", ".ods": "save the sheet as CSV",
    ".zip": "unpack it and give the folder", ".tar": "unpack it and give the folder", ".7z": "unpack it",
    ".tgz": "unpack it and give the folder", ".rar": "unpack it and give the folder", ".bz2": "unpack it", ".xz": "unpack it",
    ".pt": "pickled files can run code and are never opened: save the arrays with numpy.savez",
    ".pth": "pickled files can run code and are never opened: save the arrays with numpy.savez",
    ".pkl": "pickled files can run code and are never opened: save the table as CSV or Parquet",
    ".pickle": "pickled files can run code and are never opened: save the table as CSV or Parquet",
    ".joblib": "pickled files can run code and are never opened: save the table as CSV or Parquet",
    ".feather": "write it as Parquet", ".arrow": "write it as Parquet", ".orc": "write it as Parquet",
    ".h5": "save the arrays with numpy.savez", ".hdf5": "save the arrays with numpy.savez",
    ".mat": "save the arrays with numpy.savez", ".db": "export the table as CSV", ".sqlite": "export the table as CSV",
    ".sav": "export the table as CSV", ".dta": "export the table as CSV", ".arff": "export the table as CSV",
}  # fmt: skip


class Form(Protocol):
    """What a module of this package offers to be a raw form.

    One that only puts together what other forms read has PARTS_ONLY = True. One whose tables can be mapped also has
    `size(path) -> int`: the bytes that their columns take in memory, about.
    """

    __name__: str
    READS: str
    """The form in words, for error texts."""

    def claims(self, path: Path) -> float:
        """How surely this path is of this form: 0 = not, 1 = certainly. Looks at the name and the first bytes only."""
        ...

    def read(self, path: Path, options: ReadOptions) -> Table:
        """The path as a Table. Raises DataError for what cannot be used."""
        ...


@cache
def forms() -> tuple[Form, ...]:
    """All raw forms, by file name."""
    package = importlib.import_module(PACKAGE)
    modules = [importlib.import_module(f"{PACKAGE}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    return tuple(cast(Form, m) for m in modules if hasattr(m, "claims"))


def best(path: Path) -> tuple[float, Form | None]:
    """The form that claims a path highest, with its rank; (0, None) if none does."""
    ranked = [(form.claims(path), form) for form in forms()]
    rank, form = max(ranked, key=lambda pair: pair[0])
    return (rank, form) if rank > 0 else (0.0, None)


def read_path(path: str | Path, options: ReadOptions) -> Table:
    """One file or folder as a Table. Raises DataError if it is missing, unreadable, of an unknown form or without rows."""
    if parallel.is_stem(Path(path)):
        return parallel.read(Path(path), options)
    found = unwrap(files.check(path))
    if found.is_file() and not files.head(found, 1):
        raise DataError("the file is empty (0 bytes)", where=str(found), repair="give the file that holds the data")
    table = _read(found, options)
    if not len(table):
        told = f" where it is read as {options.form!r}" if options.form else ""
        raise DataError(f"there is no usable row{told}", where=str(found), repair="give the file that holds the data")
    return table


def form_of(path: str | Path) -> str | None:
    """The name of the form in which `read_path` reads a path, of folders of parts that of train; None where there is none."""
    if parallel.is_stem(Path(path)):
        return _name(parallel)
    found = unwrap(files.check(path))
    form = best(found)[1]
    inside = [p for p in files.entries(found) if p.is_dir()] if found.is_dir() else []
    if getattr(form, "PARTS_ONLY", False):
        return form_of(next(p for p in inside if parts.part_of(p.name) == "train"))
    if form is None and len(inside) == 1:
        form = best(inside[0])[1]
    return _name(form) if form else None


def _name(form: Any) -> str:
    """What a form is called by users: its file's name."""
    return str(form.__name__.rpartition(".")[2])


def _read(path: Path, options: ReadOptions) -> Table:
    """A path as a Table: in the form that the user said, else found out. Folders of parts are put together before that."""
    rank, form = best(path)
    if form is not None and getattr(form, "PARTS_ONLY", False):
        return form.read(path, options)
    known = {_name(f): f for f in forms()}
    if options.form is not None:
        if options.form not in known:
            raise ConfigError(f"there is no form of data {options.form!r}{nearest(options.form, known)}")
        return known[options.form].read(path, options)
    usual = known.get(options.usual or "")
    if usual is not None and rank < SURE and usual.claims(path) >= POSSIBLE:
        form = usual
    if form is not None:
        return form.read(path, options)
    folders = [p for p in files.entries(path) if p.is_dir()] if path.is_dir() else []
    inner = best(folders[0])[1] if len(folders) == 1 else None
    if inner is None:
        raise _unknown(path)
    return inner.read(folders[0], options)


def sharing(paths: Sequence[Path], options: ReadOptions) -> ReadOptions:
    """The options for each of several files or folders: where together they are too large for memory, each is mapped."""
    if options.memory is None or sum(table_bytes(path) for path in paths) <= options.memory:
        return options
    return replace(options, memory=0)


def table_bytes(path: Path) -> int:
    """Bytes that the tables at a path, or directly in it, take in memory, about; 0 for what is never mapped."""
    if path.is_dir():
        return sum(table_bytes(inside) for inside in files.entries(path) if inside.is_file())
    if pictures.is_picture(path):
        return 0
    form = best(path)[1]
    size = getattr(form, "size", None)
    return int(size(path)) if size is not None else 0


def unwrap(folder: Path) -> Path:
    """The folder inside a folder that holds only it, as unpacked archives do: flowers/flowers/rose -> flowers/flowers.

    A single folder without folders inside is left: it may be the only class.
    """
    found, seen = folder, set[Path]()
    while found.is_dir() and found.resolve() not in seen:
        seen.add(found.resolve())
        inside = [p for p in files.entries(found) if p.is_dir() or not files.note(p.name)]
        if len(inside) != 1 or not inside[0].is_dir() or not any(p.is_dir() for p in files.entries(inside[0])):
            return found
        found = inside[0]
    return found


def _unknown(path: Path) -> DataError:
    """The DataError for a path that no form claims."""
    readable = "; ".join(form.READS for form in forms())
    if path.is_dir():
        folders = [p for p in files.entries(path) if p.is_dir()]
        found = contents(path) + (f"; folders in it: {names_of(folders)}" if folders else "")
        return DataError(
            f"there is nothing in this folder that can be read ({found or 'it is empty'}); what can be read: {readable}",
            where=str(path), repair="give the folder or file that holds the data",
        )  # fmt: skip
    kind = files.suffix(path) or "without suffix"
    return DataError(
        f"a file of this kind ({kind}) cannot be read; what can be read: {readable}",
        where=str(path), repair=CONVERT.get(kind, "convert it to CSV, JSON lines or Parquet"),
    )  # fmt: skip


def contents(folder: Path) -> str:
    """What lies in a folder and its folders, by suffix: `40 .wav, 1 .md`; looks at no more than 10,000 entries."""
    counts: Counter[str] = Counter()
    waiting: list[Path] = [folder]
    seen = 0
    while waiting and seen < 10_000:
        for path in files.entries(waiting.pop()):
            seen += 1
            if path.is_dir() and not path.is_symlink():
                waiting.append(path)
            elif path.is_file():
                counts[files.suffix(path) or "without suffix"] += 1
    return ", ".join(f"{n} {kind}" for kind, n in counts.most_common(5))


def names_of(paths: Sequence[Path]) -> str:
    """A few file names for an error text."""
    return ", ".join(p.name for p in paths[:5]) + (", ..." if len(paths) > 5 else "")
