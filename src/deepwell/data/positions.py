"""Positions: long documents cut into parts by position, where there are too few of them to deal out whole ones.

The first stretch of each document trains, the following ones choose, calibrate and prove, in this order: a model is then asked
about text that comes after all that it has read. Cuts are made at the end of a line near the place that the share asks for, so
no line is torn; where none is near, at white space, else between two characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.table import Column, Origin, Table

FEW = 50
"""With fewer documents they are cut; as many or more are dealt out whole."""
NEAR = 0.1
"""How far from its place a cut may be, as a share of the shorter of the two stretches beside it."""


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
    """Cut the texts of the first part (0) so that the parts `wanted` get their shares of it; other rows stay whole.

    texts: (rows,) of text or None. assignment: (rows,) the part of each row so far. wanted: part -> share of the characters,
    parts in the order of the text. Empty stretches are left out.
    """
    found: list[tuple[int, int, int, int]] = []
    for row, (text, own) in enumerate(zip(texts.tolist(), assignment.tolist(), strict=True)):
        length = len(text) if isinstance(text, str) else 0
        if own or not length:
            found.append((row, own, 0, length))
            continue
        bounds = cuts(text, [1.0 - sum(wanted.values()), *wanted.values()])
        for part, start, stop in zip([0, *wanted], bounds, bounds[1:], strict=False):
            if stop > start:
                found.append((row, part, start, stop))
    columns = np.array(found, np.int64).reshape(-1, 4).T
    return Pieces(columns[0], columns[1].astype(np.int8), columns[2], columns[3])


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
