"""time: what is read is what numpy's calendar says, what is written is what was read, and what cannot be read is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.data.fields import time
from deepwell.data.fields.time import NEVER, Time, Writing


def objects(*values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def seconds(*texts):
    return np.array(texts, "datetime64[s]").astype(np.int64).tolist()


@pytest.mark.parametrize(
    ("cells", "moments"),
    [
        (("1949-01", "1949-02"), ("1949-01-01", "1949-02-01")),
        (("1981-01-01", "1981-12-31"), ("1981-01-01", "1981-12-31")),
        (("2016-07-01 00:00:00", "2016-07-01 13:05:09"), ("2016-07-01", "2016-07-01T13:05:09")),
        (("2016-07-01T06:00", "2016-07-01T18:30"), ("2016-07-01T06:00", "2016-07-01T18:30")),
        (("2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z"), ("2020-01-01", "2020-01-01T01:00")),
        (("2020-01-01T00:00:00+0530", "2020-01-01T01:00:00+0530"), ("2020-01-01", "2020-01-01T01:00")),
        (("31.12.2020", "01.01.2021"), ("2020-12-31", "2021-01-01")),
        (("12/31/2020", "01/01/2021"), ("2020-12-31", "2021-01-01")),
        (("31/12/2020", "01/01/2021"), ("2020-12-31", "2021-01-01")),
        (("01/31/2020 01:00 PM", "01/31/2020 02:00 PM"), ("2020-01-31T13:00", "2020-01-31T14:00")),
        (("2020Q1", "2020Q4"), ("2020-01-01", "2020-10-01")),
        (("20200131", "20200201"), ("2020-01-31", "2020-02-01")),
        (("05-Jan-2020", "06-Jan-2020"), ("2020-01-05", "2020-01-06")),
    ],
)
def test_reads_what_the_calendar_says_and_writes_what_it_read(cells, moments):
    kind = Time().fit(objects(*cells, None), Field("t", "time", "order"))
    parts, problems = kind.encode(objects(*cells, None))
    assert parts[""].tolist() == [*seconds(*moments), NEVER]
    assert problems == {2: "the time is missing"}
    assert kind.decode(parts[""]).tolist() == [*cells, None]


def test_years_without_a_century_and_numbers():
    short = time.find(objects("1-01", "1-12", "3-12"))
    found = short.read(objects("1-01", "1-12", "3-12"))[0]
    assert np.diff(found.astype("datetime64[s]").astype("datetime64[M]").astype(int)).tolist() == [11, 24]
    assert short.write(found).tolist() == ["1-01", "1-12", "3-12"]
    assert time.find(np.array([1949, 1950])).read(np.array([1949, 1950]))[0].tolist() == seconds(
        "1949-01-01", "1950-01-01"
    )
    for column in (np.array([1467331200, 1467334800]), np.array([1467331200000, 1467334800000])):
        way = time.find(column)
        assert way.read(column)[0].tolist() == [1467331200, 1467334800]
        assert way.write(way.read(column)[0]).tolist() == column.tolist()
    steps = time.find(np.array([3.0, 4.0, np.nan, 4.5]), "number")
    values, problems = steps.read(np.array([3.0, 4.0, np.nan, 4.5]))
    assert values.tolist() == [3, 4, NEVER, NEVER]
    assert list(problems) == [3]
    days = np.array(["2020-02-28", "NaT"], "datetime64[D]")
    assert time.find(days).read(days)[0].tolist() == [*seconds("2020-02-28"), NEVER]


def test_day_and_month_are_told_apart_by_their_order():
    first = objects("03/04/2020", "04/04/2020", "05/04/2020", "13/04/2020")
    assert time.find(first).pattern == "%d/%m/%Y"
    assert time.find(objects("03/30/2020", "04/01/2020")).pattern == "%m/%d/%Y"
    rising = objects("01/11/2020", "01/12/2020", "02/01/2020")  # falls as day/month
    assert time.find(rising).pattern == "%m/%d/%Y"


def test_of_two_readings_the_regular_one_is_taken():
    """First days of months as Europe writes them are also days of January, year after year."""
    months = objects(*(f"01/{m:02}/{y}" for y in range(2010, 2013) for m in range(1, 13)))
    assert time.find(months).pattern == "%d/%m/%Y"
    american = objects(*(f"{m:02}/01/{y}" for y in range(2010, 2013) for m in range(1, 13)))
    assert time.find(american).pattern == "%m/%d/%Y"


def test_what_no_calendar_has_is_not_written():
    far = np.array([0, 2**50, -(2**50), NEVER], np.int64)
    assert Writing("%Y-%m-%d").write(far).tolist() == ["1970-01-01", None, None, None]
    assert Writing("%Y-%m-%d").write(np.array([time.FIRST, time.LAST])).tolist() == ["0001-01-01", "9999-12-31"]


def test_several_offsets_become_utc_and_a_lone_cell_without_one_is_said():
    cells = objects("2020-10-25T02:30:00+02:00", "2020-10-25T02:30:00+01:00")
    way = time.find(cells)
    assert way.mixed
    assert way.write(way.read(cells)[0]).tolist() == ["2020-10-25T00:30:00Z", "2020-10-25T01:30:00Z"]
    problems = way.read(objects("2020-10-25T02:30:00"))[1]
    assert "has no offset from UTC" in problems[0]
    assert "has an offset" in Writing("%Y-%m-%d %H:%M").read(objects("2020-10-25 02:30+01:00"))[1][0]


def test_what_is_no_time():
    assert time.find(objects("red", "green")) is None
    assert time.find(objects(None, None)) is None
    values, problems = time.find(objects("2020-01-01", "2020-01-02", "soon")).read(objects("soon", "2020-02-30"))
    assert values.tolist() == [NEVER, NEVER]
    assert "'soon' is not a time written like '1970-01-01'" in problems[0]
    fractions = objects("2020-01-01 00:00:00.500", "2020-01-01 00:00:01.000", "2020-01-01 00:00:02.000")
    assert list(time.find(fractions).read(fractions)[1]) == [0]


@given(st.lists(st.integers(-(10**10), 10**10), min_size=1, max_size=20), st.sampled_from(["", "Z", "+02:00", "-0330"]))
def test_writing_and_reading_are_inverse(moments, zone):
    way = Writing("%Y-%m-%dT%H:%M:%S", zone)
    values = np.array(moments, np.int64)
    assert way.read(way.write(values))[0].tolist() == moments
    assert Time().restore(Time().state()).state() == Time().state()


@pytest.mark.parametrize(
    "state",
    [
        {"pattern": "%H", "zone": "", "mixed": False},
        {"pattern": "%Y-%m", "zone": "Mars", "mixed": False},
        {"pattern": "%Y-%m", "zone": ""},
    ],
)
def test_a_foreign_state_is_refused(state):
    with pytest.raises(BundleError):
        Time().restore(state)
