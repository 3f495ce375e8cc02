"""Questions about texts in the JSON form of SQuAD (Rajpurkar et al. 2016) -> columns `context`, `question`, `answer`.

Unusual: the places of answers (answer_start) are not kept, only their texts. A question with several different answers has
a list of them, one without any has none. `context.group` says which rows ask about the same text: they stay in one part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Rejected, Table
from deepwell.data.sources import files
from deepwell.data.sources.columns import objects
from deepwell.data.sources.options import ReadOptions
from deepwell.data.sources.text import decode

READS = "questions about texts in SQuAD's form (.json)"
HEAD = 1 << 18
Row = tuple[str, str, list[str]]


def claims(path: Path) -> float:
    """0.85 for a .json file that begins as one object and soon speaks of paragraphs."""
    if not path.is_file() or files.suffix(path) != ".json":
        return 0.0
    head = files.magic(path, HEAD)
    return 0.85 if head.lstrip()[:1] == b"{" and b'"paragraphs"' in head and b'"data"' in head else 0.0


def read(path: Path, options: ReadOptions) -> Table:
    """One row for each question. Questions that lack a text are rejected. Raises DataError where none is usable."""
    text = decode(files.read_bytes(path), options.encoding, str(path)).data.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is not JSON ({error})", where=str(path), repair="mend the file") from None
    found = list(enumerate(_questions(value), start=1))
    good = [(number, row) for number, row in found if isinstance(row, tuple)]
    rejected = [Rejected(f"{path}, question {number}", row) for number, row in found if isinstance(row, str)]
    if not good:
        raise DataError(
            f"there is no usable question{f': {rejected[0].reason}' if rejected else ''}", where=str(path),
            repair="SQuAD's form is data: [{paragraphs: [{context, qas: [{question, answers: [{text}]}]}]}]",
        )  # fmt: skip
    several = any(len(answers) > 1 for _, (_, _, answers) in good)
    answers: list[Any] = [row[2] if several else row[2][0] if row[2] else None for _, row in good]
    columns = {
        "context": objects(row[0] for _, row in good),
        "question": objects(row[1] for _, row in good),
        "answer": objects(a or None for a in answers),
        "context.group": objects(hashlib.sha256(row[0].encode("utf-8", "replace")).hexdigest()[:16] for _, row in good),
    }
    number = np.array([n for n, _ in good], np.int64)
    return Table(columns, Origin((str(path),), np.zeros(len(good), np.int32), number, "question"), tuple(rejected))


def _questions(value: Any) -> Iterator[Row | str]:
    """Each question with its text and answers, or why it cannot be used."""
    for article in _list(value, "data"):
        for paragraph in _list(article, "paragraphs"):
            context = paragraph.get("context") if isinstance(paragraph, dict) else None
            for asked in _list(paragraph, "qas"):
                question = asked.get("question") if isinstance(asked, dict) else None
                if not isinstance(context, str) or not isinstance(question, str):
                    yield "a question needs the texts `context` and `question`"
                    continue
                said = [a.get("text") for a in _list(asked, "answers") if isinstance(a, dict)]
                yield (
                    context,
                    question.strip(),
                    list(dict.fromkeys(t for t in said if isinstance(t, str) and t.strip())),
                )


def _list(value: Any, key: str) -> list[Any]:
    """The list at a key of an object; empty where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []
