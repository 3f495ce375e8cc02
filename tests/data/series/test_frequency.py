"""frequency: the grids of hours, business days, months and their ends, by numpy's calendar; index and moment are inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import BundleError, DataError
from deepwell.data.series.frequency import Frequency, features, find, season_of
from deepwell.data.series.scales import context


def seconds(values):
    return np.asarray(values).astype("datetime64[s]").astype(np.int64)


def every(start, step, count, unit):
    return seconds(np.datetime64(start, unit) + step * np.arange(count))


BUSINESS = seconds(np.busday_offset("2024-01-01", np.arange(40), roll="forward"))
LAST_DAYS = (np.datetime64("2019-11") + np.arange(1, 31)).astype("datetime64[D]") - 1
LAST_BUSINESS_DAYS = seconds(np.busday_offset(LAST_DAYS, 0, roll="backward"))
THIRTIETHS = seconds(np.minimum(LAST_DAYS, LAST_DAYS.astype("datetime64[M]").astype("datetime64[D]") + 29)) + 3600
MONTH_ENDS = seconds((np.datetime64("2019-11") + np.arange(1, 31)).astype("datetime64[D]") - 1)


@pytest.mark.parametrize(
    ("moments", "words", "season", "horizon"),
    [
        (every("2016-07-01T00", 1, 50, "h"), "hourly", 24, 24),
        (every("2016-07-01T00:05", 15, 50, "m"), "every 15 minutes", 96, 96),
        (every("2016-07-01", 1, 50, "D"), "daily", 7, 14),
        (BUSINESS, "on business days", 5, 10),
        (every("2016-07-03", 7, 50, "D"), "weekly", 52, 8),
        (every("1949-01", 1, 50, "M"), "monthly", 12, 12),
        (MONTH_ENDS, "monthly (last days)", 12, 12),
        (LAST_BUSINESS_DAYS, "monthly (last business days)", 12, 12),
        (LAST_BUSINESS_DAYS + 3600, "monthly (last business days)", 12, 12),
        (THIRTIETHS, "monthly", 12, 12),
        (every("1949-01", 3, 50, "M"), "quarterly", 4, 8),
        (every("1949", 1, 50, "Y"), "yearly", 1, 6),
    ],
)
def test_frequencies_are_found_with_gaps_and_in_any_order(moments, words, season, horizon):
    draws = np.random.default_rng(0)
    kept = draws.permutation(np.delete(moments, [3, 11, 12]))
    found = find(kept, np.zeros(len(kept), np.int64))
    assert found.words == words
    assert (found.season, found.horizon) == (season, horizon)
    index, off = found.index(moments)
    assert not off.any()
    assert np.diff(index).tolist() == [1] * (len(moments) - 1)
    assert found.moment(index).tolist() == moments.tolist()
    assert Frequency.from_json(found.to_json()) == found


def test_weekends_are_no_gaps_but_seven_days_a_week_are_daily():
    assert find(every("2024-01-01", 1, 30, "D"), np.zeros(30, np.int64)).unit == "second"
    found = find(BUSINESS, np.zeros(40, np.int64))
    assert found.index(seconds(["2024-01-06"]))[1].all()  # a Saturday


def test_each_series_is_looked_at_by_itself():
    a, b = every("2024-01-01", 1, 30, "D"), every("2020-01-01", 1, 30, "D")
    moments = np.stack([a, b], 1).reshape(-1)
    assert find(moments, np.tile([0, 1], 30)).words == "daily"


def test_irregular_times_are_refused_and_a_few_beside_the_grid_are_not():
    draws = np.random.default_rng(1)
    with pytest.raises(DataError, match="the times are not regular"):
        find(np.cumsum(draws.integers(1, 10**6, 200)), np.zeros(200, np.int64))
    moments = every("2024-01-01", 1, 100, "D")
    moments[50] += 17
    found = find(moments, np.zeros(100, np.int64))
    assert np.flatnonzero(found.index(moments)[1]).tolist() == [50]
    with pytest.raises(DataError, match="no series has two moments"):
        find(np.array([1, 2, 3]), np.arange(3))
    steps = find(np.array([5, 15, 25, 45]), np.zeros(4, np.int64), counted=True)
    assert (steps.unit, steps.step, steps.index(np.array([5, 45]))[0].tolist()) == ("step", 10, [0, 4])


@given(
    st.sampled_from(["second", "business day", "month", "month end", "last business day", "step"]),
    st.integers(1, 40),
    st.integers(-500, 500),
)
def test_index_and_moment_are_inverse(unit, step, place):
    step = 1 if unit == "business day" else step
    frequency = Frequency(unit, step, 3 % step, 0)
    index, off = frequency.index(frequency.moment(np.array([place])))
    assert index.tolist() == [place]
    assert not off.any()


def test_the_calendar_turns_once_a_day_week_and_year():
    names = ("hour of the day", "day of the week", "time of the year")
    moments = seconds(["2024-01-01T00:00", "2024-01-01T06:00", "2024-01-08T00:00", "2024-07-01T00:00"])
    found = features(names, moments)
    assert found[0, :2].tolist() == pytest.approx([0, 1])
    assert found[1, :2].tolist() == pytest.approx([1, 0], abs=1e-6)  # a quarter of the day
    assert found[0, 2:4].tolist() == pytest.approx(found[2, 2:4].tolist())  # both Mondays
    assert found[3, 5] == pytest.approx(-1, abs=1e-3)  # half a year later
    assert Frequency("second", 3600).calendar(24 * 365) == names[:2]
    assert Frequency("second", 3600).calendar(24 * 365 * 3) == names
    assert Frequency("month", 1).calendar(36) == names[2:]
    assert Frequency("month", 12).calendar(100) == ()


def test_the_season_that_the_series_shows():
    draws, t = np.random.default_rng(0), np.arange(600)
    week = np.sin(2 * np.pi * t / 7) + draws.normal(0, 0.3, 600)
    assert season_of(week, 7) == 7
    cycle = np.sin(2 * np.pi * t / 50) + draws.normal(0, 0.1, 600)
    assert abs(season_of(cycle, 12) - 50) <= 2
    assert season_of(draws.normal(size=600), 12) == 12
    assert season_of(np.ones(600), 12) == 12
    assert season_of(t * 1.0, 12) == 12
    assert season_of(week[:10], 7) == 7


def test_how_far_to_look_back():
    hourly, monthly = Frequency("second", 3600), Frequency("month", 1)
    assert context(np.array([8640]), 96, 24, hourly) == 336
    assert context(np.array([99]), 12, 12, monthly) == 42
    assert context(np.array([30]), 12, 12, monthly) == 9  # half of what is left beside the horizon
    assert context(np.array([5]), 12, 12, monthly) == 1


@pytest.mark.parametrize("change", [{"unit": "moon"}, {"step": 0}, {"phase": 3600}, {"inside": -1}, {"step": 1.5}])
def test_a_foreign_frequency_is_refused(change):
    with pytest.raises(BundleError):
        Frequency.from_json({**Frequency("second", 3600).to_json(), **change})
