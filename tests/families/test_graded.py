"""graded: places of numbers on a scale."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.families.graded import STEPS, Graded

FIELD = Field("x", "number")


def fitted(values):
    return Graded().fit(np.asarray(values, float), FIELD)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_larger_numbers_stand_no_lower(values, first, second):
    places = fitted(values).encode(np.array(sorted([first, second])))[0][""]
    assert 0 <= places[0] <= places[1] <= STEPS - 1


def test_values_come_back_and_missing_ones_are_told_apart():
    draws = np.random.default_rng(0).normal(5, 2, 500)
    kind = fitted(draws)
    parts, problems = kind.encode(np.array([5.0, np.nan, 3.2]))
    assert parts[""][1] == -1
    assert not problems
    assert kind.decode(parts[""]) == pytest.approx([5.0, np.nan, 3.2], nan_ok=True, abs=1e-4)


def test_huge_and_infinite_numbers_stand_at_the_ends():
    parts, _ = fitted(np.arange(100.0)).encode(np.array([1e30, -1e30, np.inf, -np.inf]))
    assert parts[""] == pytest.approx([STEPS - 1, 0, STEPS - 1, 0], abs=1e-3)


def test_words_among_numbers_are_problems():
    _, problems = fitted(np.arange(10.0)).encode(np.array([1.0, "much"], object))
    assert problems == {1: "'much' is not a number"}


def test_what_was_learnt_is_restored_and_foreign_states_are_refused():
    kind = fitted(np.arange(100.0))
    again = Graded().restore(json.loads(json.dumps(kind.state())))
    asked = np.array([0.0, 17.5, np.nan])
    assert np.array_equal(again.encode(asked)[0][""], kind.encode(asked)[0][""])
    with pytest.raises(BundleError, match="graded number"):
        Graded().restore({"number": {}, "more": 1})
