"""category: levels are the same for every storage form, unknown is one rule, values come back in their type."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.data.fields.category import Category

FIELD = Field("c", "category")
cells = st.lists(st.one_of(st.none(), st.text(max_size=5), st.integers(-5, 5), st.booleans(), st.floats()), max_size=40)


def objects(values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def fitted(column, **options):
    return Category().fit(column, FIELD, **options)


@given(st.lists(st.sampled_from(["a", "b", "ß", "10", "9", " x"]), min_size=1, max_size=30), st.booleans())
@settings(deadline=None)
def test_text_comes_back(values, is_target):
    column = objects(values)
    kind = fitted(column, is_target=is_target)
    assert kind.decode(kind.encode(column)[0][""]).tolist() == values


@given(cells, cells, st.booleans())
@settings(deadline=None)
def test_any_cells_encode_within_sizes_and_survive_the_bundle(train, asked, is_target):
    kind = fitted(objects(train), is_target=is_target)
    parts, problems = kind.encode(objects(asked))
    good = np.setdiff1d(np.arange(len(asked)), list(problems))
    assert ((parts[""] >= 0) & (parts[""] < kind.sizes()[0]))[good].all()
    again = Category().restore(json.loads(json.dumps(kind.state())))
    assert np.array_equal(again.encode(objects(asked))[0][""], parts[""])
    assert again.encode(objects(asked))[1] == problems


def test_whole_numbers_are_one_category_in_every_form():
    kind = fitted(np.array([3, 1, 2, 10]), is_target=True)
    assert kind.classes_ == ["1", "2", "3", "10"]
    for column in (
        np.array([10, 1]),
        np.array([10.0, 1.0]),
        objects(["10", "1"]),
        objects([10, 1.0]),
        np.uint8([10, 1]),
    ):
        assert kind.encode(column)[0][""].tolist() == [3, 0]
    back = kind.decode(np.array([3, 0]))
    assert back.dtype == np.int64
    assert back.tolist() == [10, 1]


def test_types_come_back():
    assert fitted(np.array([0.5, 1.5]), is_target=True).decode(np.array([1])).tolist() == [1.5]
    assert fitted(np.array([True, False]), is_target=True).decode(np.array([1])).dtype == np.bool_
    with_gap = fitted(np.array([1.0, np.nan, 2.0]))
    assert with_gap.type_ == "int"
    assert np.array_equal(with_gap.decode(np.array([0, 2])), [np.nan, 2.0], equal_nan=True)


def test_booleans_and_their_texts_are_the_same():
    assert fitted(objects(["true", "false"])).encode(np.array([True, False]))[0][""].tolist() == [2, 1]
    assert fitted(np.array([True, False])).encode(objects(["true", "FALSE"]))[0][""].tolist() == [2, 1]


def test_missing_unknown_and_rare_share_level_0():
    column = objects(["a"] * 60 + ["b"] * 50 + ["once", None, " "])
    kind = fitted(column)
    assert kind.levels_ == ["a", "b"]
    assert kind.encode(objects(["b", "a", "once", None, "never"]))[0][""].tolist() == [2, 1, 0, 0, 0]
    assert kind.sizes() == (3,)
    assert kind.decode(np.array([1, 0])).tolist() == ["a", None]


def test_many_values_keep_the_most_frequent():
    kind = Category(most=2).fit(objects(["a", "b", "b", "c", "c"]), FIELD)
    assert kind.levels_ == ["b", "c"]


def test_unknown_class_names_the_nearest():
    kind = fitted(objects([">50K", "<=50K"]), is_target=True)
    problems = kind.encode(objects([">50K.", None, ">50K"]))[1]
    assert problems == {
        0: "the label '>50K.' was never seen in training; did you mean '>50K'?",
        1: "the label is missing",
    }


def test_unhashable_cells_are_unknown():
    assert fitted(objects(["a", "b"])).encode(objects([["a"], "b"]))[0][""].tolist() == [0, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"levels": ["b", "a"]},
        {"levels": ["a", "a"]},
        {"levels": [1]},
        {"type": "code"},
        {"type": "int"},
        {"target": "yes"},
    ],
)
def test_foreign_state_is_refused(change):
    state = {"target": True, "type": "text", "levels": ["a", "b"]}
    Category().restore(state)
    with pytest.raises(BundleError):
        Category().restore({**state, **change})
