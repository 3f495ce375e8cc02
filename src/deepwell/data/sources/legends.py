"""Legends: what the pixels of masks are called, from the small files that lie beside them.

class_dict.csv (name,r,g,b), label_colors.txt (`64 128 64  Animal`, as CamVid has it), labels.txt, classes.txt, codes.txt and
label_names.txt (one name a line, or `7: car`), classes.json (a list of names, {"0": "road"}, {"road": [128, 64, 128]}, or a
list of objects with name and id or color). Unusual: names that say that a pixel says nothing (void, unlabelled, ignore)
become the legend's void; the palette of Pascal VOC is known by heart, because its masks come without a legend.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepwell.core.errors import DataError
from deepwell.core.table import Legend
from deepwell.data.sources import files
from deepwell.data.sources.text import decode
from deepwell.store import json

TABLES = re.compile(r"(class|label)_?(dict|map|colou?rs?)\.csv")
LISTS = re.compile(r"((label|class)s?|(label|class)es|codes|(label|class)_?(names|list|colou?rs?|colou?r_?map))\.txt")
OBJECTS = re.compile(r"(classes|labels|legend|palette|class_names|label_names)\.json")
VOID_NAMES = frozenset(
    "void unlabelled unlabeled ignore ignored ignoreregion dontcare unknown undefined unclassified border".split()
)
NUMBERED = re.compile(r"\s*(\d+)\s*[:=,;\t ]\s*(\S.*?)\s*")
COLOURED = re.compile(r"\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\S.*?)\s*")
LIMIT = 1 << 20
MOST_CLASSES = 254
"""One number of a byte stays for pixels that say nothing."""


def find(folders: Sequence[Path]) -> tuple[Legend, Path] | None:
    """The legend in the first of the folders that has one, and its file; None where none has.

    Raises DataError for a file that is named like a legend and is none, or that names more classes than a mask can hold.
    """
    for folder in folders:
        for entry in files.entries(folder) if folder.is_dir() else ():
            name = entry.name.lower()
            if entry.is_file() and any(form.fullmatch(name) for form in (TABLES, LISTS, OBJECTS)):
                return _read(entry), entry
    return None


def _read(path: Path) -> Legend:
    name = path.name.lower()
    data = files.read_bytes(path, limit=LIMIT)
    if OBJECTS.fullmatch(name):
        names = _from_json(json.read(data, str(path), DataError), path)
    else:
        text = decode(data, None, str(path)).data.decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        names = _from_table(text, path) if TABLES.fullmatch(name) else _from_lines(lines, path)
    if len({pixel.startswith("#") for pixel in names}) > 1:
        colour, number = (next(p for p in names if p.startswith("#") is sort) for sort in (True, False))
        raise DataError(
            f"this legend calls {names[colour]!r} by a colour ({colour}) and {names[number]!r} by a number ({number})",
            where=str(path), repair="give every class a colour, or every class a number",
        )  # fmt: skip
    if not 1 <= len(names) <= MOST_CLASSES:
        raise DataError(
            f"this legend names {len(names)} classes; 1 to {MOST_CLASSES} can be told apart", where=str(path),
            repair="remove the file if it is no legend",
        )  # fmt: skip
    return legend(names)


def legend(names: Mapping[str, str]) -> Legend:
    """A Legend whose void are the pixels of names such as `void` or `unlabelled`. names: pixel (`7`, `#rrggbb`) -> class."""
    void = tuple(pixel for pixel, name in names.items() if _plain(name) in VOID_NAMES)
    return Legend({pixel: name for pixel, name in names.items() if pixel not in void}, void)


def colour(red: int, green: int, blue: int) -> str:
    """`#rrggbb`."""
    return f"#{red:02x}{green:02x}{blue:02x}"


def _plain(name: str) -> str:
    """Only the letters of a name, in lower case."""
    return re.sub(r"[^a-z]", "", name.lower())


def _from_table(text: str, path: Path) -> dict[str, str]:
    """name,r,g,b in any order, with a header; or name,id. Raises DataError for a line that lacks a cell."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    head = lines[0][1] if lines else []
    place = {cell.lower(): column for column, cell in enumerate(head)}
    named = next((place[word] for word in ("name", "class", "label", "class_name") if word in place), None)
    reds = [place.get(word[0], place.get(word)) for word in ("red", "green", "blue")]
    number = next((place[word] for word in ("id", "index", "value", "label_id", "class_id") if word in place), None)
    if named is None or (None in reds and number is None):
        raise DataError(
            f"a legend needs the columns name, r, g, b or name, id; this has {', '.join(head)}", where=str(path),
            repair="write its first line as name,r,g,b",
        )  # fmt: skip
    found: dict[str, str] = {}
    columns = [r for r in reds if r is not None] if None not in reds else [number or 0]
    for line, cells in lines[1:]:
        where = f"{path}, line {line}"
        if len(cells) <= max(named, *columns):
            raise DataError(f"this line has {len(cells)} cells, the first one {len(head)}", where=where)
        _add(found, _pixel([cells[c] for c in columns], where), cells[named], where)
    return found


