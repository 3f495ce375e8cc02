"""Series on a grid and as windows: against plain loops over small tables, with gaps, several series and history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.series.made_series import KEY, every, fitted, objects, own, table, times

from deepwell.core.errors import DataError
from deepwell.core.examples import Picked
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Origin, Part, Table
from deepwell.data.series.pipeline import SeriesPipeline, Wanted


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 5), st.integers(1, 8),
    st.sets(st.integers(0, 100), max_size=12), st.randoms(use_true_random=False),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_windows_are_those_of_a_plain_loop(lengths, horizon, context, dropped, random):
    """Rows dropped and shuffled: every place with a whole context, and a value seen on both sides, is a window."""
    whole = table(lengths)
    kept = [row for row in range(len(whole)) if row not in dropped]
    random.shuffle(kept)
    data = whole.take(np.array(kept, int))
    expected = []
    for name in sorted(set(data["s"])):
        y = {hour: value for s, hour, value in zip(data["s"], data["x"], data["y"], strict=True) if s == name}
        for origin in range(int(min(y)) + context, int(max(y)) + 2 - horizon):
            steps = [y.get(float(hour), np.nan) for hour in range(origin - context, origin + horizon)]
            if np.isfinite(steps[:context]).any() and np.isfinite(steps[context:]).any():
                expected.append((name, steps))
    if not expected:
        with pytest.raises(DataError, match="no series can be trained on"):
            fitted(data, horizon, context).windows(Part("train", data))
        return
    pipeline = fitted(data, horizon, context)
    windows = pipeline.windows(Part("train", data))
    assert windows.count == len(expected)
    batch = every(windows)
    found = np.concatenate([own(batch, "past"), own(batch)], axis=1)[..., 0]
    names = pipeline.names_of(batch)[:, 0]
    order = np.lexsort((batch.arrays["origin"], names))
    assert names[order].tolist() == [name for name, _ in expected]
    np.testing.assert_allclose(found[order], [steps for _, steps in expected], rtol=1e-5, atol=1e-4)


def test_features_stand_at_their_steps():
    data = table()
    pipeline = fitted(data)
    batch = every(pipeline.windows(Part("train", data)))
    arrays = batch.arrays
    steps = arrays["origin"][:, None] - arrays["origin"].min() + pipeline.context_ + np.arange(3)
    calendar = 2 * len(pipeline.calendar_)
    k = pipeline.fields_.kinds_["k"].decode(arrays["future.known"][..., calendar])
    np.testing.assert_allclose(k, steps % 5, atol=1e-4)
    x = pipeline.fields_.kinds_["x"].decode(arrays["past.beside"][..., 0])
    np.testing.assert_allclose(x[:, -1], steps[:, 0] - 1, atol=1e-2)
    assert arrays["static"].shape == (batch.examples.size, 2)
    assert {tuple(row) for row in arrays["static"].tolist()} == {(1.0, 0.0), (0.0, 1.0)}
    angle = 2 * np.pi * (steps % 24) / 24
    np.testing.assert_allclose(arrays["future.known"][..., 0], np.sin(angle), atol=1e-5)
    assert pipeline.sizes() == {
        "past": (6, 1), "future": (3, 1), "known": (calendar + 1,), "beside": (1,), "static": (2,), "series": (2,)
    }  # fmt: skip


def test_later_parts_see_history_and_ask_only_for_their_own_rows():
    data = table()
    early = data["x"] < 30
    train, test = data.take(early), data.take(~early)
    pipeline = fitted(train)
    batch = every(pipeline.windows(Part("test", test, train)))
    assert len(batch) == 2 * (10 - 3 + 1)
    assert own(batch).min() >= 30 - 1
    first = own(batch, "past")[0, :, 0]
    np.testing.assert_allclose(first, data["y"][24:30], rtol=1e-5)
    # A part shorter than the horizon has one window, whose last steps are not asked for.
    short = every(pipeline.windows(Part("test", test.take(test["x"] < 32), train)))
    assert len(short) == 2
    assert short.arrays["future.seen"][:, :, 0].tolist() == [[1, 1, 0]] * 2
    # Without history the first steps are the past.
    alone = pipeline.windows(Part("test", test))
    assert alone.count == 2 * (10 - 6 - 3 + 1)


def test_only_own_rows_are_truths():
    """Where rows of history lie between own ones, they are past, and never asked for."""
    data = table((40,))
    mine = np.isin(np.arange(40), [20, 25, 30])
    train, test = data.take(~mine), data.take(mine)
    batch = every(fitted(train).windows(Part("test", test, train)))
    asked = np.unique(own(batch)[np.isfinite(own(batch))])
    np.testing.assert_allclose(asked, test["y"], rtol=1e-5)
    assert (batch.arrays["future"][batch.arrays["future.seen"] == 0] == 0).all()


@pytest.mark.parametrize("part", ["select", "test"])
def test_a_part_without_a_truth_is_refused(part):
    data = table((40,))
    train, test = data.take(np.arange(30)), data.take(np.arange(30, 40))
    pipeline = fitted(train)
    with pytest.raises(DataError, match=f"nothing can be asked in the part {part}: no step has a value"):
        pipeline.windows(Part(part, test.with_columns({"y": np.full(10, np.nan)}), train))
    with pytest.raises(DataError, match="the series 'a' has 4 steps; 9 are needed"):
        pipeline.windows(Part(part, test.take(np.arange(4))))


def test_scales_of_a_new_series_do_not_know_its_truths():
    data = table((40,))
    pipeline = fitted(data)
    new = data.with_columns({"s": objects("z" * 40), "y": np.where(np.arange(40) < 12, data["y"], 5000.0)})
    late, before = new.take(np.arange(12, 40)), new.take(np.arange(12))
    first = new["y"][:6]
    alone = every(pipeline.windows(Part("test", new))).arrays
    np.testing.assert_allclose(alone["future.offset"][:, 0], first.mean())
    np.testing.assert_allclose(alone["future.factor"][:, 0], first.std())
    with_past = every(pipeline.windows(Part("test", late, before))).arrays
    np.testing.assert_allclose(with_past["future.offset"][:, 0], before["y"].mean())
    # Nothing of it was ever known: what is usual in training.
    blank = before.with_columns({"y": np.full(12, np.nan)})
    usual = every(pipeline.windows(Part("test", late, blank))).arrays
    np.testing.assert_allclose(usual["future.offset"][:, 0], pipeline.offset_[0, 0])


def test_units_are_blocks_that_hardly_overlap():
    windows = fitted(table()).windows(Part("train", table()))
    count = windows.count // 2
    assert windows.units.tolist() == [i // 3 for i in range(count)] + [
        windows.units[count] + i // 3 for i in range(count)
    ]
    assert windows.units[count] > windows.units[count - 1]


def test_bad_rows_are_named():
    data = table((40, 5))
    cells = data["y"].astype(object)
    cells[7] = "many"
    moments = data["t"].copy()
    moments[9] = "2024-01-01T09:00:30"
    moments[11] = None
    windows = fitted(data).windows(Part("train", data.with_columns({"y": cells, "t": moments})))
    assert "column 'y': 'many' is not a finite number" in windows.problems[7]
    assert "is not on the grid of the series (hourly)" in windows.problems[9]
    assert "the time is missing" in windows.problems[11]
    assert "the series 'b' has 5 steps; 9 are needed: 6 to look back on and 3 to forecast" in windows.problems[40]
    assert sorted(windows.problems) == [7, 9, 11, 40, 41, 42, 43, 44]


def test_doubled_moments_name_both_rows():
    data = table((10,))
    twice = data.take(np.array([*range(10), 4]))
    twice = Table(twice.columns, Origin(("a.csv",), np.zeros(11, np.int32), np.arange(2, 13)))
    with pytest.raises(
        DataError, match=r"a\.csv, line 6 and a\.csv, line 12: the series 'a' has the moment 2024-01-01 04"
    ):
        fitted(twice)
    fold = twice.with_columns({"t": np.array(times([*range(2, 12), 2]), object)})
    day = objects(cell.replace("2024-01-01", "2024-10-27") for cell in fold["t"])
    with pytest.raises(DataError, match="whose clock was set back"):
        fitted(fold.with_columns({"t": day}))


def test_a_sparse_grid_is_refused():
    data = Table({**table((40,)).columns, "t": times([*range(39), 3 * 10**6])})
    with pytest.raises(DataError, match="nearly all would be missing"):
        fitted(data)


def test_scales_are_those_of_each_series_and_the_naive_error_is_hyndmans():
    data = table()
    pipeline = fitted(data, season=2)
    y = data["y"].reshape(2, 40)
    np.testing.assert_allclose(pipeline.offset_[:, 0], y.mean(1))
    np.testing.assert_allclose(pipeline.factor_[:, 0], y.std(1))
    np.testing.assert_allclose(pipeline.naive_[:, 0], np.abs(y[:, 2:] - y[:, :-2]).mean(1) / y.std(1))


def test_rows_without_times_follow_one_another():
    plain = Schema((Field("y", "number", "target"),))
    data = Table({"y": np.arange(30.0)})
    pipeline = SeriesPipeline(plain, Wanted(2, 4)).fit(data)
    batch = every(pipeline.windows(Part("train", data)))
    np.testing.assert_allclose(own(batch)[:, 0, 0], np.arange(4, 29), rtol=1e-5)


def test_of_many_test_windows_those_that_forecast_each_step_once_are_answered(monkeypatch):
    data = table()
    train, test = data.take(data["x"] < 30), data.take(data["x"] >= 30)
    pipeline = fitted(train)
    assert pipeline.windows(Part("test", test, train)).answered is None
    monkeypatch.setattr("deepwell.data.series.windows.MOST_ANSWERS", 10)
    windows = pipeline.windows(Part("test", test, train))
    origins = every(Picked(windows, windows.answered)).arrays["origin"].reshape(2, -1)
    assert np.diff(origins, axis=1).tolist() == [[3, 3]] * 2


def test_of_very_many_series_the_longest_are_known_and_the_others_new(monkeypatch):
    monkeypatch.setattr("deepwell.data.series.pipeline.MOST_NUMBERS", 16)  # two series
    data = table((20, 40, 30))
    pipeline = fitted(data)
    assert pipeline.names_ == [("b",), ("c",)]
    batch = every(pipeline.windows(Part("test", data)))
    assert set(batch.arrays["series"].tolist()) == {-1, 0, 1}
    assert set(pipeline.names_of(batch)[:, 0]) == {"a", "b", "c"}
    new = batch.arrays["series"] == -1
    np.testing.assert_allclose(batch.arrays["future.offset"][new, 0], data["y"][:6].mean())  # its first past
    assert pipeline.said()[-1].startswith("the model knows 2 series by name, the longest")
    assert pipeline.said()[-1].endswith("; 1 are too many")
    train = fitted(data)
    train.windows(Part("train", data))
    assert "keeps rows of no more" in train.question.rejected[0].reason


def test_gaps_are_missing_and_windows_without_any_value_are_left_out():
    data = table((40,))
    y = data["y"].copy()
    y[10:25] = np.nan
    pipeline = fitted(data.with_columns({"y": y}))
    batch = every(pipeline.windows(Part("train", data.with_columns({"y": y}))))
    origins = batch.arrays["origin"] - batch.arrays["origin"].min() + 6
    assert not set(range(16, 26)) & set(origins.tolist())  # nothing seen in the six steps before
    assert 10 not in origins  # nothing seen in the three steps after
    assert np.isnan(own(batch, "past")).any()
    assert (batch.arrays["past"][batch.arrays["past.seen"] == 0] == 0).all()


def test_taking_is_pure_and_leaves_the_flat_arrays_alone():
    windows = fitted(table()).windows(Part("train", table()))
    before = windows.flat.value.copy()
    first = windows.take(np.array([3, 0]), KEY)
    first.arrays["past"][:] = 7
    again = windows.take(np.array([0, 3]), Key(9))
    np.testing.assert_array_equal(windows.flat.value, before)
    np.testing.assert_array_equal(again.arrays["future"], first.arrays["future"][::-1])


def test_columns_that_are_missing_are_named():
    data = table()
    pipeline = fitted(data)
    without = Table({n: c for n, c in data.columns.items() if n != "s"})
    with pytest.raises(DataError, match="the data lacks the column 's', by which series are read"):
        pipeline.windows(Part("test", without))
