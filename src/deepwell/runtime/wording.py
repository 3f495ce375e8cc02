"""Answers in words for people and in JSON for machines, told by names and kinds of their columns, never by task.

A column `NAME.PART` tells about the column NAME (its probability, its interval). Text from a model is a stranger's: a
terminal gets it escaped, a file as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from deepwell.core.text import escape_terminal
from deepwell.runtime.answers import PROBLEM, ROW, Answers, shares
from deepwell.tracking.text import number, visible

MOST_CLASSES = 5
"""Classes whose probability is told."""
TOKENS = "tokens"
"""The answer column that says how many steps an answer took."""

Write = Callable[[str], object]


def words(answers: Answers, *, safe: bool = True) -> list[str]:
    """Each answer as text, without a line's end; what repeats the question is left out. safe: control characters as escapes.

    A lone text stands bare; other answers stand one a line as `name: value  (low 3, high 5)`, the likeliest classes below.
    """
    names = telling(answers)
    main = [n for n in names if not any(n.startswith(f"{other}.") for other in names)]
    bare = len(names) == 1 and _kind(answers, names[0]) in ("text", "dialogue")
    found = []
    for row in range(len(answers)):
        if answers[PROBLEM][row]:
            found.append(f"no answer: {visible(answers[PROBLEM][row], 500)}")
        elif bare:
            text = _text(answers[names[0]][row])
            found.append(escape_terminal(text, lines=True) if safe else text)
        else:
            lines = (line for name in main for line in _told(answers, name, names, row))
            found.append("\n".join(escape_terminal(line) if safe else line for line in lines))
    return found


def telling(answers: Answers) -> list[str]:
    """The columns that hold the answers themselves."""
    return [n for n in answers.table.names if n not in (PROBLEM, ROW, TOKENS, *answers.echoes)]


def _told(answers: Answers, name: str, names: Collection[str], row: int) -> list[str]:
    """`name: value  (low 3, high 5)`, and a line with the likeliest classes where their probabilities are known."""
    parts = {n[len(name) + 1 :]: _at(answers, n, row) for n in names if n.startswith(f"{name}.")}
    groups: dict[str, dict[str, float]] = {}
    for part, value in parts.items():
        group, dot, item = part.partition(".")
        if dot and isinstance(value, int | float):
            groups.setdefault(group, {})[item] = value
    single = {part: v for part, v in parts.items() if "." not in part and part not in groups and v is not None}
    told = ", ".join(f"{part} {_text(value)}" for part, value in single.items())
    text = _text(_at(answers, name, row))
    beside = f"  ({told})" if told else ""
    lines = [f"{name}:{beside}", *text.splitlines()] if "\n" in text else [f"{name}: {text}{beside}"]
    for group, items in groups.items():
        most = sorted(items.items(), key=lambda pair: -pair[1])[:MOST_CLASSES]
        more = f", and {len(items) - len(most)} more" if len(items) > len(most) else ""
        lines.append(f"  {group}: " + ", ".join(f"{item} {value:.4f}" for item, value in most) + more)
    return lines


def _at(answers: Answers, name: str, row: int) -> Any:
    """One value of the answers as a JSON value; of a mask the shares of its classes, of a picture its size."""
    value = answers[name][row]
    if _kind(answers, name) == "image" and isinstance(value, np.ndarray):
        return f"{value.shape[1]} x {value.shape[0]} pixels (`deepwell predict` with --out x.png writes it)"
    return _value(shares(value, answers.schema[name]) if _kind(answers, name) == "mask" else value)


def _kind(answers: Answers, name: str) -> str:
    return answers.schema[name].kind if name in answers.schema else ""


def _text(value: Any) -> str:
    """One value for people: numbers rounded, turns of a dialogue one a line, what is nested as JSON, a dash for none."""
    if value is None or isinstance(value, str):
        return "–" if value is None else value
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list) and value and all(isinstance(turn, dict) and "text" in turn for turn in value):
        return "\n".join(f"{turn.get('role', '')}: {turn['text']}" for turn in value)
    return json.dumps(value, ensure_ascii=False)


def _value(value: Any) -> Any:
    """A cell as a JSON value: numpy's types as Python's, NaN and infinity as None, what JSON cannot hold as text."""
    if isinstance(value, np.ndarray | np.generic):
        return _value(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_value(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _value(v) for k, v in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def as_json(answers: Answers) -> list[str]:
    """Each answer as one line of JSON, an object of all its columns; a missing value is null, ASCII only."""
    columns = {name: answers.told(name) for name in answers.table.names}
    return [json.dumps({name: _value(column[row]) for name, column in columns.items()}) for row in range(len(answers))]


class Streamed:
    """Writes the pieces of an answer as they are made. An `Emit`.

    Args:
        write: where to. safe: control characters as escapes.
    Attributes:
        said: all text pieces so far, as they came. pieces: how many there were.
    """

    def __init__(self, write: Write, safe: bool = True) -> None:
        self.said, self.pieces = "", 0
        self._write, self._safe = write, safe

    def __call__(self, piece: Any) -> None:
        """One piece. Only text can be written; other pieces (pictures) are left to the answers."""
        if isinstance(piece, str):
            self.said += piece
            self.pieces += 1
            self._write(escape_terminal(piece, lines=True) if self._safe else piece)

    def rest(self, answers: Answers) -> None:
        """What the answers hold beyond the pieces, so that all of them are there; ends with a line's end."""
        told = words(answers, safe=self._safe)
        shown = escape_terminal(self.said, lines=True) if self._safe else self.said
        if shown and not shown.endswith("\n"):
            self._write("\n")
        again = [place for place, text in enumerate(told) if text.strip() == shown.strip()]
        if shown and again:
            del told[again[0]]
        for place, text in enumerate(told):
            self._write(("\n" if shown or place else "") + text + "\n")

    def speed(self, answers: Answers) -> str:
        """`48 tokens in 0.8 s, 60 a second`: by the answers' own count of tokens, else of pieces; empty where none is."""
        known = TOKENS in answers.table
        count = int(np.nansum(answers[TOKENS].astype(np.float64))) if known else self.pieces
        if not count or not answers.seconds:
            return ""
        unit, rate = "tokens" if known else "pieces", number(count / answers.seconds, 3)
        return f"{count:,} {unit} in {answers.seconds:.1f} s, {rate} a second"
