"""Pictures with a text file of boxes each, as YOLO's tools write them -> `image`, `objects` and, where said, `split`.

Read are images/ + labels/ (with folders train, val in them, or inside folders of parts), and both in one folder. A line is
`class centre-x centre-y width height` in shares of the picture's sides, or `class x y x y ...`, an outline, of which the box
around it is taken. The names of the classes stand in a .yaml file (names: ...), classes.txt or obj.names: here, in labels/, or,
where this folder is a part (train), one folder up.

Unusual: a picture without a text file is rejected although these tools take it for empty: nobody can tell it from a forgotten
one. An empty file says that there is no object.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepwell.core.errors import DataError
from deepwell.core.table import Rejected, Table
from deepwell.data.sources import files, marked_pictures, parts, pictures
from deepwell.data.sources.class_folders import walk
from deepwell.data.sources.marked_pictures import Marked
from deepwell.data.sources.options import ReadOptions
from deepwell.data.sources.text import decode

READS = "pictures with boxes in text files (images/ + labels/, as YOLO's tools write them)"
NAMED = ("classes.txt", "obj.names", "_darknet.labels")
HEAD, LARGEST = 1 << 12, 1 << 22
LOOKED_AT = 20
"""Text files of a folder that are looked at to see whether they hold boxes."""
_LINE = re.compile(rb"\s*\d+(\s+[-+]?[0-9.]+([eE][-+]?\d+)?){4,}\s*")
_ENTRY = re.compile(r"""\s*(?:-|(\d+)\s*:)\s*(.+?)\s*(?:\s#.*)?""")


def claims(path: Path) -> float:
    """0.97 for a folder with pictures and text files of boxes for them."""
    if not path.is_dir():
        return 0.0
    entries = files.entries(path)
    labels = next((p for p in entries if p.is_dir() and p.name.lower() == "labels"), None)
    if labels is not None and any(p.is_dir() and p.name.lower() == "images" for p in entries):
        return 0.97 if _boxes(p for p in walk(labels) if p.suffix.lower() == ".txt" and p.name not in NAMED) else 0.0
    stems = {p.stem for p in entries if pictures.is_picture(p)}
    beside = [p for p in entries if p.suffix.lower() == ".txt" and p.stem in stems]
    return 0.97 if _boxes(beside) else 0.0


def _boxes(texts: Any) -> bool:
    """Whether the first text file that is not empty begins with a line of boxes."""
    for _, text in zip(range(LOOKED_AT), texts, strict=False):
        first = files.magic(text, HEAD).lstrip().split(b"\n")[0]
        if first:
            return _LINE.fullmatch(first) is not None
    return False


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each picture that has a text file. Raises DataError where no picture can be used."""
    apart = any(p.is_dir() and p.name.lower() == "images" for p in files.entries(path))
    every = walk(path) if apart else files.entries(path)
    images = _keyed([p for p in every if pictures.is_picture(p)], path, "images" if apart else "")
    if not options.targets:
        return marked_pictures.questions([picture for picture, _ in images])
    texts = _keyed([p for p in every if p.suffix.lower() == ".txt"], path, "labels" if apart else "")
    names, notes = _names(path)
    said = {parts.part_of(key.split("/")[0]) if "/" in key else None for _, key in images}
    several = None not in said and len(said) > 1
    by_key = {key: text for text, key in texts}
    alike = Counter(key for _, key in images)
    marked: list[Marked] = []
    rejected: list[Rejected] = []
    for picture, key in images:
        if alike[key] > 1:
            why = f"{alike[key]} pictures are called {picture.stem}, and the text file may be of any of them"
            rejected.append(Rejected(str(picture), why))
        elif key in by_key:
            part = str(parts.part_of(key.split("/")[0])) if several else ""
            marked.append(Marked(picture, _objects(by_key[key], names), part=part, shares=True))
        else:
            bare = f"there is no text file of it; if it has no objects, give an empty file {picture.stem}.txt"
            rejected.append(Rejected(str(picture), bare))
    if apart:
        known = {key for _, key in images}
        lonely = [text for text, key in texts if key not in known and text.name not in NAMED]
        rejected += [Rejected(str(text), "there is no picture of this name") for text in lonely]
    return marked_pictures.table(marked, rejected, notes, path)


def _keyed(found: Sequence[Path], root: Path, folder: str) -> list[tuple[Path, str]]:
    """Each file with what a picture and its text file have in common: the path below their folders, without suffix.

    folder: where they lie, in lower case; files elsewhere are left out. Empty: anywhere.
    """
    inner = [(path, path.relative_to(root).with_suffix("").parts) for path in found]
    if not folder:
        return [(path, "/".join(names)) for path, names in inner]
    return [(path, "/".join(names[1:])) for path, names in inner if names[0].lower() == folder and len(names) > 1]


def _objects(file: Path, names: Sequence[str]) -> list[dict[str, Any]] | str:
    """The objects of a text file with boxes in shares, or why they cannot be used."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(files.head(file, LARGEST).decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        label, *numbers = line.split()
        try:
            index, values = int(label), [float(n) for n in numbers]
        except ValueError:
            return f"{file.name}, line {number} is not `class x y width height`: {line.strip()[:60]!r}"
        if not 0 <= index < max(len(names), 1) and names:
            return f"{file.name}, line {number} is of class {index}, and {len(names)} classes are named"
        if len(values) != 4 and (len(values) < 6 or len(values) % 2):
            return (
                f"{file.name}, line {number} has {len(values)} numbers behind the class, not 4 or those of an outline"
            )
        if len(values) == 4:
            x, y, width, height = values
            box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        else:
            box = [min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])]
        found.append({"label": names[index] if names else str(index), "box": box})
    return found


# names ---------------------------------------------------------------------------------------------------------------
def _names(path: Path) -> tuple[list[str], list[str]]:
    """The names of the classes and notes. Raises DataError for a .yaml file whose names cannot be read."""
    inside = [p for p in files.entries(path) if p.is_dir() and p.name.lower() == "labels"]
    above = [path.parent] if parts.part_of(path.name) else []  # what lies there otherwise may be of other data
    for folder in (path, *inside, *above):
        for file in files.entries(folder):
            found: list[str] = []
            if file.is_file() and file.suffix.lower() in (".yaml", ".yml"):
                found = named_in_yaml(_text(file), str(file))
            elif file.is_file() and file.name in NAMED:
                found = [line.strip() for line in _text(file).splitlines() if line.strip()]
            if found:
                return found, [f"the names of the {len(found):,} classes are from {file}"]
    return [], ["no file names the classes (data.yaml, classes.txt): they are called by their numbers"]


def _text(file: Path) -> str:
    return decode(files.read_bytes(file, limit=LARGEST), None, str(file)).data.decode("utf-8", "replace")


def named_in_yaml(text: str, where: str) -> list[str]:
    """The list under `names` of a .yaml file, written as [a, b], as lines `- a` or as lines `0: a`; empty without that key.

    Unusual: this one key is read and no other YAML. Raises DataError for names in another form, or numbers with gaps.
    """
    found = re.search(r"^names\s*:[ \t]*(.*)$", text, re.MULTILINE)
    if found is None:
        return []
    first, after = found[1].split(" #")[0].strip(), text[found.end() :]
    if first[:1] in ("[", "{"):
        inner = re.match(r"[\[{](.*?)[\]}]", first + after, re.DOTALL)
        entries = [e for e in re.split(r"[,\n]", inner[1]) if e.strip()] if inner else []
        entries = [e if first[0] == "{" else f"- {e.strip()}" for e in entries]
    else:
        entries = re.match(r"(?:[ \t]*(?:\n|-[^\n]*\n?|[ \t]+\d+\s*:[^\n]*\n?|[ \t]*#[^\n]*\n?))*", after + "\n")[
            0
        ].split("\n")  # type: ignore[index]
        entries = [e for e in entries if e.strip() and not e.strip().startswith("#")]
    read = [_ENTRY.fullmatch(entry) for entry in entries]
    pairs = [(int(m[1]) if m[1] else i, m[2].strip("'\"")) for i, m in enumerate(read) if m]
    if not entries or len(pairs) < len(entries) or sorted(i for i, _ in pairs) != list(range(len(pairs))):
        raise DataError(
            "the names of the classes cannot be read", where=where,
            repair="write `names: [cat, dog]`, or a file classes.txt with one name a line",
        )  # fmt: skip
    return [name for _, name in sorted(pairs)]
