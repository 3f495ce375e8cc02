"""number: what goes in comes back, odd columns are safe, odd cells are named."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.data.fields.number import Number

FIELD = Field("x", "number")
floats = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6, width=32))
any_floats = arrays(np.float64, st.integers(0, 60), elements=st.floats(allow_nan=True, allow_infinity=True))


def fitted(values, **options):
    return Number().fit(np.asarray(values), FIELD, **options)


@given(floats)
@settings(deadline=None)
def test_unclipped_inputs_come_back(values):
    kind = fitted(values)
    code = kind.encode(values)[0][""]
    back = kind.decode(code)
    inside = np.abs(code) < 2.5
    # float32 keeps 7 digits of the code; undoing clip and logarithm multiplies that error by at most about 10 and |x|.
    scale = kind.spread_ if not kind.log_unit_ else (np.abs(values) + kind.log_unit_) * kind.spread_
    allowed = 1e-5 * scale + 1e-6 * (kind.low_ + abs(kind.centre_)) + 1e-6 * np.abs(values)
    assert (np.abs(back - values) <= allowed)[inside].all()


@given(floats)
@settings(deadline=None)
def test_targets_come_back_in_their_own_unit(values):
    kind = fitted(values, is_target=True)
    back = kind.decode(kind.encode(values)[0][""])
    assert np.allclose(back, values, rtol=1e-6, atol=1e-5 * kind.spread_)


@given(any_floats, any_floats)
@settings(deadline=None)
def test_any_numbers_are_finite_ordered_codes_and_survive_the_bundle(train, asked):
    kind = fitted(train)
    parts, problems = kind.encode(asked)
    assert not problems
    code = parts[""]
    assert code.dtype == np.float32
    assert np.isfinite(code).all()
    assert (np.abs(code) <= 3).all()
    present = np.flatnonzero(~np.isnan(asked))
    assert (np.diff(code[present[np.argsort(asked[present], kind="stable")]]) >= 0).all()
    assert np.isfinite(kind.decode(code)).all()
    again = Number().restore(json.loads(json.dumps(kind.state(), allow_nan=False)))
    for name, array in again.encode(asked)[0].items():
        assert np.array_equal(array, parts[name])


def test_robust_scaling_is_that_of_realmlp():
    values = np.arange(101.0) ** 1.5
    z = (values - np.median(values)) / (np.quantile(values, 0.75) - np.quantile(values, 0.25))
    assert np.allclose(fitted(values).encode(values)[0][""], z / np.sqrt(1 + (z / 3) ** 2), atol=1e-6)


def test_target_is_standardised():
    code = fitted([1.0, 2.0, 3.0, 6.0], is_target=True).encode(np.array([3.0]))[0][""]
    assert code == pytest.approx(0.0)
    assert fitted([1.0, 5.0], is_target=True).spread_ == pytest.approx(2.0)


def test_missing_is_zero_with_a_companion_only_if_training_had_some():
    column = np.array([1.0, np.nan, 3.0])
    parts, _ = fitted(column).encode(column)
    assert parts["missing"].tolist() == [0, 1, 0]
    assert parts[""][1] == 0
    assert set(fitted([1.0, 2.0]).encode(column)[0]) == {""}


def test_text_cells_are_read_or_named():
    kind = fitted([1.0, 2.0, 3.0])
    column = np.array([" 2 ", "two", None, "1e400", "3"], object)
    parts, problems = kind.encode(column)
    assert problems == {1: "'two' is not a number"}
    assert np.isfinite(parts[""]).all()
    assert parts[""][0] == 0
    target = fitted([1.0, 2.0, 3.0], is_target=True).encode(column)[1]
    assert target == {1: "'two' is not a number", 2: "the value is missing", 3: "inf is not a finite number"}


def test_mostly_zero_column_keeps_zero_apart_and_spreads_the_rest():
    values = np.concatenate([np.zeros(900), np.linspace(2000, 15000, 100)])
    code = fitted(values).encode(values)[0][""]
    assert (code[:900] == 0).all()
    assert code[900:].min() > 0.4
    assert code[900:].max() - code[900:].min() > 0.8


def test_heavy_tails_are_logged():
    values = np.exp(3 * np.random.default_rng(0).standard_normal(5000))
    kind = fitted(values)
    code = kind.encode(values)[0][""]
    assert kind.log_unit_ > 0
    low, high = np.quantile(code, (0.9, 0.99))
    assert high - low > 0.4  # plain scaling would press both against 3


@pytest.mark.parametrize(
    "values", [[5.0] * 9, [1e308, -1e308, 0.0], [1e-320, 0.0, 0.0], [np.inf, 1.0, 2.0], [np.nan] * 3, []]
)
def test_odd_columns_are_safe(values):
    column = np.array(values)
    for is_target in (False, True):
        code = fitted(column, is_target=is_target).encode(column)[0][""]
        assert np.isfinite(code).all()


def test_integers_and_booleans():
    assert fitted(np.array([1, 2, 3])).encode(np.array([2]))[0][""] == 0
    assert fitted(np.array([True, False])).encode(np.array([True, False]))[0][""].tolist()[0] != 0


@pytest.mark.parametrize(
    "change", [{"spread": 0.0}, {"spread": float("nan")}, {"centre": "1"}, {"target": 1}, {"more": 1}]
)
def test_foreign_state_is_refused(change):
    with pytest.raises(BundleError):
        Number().restore({**Number().state(), **change})