def _from_lines(lines: Sequence[str], path: Path) -> dict[str, str]:
    """`r g b name`, `7: name`, or the names alone, numbered from 0."""
    found: dict[str, str] = {}
    for form, groups in ((COLOURED, 3), (NUMBERED, 1)):
        matches = [form.fullmatch(line) for line in lines]
        if all(matches):
            for row, match in enumerate(matches, start=1):
                where = f"{path}, line {row}"
                if match:
                    _add(found, _pixel(match.groups()[:groups], where), match.groups()[-1], where)
            return found
    for row, line in enumerate(lines):
        _add(found, str(row), line.strip(), f"{path}, line {row + 1}")
    return found


def _from_json(value: Any, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    pairs: list[tuple[Any, Any]]
    if isinstance(value, list):
        objects = all(isinstance(v, dict) for v in value)
        pairs = [(_pixel_of(v, place), v.get("name")) if objects else (place, v) for place, v in enumerate(value)]
    elif isinstance(value, dict):
        pairs = [(v, k) if isinstance(v, list | int) else (k, v) for k, v in value.items()]
    else:
        pairs = []
    for pixel, name in pairs:
        if not isinstance(name, str):
            raise DataError(f"a legend has names; got {str(name)[:60]!r}", where=str(path), repair='{"0": "road"}')
        _add(found, _pixel(pixel if isinstance(pixel, list) else [str(pixel)], str(path)), name, str(path))
    return found


def _pixel_of(value: Mapping[str, Any], place: int) -> Any:
    """The pixel of an object with name and color or id; its place in the list where it has neither."""
    return next((value[word] for word in ("color", "colour", "rgb", "id", "index", "value") if word in value), place)


def _pixel(values: Sequence[Any], where: str) -> str:
    """A pixel as a Legend writes it, of one number or three. Raises DataError for anything else."""
    text = [str(v).strip() for v in values]
    if len(text) == 1 and re.fullmatch(r"#[0-9a-fA-F]{6}", text[0]):
        return text[0].lower()
    if len(text) in (1, 3) and all(re.fullmatch(r"\d{1,5}", t) for t in text):
        numbers = [int(t) for t in text]
        if len(numbers) == 1 and numbers[0] < 1 << 16:
            return str(numbers[0])
        if len(numbers) == 3 and max(numbers) <= 255:
            return colour(*numbers)
    raise DataError(f"{', '.join(text)!r} is no pixel: a number, or red, green and blue from 0 to 255", where=where)


def _add(found: dict[str, str], pixel: str, name: str, where: str) -> None:
    """Add one entry. Raises DataError for a pixel that stands twice with different names, and for an empty name."""
    if not name.strip():
        raise DataError(f"the pixel {pixel} has no name", where=where)
    if found.get(pixel, name) != name:
        raise DataError(f"the pixel {pixel} is called {found[pixel]!r} and {name!r}", where=where, repair="keep one")
    found[pixel] = name.strip()
