"""Few long documents are cut by position: nothing is lost, nothing torn, and later parts follow earlier ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Origin, Table
from deepwell.core.task import SplitRule
from deepwell.data import positions
from deepwell.data.splits import split

RULE = SplitRule("position", by="text", test=0.1, select=0.05, calibrate=0.0)
SCHEMA = Schema((Field("text", "text"),))
SPLIT = Schema((Field("text", "text"), Field("part", "category", "split")))
NOVEL = "".join(f"Line {i} of the novel.\n" for i in range(1000))


def column(*texts: str | None) -> np.ndarray:
    made = np.empty(len(texts), object)
    made[:] = texts
    return made


@given(st.text(max_size=300), st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5))
def test_cuts_are_in_order_and_lose_nothing(text: str, weights: list[float]) -> None:
    bounds = positions.cuts(text, [w / sum(weights) for w in weights])
    assert len(bounds) == len(weights) + 1
    assert bounds[0] == 0
    assert bounds[-1] == len(text)
    assert bounds == sorted(bounds)


def test_a_cut_is_at_the_nearest_line_end_else_at_white_space_else_in_place() -> None:
    assert positions.cuts("a" * 48 + "\n" + "a" * 51, [0.5, 0.5])[1] == 49
    assert positions.cuts("a" * 52 + "\n" + "a" * 47, [0.5, 0.5])[1] == 53
    assert positions.cuts("a" * 48 + " " + "a" * 51, [0.5, 0.5])[1] == 49
    assert positions.cuts("a" * 100, [0.5, 0.5])[1] == 50
    assert positions.cuts("\n" + "a" * 99, [0.5, 0.5])[1] == 50  # too far away


def test_a_novel_is_cut_at_line_ends_and_its_end_is_the_test() -> None:
    origin = Origin(("novel.txt",), np.zeros(1, np.int32), np.zeros(1, np.int64))
    parts = split(Table({"text": column(NOVEL)}, origin), SCHEMA, RULE, Key(0))
    texts = [part.rows["text"][0] for part in (parts.train, parts.select, parts.test)]
    assert "".join(texts) == NOVEL
    assert [round(len(t) / len(NOVEL), 2) for t in texts] == [0.85, 0.05, 0.1]
    assert all(t.endswith("\n") for t in texts)
    assert parts.counts == {"train": 1, "select": 1, "calibrate": 0, "test": 1}
    assert parts.test.rows.where(0) == f"novel.txt, line {(texts[0] + texts[1]).count(chr(10)) + 1}"
    assert "by position" in parts.reason
    assert parts.cut is not None
    assert len(parts.cut) == len(parts.assignment)


def test_each_of_few_documents_gives_to_every_part_and_empty_ones_stay() -> None:
    parts = split(Table({"text": column(NOVEL, "", None, NOVEL[:500])}), SCHEMA, RULE, Key(0))
    assert parts.counts == {"train": 4, "select": 2, "calibrate": 0, "test": 2}
    assert parts.train.rows["text"][1:3].tolist() == ["", None]


def test_the_authors_parts_win_and_only_what_is_missing_is_cut() -> None:
    table = Table({"text": column(NOVEL, "The end.\n" * 50), "part": column("train", "test")})
    parts = split(table, SPLIT, RULE, Key(0))
    assert parts.test.rows["text"].tolist() == ["The end.\n" * 50]
    assert parts.train.rows["text"][0] + parts.select.rows["text"][0] == NOVEL
    assert "author" in parts.reason
    assert "select follow each other" in parts.reason


def test_many_documents_are_dealt_out_whole() -> None:
    texts = column(*(f"document {i}" for i in range(200)))
    parts = split(Table({"text": texts}), SCHEMA, RULE, Key(0))
    assert parts.cut is None
    dealt = [t for part in (parts.train, parts.select, parts.test) for t in part.rows["text"]]
    assert sorted(dealt) == sorted(texts)
    assert min(parts.counts["test"], parts.counts["select"]) >= 20


def test_all_of_a_text_trains_where_no_test_is_asked_for() -> None:
    parts = split(Table({"text": column(NOVEL)}), SCHEMA, SplitRule("position", "text", 0.0, 0.0, 0.0), Key(0))
    assert parts.train.rows["text"].tolist() == [NOVEL]


@pytest.mark.parametrize("text", ["ab", "", None])
def test_too_little_text_is_refused_in_words(text: str | None) -> None:
    with pytest.raises(DataError, match="too little text in 'text'"):
        split(Table({"text": column(text)}), SCHEMA, RULE, Key(0))
