"""Arrays of numbers as a kind: kept as they are, refused in words where they do not suit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as made

from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.data.fields.vector import Vector

FIELD = Field("x", "vector")


@given(
    made.arrays(np.float32, made.array_shapes(min_dims=1, max_dims=4, max_side=4), elements=st.floats(-9, 9, width=32))
)
def test_what_is_encoded_comes_back(column):
    kind = Vector().fit(column, FIELD)
    parts, problems = kind.encode(column)
    assert not problems
    assert parts[""].dtype == np.float32
    np.testing.assert_array_equal(kind.decode(parts[""]), column)
    again = Vector().restore(kind.state())
    np.testing.assert_array_equal(again.encode(column)[0][""], column)


def test_an_array_that_is_passed_through_cannot_be_written_to():
    column = np.ones((3, 2), np.float32)
    encoded = Vector().fit(column, FIELD).encode(column)[0][""]
    assert np.shares_memory(encoded, column)
    assert not encoded.flags.writeable


@pytest.mark.parametrize(
    ("column", "sizes"),
    [
        (np.arange(30) % 3, (1, 3)),
        (np.arange(30)[:, None] % 2, (1, 2, 1)),
        (np.arange(30) % 3 - 1, (1, 0)),  # below 0: numbers
        (np.arange(30), (1, 0)),  # too few rows for each
        (np.arange(30) % 3 + 2_000_000, (1, 0)),
        (np.arange(30) % 3 / 2, (0, 0)),
    ],
)
def test_whole_numbers_of_a_target_are_classes_where_they_count_from_0_and_have_rows(column, sizes):
    kind = Vector().fit(column, FIELD, is_target=True)
    assert kind.sizes() == sizes
    assert Vector().fit(column, FIELD).sizes()[1] == 0  # an input has none


def test_classes_that_training_did_not_hold_are_named():
    kind = Vector().fit(np.arange(30) % 3, FIELD, is_target=True)
    problems = kind.encode(np.array([0, 3, 2, -1]))[1]
    assert sorted(problems) == [1, 3]
    assert "0 to 2" in problems[1]


def test_numbers_that_the_model_cannot_hold_are_named():
    huge = np.array([[1.0, 2.0], [1e300, 0.0], [-np.inf, 0.0]])
    _encoded, problems = Vector().fit(np.ones((2, 2)), FIELD).encode(huge)
    assert sorted(problems) == [1, 2]
    assert "float32" in problems[1]
    large = np.array([1, 2, 3, 4, 3_000_000_000])
    kind = Vector().fit(large, FIELD)
    assert kind.whole_
    assert "2,147,483,647" in kind.encode(large)[1][4]
    Vector().restore(kind.state())


def test_whole_numbers_stay_whole():
    kind = Vector().fit(np.array([[1, 2], [7, 0]]), FIELD)
    assert kind.sizes() == (1, 0, 2)
    parts, problems = kind.encode(np.array([[1.0, 2.0], [1.5, 0.0], [np.nan, 1.0]]))
    assert parts[""].dtype == np.int32
    assert parts[""][0].tolist() == [1, 2]
    assert set(problems) == {1, 2}
    assert "whole" in problems[1]
    assert "missing" in problems[2]


def test_rows_that_do_not_suit_are_named():
    column = np.empty(5, object)
    column[:] = [[1.0, 2.0], [3.0, np.inf], None, [1.0, 2.0, 3.0], "abc"]
    kind = Vector().fit(column[:2], FIELD)
    parts, problems = kind.encode(column)
    assert parts[""].shape == (5, 2)
    assert sorted(problems) == [1, 2, 3, 4]
    assert "not finite" in problems[1]
    assert "(3,)" in problems[3]
    assert "no array of numbers" in problems[4]


def test_another_shape_is_told_with_both():
    kind = Vector().fit(np.zeros((4, 3, 2)), FIELD)
    _, problems = kind.encode(np.zeros((2, 2, 3)))
    assert "(2, 3)" in problems[0]
    assert "(3, 2)" in problems[0]
    assert len(problems) == 2


def test_a_length_that_is_left_open_may_differ_between_tables_but_not_within_one():
    kind = Vector((0, 2)).fit(np.zeros((4, 3, 2)), FIELD)
    assert kind.encode(np.zeros((2, 9, 2)))[0][""].shape == (2, 9, 2)
    mixed = np.empty(2, object)
    mixed[:] = [np.zeros((3, 2)), np.zeros((4, 2))]
    assert list(kind.encode(mixed)[1]) == [1]


def test_a_column_without_any_array_is_refused():
    with pytest.raises(DataError, match="'x'"):
        Vector().fit(np.array([None, None], object), FIELD)
    with pytest.raises(DataError, match="numbers"):
        Vector((2,)).encode(np.array([["a", "b"]]))


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"shape": [1], "whole": 1, "classes": 0},
        {"shape": [-1], "whole": True, "classes": 0},
        {"shape": [1] * 99, "whole": True, "classes": 0},
    ],
)
def test_a_foreign_state_is_refused(state):
    with pytest.raises(BundleError):
        Vector().restore(state)
