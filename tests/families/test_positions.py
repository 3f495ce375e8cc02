"""Positions: knots at about equal mass, linear in between, the same after a bundle, bad states refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.families.positions import MOST_KNOTS, PositionedNumber, knots

FIELD = Field("x", "number")
finite = st.floats(-1e300, 1e300)
columns = st.lists(st.one_of(finite, st.just(float("nan")), st.sampled_from([0.0, 1.0])), min_size=1, max_size=200)


def fitted(values):
    return PositionedNumber().fit(np.array(values, float), FIELD)


def position(kind, values):
    parts, problems = kind.encode(np.array(values, float))
    assert not problems
    return parts["position"]


def test_few_values_are_knots_themselves_and_positions_are_linear_between():
    kind = fitted([10, 20, 20, 40])
    assert kind.sizes() == (1, 3)
    np.testing.assert_allclose(position(kind, [10, 15, 20, 30, 40, -5, 99]), [0, 0.5, 1, 1.5, 2, 0, 2])


def test_a_frequent_value_takes_one_knot_and_leaves_the_others_to_the_rest():
    values = np.concatenate([np.zeros(9000), np.arange(1, 1001)])  # capital gains: nine tenths are 0
    found = knots(values, 64)
    assert len(found) == 64
    assert found[0] == 0
    assert found[-1] == 1000
    steps = np.diff(found[1:])
    assert steps.max() <= 1.5 * np.median(steps)  # 1,000 rows over 63 bins: about 16 each


def test_bins_hold_about_equally_many_rows():
    values = np.random.default_rng(0).lognormal(size=5000)
    counts, _ = np.histogram(values, knots(values, 33))
    assert len(counts) == 32
    assert counts.min() > 0.8 * 5000 / 32
    assert counts.max() < 1.2 * 5000 / 32


@given(st.lists(finite, min_size=1, max_size=300), st.integers(2, 20))
def test_knots_are_training_values_in_order_with_both_ends(values, most):
    found = knots(np.array(values), most)
    assert 1 <= len(found) <= most
    assert set(found) <= set(np.array(values))
    assert np.all(np.diff(found) > 0)
    assert (found[0], found[-1]) == (min(values), max(values))


@given(columns, columns)
def test_positions_stay_on_the_scale_and_keep_the_order(training, asked):
    kind = fitted(training)
    found = position(kind, asked)
    count = kind.sizes()[1]
    assert 1 <= count <= MOST_KNOTS
    assert found.dtype == np.float32
    assert np.all((found >= 0) & (found <= count - 1))
    order = np.argsort(np.array(asked)[~np.isnan(asked)])
    assert np.all(np.diff(found[~np.isnan(asked)][order]) >= 0)


def test_missing_values_stand_at_the_median_and_are_told_apart_where_training_had_some():
    kind = fitted([1, 2, 3, np.nan])
    parts, _ = kind.encode(np.array([np.nan, 3.0]))
    np.testing.assert_array_equal(parts["position"], [1, 2])
    np.testing.assert_array_equal(parts["missing"], [1, 0])
    assert kind.sizes() == (2, 3)
    assert "missing" not in fitted([1, 2]).encode(np.array([np.nan]))[0]


def test_a_column_without_any_value_still_encodes():
    kind = fitted([np.nan, np.nan])
    np.testing.assert_array_equal(position(kind, [np.nan, 7.0]), [0, 0])


@given(columns, columns)
def test_a_restored_kind_gives_the_same_bits(training, asked):
    kind = fitted(training)
    copy = PositionedNumber().restore(json.loads(json.dumps(kind.state())))
    ours, theirs = kind.encode(np.array(asked))[0], copy.encode(np.array(asked))[0]
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    np.testing.assert_array_equal(kind.decode(ours[""]), copy.decode(theirs[""]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"knots": []}, "needs 1 to 4096 knots; got 0"),
        ({"knots": [1.0, 1.0]}, "ascending order"),
        ({"knots": [1.0, float("inf")]}, "finite"),
        ({"knots": ["a"]}, "finite float"),
        ({"absent": 7.0}, "not on the scale"),
        ({"number": {}}, "must have exactly the entries"),
        ({"more": 1}, "must have exactly the entries"),
    ],
)
def test_a_bad_state_is_refused(change, said):
    state = fitted([1, 2, 3]).state() | change
    with pytest.raises(BundleError, match=said):
        PositionedNumber().restore(state)
