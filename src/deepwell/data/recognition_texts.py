"""Columns of language: what is read as text, which lists are dialogues, texts or tags, which of two texts is the target.

The rules, in words: text of long cells is language wherever it stands. So is short text with words, but where nearly every row
has its own and numbers or categories stand beside it, it is taken for names and set aside. Where nothing else is left to read,
any text is read. Beside pictures, texts are set aside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.fields.dialogue import SPEAKER_KEYS, TEXT_KEYS

LOOKED_AT = 2000
"""Cells by which a column is judged, and characters of each."""
LONG_CELL = 200
"""Characters from which a cell is a text and no name."""
MANY = 50
SOME_WORDS = 2.5
SHORT_WORDS = 6
TAG_WORDS = 3
MOSTLY_EQUAL = 0.95
"""Where the target repeats an input in more rows, it is a mistake. Corrections leave most texts as they are."""
DIALOGUE_NAMES = frozenset(
    "dialog dialogue dialogs dialogues conversation conversations messages turns utterances chat".split()
)
ANSWER_NAMES = ("answer", "answers", "summary", "tgt", "trg", "translation", "completion", "response", "output")
# Scripts without spaces (Thai, Lao, Burmese, Khmer, Japanese, Chinese): two letters count as a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def words_each(texts: Sequence[str]) -> float:
    """Words in a text, on average over the first ones."""
    sample = [text[:LOOKED_AT] for text in texts[:LOOKED_AT]]
    return sum(len(text.split()) + len(_UNSPACED.findall(text)) / 2 for text in sample) / max(len(sample), 1)


def is_long(texts: Sequence[str]) -> bool:
    """Whether different texts are so long on average that they are documents, however few they are."""
    return sum(len(text) for text in texts[:LOOKED_AT]) >= LONG_CELL * len(texts[:LOOKED_AT]) > 0


def is_language(texts: Sequence[str], rows: int) -> bool:
    """Whether different texts, of so many rows that have one, are language and no labels, codes or single words."""
    words = words_each(texts)
    if is_long(texts) or (words >= SHORT_WORDS and len(texts) > MANY):
        return True
    return len(texts) > 10 and words >= SOME_WORDS and len(texts) > 0.2 * rows


def list_form(name: str, cells: Sequence[Any]) -> str:
    """What lists in a column are: dialogue (turns), texts (pieces of one), tags (few short words, again and again), or nested.

    cells: present cells, at least one of them a list or the like; text among lists counts as a list of one.
    """
    sample = list(cells[:LOOKED_AT])
    lists = [cell for cell in sample if isinstance(cell, (list, tuple))]
    if len(lists) + sum(isinstance(cell, str) for cell in sample) < len(sample):
        return "nested"
    pieces = [piece for cell in lists for piece in cell]
    if pieces and all(isinstance(piece, Mapping) for piece in pieces):
        spoken = all(set(piece) & set(TEXT_KEYS) and set(piece) & set(SPEAKER_KEYS) for piece in pieces)
        return "dialogue" if spoken else "nested"
    if not pieces or not all(isinstance(piece, str) for piece in pieces):
        return "nested"
    if name.lower() in DIALOGUE_NAMES:
        return "dialogue"
    return "tags" if words_each(pieces) <= TAG_WORDS and len(set(pieces)) <= len(pieces) / 2 else "texts"


def list_field(name: str, form: str, cells: Sequence[Any], gaps: str, facts: Mapping[str, Any]) -> Field:
    """The field of a column of lists; form: as list_form gives it."""
    length = float(np.mean([len(cell) if isinstance(cell, (list, tuple)) else 1 for cell in cells[:LOOKED_AT]]))
    rows = f"in {len(cells):,} rows{gaps}"
    reasons = {
        "dialogue": f"dialogues of {length:.1f} turns on average {rows}",
        "texts": f"lists of {length:.1f} texts on average {rows}: an input joins them, a target takes the first",
        "tags": f"lists of {length:.1f} tags on average {rows}",
    }
    return Field(name, "text" if form == "texts" else form, "input", reasons[form], facts)


def settled(schema: Schema, nearly_unique: Mapping[str, str], targets: Sequence[str]) -> Schema:
    """The schema with every text column used or set aside; see the rules at the top of this file.

    nearly_unique: columns of text of which nearly every row has its own, and that in words. targets: not touched.
    """
    pictures = [f.name for f in schema.fields if f.kind == "image" and f.role == "input"]
    own = {name: words for name, words in nearly_unique.items() if name not in targets}

    def aside(field: Field) -> Field:
        if field.kind != "text" or field.role != "input" or field.name in targets:
            return field
        if pictures:
            return replace(field, role="ignore", reason=f"set aside: text beside pictures is not read ({field.reason})")
        if field.name in own and others:
            how = f"--kind {field.name}=text reads it"
            return replace(
                field, role="ignore", reason=f"set aside: short and {own[field.name]}; {how} ({field.reason})"
            )
        return field

    others = [f for f in schema.inputs if f.kind != "text" and f.name not in own and f.name not in targets]
    found = Schema(tuple(aside(field) for field in schema.fields))
    if [f for f in found.inputs if f.name not in targets]:
        return found
    return Schema(tuple(_only_text(f, own) for f in found.fields))


def _only_text(field: Field, own: Mapping[str, str]) -> Field:
    """A text column as an input where there is nothing else to read."""
    if field.name not in own or field.role == "input":
        return field
    return replace(field, kind="text", role="input", reason=f"text, {own[field.name]}; there is nothing else to read")


def target_text(schema: Schema) -> tuple[str, str] | None:
    """(name, reason) of the target where several texts and nothing else can be read; None where it cannot be told.

    It is the one whose name is that of an answer, else the second of two.
    """
    texts = [f.name for f in schema.inputs if f.kind == "text"]
    if len(texts) < 2 or len(texts) < len(schema.inputs):
        return None
    named = [name for word in ANSWER_NAMES for name in texts if name.lower() == word]
    if named:
        return named[0], "its name says that it answers the others"
    if len(texts) > 2:
        return None
    first, second = texts
    return second, f"the second of two texts, learnt from {first!r}; --target {first} turns that round"


def check_other_language(table: Table, schema: Schema) -> None:
    """Raise DataError where a target text is the same as an input text in nearly all of the rows that are looked at."""
    some = np.unique(np.linspace(0, max(0, len(table) - 1), min(len(table), LOOKED_AT)).astype(np.int64))
    for target in schema.of("target", "text"):
        for source in schema.of("input", "text"):
            one, other = table[source.name], table[target.name]
            both = [row for row in some.tolist() if one[row] and other[row]]
            equal = [row for row in both if str(one[row]).strip() == str(other[row]).strip()]
            if len(equal) > MOSTLY_EQUAL * len(both):
                raise DataError(
                    f"the target {target.name!r} is the same text as the input {source.name!r} in {len(equal):,} of "
                    f"{len(both):,} rows: is it the same language twice?",
                    where=table.where(equal[0]), repair="give the files of two languages, or another --target",
                )  # fmt: skip


def named_by_files(table: Table, name: str) -> str:
    """How labels come from the names of files or folders, in words; empty where they do not."""
    if table.origin is None or len(table.origin.files) < 2 or table[name].dtype != object:
        return ""
    files = [Path(file) for file in table.origin.files]
    pairs = {(f, label) for f, label in zip(table.origin.file.tolist(), table[name].tolist(), strict=True) if label}
    if len({label for _, label in pairs}) == 1 or not all(isinstance(label, str) for _, label in pairs):
        return ""
    if all(files[f].parent.name == label for f, label in pairs):
        return "each is the name of the folder that its file lies in"
    if len({f for f, _ in pairs}) == len(pairs) and all(label in files[f].name for f, label in pairs):
        return "each is in the name of the file that its rows come from, one example a line (--form documents reads whole files)"
    return ""
