"""Positions: long documents cut into parts by position, where there are too few of them to deal out whole ones.

The end of each document proves, what stands before it calibrates, the rest trains: a model is then asked about text that comes
after all that it has read. What chooses is spread over the training text in a few stretches, for what comes last, the names of a
novel's last chapter, is what a model needs most to go on (of more than SPREAD documents it stands at the end). Cuts are made at
the end of a line near the place that the share asks for, so no line is torn; where none is near, at white space, else between
two characters.

Later parts have at most MOST characters, however long the texts are: proving and choosing must not take longer than training.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.errors import DataError
from deepwell.core.fields import Schema
from deepwell.core.table import PARTS, Column, Origin, Table
from deepwell.core.task import SplitRule
from deepwell.data.fields.dialogue import turns
from deepwell.data.fields.text import text_of
from deepwell.data.fields.values import is_missing

FEW = 50
"""With fewer documents they are cut; as many or more are dealt out whole."""
NEAR = 0.1
"""How far from its place a cut may be, as a share of the shorter of the two stretches beside it."""
TRAIN, SELECT, CALIBRATE, TEST = range(len(PARTS))
MOST = {SELECT: 200_000, CALIBRATE: 200_000, TEST: 1_000_000}
"""Part -> most characters."""
FEWEST = {SELECT: 1, CALIBRATE: 1, TEST: 10}
"""Part -> documents that it has at the least where whole ones are dealt out, since intervals resample those of the test."""
SPREAD, STRETCH = 10, 2_000
"""Stretches that choose, of all documents together, and the characters that each has at the least."""
LOOKED_AT = 1_000
"""Documents by which the length of all is judged."""
SENTENCE = re.compile(r"[^\n.!?]{40,}")
"""What is looked for in two parts: shorter ones may be the same by chance."""
WORTH_SAYING = 0.01


@dataclass(frozen=True)
class Pieces:
    """Stretches of documents, document by document, in the order of the text.

    row: (pieces,) the row of each; part: (pieces,) its part; start, stop: (pieces,) characters of the row's text.
    """

    row: IntArray
    part: NDArray[np.int8]
    start: IntArray
    stop: IntArray

    def __len__(self) -> int:
        return len(self.row)


def pieces(texts: Column, assignment: NDArray[np.int8], wanted: Mapping[int, float]) -> Pieces:
    """Cut the texts of the training part so that the parts `wanted` get their shares of it, up to MOST; other rows stay whole.

    texts: (rows,) of text or None. assignment: (rows,) the part of each row so far. wanted: part -> share of the characters,
    parts in the order of the text. Stretches without text are left out.
    """
    found: list[tuple[int, int, int, int]] = []
    among = int((assignment == TRAIN).sum())
    lengths = np.array([len(text) if isinstance(text, str) else 0 for text in texts.tolist()], np.int64)
    whole = max(1, int(lengths[assignment == TRAIN].sum()))
    wanted = {part: min(share, MOST[part] / whole) for part, share in wanted.items()}
    for row, (text, own) in enumerate(zip(texts.tolist(), assignment.tolist(), strict=True)):
        if own != TRAIN or is_missing(text) or not lengths[row]:
            found.append((row, own, 0, int(lengths[row])))
            continue
        stretches = _stretches(wanted, int(lengths[row]), among)
        bounds = cuts(text, [share for _, share in stretches])
        for (part, _), start, stop in zip(stretches, bounds, bounds[1:], strict=False):
            if not is_missing(text[start:stop]):
                found.append((row, part, start, stop))
    columns = np.array(found, np.int64).reshape(-1, 4).T
    return Pieces(columns[0], columns[1].astype(np.int8), columns[2], columns[3])


def _stretches(wanted: Mapping[int, float], length: int, among: int) -> list[tuple[int, float]]:
    """(part, share) of the stretches of a text of so many characters, in order; among: how many texts are cut."""
    training, choosing = 1.0 - sum(wanted.values()), wanted.get(SELECT, 0.0)
    times = min(SPREAD // among, max(1, int(choosing * length / STRETCH))) if choosing else 0
    if not times:
        return [(TRAIN, training), *wanted.items()]
    between = (TRAIN, training / (times + 1))
    later = [(part, share) for part, share in wanted.items() if part != SELECT]
    return [*[between, (SELECT, choosing / times)] * times, between, *later]


def places(wanted: Collection[int]) -> str:
    """Where in a text these parts stand, in words."""
    later = [PARTS[part] for part in wanted if part != SELECT]
    said = [f"{', '.join(later)} at the end of each text"] if later else []
    return " and ".join([*said, "select in stretches of the training text"] if SELECT in wanted else said)


def cuts(text: str, shares: Sequence[float]) -> list[int]:
    """Where stretches of these shares (sum 1) of a text begin and end: 0, ..., len(text), ascending."""
    places = np.round(np.cumsum([0.0, *shares]) * len(text)).astype(int).tolist()
    bounds = [0]
    for i, place in enumerate(places[1:-1], start=1):
        room = int(NEAR * min(place - places[i - 1], places[i + 1] - place))
        bounds.append(max(bounds[-1], _end_near(text, place, room)))
    return [*bounds, len(text)]


def _end_near(text: str, place: int, room: int) -> int:
    """Just behind the line end that is nearest to `place` within `room` characters, else behind white space, else `place`."""
    for sign in ("\n", " "):
        after = text.find(sign, place, place + room) + 1
        before = text.rfind(sign, max(0, place - room), place) + 1
        near = [end for end in (before, after) if end]
        if near:
            return min(near, key=lambda end: abs(end - place))
    return place


def cut_table(table: Table, name: str, cut: Pieces) -> Table:
    """A table of the pieces: their text in column `name`, all other cells repeated, and where each of them begins."""
    taken = table.take(cut.row)
    texts = taken[name]
    origin = taken.origin
    lines = np.zeros(len(cut), np.int64) if origin is None else origin.line.copy()
    short = np.empty(len(cut), object)
    for i, (text, start, stop) in enumerate(zip(texts.tolist(), cut.start.tolist(), cut.stop.tolist(), strict=True)):
        whole = not isinstance(text, str) or stop - start == len(text)
        short[i] = text if whole else text[start:stop]
        if not whole and lines[i] == 0:  # the row is a whole file: its pieces are told by their first lines
            lines[i] = text.count("\n", 0, start) + 1
    if origin is not None:
        origin = Origin(origin.files, origin.file, lines, origin.unit)
    return Table({**taken.columns, name: short}, origin, table.rejected)


def characters(cell: Any, dialogue: bool) -> int:
    """The length of a text, or of all that is said in a dialogue; 0 for what is neither."""
    try:
        if dialogue:
            return sum(len(said) for _, said in turns(cell))
        several = cell if isinstance(cell, list | tuple | np.ndarray) else [cell]
        return sum(len(text_of(each)) for each in several)
    except DataError:
        return 0


def most_rows(table: Table, schema: Schema, rule: SplitRule, most: Mapping[int, int]) -> Mapping[int, int]:
    """Part -> most rows, at most `most`; of texts that are dealt out whole so few that they have at most MOST characters
    together, but FEWEST documents in any case.
    """
    if rule.kind != "random" or not rule.by:
        return most
    texts, dialogue = table[rule.by], schema[rule.by].kind == "dialogue"
    looked_at = texts[np.linspace(0, max(0, len(texts) - 1), min(LOOKED_AT, len(texts))).astype(np.int64)]
    each = max(1.0, float(np.mean([characters(cell, dialogue) for cell in looked_at])))
    return {part: min(most[part], max(FEWEST[part], int(MOST[part] / each))) for part in most}


def notes(texts: Column, part: NDArray[np.int8], schema: Schema) -> list[str]:
    """What a reader of the proof must know of texts (pieces,) that were cut by position."""
    groups = " and ".join(repr(field.name) for field in schema.of("group"))
    found = [f"rows of one {groups} may stand in several parts: texts are cut by position"] if groups else []
    share = repeated(texts[part == TRAIN], texts[part == TEST])
    if share >= WORTH_SAYING:
        found.append(f"{share:.0%} of the long sentences of the test part also stand in the training part")
    return found


def repeated(train: Column, test: Column) -> float:
    """Share of the sentences of `test` with at least 40 characters that `train` has, too; 0 without any."""
    asked = list(_sentences(test))
    known = set(asked)
    known.intersection_update(_sentences(train))
    return sum(sentence in known for sentence in asked) / max(1, len(asked))


def _sentences(texts: Column) -> Iterator[str]:
    for text in texts.tolist():
        if isinstance(text, str):
            yield from (found[0].strip() for found in SENTENCE.finditer(text))
