"""planting: spoilt copies differ from their rows, stay within the scale, and are always the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.families import planting

STEPS = 33


def table(n=60, numbers=3, seed=0):
    draws = np.random.default_rng(seed)
    return {
        "inputs.number": draws.uniform(0, STEPS - 1, (n, numbers)).astype(np.float32),
        "inputs.category": draws.integers(1, 4, (n, 2)).astype(np.int32),
    }


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.integers(1, 40), st.integers(0, 99))
def test_every_copy_differs_and_stays_on_the_scale(numbers, rows, seed):
    columns = table(60, numbers, seed)
    index = np.arange(rows)
    made = planting.fields(columns, index, STEPS, [4, 4], "test")
    differs = np.zeros(rows, bool)
    for name, column in columns.items():
        assert made[name].dtype == column.dtype
        differs |= (made[name] != column[index]).any(axis=1)
    assert differs.all()
    assert ((made["inputs.number"] >= 0) & (made["inputs.number"] <= STEPS - 1)).all()
    assert ((made["inputs.category"] >= 0) & (made["inputs.category"] < 4)).all()


def test_a_third_of_the_copies_have_usual_values_in_unusual_company():
    cause = np.linspace(0, STEPS - 1, 300, dtype=np.float32)
    columns = {"inputs.number": np.stack([cause, cause], axis=1)}
    index = planting.chosen(300, "test")
    made = planting.fields(columns, index, STEPS, [], "test")["inputs.number"]
    swapped = made[::3]
    assert np.isin(swapped, cause).all()
    assert np.abs(swapped[:, 0] - swapped[:, 1]).mean() > 5


def test_constant_and_missing_columns_do_no_harm():
    columns = {"inputs.number": np.full((20, 2), -1, np.float32)}
    made = planting.fields(columns, np.arange(20), STEPS, [], "test")
    assert (made["inputs.number"] >= -1).all()


def test_parts_get_their_own_copies_and_always_the_same():
    columns, index = table(), np.arange(30)
    first, again, other = (
        planting.fields(columns, index, STEPS, [4, 4], part) for part in ("test", "test", "calibrate")
    )
    assert all(np.array_equal(first[n], again[n]) for n in columns)
    assert any(not np.array_equal(first[n], other[n]) for n in columns)


@pytest.mark.parametrize(("rows", "copies"), [(10, 10), (100, 50), (1000, 200)])
def test_how_many_rows_are_copied(rows, copies):
    index = planting.chosen(rows, "test")
    assert len(index) == len(set(index.tolist())) == copies


def test_pictures_differ_in_a_part_only():
    draws = np.random.default_rng(0)
    whole = draws.integers(0, 255, (30, 1, 16, 16)).astype(np.uint8)
    made = planting.pictures(whole, np.arange(30), "test")
    changed = (made != whole).mean(axis=(1, 2, 3))
    assert (changed > 0).all()
    assert (changed < 0.35).all()
    grey = np.full((6, 3, 9, 9), 7, np.uint8)
    assert all((spoilt != 7).any() for spoilt in planting.pictures(grey, np.arange(6), "test"))
