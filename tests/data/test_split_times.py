"""Splits by time: moments and lengths as users write them, the same cut for all series, nothing of the future in the past."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import PARTS, Origin, Table
from deepwell.core.task import SplitRule
from deepwell.data.splits import split

SCHEMA = Schema((Field("t", "time", "order"), Field("y", "number", "target")))
KEY = Key(0)


def table(start, step, count, unit="D"):
    moments = np.datetime64(start, unit) + step * np.arange(count)
    return Table({"t": np.datetime_as_string(moments).astype(object), "y": np.arange(count) * 1.0})


def cut(data, cuts="", least=1, schema=SCHEMA, **shares):
    return split(data, schema, SplitRule("time", cuts=cuts, least=least, calibrate=0.1, **shares), KEY)


def ends(parts):
    return {n: (getattr(parts, n).rows["t"][0], getattr(parts, n).rows["t"][-1]) for n in PARTS}


def test_two_moments_give_select_and_test_and_calibration_the_half_nearer_the_test():
    parts = cut(table("2017-01-01", 1, 365), "2017-07-01,2017-11-01")
    assert ends(parts) == {
        "train": ("2017-01-01", "2017-06-30"), "select": ("2017-07-01", "2017-08-30"),
        "calibrate": ("2017-08-31", "2017-10-31"), "test": ("2017-11-01", "2017-12-31"),
    }  # fmt: skip
    assert parts.reason.endswith("select from 2017-07-01, calibrate from 2017-08-31, test from 2017-11-01")
    assert len(parts.test.history) == 304
    assert parts.notes == ()


def test_one_moment_is_the_test_and_three_end_it():
    data = table("2017-01-01", 1, 365)
    parts = cut(data, "2017-11", least=14)
    assert ends(parts)["test"] == ("2017-11-01", "2017-12-31")
    assert parts.counts["select"] >= 14
    assert parts.counts["calibrate"] >= 14
    parts = cut(data, "2017-07-01, 2017-09-01, 2017-10-01")
    assert ends(parts)["test"] == ("2017-09-01", "2017-09-30")
    assert sum(parts.counts.values()) == len(parts.cut) == 273
    assert parts.notes == ("92 rows after the end of the test are left out",)


@pytest.mark.parametrize(
    ("cuts", "first_test", "last_test"),
    [
        ("12/4/4 months", "2017-11-01T00", "2018-02-28T23"),
        ("8640/2880/2880 rows", "2017-10-24T00", "2018-02-20T23"),
        ("52/17/17 weeks", "2017-10-27T00", "2018-02-22T23"),
        ("360/120/120 days", "2017-10-24T00", "2018-02-20T23"),
        ("2017-10-24 00:00,2017-10-24 12:00", "2017-10-24T12", "2018-06-26T19"),
    ],
)
def test_lengths_as_papers_give_them(cuts, first_test, last_test):
    assert ends(cut(table("2016-07-01T00", 1, 17420, "h"), cuts))["test"] == (first_test, last_test)


@given(st.lists(st.integers(20, 60), min_size=1, max_size=4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_nothing_that_chooses_or_proves_is_earlier_than_what_is_learned_from(lengths, least, seed):
    draws = np.random.default_rng(seed)
    hours = np.concatenate([draws.integers(0, 20) + np.arange(n) for n in lengths])
    mixed = draws.permutation(len(hours))
    kinds = Schema((Field("t", "number", "order"), Field("s", "category", "group"), Field("y", "number", "target")))
    series = np.repeat(np.arange(len(lengths)), lengths)
    parts = cut(Table({"t": hours[mixed], "s": series[mixed], "y": mixed * 1.0}), "", least, kinds)
    seen = [np.unique(getattr(parts, name).rows["t"]) for name in PARTS]
    assert all(a.max() < b.min() for a, b in itertools.pairwise(seen))
    assert all(len(moments) >= least for moments in seen)
    assert sum(parts.counts.values()) == len(hours)


@pytest.mark.parametrize("day", ["last", "last business", "30th"])
def test_months_are_whole_ones_whatever_their_day(day):
    ends = np.arange(np.datetime64("2016-02"), np.datetime64("2019-02")).astype("datetime64[D]") - 1
    moments = {
        "last": ends, "last business": np.busday_offset(ends, 0, roll="backward"),
        "30th": np.minimum(ends, ends.astype("datetime64[M]").astype("datetime64[D]") + 29),
    }[day]  # fmt: skip
    data = Table({"t": moments.astype(str).astype(object), "y": np.arange(36.0)})
    parts = cut(data, "13/6/6 months")
    assert parts.counts == {"train": 13, "select": 3, "calibrate": 3, "test": 6}


def test_a_month_without_the_31st_ends_on_its_last_day():
    assert ends(cut(table("2017-01-31", 1, 120), "1/1/1 months"))["select"][0] == "2017-02-28"


def test_what_has_no_target_is_neither_counted_nor_cut():
    """What is known ahead alone comes after the last value: a test of such rows would hold no truth."""
    data = table("2017-01-01", 1, 140)
    data = data.with_columns({"y": np.where(np.arange(140) < 100, data["y"], np.nan)})
    parts = cut(data, "", least=14)
    assert parts.counts == {"train": 51, "select": 15, "calibrate": 14, "test": 20 + 40}
    with pytest.raises(DataError, match="no row is left for the part test"):
        cut(data, "2017-02-01,2017-04-20")
    with pytest.raises(DataError, match="no row to train on has a target"):
        cut(data.with_columns({"y": np.full(140, np.nan)}))


def test_parts_of_the_author_must_follow_one_another_in_time():
    """The past of a test window holds the rows of all earlier parts: rows that lie between would be seen and asked for."""
    named = Schema((*SCHEMA.fields, Field("part", "category", "split"), Field("s", "category", "group")))
    words = np.array(["train"] * 80 + ["test"] * 20, object)
    data = table("2017-01-01", 1, 100).with_columns({"part": words, "s": np.zeros(100, np.int64)})
    data = Table(data.columns, Origin(("a.csv",), np.zeros(100, np.int32), np.arange(2, 102)))
    assert cut(data, schema=named).counts["test"] == 20
    mixed = words.copy()
    mixed[[40, 90]] = "test", "train"
    with pytest.raises(
        DataError, match=r"a\.csv, line 43: .* part train, .* first of the part test \(a\.csv, line 42\)"
    ):
        cut(data.with_columns({"part": mixed}), schema=named)
    # Another series may be tested at the same moments: nothing of it is known before.
    both = Table({n: np.concatenate([c, c]) for n, c in data.columns.items()})
    which, part = np.repeat([0, 1], 100), np.repeat(np.array(["train", "test"], object), 100)
    assert cut(both.with_columns({"s": which, "part": part}), schema=named).counts["test"] == 100


def test_moments_are_read_as_the_data_writes_them():
    zoned = table("2020-01-01T00", 1, 100, "h")
    zoned = zoned.with_columns({"t": np.array([f"{t}:00:00+02:00" for t in zoned["t"]], object)})
    assert ends(cut(zoned, "2020-01-03,2020-01-04"))["test"][0] == "2020-01-04T00:00:00+02:00"
    assert ends(cut(zoned, "2020-01-03,2020-01-03 22:00Z"))["test"][0] == "2020-01-04T00:00:00+02:00"
    short = Table(
        {"t": np.array([f"{y}-{m:02}" for y in (1, 2, 3) for m in range(1, 13)], object), "y": np.arange(36.0)}
    )
    assert ends(cut(short, "2-06,3-01"))["test"] == ("3-01", "3-12")
    counted = Schema((Field("t", "number", "order"), Field("y", "number", "target")))
    steps = Table({"t": np.arange(100), "y": np.arange(100.0)})
    assert ends(cut(steps, "60,80", schema=counted))["test"] == (80, 99)


@pytest.mark.parametrize(
    ("cuts", "error", "said"),
    [
        ("soon", ConfigError, "'soon' is not a moment"),
        ("2017-03-01,2017-02-01", ConfigError, "one after the other"),
        ("2017-02-01,2017-03-01,2017-04-01,2017-05-01", ConfigError, "one to three moments"),
        (
            "2019-01-01,2020-01-01",
            DataError,
            "no row is left for the part select: .* the rows go from 2017-01-01 to 2017-04-10",
        ),
        ("2016-01-01,2017-02-01", DataError, "no row is left for the part train"),
    ],
)
def test_cuts_that_are_none(cuts, error, said):
    with pytest.raises(error, match=said):
        cut(table("2017-01-01", 1, 100), cuts)


def test_too_short_a_table_and_months_of_plain_numbers():
    with pytest.raises(
        DataError, match="30 moments are too few: select, calibrate, test and train need at least 10 each"
    ):
        cut(table("2017-01-01", 1, 30), "", 10)
    counted = Schema((Field("t", "number", "order"), Field("y", "number", "target")))
    with pytest.raises(ConfigError, match="have no months"):
        cut(Table({"t": np.arange(100), "y": np.arange(100.0)}), "1/1/1 months", schema=counted)
    named = Schema((*SCHEMA.fields, Field("part", "category", "split")))
    words = np.array(["train"] * 80 + ["test"] * 20, object)
    with pytest.raises(ConfigError, match="the data names its parts"):
        cut(table("2017-01-01", 1, 100).with_columns({"part": words}), "2017-02-01", schema=named)
    parts = cut(table("2017-01-01", 1, 100).with_columns({"part": words}), "", 5, named)
    assert parts.counts == {"train": 60, "select": 12, "calibrate": 8, "test": 20}
