"""Parallel text files: train.en and train.de, line i of one belongs to line i of the other -> one column for each suffix.

Also gzipped, corpus.en-de.en, train.en.txt, en.txt with de.txt, and pairs of roles such as train.src and train.tgt. A folder
may hold several stems: train, val, test_2016, test_2017 (files of one part are put one below the other). A stem may be
given as if it were a file (folder/test_2016), so that one test of several can be chosen, and the files as a list. Lines are
never moved: files of unequal length are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Rejected, Table
from deepwell.data.sources import files, parts, prose
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions
from deepwell.data.sources.parting import where_they_part

READS = "parallel text files (train.en and train.de)"
# ISO 639-1; those of three letters (ISO 639-3) only with a script or country (eng_Latn), because many suffixes have three.
LANGUAGES = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es "
    "et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj "
    "kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv "
    "ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th "
    "ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split()
)
REGION = re.compile(r"([a-z]{2,3})[-_]([A-Za-z]{2}|[A-Z][a-z]{3}|XX)")
ROLES = (
    "src source in input article document text complex long question tgt target trg out output title abstract summary simple "
    "short answer"
).split()
"""Suffixes that say what a side is for, sources first: the columns stand in this order."""
Group = Mapping[str, Path]


def claims(path: Path) -> float:
    """0.65 for a folder with at least one stem in two suffixes, 0.3 for a single file whose suffix is one."""
    if path.is_dir():
        groups = [group for group in _groups(files.entries(path)).values() if len(group) > 1]
        return 0.65 if any(prose.begins_as_text(file) for group in groups for file in group.values()) else 0.0
    text = path.is_file() and _side(path) and prose.begins_as_text(path)
    return 0.3 if text and not prose.is_table(path) else 0.0


def is_stem(path: Path) -> bool:
    """Whether a path that is not there names parallel files: folder/train for folder/train.en and folder/train.de."""
    return not path.exists() and path.parent.is_dir() and len(_of_stem(path)) > 1


def read(path: Path, options: ReadOptions) -> Table:
    """The lines as rows, columns named by suffix; of several stems one below the other, as parts if the names say so.

    A single file gives its own column: a question to a trained model needs no answer beside it. Rows of which both sides
    are blank are rejected. Raises DataError for different numbers of lines and for a stem that lacks a side.
    """
    if path.is_file():
        side = _side(path)
        return _group({side[1] if side else path.name: path}, options)
    if is_stem(path):
        return _group(_of_stem(path), options)
    return join(files.entries(path), options)


def are_sides(paths: Sequence[Path]) -> bool:
    """Whether each of the files is one side of several: train.en and train.de, but not train.en and notes.csv."""
    groups = _groups(paths).values()
    return bool(paths) and all(len(group) > 1 for group in groups) and sum(map(len, groups)) == len(paths)


def join(paths: Sequence[Path], options: ReadOptions) -> Table:
    """Those of the files that are sides, stem by stem, as `read` gives them.

    Sides are those of the stems with at least two. A file that is another side of its stem alone (download.sh) is rejected.
    """
    groups = _groups(paths)
    paired = [group for group in groups.values() if len(group) > 1] or list(groups.values())
    sides = _order(list(dict.fromkeys(side for group in paired for side in group)), list(groups))
    alone = [group for group in groups.values() if not set(group) & set(sides)]
    groups = {stem: group for stem, group in groups.items() if group not in alone}
    for stem, group in groups.items():
        lacking = [side for side in sides if side not in group]
        if lacking:
            there, example = ", ".join(p.name for p in group.values()), next(iter(paired[0].values()))
            raise DataError(
                f"there is {there}, but no {lacking[0]!r} side of {stem!r}, which other files here have",
                where=str(example.parent),
                repair=f"add the missing side, move {there} away, or give one stem, e.g. {_stem(example)}",
            )
    found = parts.by_name(
        [(str(_stem(g[sides[0]])), s, _group({side: g[side] for side in sides}, options)) for s, g in groups.items()]
    )
    beside = [Rejected(str(file), "no other file here is a side to it") for group in alone for file in group.values()]
    return Table(found.columns, found.origin, (*found.rejected, *beside))


def _stem(path: Path) -> Path:
    """The stem of a side, as it may be given instead of a file."""
    side = _side(path)
    return path.with_name(side[0]) if side and side[0] else path


def _of_stem(path: Path) -> Group:
    """The files of one stem, in the order of their columns."""
    group = _groups(files.entries(path.parent)).get(path.name, {})
    return {side: group[side] for side in _order(list(group), [path.name])}


def _groups(paths: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """stem -> side -> file, of the files whose names end in a language or role; stems by name."""
    found: dict[str, dict[str, Path]] = {}
    for path in paths:
        side = _side(path)
        if side and path.is_file():
            stem, name = side
            if name in found.setdefault(stem, {}):
                raise DataError(
                    f"{found[stem][name].name} is the same side of {stem!r}", where=str(path), repair="keep one"
                )
            found[stem][name] = path
    return found


def _side(path: Path) -> tuple[str, str] | None:
    """(stem, side) of a file name: (train, en) for train.en, train.en.gz and train.en.txt; None where it says no side."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    stem, _, last = name.rpartition(".")
    region = REGION.fullmatch(last)
    if last in LANGUAGES or last in ROLES or (region and (len(region[1]) == 3 or region[1] in LANGUAGES)):
        plain = last in ROLES and name != path.name.removesuffix(".gz")  # question.txt alone is a document
        return None if plain and not stem else (stem, last)
    return None


