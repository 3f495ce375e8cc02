"""Pictures with objects marked in the XML form of PASCAL VOC (Everingham et al. 2010) -> `image`, `objects`, `split`.

Read are JPEGImages/ + Annotations/ (also images/ + annotations/), both in one folder, and these with folders inside; the lists
ImageSets/Main/{train,val,trainval,test}.txt become the column `split`. Objects marked as difficult are to be ignored.

Unusual: XML is read without document type declarations, so nothing can be included or expanded. PASCAL's own files number
pixels from 1 and include the last; files of other tools (LabelImg, CVAT, Roboflow) hold edges. Which it is follows from the
<database> that the file names. A picture without annotation is rejected; an empty annotation file says that it has no objects.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from deepwell.core.errors import DataError
from deepwell.core.table import Rejected, Table
from deepwell.data.sources import files, marked_pictures, parts, pictures
from deepwell.data.sources.class_folders import walk
from deepwell.data.sources.marked_pictures import Marked
from deepwell.data.sources.options import ReadOptions

READS = "pictures with objects marked in XML (JPEGImages/ + Annotations/, PASCAL VOC)"
PICTURES = frozenset("jpegimages images image imgs img pictures photos pics".split())
ANNOTATIONS = frozenset("annotations annotation annots labels xml xmls".split())
LISTS = {"test": "test", "val": "select", "train": "train", "trainval": "train"}
"""Name of a list -> part; where a picture stands in several, the first of these counts."""
OWN = "The VOC"
"""How the database of a file begins that was made for PASCAL's challenge."""
HEAD, LARGEST, DEEPEST = 1 << 12, 1 << 24, 32


def claims(path: Path) -> float:
    """0.97 for a folder with pictures and annotations in it or in folders of its own."""
    if not path.is_dir():
        return 0.0
    entries = files.entries(path)
    if _annotated(entries):
        return 0.97
    folders = [p for p in entries if p.is_dir()]
    if any(_annotated(walk(p)) for p in folders if p.name.lower() in ANNOTATIONS):
        return 0.97
    if len({parts.part_of(p.name) for p in folders} - {None}) > 1:
        return 0.0  # folders of parts, each of which is of this form
    return 0.97 if any(_annotated(files.entries(p)) for p in folders) else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each picture that has an annotation. Raises DataError where no picture can be used.

    Rejected are pictures without annotation, annotations without picture, and pictures with an object that cannot be used.
    """
    images = _pictures(path)
    if not options.targets:
        return marked_pictures.questions(images)
    places = _Places(path, images)
    found: dict[Path, Marked] = {}
    rejected: list[Rejected] = []
    for annotation in (p for p in walk(path) if p.suffix.lower() == ".xml"):
        one = _read(annotation, places)
        if isinstance(one, Rejected):
            rejected.append(one)
        elif one.picture in found:
            rejected.append(Rejected(str(annotation), f"another annotation is of the same picture {one.picture.name}"))
        else:
            found[one.picture] = one
    said, notes = _parts(path, images, _lists(path))
    listed = [p for p in images if said[p] or not any(said.values())]
    for picture in listed:
        if picture not in found:
            bare = f"there is no annotation of it; if it has no objects, give an empty file {picture.stem}.xml"
            rejected.append(Rejected(str(picture), bare))
    marked = [
        Marked(p, found[p].objects, found[p].size, said[p]) for p in listed if p in found
    ]  # fmt: skip
    return marked_pictures.table(marked, rejected, notes, path)


# which files ---------------------------------------------------------------------------------------------------------
def _annotated(entries: Sequence[Path]) -> bool:
    """Whether the first XML file among these is an annotation."""
    first = next((p for p in entries if p.suffix.lower() == ".xml" and p.is_file() and p.stat().st_size), None)
    return first is not None and b"<annotation" in files.plain_magic(first, HEAD)


def _pictures(path: Path) -> list[Path]:
    """The pictures: those in folders that are named after them, where there are any, else all but masks."""
    folders = [p for p in files.entries(path) if p.is_dir()]
    named = [p for p in folders if p.name.lower() in PICTURES]
    found = [p for folder in named or [path] for p in walk(folder) if pictures.is_picture(p)]
    return [p for p in found if named or not _masks(p.relative_to(path).parts[:-1])]


def _masks(folders: Sequence[str]) -> bool:
    return any(f.lower().startswith(("segmentation", "mask")) for f in folders)


def _key(path: Path, root: Path) -> str:
    """What a picture and its annotation have in common: the path without suffix and without the folders' own names."""
    kept = [f for f in path.relative_to(root).parts[:-1] if f.lower() not in PICTURES | ANNOTATIONS]
    return "/".join([*kept, path.stem])


class _Places:
    """Where pictures lie, by the keys under which annotations and lists name them."""

    def __init__(self, root: Path, images: Sequence[Path]) -> None:
        self.root = root
        self._by_key: dict[str, list[Path]] = defaultdict(list)
        for picture in images:
            self._by_key[_key(picture, root)].append(picture)
        self._by_name: dict[str, Path | None] = {}
        for picture in images:
            for name in {picture.name, picture.stem}:
                self._by_name[name] = None if name in self._by_name else picture

    def of(self, annotation: Path, named: str) -> Path | str:
        """The picture of an annotation: of the same name, else the one that it names itself; or why it is not clear.

        Of several pictures of the same name (a.jpg, a.png) it is the one that the annotation names.
        """
        named = named.replace("\\", "/").rsplit("/", 1)[-1]
        alike = self._by_key.get(_key(annotation, self.root), [])
        if len(alike) > 1:
            meant = [p for p in alike if p.name == named]
            names = ", ".join(p.name for p in alike)
            return meant[0] if meant else f"several pictures have this name ({names}), and it names none of them"
        found = alike[0] if alike else self._by_name.get(annotation.stem) or self._by_name.get(named)
        return found or "there is no picture of this name"

    def listed(self, name: str) -> list[Path]:
        """The pictures that a line of a list names, with or without folder and suffix; several where they differ in suffix."""
        plain = name.replace("\\", "/").removeprefix("./")
        plain = plain if not pictures.is_picture(Path(plain)) else plain.rsplit(".", 1)[0]
        one = self._by_name.get(plain.rsplit("/", 1)[-1])
        return self._by_key.get(plain) or ([one] if one else [])


