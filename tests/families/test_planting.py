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
    made = np.stack([planting.picture(whole, row, row, "test") for row in range(30)])
    changed = (made != whole).mean(axis=(1, 2, 3))
    assert (changed > 0).all()
    assert (changed < 0.35).all()
    grey = np.full((6, 3, 9, 9), 7, np.uint8)
    assert all((planting.picture(grey, row, row, "test") != 7).any() for row in range(6))


def test_a_column_is_ranked_once_whatever_the_number_of_copies(monkeypatch):
    ranked = []
    quantile = np.quantile
    monkeypatch.setattr(np, "quantile", lambda *given: ranked.append(1) or quantile(*given))
    planting.fields(table(600), np.arange(300), STEPS, [4, 4], "test")
    assert len(ranked) == 3


def test_a_number_far_out_lies_beyond_nearly_all():
    usual = np.linspace(10, 20, 1001, dtype=np.float32)
    made = planting.fields({"inputs.number": usual[:, None]}, np.arange(300), STEPS, [], "test")["inputs.number"]
    pushed, drawn = made[1::3, 0], made[2::3, 0]
    assert ((pushed <= 10.1 + 1e-4) | (pushed >= 19.9 - 1e-4)).all()  # hand calculation: 1% and 99% of 10 .. 20
    assert pushed.min() < 5
    assert pushed.max() > 25
    assert ((drawn >= 10) & (drawn <= 20)).all()