def _order(sides: list[str], stems: Sequence[str]) -> list[str]:
    """Sides as columns: as a stem says it (corpus.de-en: de, en), roles from source to target, else by alphabet."""
    for stem in stems:
        pairs = re.findall(r"([A-Za-z]{2,3})(?=[-_2]?([a-z]{2,3})(?![A-Za-z]))", stem)
        for first, second in pairs:
            if first != second and {first, second} == set(sides):
                return [first, second]
    known = {role: place for place, role in enumerate(ROLES)}
    return sorted(sides, key=lambda side: (known.get(side, -1), side))


def _group(group: Group, options: ReadOptions) -> Table:
    """The files of one stem side by side. Rows are said to stand in the first; the others are files of the table, too."""
    lines = {side: _lines(path, options) for side, path in group.items()}
    first, *others = group
    for side in others:
        if len(lines[side]) != len(lines[first]):
            raise _unequal(group[first], group[side], lines[first], lines[side])
    rows = zip(*lines.values(), strict=True)
    kept = np.array([any(cell.strip() for cell in row) for row in rows], dtype=bool)
    number = np.arange(1, len(kept) + 1)
    rejected = [Rejected(f"{group[first]}, line {n}", "the line is blank in all files") for n in number[~kept].tolist()]
    cells = {
        side: objects(text.strip() or None for text in column).take(np.flatnonzero(kept))
        for side, column in lines.items()
    }
    origin = Origin(tuple(map(str, group.values())), np.zeros(int(kept.sum()), np.int32), number[kept])
    return Table(cells, origin, tuple(rejected))


def _lines(path: Path, options: ReadOptions) -> list[str]:
    """A file's lines; a line end at the very end begins no further line."""
    found = prose.read(path, options.encoding).split("\n")
    return found[:-1] if not found[-1] else found


def _unequal(first: Path, second: Path, one: Sequence[str], other: Sequence[str]) -> DataError:
    """The DataError for files of different length, with the line where they seem to part if that can be told."""
    parted = where_they_part(one, other)
    hint = ""
    if parted is not None:
        shown = [f"{lines[parted].strip()[:60]!r}" if parted < len(lines) else "nothing" for lines in (one, other)]
        hint = f"; they seem to part at line {parted + 1:,}: {shown[0]} beside {shown[1]}"
    return DataError(
        f"{first.name} has {len(one):,} lines and {second.name} has {len(other):,}, so they are not line by line the same text"
        f"{hint}",
        where=str(second), repair="mend the files so that line i of one belongs to line i of the other",
    )  # fmt: skip
