"""Class folders: flowers/rose/x.jpg, flowers/tulip/y.jpg -> columns `image` (ImageFile) and `label` (the folder's name).

Unusual: links to folders are followed but no folder is visited twice, so loops end. Rows are sorted by class and path.
"""

from __future__ import annotations

from pathlib import Path

from deepwell.core.errors import DataError
from deepwell.core.table import ImageFile, Rejected, Table
from deepwell.data.sources import files, parts, pictures
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions

READS = "class folders (flowers/rose/*.jpg)"
CONTENTS = frozenset("jpegimages images image imgs img pictures photos pics annotations labels".split())
"""Names of folders, in lower case, that say what files are in them and not what pictures show."""


def claims(path: Path) -> float:
    """0.6 for a folder whose folders hold pictures at any depth."""
    if not path.is_dir():
        return 0.0
    return 0.6 if any(p.is_dir() and holds_pictures(p) for p in files.entries(path)) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """All pictures below the class folders, labelled by the first folder below `path`.

    Pictures outside every class folder, empty ones and unreadable kinds are rejected. Folders that are all named after their
    contents (images, train) are no classes: their pictures have no label. Raises DataError if none is usable.
    """
    images: list[Path] = []
    labels: list[str] = []
    rejected: list[Rejected] = []
    for entry in files.entries(path):
        if entry.is_dir():
            good, bad = pictures.sort_out(walk(entry))
            images += good
            labels += [entry.name] * len(good)
            rejected += bad
        elif pictures.is_picture(entry):
            rejected.append(Rejected(str(entry), "the picture lies outside the class folders, so it has no label"))
    if images and all(_no_class(label) for label in set(labels)):
        return pictures.table(images, rejected)
    if not images:
        raise DataError(
            "there is no usable picture in the class folders", where=str(path), repair="give readable pictures"
        )
    columns = {"image": objects(ImageFile(str(p)) for p in images), "label": objects(labels)}
    return Table(columns, pictures.origin(images), tuple(rejected))


def _no_class(name: str) -> bool:
    return name.lower() in CONTENTS or parts.part_of(name) is not None


def walk(folder: Path) -> list[Path]:
    """All visible files below a folder, sorted by path; links are followed, no folder is visited twice."""
    found: list[Path] = []
    waiting, seen = [folder], {folder.resolve()}
    while waiting:
        for entry in files.entries(waiting.pop()):
            if entry.is_dir():
                real = entry.resolve()
                if real not in seen:
                    seen.add(real)
                    waiting.append(entry)
            else:
                found.append(entry)
    return sorted(found)


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture (or a file that looks like one) at any depth below a folder."""
    kinds = pictures.SUFFIXES | pictures.PICTURE_LIKE
    return any(p.suffix.lower() in kinds for p in files.entries(folder)) or any(
        p.suffix.lower() in kinds for p in walk(folder)
    )
