"""Answers in words and as JSON, by the names and kinds of their columns."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.runtime.answers import Answers
from deepwell.runtime.wording import Streamed, as_json, words


def answers_of(kinds, problems=None, **settings):
    """Answers from (name, kind, values) triples."""
    count = len(kinds[0][2])
    columns = {name: np.array([*values, None], object)[:count] for name, _, values in kinds}
    columns["problem"] = np.array(problems or [""] * count, object)
    return Answers(Table(columns), Schema(tuple(Field(name, kind) for name, kind, _ in kinds)), **settings)


def written(texts, seconds=2.0):
    columns = [("prompt", "text", ["p"] * len(texts)), ("text", "text", texts), ("tokens", "number", [30] * len(texts))]
    return answers_of(columns, echoes=("prompt",), seconds=seconds)


def test_a_class_is_told_with_the_likeliest_probabilities():
    shares = {f"c{i}": share for i, share in enumerate([0.05, 0.4, 0.25, 0.15, 0.1, 0.05])}
    columns = [("kind", "category", ["c1"]), ("kind.probability", "number", [0.4])]
    columns += [(f"kind.probability.{name}", "number", [share]) for name, share in shares.items()]
    assert words(answers_of(columns)) == [
        "kind: c1\n  probability: c1 0.4000, c2 0.2500, c3 0.1500, c4 0.1000, c0 0.0500, and 1 more"
    ]


def test_a_number_is_told_with_its_interval_and_a_problem_instead_of_it():
    columns = [("price", "number", [1234.5678, None]), ("price.low", "number", [1000.0, None])]
    columns += [("price.high", "number", [float("nan"), None])]
    found = words(answers_of(columns, ["", "column 'age': 'x' is not a number"]))
    assert found == ["price: 1235  (low 1,000)", "no answer: column 'age': 'x' is not a number"]


def test_a_lone_text_stands_bare_without_the_question():
    assert words(written(["line one\n\tline \x1b[2Jtwo"])) == ["line one\n\tline \\x1b[2Jtwo"]
    assert words(written(["\x1b"]), safe=False) == ["\x1b"]
    turns = [[{"role": "user", "text": "Hi"}, {"role": "assistant", "text": "Ho"}]]
    assert words(answers_of([("talk", "dialogue", turns)])) == ["user: Hi\nassistant: Ho"]
    assert words(answers_of([("points", "points", [[(1, 2)]])])) == ["points: [[1, 2]]"]


cells = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(), st.floats(), st.lists(st.integers())
)


@given(st.lists(cells, min_size=1, max_size=5))
def test_json_has_a_line_for_each_answer_and_reads_back(values):
    lines = as_json(answers_of([("a", "text", values)]))
    assert all(line.isascii() and "\n" not in line for line in lines)
    for line, value in zip(lines, values, strict=True):
        bad = isinstance(value, float) and not np.isfinite(value)
        assert json.loads(line) == {"a": None if bad else value, "problem": ""}


def test_json_knows_the_types_of_numpy():
    columns = {"a": np.array([1.5, np.nan], np.float32), "b": np.arange(2), "problem": np.array(["", ""], object)}
    assert [json.loads(line) for line in as_json(Answers(Table(columns), Schema()))] == [
        {"a": 1.5, "b": 0, "problem": ""}, {"a": None, "b": 1, "problem": ""},
    ]  # fmt: skip


def shown(pieces, answers, safe=True):
    said = []
    streamed = Streamed(said.append, safe)
    for piece in pieces:
        streamed(piece)
    streamed.rest(answers)
    return "".join(said), streamed


@pytest.mark.parametrize(
    ("pieces", "texts", "expected"),
    [
        (["one ", "two"], ["one two"], "one two\n"),
        (["one\n"], ["one\n"], "one\n"),
        (["one ", "two"], ["one two", "three"], "one two\n\nthree\n"),
        ([], ["one", "two"], "one\n\ntwo\n"),
        ([], ["one"], "one\n"),
        (["one"], ["another"], "one\n\nanother\n"),
        ([], [""], "\n"),
        ([b"picture"], ["one"], "one\n"),
    ],
)
def test_what_has_streamed_is_not_said_again(pieces, texts, expected):
    assert shown(pieces, written(texts))[0] == expected


def test_streams_are_safe_for_terminals_and_exact_for_files():
    assert shown(["a\x1b", "[2J\n"], written(["a\x1b[2J\n"]))[0] == "a\\x1b[2J\n"
    assert shown(["a\x1b", "[2J"], written(["a\x1b[2J"]), safe=False)[0] == "a\x1b[2J\n"


def test_speed_is_told_by_tokens_or_by_pieces():
    _, streamed = shown(["a", "b"], written(["ab", "c"]))
    assert streamed.speed(written(["ab", "c"])) == "60 tokens in 2.0 s, 30 a second"
    bare = answers_of([("text", "text", ["ab"])], seconds=0.5)
    assert streamed.speed(bare) == "2 pieces in 0.5 s, 4 a second"
    assert Streamed(print).speed(bare) == ""
