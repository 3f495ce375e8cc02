"""Planted anomalies: where they are, how large, and what they leave alone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.series.made_series import every
from tests.data.series.test_row_windows import SCHEMA, table

from deepwell.core.keys import Key
from deepwell.core.table import Part
from deepwell.data.series.planting import EACH, FEWEST, STRETCH, planted
from deepwell.data.series.row_pipeline import RowPipeline, WantedRows

WIDTH = 6


def windows_of(data, history=None):
    pipeline = RowPipeline(SCHEMA, WantedRows(WIDTH)).fit(data if history is None else history)
    return pipeline.windows(Part("test", data, history))


@given(st.lists(st.integers(2, 250), min_size=1, max_size=3), st.integers(0, 99), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_rows_stay_and_copies_of_some_follow_whose_last_step_was_changed(lengths, seed, random):
    order = list(range(sum(lengths)))
    random.shuffle(order)
    data = table(lengths).take(np.array(order))
    windows = windows_of(data)
    found, truth = planted(windows, Key(seed))
    before, after = every(windows).arrays, every(found).arrays
    count = windows.count
    assert truth.tolist() == [0] * count + [1] * (found.count - count)
    np.testing.assert_array_equal(found.answered, np.arange(count))
    place = {row: i for i, row in enumerate(windows.rows.tolist())}
    of = np.array([place[row] for row in found.rows.tolist()])
    np.testing.assert_array_equal(found.units, windows.units[of])
    for name, array in after.items():
        np.testing.assert_array_equal(array[:count], before[name])
        if name != "window":
            np.testing.assert_array_equal(array, before[name][of])
    changed = after["window"] != before["window"][of]
    assert (changed.sum(axis=2) <= 1).all()  # one number
    assert changed[count:, -1].any(axis=1).all()
    for number, length in enumerate(lengths):
        mine = (data["s"][found.rows] == "abcdef"[number]) & (truth == 1)
        assert length >= FEWEST or not mine.any()
        assert mine.sum() <= max(1, round(length / EACH)) * STRETCH[1]
    again, _ = planted(windows, Key(seed))
    assert all((array == after[name]).all() for name, array in every(again).arrays.items())


def test_one_in_each_hundred_rows_each_a_stretch_in_time():
    windows = windows_of(table((1000,)))
    found, truth = planted(windows, Key(1))
    rows = np.sort(found.rows[truth == 1])
    begins = rows[np.flatnonzero(np.diff(rows, prepend=-9) > 1)]
    assert (begins // 100).tolist() == list(range(10))
    copies = np.unique(found.places.owner[truth == 1])
    assert len(copies) == 10


def test_an_anomaly_is_in_the_past_of_no_other():
    """In the copy of the last row of a spike only the spike's own rows differ from the data."""
    windows = windows_of(table((1000,)))
    found, truth = planted(windows, Key(2))
    before, after = every(windows).arrays["window"], every(found).arrays["window"]
    differs = (after[truth == 1] != before[found.rows[truth == 1]]).any(axis=2)
    assert (np.diff(differs.astype(int), axis=1) >= 0).all()  # nothing, then the anomaly up to the row itself


def test_missing_values_stay_and_history_is_read():
    data = table((200,))
    hole = data.with_columns({"y": np.where(np.arange(200) % 3 == 0, np.nan, data["y"])})
    early, late = hole.take(np.arange(100)), hole.take(np.arange(100, 200))
    found, _ = planted(windows_of(late, early), Key(0))
    arrays = every(found).arrays
    assert (arrays["window"][arrays["window.seen"] == 0] == 0).all()
    assert arrays["window.seen"][found.rows == 0][:, 0, 1].all()  # the first row of the part has rows before it


def test_a_series_that_never_changes_gets_anomalies_that_can_be_seen():
    data = table((200,)).with_columns({"y": np.full(200, 40.0), "z": np.full(200, 0.0)})
    found, truth = planted(windows_of(data), Key(0))
    moved = every(found).arrays["window"][truth == 1][:, -1]
    assert len(moved)
    assert np.abs(moved).max() > 1.5
