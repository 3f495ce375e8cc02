"""Chats: YAML with `conversations` (ChatterBot), and text with __eou__ behind each turn (DailyDialog) -> column `dialogue`.

A cell is a list of turns {"role", "text"}; two speakers take turns. JSON lines with turns are read by jsonlines.py and
recognised by their form. Unusual: of YAML only text, lists and mappings are made, whatever types it names, so that `- Yes`
stays text; aliases (*name), by which a short file could become a long one, are refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError, MissingExtra
from deepwell.core.table import Origin, Rejected, Table
from deepwell.data.fields.dialogue import turns
from deepwell.data.sources import files, parts, prose
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions

READS = "chats (.yml with conversations, text with __eou__, JSON lines with turns)"
MARK = "__eou__"
YAML = (".yml", ".yaml")
HEAD = 1 << 16


def claims(path: Path) -> float:
    """0.85 for a file that shows one of the two forms at its beginning, 0.5 for a folder with such files directly in it."""
    if path.is_dir():
        return 0.5 if _below(path) else 0.0
    if files.suffix(path) in YAML:
        return 0.85 if b"conversations:" in files.magic(path, HEAD) else 0.0
    return (
        0.85
        if path.is_file() and files.suffix(path) in ("", ".txt") and MARK.encode() in files.magic(path, HEAD)
        else 0.0
    )


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each dialogue, of a folder those of all its files, marked as parts if their names say any.

    Empty dialogues, and in a folder text files without dialogues, are rejected. Raises DataError where a file is not of its
    form; MissingExtra for YAML without PyYAML.
    """
    if path.is_file():
        return _yaml(path, options) if files.suffix(path) in YAML else _marked(path, options)
    found = _below(path)
    table = parts.by_name([(str(p), files.stem(p), read(p, options)) for p in found])
    beside = [Rejected(str(p), "the file holds no dialogue") for p in prose.directly(path) if p not in found]
    return Table(table.columns, table.origin, (*table.rejected, *beside))


def _below(folder: Path) -> list[Path]:
    """The files with dialogues directly in a folder."""
    return [p for p in files.entries(folder) if p.is_file() and not files.note(p.name) and claims(p)]


def _marked(path: Path, options: ReadOptions) -> Table:
    """The dialogues of a text file, one a line."""
    lines = prose.read(path, options.encoding).split("\n")
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    said = [(number, [turn.strip() for turn in line.split(MARK) if turn.strip()]) for number, line in numbered]
    return _table(path, said, "line")


def _yaml(path: Path, options: ReadOptions) -> Table:
    """The conversations of a YAML file."""
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise MissingExtra("pyyaml", "text", "reading YAML") from None

    def compose(loader: Any, *place: Any) -> Any:
        if loader.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(problem="it has an alias", problem_mark=loader.peek_event().start_mark)
        return yaml.BaseLoader.compose_node(loader, *place)

    plain = type("Plain", (yaml.BaseLoader,), {"compose_node": compose})  # makes nothing but text, lists and mappings
    text = prose.read(path, options.encoding)
    try:
        value = plain(text).get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise DataError(
            f"this cannot be read as YAML{place}: {problem}", where=str(path), repair="mend the file"
        ) from None
    found = value.get("conversations") if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise DataError(
            "this YAML has no list `conversations`", where=str(path),
            repair="write `conversations:` and below it one list of turns for each dialogue (`- - Hello` / `  - Hi there`)",
        )  # fmt: skip
    return _table(path, list(enumerate(found, start=1)), "dialogue")


def _table(path: Path, said: Sequence[tuple[int, Any]], unit: str) -> Table:
    """Numbered lists of turns as a Table; what is none is rejected."""
    good: list[tuple[int, list[dict[str, str]]]] = []
    rejected: list[Rejected] = []
    for number, cell in said:
        try:
            good.append((number, [{"role": role, "text": text} for role, text in turns(cell)]))
        except DataError as error:
            rejected.append(Rejected(f"{path}, {unit} {number}", error.what))
    if not good:
        why = f": {rejected[0].reason}" if rejected else ""
        raise DataError(f"there is no usable dialogue{why}", where=str(path), repair="give files with dialogues")
    origin = Origin((str(path),), np.zeros(len(good), np.int32), np.array([n for n, _ in good], np.int64), unit)
    return Table({"dialogue": objects(cell for _, cell in good)}, origin, tuple(rejected))
