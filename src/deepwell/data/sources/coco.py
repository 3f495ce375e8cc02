"""Pictures with objects marked in COCO's JSON form (Lin et al. 2014, arXiv:1405.0312) -> `image`, `objects`, `split`.

Read are annotations/instances_train2017.json + train2017/, one annotations.json + images/, Roboflow's _annotations.coco.json
inside each part's folder, and one such file by itself. Several files are the parts that their names say. Boxes are
[left, top, width, height] there; crowds are to be ignored; a picture that no annotation names has no objects.

Unusual: outlines of objects are most of such a file and are not read, so they are taken out of its bytes before the JSON is
parsed: 110 MB of it then take 0.2 GB of memory and a second, not 0.7 GB and five. Which folder the pictures lie in is found
by looking the names up.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from deepwell.core.errors import DataError
from deepwell.core.table import Rejected, Table
from deepwell.data.sources import files, marked_pictures, parts, pictures
from deepwell.data.sources.marked_pictures import Marked
from deepwell.data.sources.options import ReadOptions

READS = "pictures with objects marked in COCO's JSON (annotations/instances_train.json)"
HEAD = 1 << 16
SIGNS = ((b"images", b"file_name"), (b"image_id", b"category_id", b"bbox"))
"""Keys of which a file's first bytes hold all of one kind, whichever list it begins with."""
OTHERS = ("captions", "image_info")
"""How COCO's own files begin that mark no objects."""
LOOKED_UP = 50
"""Pictures of a file by which the folder is found that they lie in."""
BEST = "instances"
"""Where several files are of one part (persons' joints, captions), the one with this name counts."""
# `"segmentation": [[...]]` or `{"counts": [...], "size": [...]}`: numbers, brackets and blanks alone, outside any text.
_OUTLINE = re.compile(rb'(?<!\\)"(segmentation|keypoints|counts)"\s*:\s*\[[-+0-9.eE,\s\[\]]*\]')


def claims(path: Path) -> float:
    """0.97 for a folder with such a file in it or in its folder annotations; 0.9 for such a file."""
    if path.is_file():
        return 0.9 if _is_coco(path) else 0.0
    return 0.97 if path.is_dir() and _files(path) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each picture that the files name. Raises DataError for a broken file and where no picture can be used."""
    found = [path] if path.is_file() else _files(path)
    root = path.parent if path.is_file() else path
    if root.name.lower() == "annotations":
        root = root.parent
    chosen, notes = _one_of_each_part(found)
    if not chosen:
        raise DataError(
            "there is no annotation file in COCO's form here", where=str(path),
            repair='such a file begins {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [...], "categories": [...]}',
        )  # fmt: skip
    marked: list[Marked] = []
    rejected: list[Rejected] = []
    if not options.targets:
        return _questions(chosen, root)
    for file in chosen:
        part = str(_part(file)) if len(chosen) > 1 else ""
        some, bad = _read(file, root, part)
        twice = _doubled(some)
        if twice:
            raise DataError(
                f"{len(twice):,} of the pictures are listed more than once in {file.name}", where=str(twice[0]),
                repair="list each picture once, with one id",
            )  # fmt: skip
        marked += some
        rejected += bad
    twice = _doubled(marked)
    if twice:
        raise DataError(
            f"{len(twice):,} of the pictures stand in several of the files {', '.join(f.name for f in chosen)}",
            where=str(twice[0]), repair="take them out of one of the files, so that no part holds what another tests",
        )  # fmt: skip
    known = {one.picture for one in marked}
    around = {one.picture.parent for one in marked}
    out = sum(pictures.is_picture(p) and p not in known for folder in around for p in files.entries(folder))
    if out:
        notes.append(f"pictures beside these that no annotation file names were left out: {out:,}")
    return marked_pictures.table(marked, rejected, notes, path)


def _doubled(marked: Sequence[Marked]) -> list[Path]:
    """The pictures that occur more than once."""
    return [picture for picture, count in Counter(one.picture for one in marked).items() if count > 1]


# which files ---------------------------------------------------------------------------------------------------------
def _files(folder: Path) -> list[Path]:
    """Annotation files directly in a folder, or in its folder called annotations."""
    own = [p for p in files.entries(folder) if _is_coco(p)]
    inner = [
        p for p in files.entries(folder) if p.is_dir() and p.name.lower() in ("annotations", "annotation", "labels")
    ]
    return own or [p for f in inner for p in files.entries(f) if _is_coco(p)]


def _is_coco(path: Path) -> bool:
    """Whether a .json file begins as COCO's do; looks at its first bytes only."""
    if not path.is_file() or files.suffix(path) != ".json":
        return False
    head = files.plain_magic(path, HEAD)
    if head.lstrip()[:1] != b"{" or path.name.startswith(OTHERS):
        return False
    return any(all(b'"%b"' % key in head for key in keys) for keys in SIGNS)


