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
    assert parts.cut is not None
    texts = parts.cut["text"].tolist()
    assert "".join(texts) == NOVEL
    assert all(t.endswith("\n") for t in texts)
    shares = [sum(map(len, part.rows["text"])) / len(NOVEL) for part in (parts.train, parts.select, parts.test)]
    assert [round(share, 2) for share in shares] == [0.85, 0.05, 0.1]
    assert parts.test.rows["text"].tolist() == texts[-1:]
    assert parts.test.rows.where(0) == f"novel.txt, line {''.join(texts[:-1]).count(chr(10)) + 1}"
    assert parts.reason == (
        "by position, cut at line ends: test at the end of each text and select in stretches of the training text"
    )


def test_what_chooses_is_spread_so_that_the_end_of_the_training_text_trains() -> None:
    long = NOVEL * 20
    parts = split(Table({"text": column(long)}), SCHEMA, RULE, Key(0))
    assert parts.counts == {"train": 11, "select": 10, "calibrate": 0, "test": 1}
    assert parts.assignment.tolist() == [0, 1] * 10 + [0, 3]
    lengths = [len(t) for t in parts.train.rows["text"]]
    assert max(lengths) < 1.3 * min(lengths)


def test_of_many_documents_that_are_cut_what_chooses_stands_behind_what_trains() -> None:
    parts = split(Table({"text": column(*[NOVEL] * 12)}), SCHEMA, RULE, Key(0))
    assert parts.assignment.tolist() == [0, 1, 3] * 12


def test_each_of_few_documents_gives_to_every_part_and_empty_ones_stay() -> None:
    parts = split(Table({"text": column(NOVEL, "", None, NOVEL[:500])}), SCHEMA, RULE, Key(0))
    assert parts.counts == {"train": 6, "select": 2, "calibrate": 0, "test": 2}
    assert parts.train.rows["text"][2:4].tolist() == ["", None]


def test_the_authors_parts_win_and_only_what_is_missing_is_cut() -> None:
    table = Table({"text": column(NOVEL, "The end.\n" * 50), "part": column("train", "test")})
    parts = split(table, SPLIT, RULE, Key(0))
    assert parts.test.rows["text"].tolist() == ["The end.\n" * 50]
    assert parts.cut is not None
    assert "".join(parts.cut["text"][:-1]) == NOVEL
    assert "author" in parts.reason
    assert parts.reason.endswith("cut at line ends: select in stretches of the training text")


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


@pytest.mark.parametrize("documents", [1, 7])
def test_what_proves_and_chooses_is_bounded_however_long_the_texts_are(
    documents: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "MOST", {1: 700, 2: 700, 3: 2100})
    parts = split(Table({"text": column(*[NOVEL] * documents)}), SCHEMA, RULE, Key(0))
    sizes = {name: sum(map(len, getattr(parts, name).rows["text"])) for name in ("train", "select", "test")}
    assert sum(sizes.values()) == documents * len(NOVEL)
    assert sizes["select"] == pytest.approx(700, rel=0.2)
    assert sizes["test"] == pytest.approx(2100, rel=0.2)
    assert parts.cut is not None
    assert "".join(parts.cut["text"]) == NOVEL * documents


@pytest.mark.parametrize("kind", ["text", "dialogue"])
def test_of_long_documents_fewer_are_dealt_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "MOST", {1: 400, 2: 400, 3: 1500})
    made = np.empty(300, object)
    made[:] = ["x" * 100] * 300 if kind == "text" else [[{"role": "user", "text": "x" * 100}]] * 300
    schema = Schema((Field("text", kind, "input"), Field("number", "number", "input")))
    rule = SplitRule("random" if kind == "dialogue" else "position", "text", 0.1, 0.05, 0.0)
    table = Table({"text": made, "number": np.arange(300)})
    assert split(table, schema, rule, Key(0)).counts == {"train": 281, "select": 4, "calibrate": 0, "test": 15}
    monkeypatch.setattr(positions, "MOST", {1: 40, 2: 40, 3: 150})  # intervals need some documents
    assert split(table, schema, rule, Key(0)).counts == {"train": 289, "select": 1, "calibrate": 0, "test": 10}


def test_stretches_without_text_are_no_part_of_anything() -> None:
    blank = "words\n" * 100 + " \n" * 100
    parts = split(Table({"text": column(NOVEL, blank, "  ")}), SCHEMA, RULE, Key(0))
    assert parts.counts == {"train": 5, "select": 2, "calibrate": 0, "test": 1}
    assert parts.train.rows["text"][4] == "  "  # as it was, to be told as a problem


def test_what_the_test_has_in_common_with_training_is_told() -> None:
    sentences = [f"The sentence with the number {i} is rather long, so that none is like it" for i in range(200)]
    fresh = split(Table({"text": column(".\n".join(sentences))}), SCHEMA, RULE, Key(0))
    assert not fresh.notes
    again = [*sentences[:-10], *sentences[:10]]  # half of the test was there before
    (note,) = split(Table({"text": column(".\n".join(again))}), SCHEMA, RULE, Key(0)).notes
    assert "of the long sentences of the test part also stand in the training part" in note
    assert float(note.partition("%")[0]) == pytest.approx(50, abs=5)
    assert positions.repeated(column("short. " * 50), column("short. " * 50)) == 0


def test_leaks_of_the_authors_parts_and_groups_are_told_of_texts_that_are_cut() -> None:
    schema = Schema((*SPLIT.fields, Field("author", "category", "group")))
    table = Table(
        {
            "text": column(NOVEL, "The end.\n" * 50, "The end.\n" * 50),
            "part": column("train", "train", "test"),
            "author": column("a", "b", "a"),
        }
    )
    notes = " ".join(split(table, schema, RULE, Key(0)).notes)
    assert "1 of 1 rows of the author's test part equal a row of the training part" in notes
    assert "rows of one 'author' may stand in several parts" in notes


@pytest.mark.parametrize(
    ("cell", "dialogue", "length"),
    [("über", False, 4), (None, False, 0), (["ab", "c"], False, 3), (12, False, 2), ({}, False, 0),
     ([{"role": "user", "text": "hi"}, {"role": "bot", "text": "ho!"}], True, 5), ("no dialogue", True, 0)],
)  # fmt: skip
def test_the_length_of_a_cell_is_that_of_its_text(cell: object, dialogue: bool, length: int) -> None:
    assert positions.characters(cell, dialogue) == length
