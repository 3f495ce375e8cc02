"""dialogue: a row of tokens for each dialogue: for each turn the speaker's token, the text, and END.

A cell is a list of turns, in any form that `turns` reads. Training names up to six speakers, in order of appearance. One
whose name is not among them speaks, through the whole dialogue, with the token of the known speaker of the same part
(`human` is a `user`, `gpt` an `assistant`), else with the first token that nobody before has in this dialogue; where all are
taken, with the token after that of the turn before. A dialogue comes back in the same words and by the known names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.text import CHARACTERS_A_SECOND, LOOKED_AT, MOST, token_rows
from deepwell.data.fields.tokeniser import END, ROLES, Tokeniser
from deepwell.data.fields.tokeniser_learning import learn
from deepwell.data.fields.values import is_missing

Turn = tuple[str, str]
"""Who speaks, and what is said."""
SPEAKER_KEYS = ("role", "from", "speaker", "author", "name")
TEXT_KEYS = ("content", "text", "value", "message", "utterance")
IN_TURN = ("user", "assistant")
"""Who speaks where turns have no names."""
LONGEST_NAME = 100
_SAME_PART = (
    ("user", "human", "customer", "client", "person", "prompter", "question", "input"),
    ("assistant", "bot", "chatbot", "gpt", "chatgpt", "ai", "model", "agent", "answer", "output", "response"),
    ("system", "instruction", "context"),
)


def turns(cell: Any) -> list[Turn]:
    """The turns of one cell: (speaker, text) each, at least one.

    cell: a list of {speaker key: name, text key: text} (keys as in SPEAKER_KEYS and TEXT_KEYS; a text may be a list of
    {"type": "text", "text": ...}), a list of texts, whose speakers are IN_TURN, or one of these as JSON text.
    Raises DataError with what was received.
    """
    if is_missing(cell):
        raise DataError("the dialogue is missing")
    if isinstance(cell, str):
        cell = _parsed(cell)
    if not isinstance(cell, list | tuple | np.ndarray):
        raise DataError(f"a dialogue is a list of turns; got {_shown(cell)}")
    if not len(cell):
        raise DataError("a dialogue has no turns")
    return [_turn(turn, place) for place, turn in enumerate(cell)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"a dialogue is a list of turns; got the text {text[:60]!r}, which is no JSON list") from None


def _turn(turn: Any, place: int) -> Turn:
    if isinstance(turn, str):
        return IN_TURN[place % len(IN_TURN)], str(turn)
    if not isinstance(turn, Mapping):
        raise DataError(f"turn {place + 1} is neither a text nor an object with speaker and text; got {_shown(turn)}")
    speakers, texts = ([key for key in keys if key in turn] for keys in (SPEAKER_KEYS, TEXT_KEYS))
    if not texts:
        raise DataError(f"turn {place + 1} has no text: none of {', '.join(TEXT_KEYS)} in {_shown(turn)}")
    speaker = turn[speakers[0]] if speakers else IN_TURN[place % len(IN_TURN)]
    if not isinstance(speaker, str) or not speaker.strip():
        raise DataError(f"turn {place + 1} has a speaker that is no name; got {_shown(speaker)}")
    return speaker.strip()[:LONGEST_NAME], _said(turn[texts[0]], place)


def _said(content: Any, place: int) -> str:
    if isinstance(content, list | tuple):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) == len(parts):
            return "".join(texts)
    if not isinstance(content, str):
        raise DataError(f"turn {place + 1} has a text that is none; got {_shown(content)}")
    return str(content)


def _shown(value: Any) -> str:
    return f"{str(value)[:60]!r} ({type(value).__name__})"


class Dialogue(Kind):
    """See the top of this file.

    Args:
        level: byte, character or bpe: see tokeniser_learning.py.
        most: how many tokens the vocabulary has at most.
    Attributes:
        speakers_: the names, at most six; the first has the token 2. tokeniser_: the vocabulary.
    """

    def __init__(self, level: str = "bpe", most: int = MOST) -> None:
        self.level, self.most = level, most
        self.speakers_: list[str] = []
        self.tokeniser_ = Tokeniser()

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind. Raises MissingExtra where the level is bpe and the library `tokenizers` is not installed."""
        said = [turn for cell in column for turn in _read(cell)[0]]
        self.speakers_ = list(dict.fromkeys(speaker for speaker, _ in said))[: len(ROLES)] or list(IN_TURN)
        self.tokeniser_ = learn([text for _, text in said], self.level, self.most)
        return self

    def speaker_tokens(self, dialogue: Sequence[Turn]) -> list[int]:
        """The token of the speaker of each turn; see the top of this file for names that training did not have."""
        known = {name: token for token, name in zip(ROLES, self.speakers_, strict=False)}
        given: dict[str, int] = {}
        tokens: list[int] = []
        for name, _ in dialogue:
            token = known.get(name, given.get(name))
            if token is None:
                free = [t for t in known.values() if t not in tokens]
                after = ROLES[(tokens[-1] - ROLES[0] + 1) % len(known)] if tokens else ROLES[0]
                token = _same_part(name, known) or next(iter(free), after)
                given[name] = token
            tokens.append(token)
        return tokens

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Ragged int32 tokens."""
        rows: list[list[Turn]] = []
        problems: dict[int, str] = {}
        for row, cell in enumerate(column):
            dialogue, why = _read(cell)
            rows.append(dialogue)
            if why:
                problems[row] = why
        said = self.tokeniser_.encode_all(text for dialogue in rows for _, text in dialogue)
        speakers = [token for dialogue in rows for token in self.speaker_tokens(dialogue)]
        # Each text is moved to make room for the speaker before it and END after it.
        lengths = said.lengths + 2
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        values = np.full(ends[-1], END, np.int32)
        values[ends[:-1]] = speakers
        values[np.arange(len(said.values)) + 2 * said.row_of_value + 1] = said.values
        turns_before = np.concatenate([[0], np.cumsum([len(dialogue) for dialogue in rows])]).astype(np.int64)
        return {"": Ragged(values, ends[turns_before], padded=True)}, problems

    def seconds(self, column: Column) -> float:
        """By the length of some cells, evenly spaced."""
        rows = np.linspace(0, max(len(column) - 1, 0), min(LOOKED_AT, len(column))).astype(np.int64)
        lengths = [sum(len(text) for _, text in _read(cell)[0]) for cell in column[rows]]
        return float(np.mean(lengths)) * len(column) / CHARACTERS_A_SECOND if lengths else 0.0

    def decode(self, array: EncodedColumn) -> Column:
        """object of lists of {"role": speaker, "text": text}, from ragged tokens or from (rows, length) tokens."""
        dialogues = np.empty(len(array), object)
        for row, tokens in enumerate(token_rows(array)):
            dialogues[row] = self._turns_of(tokens)
        return dialogues

    def _turns_of(self, tokens: NDArray[Any]) -> list[dict[str, str]]:
        """A turn begins at each speaker's token; what stands before the first is nobody's."""
        starts = np.flatnonzero((tokens >= ROLES[0]) & (tokens < ROLES[0] + len(self.speakers_)))
        return [
            {"role": self.speakers_[int(part[0]) - ROLES[0]], "text": self.tokeniser_.decode(part)}
            for part in np.split(tokens, starts)[1:]
        ]

    def sizes(self) -> tuple[int, ...]:
        """(tokens of the vocabulary,)."""
        return (self.tokeniser_.size,)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"speakers": list(self.speakers_), "tokeniser": self.tokeniser_.state()}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        values = checked(state, "a dialogue field", {"speakers": list, "tokeniser": dict})
        speakers = values["speakers"]
        named = all(type(name) is str and 0 < len(name) <= LONGEST_NAME for name in speakers)
        if not named or not 1 <= len(speakers) <= len(ROLES) or len(set(speakers)) < len(speakers):
            raise BundleError(
                f"a dialogue field must name 1 to {len(ROLES)} different speakers; got {str(speakers)[:60]}"
            )
        self.speakers_ = speakers
        self.tokeniser_ = Tokeniser.restore(values["tokeniser"])
        return self


def _read(cell: Any) -> tuple[list[Turn], str]:
    """The turns of one cell, and why there are none."""
    try:
        return turns(cell), ""
    except DataError as error:
        return [], error.what


def part(name: str) -> str:
    """What a speaker's name says of his part in a dialogue: user, assistant or system; empty where it says nothing."""
    return next((names[0] for names in _SAME_PART if name.lower() in names), "")


def _same_part(name: str, known: Mapping[str, int]) -> int | None:
    """The token of the first known speaker whose name means the same part in a dialogue; None if there is none."""
    same = next((names for names in _SAME_PART if name.lower() in names), (name.lower(),))
    return next((token for other, token in known.items() if other.lower() in same), None)