def _part(file: Path) -> str | None:
    """The part that a file's name says: instances_val2017.json -> select."""
    return parts.part_of(files.stem(file))


def _one_of_each_part(found: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files to be read, train first, and what to say of the others. Raises DataError where it cannot be told."""
    if len(found) < 2:
        return list(found), []
    by_part: dict[str | None, list[Path]] = {}
    for file in found:
        by_part.setdefault(_part(file), []).append(file)
    chosen, out = [], []
    for part in ("train", "select", "test", None):
        several = by_part.get(part, [])
        best = [f for f in several if f.name.startswith(BEST)] if len(several) > 1 else several
        if len(best) > 1 or (several and not best) or (part is None and best and len(by_part) > 1):
            raise DataError(
                f"these annotation files do not say which part each is: {', '.join(f.name for f in several)}",
                where=str(several[0].parent), repair="name them train, val and test, or give the one file",
            )  # fmt: skip
        chosen += best
        out += [f for f in several if f not in best]
    if len(chosen) > 1 and "train" not in by_part:
        raise DataError(
            "no annotation file is called train", where=str(found[0].parent), repair="name one of them train"
        )
    return chosen, [f"not read: {', '.join(f.name for f in out)}"] if out else []


# one file ------------------------------------------------------------------------------------------------------------
def _read(file: Path, root: Path, part: str) -> tuple[list[Marked], list[Rejected]]:
    """The pictures of one file with their objects. Rejected: entries that name no picture that is there."""
    value = _parsed(file)
    names = _categories(value, file)
    objects: dict[Any, list[dict[str, Any]] | str] = {}
    rejected: list[Rejected] = []
    images = _entries(value, "images", file)
    for number, image in enumerate(images, start=1):
        key, name = image.get("id"), image.get("file_name")
        if not isinstance(key, int | str) or not isinstance(name, str) or key in objects:
            raise DataError(
                f"image {number} needs an id of its own and a file_name; got {str(image)[:80]}", where=str(file)
            )
        objects[key] = []
    for number, one in enumerate(_entries(value, "annotations", file), start=1):
        key = one.get("image_id")
        if not isinstance(key, int | str) or key not in objects:
            rejected.append(Rejected(f"{file}, annotation {number}", f"there is no image with the id {str(key)[:40]}"))
            continue
        made, before = _object(one, names), objects[key]
        if isinstance(before, list):
            if isinstance(made, str):
                objects[key] = f"object {len(before) + 1} {made} (in {file.name}, annotation {number})"
            else:
                before.append(made)
    marked = []
    for image, picture in zip(images, _located(images, file, root, part), strict=True):
        if isinstance(picture, Rejected):
            rejected.append(picture)
        else:
            marked.append(Marked(picture, objects[image["id"]], _size(image), part))
    if part and images and not marked:
        raise DataError(
            f"none of the {len(images):,} pictures that {file.name} names is there", where=str(file),
            repair="put the pictures beside the annotations: train2017/, val2017/, or images/",
        )  # fmt: skip
    return marked, rejected


def _located(images: Sequence[Mapping[str, Any]], file: Path, root: Path, part: str) -> list[Path | Rejected]:
    """Where each picture of a file lies, or why there is none."""
    folder = _folder([image["file_name"] for image in images], file, root, part)
    found: list[Path | Rejected] = []
    for image in images:
        name = image["file_name"].replace("\\", "/")
        picture = folder / name
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            found.append(Rejected(str(file), f"the picture {name[:80]!r} would lie outside the folder"))
        elif not pictures.is_picture(picture) or not picture.exists():
            found.append(Rejected(str(picture), f"the picture {name[:80]!r} is not in {folder}"))
        else:
            found.append(picture)
    return found


def _questions(chosen: Sequence[Path], root: Path) -> Table:
    """The pictures that the files name, each once; what is marked in them is not asked for."""
    found: dict[Path | Rejected, None] = {}
    for file in chosen:
        part = str(_part(file)) if len(chosen) > 1 else ""
        images = [i for i in _entries(_parsed(file), "images", file) if isinstance(i.get("file_name"), str)]
        found |= dict.fromkeys(_located(images, file, root, part))
    images_ = [one for one in found if isinstance(one, Path)]
    return marked_pictures.questions(images_, [one for one in found if isinstance(one, Rejected)])


def _parsed(file: Path) -> Mapping[str, Any]:
    """The file's JSON without outlines. Raises DataError where it is none."""
    data = _OUTLINE.sub(rb'"\1":0', files.read_bytes(file))
    try:
        value = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is not JSON ({error})", where=str(file), repair="mend the file") from None
    if not isinstance(value, dict):
        raise DataError("this JSON is no object with images and annotations", where=str(file))
    return value


def _no_number(word: str) -> float:
    raise ValueError(f"it holds {word}; JSON has finite numbers only")


def _entries(value: Mapping[str, Any], key: str, file: Path) -> list[dict[str, Any]]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise DataError(f"{key!r} must be a list of objects", where=str(file), repair="see COCO's format of data")
    return found


def _categories(value: Mapping[str, Any], file: Path) -> dict[Any, str]:
    """Category id -> name; two of one name are one class. Raises DataError for doubled ids."""
    names: dict[Any, str] = {}
    for entry in _entries(value, "categories", file):
        key, name = entry.get("id"), entry.get("name")
        if not isinstance(key, int | str) or not isinstance(name, str) or not name.strip() or key in names:
            raise DataError(f"a category needs an id of its own and a name; got {str(entry)[:80]}", where=str(file))
        names[key] = name.strip()
    return names


def _object(one: Mapping[str, Any], names: Mapping[Any, str]) -> dict[str, Any] | str:
    """One annotation as a cell has it, or what is wrong with it."""
    category, box = one.get("category_id"), one.get("bbox")
    label = names.get(category) if isinstance(category, int | str) else None
    if label is None:
        return f"is of the category {str(category)[:40]}, which is not listed"
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(n, int | float) for n in box):
        return f"({label}) needs a bbox [left, top, width, height]; got {str(box)[:60]}"
    left, top, width, height = box
    edges = [left, top, left + width, top + height]
    ignore = one.get("iscrowd") or one.get("ignore")
    return {"label": label, "box": edges, **({"ignore": True} if ignore else {})}


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    return (width, height) if type(width) is int and type(height) is int and width > 0 and height > 0 else None


def _folder(names: Sequence[str], file: Path, root: Path, part: str) -> Path:
    """The folder in which most of some pictures lie: that of the file, those around it, those below; of equals the part's."""
    around = [file.parent, root]
    first = [p for p in files.entries(root) if p.is_dir()]
    below = [*first, *(q for p in first for q in files.entries(p) if q.is_dir())]
    said = [p for p in below if part and parts.part_of(p.name) == part]
    step = max(1, len(names) // LOOKED_UP)
    some = [name.replace("\\", "/") for name in names[::step]]
    candidates = list(dict.fromkeys([*said, *around, *below]))
    return max(candidates, key=lambda folder: sum((folder / name).is_file() for name in some))
