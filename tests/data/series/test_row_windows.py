"""Windows that end with a row: against plain loops over small tables, with gaps, several series, history, and irregular times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.series.made_series import HOURLY, KEY, every, objects, times

from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Part, Table
from deepwell.data.series.row_pipeline import RowPipeline, WantedRows

FIELDS = (
    Field("t", "time", "order", "", HOURLY), Field("s", "category", "group"), Field("y", "number"), Field("z", "number"),
    Field("c", "category"), Field("label", "category", "target"),
)  # fmt: skip
SCHEMA = Schema(FIELDS)
IRREGULAR = Schema((Field("t", "time", "order"), *FIELDS[1:]))


def table(lengths=(40, 30), seed=0):
    draws = np.random.default_rng(seed)
    hours = np.concatenate([np.arange(n) for n in lengths])
    which = np.repeat(np.arange(len(lengths)), lengths)
    return Table({
        "t": times(hours), "s": objects("abcdef"[w] for w in which),
        "y": 100.0 * which + hours + draws.normal(0, 0.1, len(hours)),
        "z": draws.normal(size=len(hours)), "c": objects(("red", "blue")[h % 2] for h in hours),
        "label": objects(("no", "yes")[int(h % 10 == 9)] for h in hours), "hour": hours * 1.0,
    })  # fmt: skip


def fitted(data, window=6, schema=SCHEMA):
    return RowPipeline(schema, WantedRows(window)).fit(data)


def own(batch):
    """(n, W, T) in the unit of the data; NaN where not seen."""
    arrays = batch.arrays
    values = arrays["window"] * arrays["factor"][:, None] + arrays["offset"][:, None]
    return np.where(arrays["window.seen"] > 0, values, np.nan)


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=3), st.integers(1, 9), st.sets(st.integers(0, 80), max_size=12),
    st.randoms(use_true_random=False),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_windows_are_those_of_a_plain_loop(lengths, width, dropped, random):
    """Rows dropped and shuffled: every row has a window, which ends with it and holds the hours before, gaps as missing."""
    whole = table(lengths)
    kept = [row for row in range(len(whole)) if row not in dropped]
    random.shuffle(kept)
    if not kept:
        return
    data = whole.take(np.array(kept, int))
    windows = fitted(data, width).windows(Part("train", data))
    assert sorted(windows.rows.tolist()) == list(range(len(data)))
    y = {(s, h): v for s, h, v in zip(data["s"], data["hour"], data["y"], strict=True)}
    found = own(every(windows))[..., 0]
    for place, row in enumerate(windows.rows):
        hours = data["hour"][row] + np.arange(1 - width, 1)
        expected = [y.get((data["s"][row], hour), np.nan) for hour in hours]
        np.testing.assert_allclose(found[place], expected, rtol=1e-5, atol=1e-3)


def test_irregular_times_are_steps_in_their_order():
    data = table((20,))
    odd = data.with_columns({"t": times(np.arange(20) ** 2)}).take(np.random.default_rng(0).permutation(20))
    pipeline = fitted(odd, 4, IRREGULAR)
    windows = pipeline.windows(Part("train", odd))
    assert (np.diff(odd["hour"][windows.rows]) == 1).all()  # in the order of time
    np.testing.assert_allclose(own(every(windows))[10, :, 0], data["y"][7:11], rtol=1e-5)
    assert "not regular" in pipeline.said()[0]
    twice = odd.with_columns({"t": objects(["2024-01-01T00:00:00"] * 20)})
    assert fitted(twice, 4, IRREGULAR).windows(Part("train", twice)).count == 20  # a clock set back is no hindrance
    with pytest.raises(DataError, match="twice"):
        fitted(data.with_columns({"t": twice["t"]}))


def test_later_parts_see_history_and_answer_their_own_rows():
    data = table()
    early = data["hour"] < 20
    train, test = data.take(early), data.take(~early)
    windows = fitted(train).windows(Part("test", test, train))
    batch = every(windows)
    assert windows.count == len(test)
    first = np.flatnonzero(test["hour"][windows.rows] == 20)[0]
    np.testing.assert_allclose(own(batch)[first, :, 0], data["y"][15:21], rtol=1e-5)
    alone = every(fitted(train).windows(Part("predict", test)))
    assert alone.arrays["window.seen"][first].sum(axis=0).tolist() == [1, 1]  # nothing is known before it


def test_a_window_holds_nothing_of_later_rows():
    data = table((60,))
    pipeline = fitted(data.take(np.arange(20)))
    later = data["y"].copy()
    later[41:] += 1e6
    before, after = (
        every(pipeline.windows(Part("predict", d))).arrays for d in (data, data.with_columns({"y": later}))
    )
    for name in before:
        np.testing.assert_array_equal(before[name][:41], after[name][:41])


def test_a_new_series_is_measured_by_its_first_window():
    data = table((40,))
    pipeline = fitted(data, 10)
    new = data.with_columns({"s": objects(["new"] * 40), "y": 5.0 * data["y"] + 7})
    batch = every(pipeline.windows(Part("predict", new)))
    assert set(batch.arrays["series"]) == {-1}
    first = new["y"][:10]
    np.testing.assert_allclose(batch.arrays["offset"][:, 0], first.mean())
    np.testing.assert_allclose(batch.arrays["factor"][:, 0], first.std())


def test_one_absurd_value_does_not_make_the_others_equal():
    data = table((40,))
    spoilt = data.with_columns({"y": np.where(np.arange(40) == 17, 1e30, data["y"])})
    batch = every(fitted(spoilt).windows(Part("train", spoilt)))
    assert batch.arrays["factor"][0, 0] < 100
    assert np.isfinite(batch.arrays["window"]).all()


def test_labels_stand_beside_and_never_inside():
    data = table((40,))
    pipeline = fitted(data)
    windows = pipeline.windows(Part("test", data))
    batch = every(windows)
    classes = np.array(pipeline.classes("label"), object)
    assert (classes[batch.arrays["label"]] == data["label"][windows.rows]).all()
    other = data.with_columns({"label": data["label"][::-1].copy()})
    again = every(pipeline.windows(Part("test", other)))
    assert all((again.arrays[n] == a).all() for n, a in batch.arrays.items() if n != "label")
    assert "label" not in every(pipeline.windows(Part("predict", data))).arrays


def test_every_so_many_rows_counted_from_the_last():
    data = table((40, 30))
    windows = fitted(data).windows(Part("train", data), every=8)
    assert data["hour"][windows.rows].tolist() == [7, 15, 23, 31, 39, 5, 13, 21, 29]
    assert len(every(windows)) == 9


def test_a_row_without_a_value_has_a_reason():
    data = table((40,)).with_columns({"y": np.where(np.arange(40) == 5, np.nan, 1.0), "z": np.full(40, np.nan)})
    windows = fitted(data).windows(Part("test", data))
    assert 5 not in windows.rows
    assert "none of 'y', 'z' has a value" in windows.problems[5]
    assert windows.count == 39
    with pytest.raises(DataError, match="no row can be trained on"):
        fitted(data).windows(Part("train", data.with_columns({"y": np.full(40, np.nan)})))
    with pytest.raises(DataError, match="no column is a number"):
        RowPipeline(Schema(FIELDS[:2]), WantedRows()).fit(data)


def test_windows_are_as_long_as_series_allow():
    short, long = table((40,)), table((2000,))
    assert RowPipeline(SCHEMA, WantedRows()).fit(short).window_ == 32
    assert RowPipeline(SCHEMA, WantedRows(least=512)).fit(short).window_ == 40
    assert RowPipeline(SCHEMA, WantedRows(least=512)).fit(long).window_ == 512
    assert RowPipeline(SCHEMA, WantedRows(season=168)).fit(long).window_ == 210
    uneven = table((100, 40, 60))
    assert RowPipeline(SCHEMA, WantedRows(least=512)).fit(uneven).window_ == 50
    assert RowPipeline(SCHEMA, WantedRows(least=512, short=0.75)).fit(uneven).window_ == 80


def test_a_season_that_no_window_holds_is_not_used():
    hours = np.arange(2500)
    draws = np.random.default_rng(0)
    for length, season in ((700, 24), (90, 90)):
        wave = np.sin(2 * np.pi * hours / length) + draws.normal(0, 0.1, len(hours))
        data = table((2500,)).with_columns({"y": wave, "z": wave * 2 + draws.normal(0, 0.1, len(hours))})
        pipeline = RowPipeline(SCHEMA, WantedRows(least=64)).fit(data)
        assert abs(pipeline.season_ - season) <= 2
        assert pipeline.season_ <= pipeline.window_ <= 1.25 * pipeline.season_ + 64
    assert RowPipeline(SCHEMA, WantedRows(season=700)).fit(data).season_ == 700
    assert RowPipeline(SCHEMA, WantedRows(window=8)).fit(data).season_ == 1


def test_the_calendar_is_told_where_training_saw_it_twice():
    assert fitted(table((40,))).calendar_ == ()
    assert fitted(table((60,))).calendar_ == ("hour of the day",)
    weeks = table((24 * 15,))
    pipeline = fitted(weeks)
    assert pipeline.calendar_ == ("hour of the day", "day of the week")
    batch = every(pipeline.windows(Part("train", weeks)))
    hour = np.arange(24 * 15)[pipeline.windows(Part("train", weeks)).rows]
    np.testing.assert_allclose(batch.arrays["window.known"][:, -1, 0], np.sin(2 * np.pi * hour / 24), atol=1e-5)
    assert batch.arrays["window.known"].shape[2] == pipeline.sizes()["known"][0] == 4 + 2


@pytest.mark.parametrize(
    "change",
    [
        {"window": 0}, {"season": 2**20}, {"calendar": ["phase of the moon"]}, {"series": [["a", "b"]]}, {"regular": 1},
        {"scales": [[[0.0]], [[1.0]], [[1.0]]]}, {"frequency": {}}, {"extra": 1}, {"time": {}},
    ],
)  # fmt: skip
def test_a_foreign_state_is_refused(change):
    data = table((40,))
    pipeline = fitted(data)
    again = RowPipeline(SCHEMA, WantedRows(6)).restore(pipeline.state())
    assert again.state() == pipeline.state()
    first, second = (every(p.windows(Part("predict", data))).arrays for p in (pipeline, again))
    assert all((first[name] == second[name]).all() for name in first)
    again.restore_kept({})
    with pytest.raises(BundleError):
        again.restore_kept({"moment": np.zeros(1)})
    with pytest.raises(BundleError):
        RowPipeline(SCHEMA, WantedRows(6)).restore({**pipeline.state(), **change})


def test_taking_is_pure():
    windows = fitted(table()).windows(Part("train", table()))
    one, both = windows.take(np.array([7]), KEY), windows.take(np.array([3, 7]), KEY)
    assert all((one.arrays[name][0] == both.arrays[name][1]).all() for name in one.arrays)
