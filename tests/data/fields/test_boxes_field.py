"""Boxes: edges, labels and ignored objects in and out; what cannot be used is said with object and numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.data.fields.boxes import Boxes, cell, cell_problem, check_spelling
from deepwell.data.fields.kind import find
from deepwell.data.sources.columns import objects

FIELD = Field("objects", "boxes", "target")


def box(label, *edges, **more):
    """One object."""
    return {"label": label, "box": list(edges), **more}


def fitted(*cells):
    """The kind, fitted on these cells."""
    return Boxes().fit(objects(cells), FIELD, is_target=True)


TWO = fitted([box("dog", 0, 0, 4, 4), box("cat", 1, 1, 2, 3)])


def test_encodes_edges_labels_and_ignored_objects():
    parts, problems = TWO.encode(objects([[box("dog", 0.5, 1, 4, 8)], [], [box("cat", 1, 1, 2, 3, ignore=True)] * 2]))
    assert problems == {}
    assert parts[""].values.tolist() == [[0.5, 1, 4, 8], [1, 1, 2, 3], [1, 1, 2, 3]]
    assert parts["label"].values.tolist() == [1, 0, 0]
    assert parts["ignore"].values.tolist() == [0, 1, 1]
    assert [parts[p].offsets.tolist() for p in ("", "label", "ignore")] == [[0, 1, 1, 3]] * 3
    assert (parts[""].values.dtype, parts["label"].values.dtype, parts["ignore"].values.dtype) == ("f4", "i8", "u1")
    assert TWO.sizes() == (2,)
    assert TWO.classes_ == ["cat", "dog"]
    assert find("boxes") is Boxes


SMALL = st.integers(0, 5000).map(lambda n: n / 8)  # exact in float32


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["cat", "dog"]), SMALL, SMALL, SMALL, SMALL, st.booleans()), max_size=4),
        max_size=4,
    )
)
def test_cells_come_back(rows):
    cells = []
    for row in rows:
        made = []
        for label, left, top, wide, high, ignore in row:
            edges = [left, top, left + wide + 0.125, top + high + 0.125]
            made.append(box(label, *edges, **({"ignore": True} if ignore else {})))
        cells.append(made)
    parts, problems = TWO.encode(objects(cells))
    assert not problems
    assert TWO.whole(parts).tolist() == cells
    assert [[b["box"] for b in row] for row in TWO.decode(parts[""])] == [[b["box"] for b in row] for row in cells]


def test_answers_are_cells_with_scores():
    made = cell(np.array([[0, 1, 2, 3]], np.float32), np.array([1]), ["cat", "dog"], scores=np.array([0.25]))
    assert made == [box("dog", 0.0, 1.0, 2.0, 3.0, score=0.25)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (None, "the boxes are missing; an empty list says that there is no object"),
        (float("nan"), "the boxes are missing"),
        ("cat", "'cat' is not a list of boxes"),
        ([box("cat", 0, 0, 2, 2), box("cat", 9, 0, 4, 4)], "object 2 (cat) has reversed edges: left 9, top 0, right 4"),
        ([box("cat", 3, 0, 3, 4)], "object 1 (cat) has no area: left 3, top 0, right 3, bottom 4"),
        ([box("cat", 0, 0, float("nan"), 4)], "not a finite number: [0, 0, nan, 4]"),
        ([box("cat", 0, 0, 1e39, 4)], "not a finite number"),
        ([box("cat", 0, 0, "7", 4)], "not a finite number: [0, 0, 7, 4]"),
        ([box("cat", 0, 0, 4)], "has no four edges"),
        ([{"box": [0, 0, 1, 1]}], "has no label"),
        ([{"label": "cat"}], "is not of the form"),
        ([box("cot", 0, 0, 2, 2)], "the label 'cot', which no training row has; did you mean 'cat'?"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(wrong, says):
    parts, problems = TWO.encode(objects([[box("cat", 0, 0, 1, 1)], wrong]))
    assert list(problems) == [1]
    assert says in problems[1]
    assert parts[""].offsets.tolist() == [0, 1, 1]


def test_edges_that_float32_cannot_tell_apart_have_no_area():
    assert "no area" in cell_problem([box("cat", 20_000_000.0, 0, 20_000_000.5, 4)])


def test_labels_that_differ_in_case_or_spaces_are_refused_with_the_repair():
    with pytest.raises(DataError, match=r"'WBC' \(2 boxes\) and 'wbc' \(1\) differ") as caught:
        fitted([box("WBC", 0, 0, 1, 1)] * 2, [box("wbc", 0, 0, 1, 1)])
    assert "--map 'wbc -> WBC'" in caught.value.repair
    with pytest.raises(DataError, match="differ in case or spaces"):
        check_spelling({"red cell": 3, "redcell": 1})
    check_spelling({"a": 3, "A": 1, "cat": 1, "cart": 1})  # letters are classes of their own


def test_nothing_to_learn_is_said():
    with pytest.raises(DataError, match="no usable box in any of 2 rows"):
        fitted([], [])


def test_state_comes_back_and_foreign_states_are_refused():
    again = Boxes().restore(TWO.state())
    assert again.state() == TWO.state() == {"target": True, "labels": ["cat", "dog"]}
    for state in (
        {"target": True, "labels": []}, {"target": True, "labels": ["a", "a"]}, {"target": True, "labels": [1]},
        {"target": 1, "labels": ["a"]}, {"labels": ["a"]}, {"target": True, "labels": ["a" * 1001]},
    ):  # fmt: skip
        with pytest.raises(BundleError):
            Boxes().restore(state)


def test_nothing_but_ignored_boxes_is_nothing_to_learn():
    with pytest.raises(DataError, match=r"all 2 boxes of the column 'o' are to be ignored"):
        Boxes().fit(
            objects([[box("a", 0, 0, 1, 1, ignore=True)], [box("b", 0, 0, 1, 1, ignore=True)]]), Field("o", "boxes")
        )
    assert (
        Boxes().fit(objects([[box("a", 0, 0, 1, 1, ignore=True), box("b", 0, 0, 1, 1)]]), Field("o", "boxes")).labels_
    )


@pytest.mark.parametrize("digits", [400, 5000])
def test_huge_numbers_are_told_and_do_not_crash(digits):
    why = cell_problem([{"label": "a", "box": [10**digits, 1, 2, -(10**digits)]}])
    assert why.endswith("is not a finite number: [a huge number, 1, 2, a huge number]")
