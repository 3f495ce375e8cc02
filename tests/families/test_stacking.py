"""Stacking: the arrays that networks and baselines read, sample and class weights, units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.batch import Encoded
from deepwell.core.errors import DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.families.stacking import Stacking, units, weights

SCHEMA = Schema((
    Field("a", "number"), Field("k", "category"), Field("photo", "image"), Field("b", "number"), Field("y", "category", "target"),
))  # fmt: skip


def stack(schema, columns):
    return Stacking.of(schema)(columns)


def encoded():
    three = np.arange(3, dtype=np.float32)
    return Encoded(
        {
            "a": three, "a.position": three + 1, "k": np.array([2, 0, 1]), "photo": np.zeros((3, 1, 4, 4), np.uint8),
            "b": three * 10, "b.missing": np.array([0, 1, 0], np.float32), "b.position": three + 2, "y": np.array([0, 1, 1]),
        },
        np.array([0, 2, 5]), {1: "bad"},
    )  # fmt: skip


def test_scalars_are_stacked_by_kind_and_heavier_fields_keep_their_names():
    found = stack(SCHEMA, encoded().columns)
    assert set(found) == {"inputs.number", "inputs.number.position", "inputs.category", "photo", "y"}
    np.testing.assert_array_equal(found["inputs.number"], [[0, 0, 0], [1, 10, 1], [2, 20, 0]])
    np.testing.assert_array_equal(found["inputs.number.position"], [[1, 2], [2, 3], [3, 4]])
    np.testing.assert_array_equal(found["inputs.category"], [[2], [0], [1]])
    assert found["inputs.number"].dtype == np.float32
    assert found["inputs.category"].dtype == np.int32


def test_kinds_without_a_field_give_no_array():
    schema = Schema((Field("photo", "image"), Field("y", "category", "target")))
    only = {n: c for n, c in encoded().columns.items() if n in ("photo", "y")}
    assert set(stack(schema, only)) == {"photo", "y"}


def test_a_target_may_be_called_category():
    schema = Schema((Field("k", "category"), Field("category", "category", "target")))
    found = stack(schema, {"k": np.zeros(2, int), "category": np.ones(2, int)})
    np.testing.assert_array_equal(found["category"], [1, 1])
    np.testing.assert_array_equal(found["inputs.category"], [[0], [0]])


def test_a_target_that_is_called_like_a_stacked_array_is_refused_with_the_way_out():
    schema = Schema((Field("k", "category"), Field("inputs.category", "category", "target")))
    with pytest.raises(DataError, match=r"may not be called 'inputs.category'[\s\S]*rename"):
        stack(schema, {"k": np.zeros(2, int), "inputs.category": np.zeros(2, int)})


def test_columns_called_like_the_arrays_are_fine_as_inputs():
    schema = Schema((Field("number", "category"), Field("category", "number"), Field("y", "number", "target")))
    columns = {"number": np.array([1]), "category": np.ones(1), "category.position": np.ones(1), "y": np.ones(1)}
    found = stack(schema, columns)
    assert set(found) == {"inputs.number", "inputs.number.position", "inputs.category", "y"}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_balanced_classes_get_equal_weight_in_all_and_mean_one(truth):
    schema = Schema((Field("y", "category", "target"),))
    found = weights(schema, Encoded({"y": np.array(truth)}, np.arange(len(truth))), Table({}), {"y": 4})
    weight = found.columns["y.weight"]
    assert weight.dtype == np.float32
    assert weight.mean() == pytest.approx(1, rel=1e-5)
    totals = [weight[np.array(truth) == c].sum() for c in set(truth)]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-4)


def test_no_weights_unless_asked():
    schema = Schema((Field("y", "category", "target"),))
    data = Encoded({"y": np.array([0, 0, 1])}, np.arange(3))
    assert set(weights(schema, data, Table({}), {}).columns) == {"y"}


def weighted(values, balanced=None):
    schema = Schema((Field("w", "number", "weight"), Field("y", "category", "target")))
    data = Encoded({"y": np.array([0, 0, 1])}, np.array([0, 1, 3]))
    return weights(schema, data, Table({"w": np.array(values)}), balanced or {}).columns["y.weight"]


def test_sample_weights_are_those_of_the_usable_rows_scaled_to_mean_one():
    np.testing.assert_allclose(weighted([1.0, 2.0, 99.0, 3.0]), [0.5, 1.0, 1.5])


def test_sample_weights_count_when_classes_are_balanced():
    np.testing.assert_allclose(
        weighted([1.0, 2.0, 99.0, 3.0], {"y": 2}), [0.5, 1.0, 1.5]
    )  # both classes weigh 3 already


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_bad_sample_weight_is_named_with_its_row(bad):
    with pytest.raises(DataError, match=r"row 3: a weight must be a number of at least 0; got .* in column 'w'"):
        weighted([1.0, 1.0, 1.0, bad])


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(DataError, match="all weights in column 'w' are 0"):
        weighted([0.0, 0.0, 5.0, 0.0])


def test_units_are_groups_of_rows_that_agree_in_every_group_column():
    schema = Schema((Field("g", "category", "group"), Field("h", "number", "group")))
    table = Table({"g": np.array(["u", "v", "u", "u"], object), "h": np.array([1, 1, 2, 1])})
    rows = Encoded({}, np.arange(4))
    found = units(schema, rows, table)
    assert found[0] == found[3]
    assert len(set(found.tolist())) == 3
    assert units(schema, rows, Table({"other": np.arange(4)})) is None