# parts ---------------------------------------------------------------------------------------------------------------
def _lists(path: Path) -> dict[str, Path]:
    """Name of a list -> its file."""
    for folder in (path / "ImageSets" / "Main", path / "ImageSets"):
        found = {name: folder / f"{name}.txt" for name in LISTS if (folder / f"{name}.txt").is_file()}
        if found:
            return found
    return {}


def _parts(path: Path, images: Sequence[Path], lists: dict[str, Path]) -> tuple[dict[Path, str], list[str]]:
    """The part of each picture, empty where none is said, and notes.

    Where there is no list of training pictures, those that stand in no list are. Raises DataError for a picture in train and
    test, and where the lists leave none to train on.
    """
    if not lists:
        folders = [_key(p, path).rpartition("/")[0].split("/")[0] for p in images]
        said = [parts.part_of(f) if f else None for f in folders]
        several = None not in said and len(set(said)) > 1
        return {p: str(part) if several else "" for p, part in zip(images, said, strict=True)}, []
    places, found, absent = _Places(path, images), dict.fromkeys(images, ""), 0
    for name, part in LISTS.items():
        lines = files.head(lists[name], LARGEST).decode("utf-8", "replace").splitlines() if name in lists else []
        named = [places.listed(line.split()[0]) for line in lines if line.strip()]
        absent += sum(not some for some in named)
        for picture in (p for some in named for p in some):
            if found[picture] == "test" != part:
                raise DataError(
                    f"the picture {picture.name} is in test.txt and in {name}.txt", where=str(lists[name].parent),
                    repair="take it out of one of them",
                )  # fmt: skip
            found[picture] = found[picture] or part
    notes = []
    if absent:
        notes.append(f"lines of the lists in {lists[next(iter(lists))].parent} that name no picture here: {absent:,}")
    out = sum(not part for part in found.values())
    told = ", ".join(p.name for p in lists.values())
    if out == len(images):
        return found, [f"the lists {told} name no picture that is here: not used"]
    if "train" in found.values():
        left = [f"pictures that are in none of the lists {told} were left out: {out:,}"] if out else []
        return found, notes + left
    if not out or set(lists) & {"train", "trainval"}:
        raise DataError(
            f"the lists {told} leave no picture to train on", where=str(next(iter(lists.values())).parent),
            repair="add a list train.txt that names training pictures, or take the lists away",
        )  # fmt: skip
    notes.append(f"there is no train.txt: the {out:,} pictures that are in none of the lists {told} are to train on")
    return {p: part or "train" for p, part in found.items()}, notes


# one annotation ------------------------------------------------------------------------------------------------------
def _read(path: Path, places: _Places) -> Marked | Rejected:
    """What one annotation file says, and of which picture."""
    try:
        root = parsed(files.head(path, LARGEST + 1))
    except (expat.ExpatError, ValueError) as error:
        return Rejected(str(path), f"the annotation cannot be read: {error}")
    if root is not None and root.tag != "annotation":
        return Rejected(str(path), f"this is no annotation of a picture: its outermost element is <{root.tag[:40]}>")
    picture = places.of(path, "" if root is None else _text(root, "filename"))
    if isinstance(picture, str):
        return Rejected(str(path), picture)
    if root is None:
        return Marked(picture, [])
    first = 1.0 if _text(root, "source/database").startswith(OWN) else 0.0
    found: list[dict[str, Any]] = []
    for number, one in enumerate(root.findall("object"), start=1):
        made = _object(one, first)
        if isinstance(made, str):
            return Marked(picture, f"object {number} {made} (in {path})")
        found.append(made)
    sides = [_text(root, f"size/{side}") for side in ("width", "height")]
    size = (int(sides[0]), int(sides[1])) if all(s.isdecimal() and int(s) for s in sides) else None
    return Marked(picture, found, size)


def _object(one: ElementTree.Element, first: float) -> dict[str, Any] | str:
    """One object as a cell has it, or what is wrong with it. first: the number of the first pixel."""
    label, box = _text(one, "name"), one.find("bndbox")
    if not label:
        return "has no <name>"
    if box is None:
        return f"({label}) has no <bndbox>: only upright boxes are read"
    edges = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        try:
            edges.append(float(_text(box, name)) - (first if name.endswith("min") else 0.0))
        except ValueError:
            return f"({label}) has no number as <{name}>: {_text(box, name)[:20]!r}"
    ignore = _text(one, "difficult").lower() in ("1", "true")
    return {"label": label, "box": edges, **({"ignore": True} if ignore else {})}


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def parsed(data: bytes) -> ElementTree.Element | None:
    """The outermost element of an XML file; None for an empty one.

    Raises ValueError for a document type declaration, more than 16 MiB or deep nesting; expat.ExpatError for what is no XML.
    """
    if not data.strip():
        return None
    if len(data) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} elements")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(name: str, system: str | None, public: str | None, inside: bool) -> None:
        raise ValueError(
            "it has a document type declaration (<!DOCTYPE ...>), which could include or expand other text"
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)
    return builder.close()
