"""Splits: disjoint, complete, in proportion, nothing torn apart, and the author's parts respected."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import PARTS, ImageFile, Table
from deepwell.core.task import SplitRule
from deepwell.data.equal_rows import row_codes
from deepwell.data.splits import draw, how_many, split

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))
RULE, KEY = SplitRule(), Key(7)


def objects(values):
    column = np.empty(len(values), object)
    for index, value in enumerate(values):
        column[index] = value
    return column


def schema(**roles):
    """name=(kind, role)."""
    return Schema(tuple(Field(name, kind, role) for name, (kind, role) in roles.items()))


XY = schema(x=("number", "input"), y=("category", "target"))


def labelled(labels):
    return Table({"x": np.arange(len(labels)) * 1.5, "y": objects(labels)})


@given(st.lists(st.integers(0, 4), min_size=20, max_size=300), st.integers(0, 2**32))
@settings(deadline=None)
def test_parts_are_disjoint_complete_and_in_proportion(codes, seed):
    labels = [f"c{code}" for code in codes]
    table = labelled(labels)
    parts = split(table, XY, RULE, Key(seed))
    rows = np.concatenate([getattr(parts, name).rows["x"] for name in PARTS])
    assert sorted(rows) == table["x"].tolist()
    assert sum(parts.counts.values()) == len(labels)
    assert set(parts.train.rows["y"]) == set(labels)
    wanted = how_many(len(labels), RULE.test, PARTS.index("test"))
    for label in set(labels):
        got = int((parts.test.rows["y"] == label).sum())
        exact = labels.count(label) * wanted / len(labels)
        # Within a row of the share; a class that fell out of training got one row back.
        assert abs(got - exact) <= 2
    again = split(table, XY, RULE, Key(seed))
    assert np.array_equal(parts.assignment, again.assignment)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=80), st.floats(0.02, 0.5), st.integers(0, 99))
@settings(deadline=None)
def test_draw_takes_whole_units_and_the_right_number_of_rows(sizes, share, seed):
    units = np.repeat(np.arange(len(sizes)), sizes)
    count = max(1, round(share * len(units)))
    taken = draw(units, np.zeros(len(units), int), count, np.random.default_rng(seed))
    for unit in range(len(sizes)):
        assert len(set(taken[units == unit])) == 1
    assert abs(int(taken.sum()) - count) <= max(sizes) + 1


def test_groups_stay_whole():
    group = objects([f"g{i % 13}" for i in range(400)])
    table = Table({"x": np.arange(400) / 3, "g": group, "y": objects(["a", "b"] * 200)})
    kinds = schema(x=("number", "input"), g=("category", "group"), y=("category", "target"))
    parts = split(table, kinds, RULE, KEY)
    seen = [set(getattr(parts, name).rows["g"]) for name in PARTS]
    assert sum(map(len, seen)) == 13
    assert all(seen)
    assert "13 groups" in parts.reason
    with pytest.raises(DataError, match="makes only 3 groups"):
        split(table.with_columns({"g": objects([i % 3 for i in range(400)])}), kinds, RULE, KEY)


def test_equal_rows_stay_together_unless_they_are_the_rule():
    values = np.concatenate([np.arange(180), np.arange(20)]) / 7
    table = Table({"x": values, "y": objects(["a", "b"] * 100)})
    parts = split(table, XY, RULE, KEY)
    assert (parts.assignment[:20] == parts.assignment[180:]).all()
    assert "20 rows equal an earlier one" in parts.reason
    many = Table({"x": np.arange(200) % 100 / 7, "y": objects(["a", "b"] * 100)})
    parts = split(many, XY, RULE, KEY)
    assert "100 of 200 rows equal an earlier row in all inputs and targets (50%)" in parts.notes[0]


def test_equal_pictures_are_found_by_their_bytes(tmp_path):
    for name, data in {"a": b"one", "b": b"two", "c": b"one", "d": b"longer"}.items():
        (tmp_path / name).write_bytes(data)
    files = objects([ImageFile(str(tmp_path / name)) for name in "abcd"] + [ImageFile(str(tmp_path / "gone")), None])
    codes = row_codes(Table({"i": files}), ["i"])
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 5
    arrays = np.stack([np.zeros((4, 4)), np.ones((4, 4)), np.zeros((4, 4))]).astype(np.uint8)
    codes = row_codes(Table({"i": arrays}), ["i"])
    assert codes[0] == codes[2] != codes[1]


def test_equal_rows_are_those_with_equal_cells():
    table = Table({"a": np.array([0.0, -0.0, np.nan, np.nan, 1]), "b": objects(["x", "x", None, None, "x"])})
    codes = row_codes(table, ["a", "b"])
    assert codes[0] == codes[1]
    assert codes[2] == codes[3]
    assert len(set(codes.tolist())) == 3
    swapped = Table({"a": np.array([1, 2]), "b": np.array([2, 1])})
    assert len(set(row_codes(swapped, ["a", "b"]).tolist())) == 2


def test_numbers_are_stratified_by_tenths():
    values = np.random.default_rng(0).exponential(size=1000)
    table = Table({"x": np.arange(1000) / 3, "y": values})
    parts = split(table, schema(x=("number", "input"), y=("number", "target")), RULE, KEY)
    edges = np.quantile(values, np.linspace(0, 1, 11)[1:-1])
    counts = np.bincount(np.digitize(parts.test.rows["y"], edges), minlength=10)
    assert counts.min() >= 19
    assert counts.max() <= 21
    assert parts.counts == {"train": 650, "select": 100, "calibrate": 50, "test": 200}


def author(parts, labels=None):
    rows = len(parts)
    table = Table({
        "x": np.arange(rows) / 3, "y": objects(labels or ["a", "b"] * (rows // 2)), "split": objects(parts),
    })  # fmt: skip
    return table, schema(x=("number", "input"), y=("category", "target"), split=("category", "split"))


def test_the_authors_parts_are_kept():
    table, kinds = author(["train"] * 200 + ["Validation"] * 60 + ["test"] * 40)
    parts = split(table, kinds, RULE, KEY)
    assert (parts.assignment[260:] == 3).all()
    assert (parts.assignment[200:260] == 1).all()
    assert parts.counts["test"] == 40
    assert parts.counts["select"] == 60
    assert parts.counts["calibrate"] > 0
    assert "the author's parts in 'split'; calibrate cut from" in parts.reason


def test_a_large_official_select_part_gives_the_calibrate_part():
    table, kinds = author(["train"] * 200 + ["val"] * 900 + ["test"] * 40)
    parts = split(table, kinds, RULE, KEY)
    assert parts.counts == {"train": 200, "select": 600, "calibrate": 300, "test": 40}


def test_a_validation_part_without_test_becomes_the_test():
    table, kinds = author(["train"] * 60 + ["val"] * 40)
    parts = split(table, kinds, RULE, KEY)
    assert (parts.assignment[60:] == 3).all()
    assert parts.counts["test"] == 40
    assert "no test part" in parts.notes[0]


def test_rows_in_both_official_parts_are_reported():
    table, kinds = author(["train"] * 60 + ["test"] * 40)
    x = table["x"].copy()
    x[60:64] = x[:4]
    parts = split(table.with_columns({"x": x}), kinds, RULE, KEY)
    assert "4 of 40 rows of the author's test part equal a row of the training part" in parts.notes


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["train", "tset"] * 50, "'tset' is not a part; did you mean"),
        (["test"] * 100, "names no row as train"),
        (["train"] * 10 + ["test"] * 90, "10 rows are too few"),
    ],
)
def test_author_errors(parts, text):
    table, kinds = author(parts)
    with pytest.raises(DataError, match=text):
        split(table, kinds, RULE, KEY)


def test_time_split_takes_the_last_rows_of_each_series_with_history():
    series, moment = np.repeat(np.arange(3), 40), np.tile(np.arange(40), 3)
    mixed = np.random.default_rng(0).permutation(120)
    table = Table({"s": series[mixed], "t": moment[mixed], "y": mixed * 1.0})
    kinds = schema(s=("category", "group"), t=("number", "order"), y=("number", "target"))
    parts = split(table, kinds, SplitRule("time", by="t"), KEY)
    for s in range(3):
        last = [getattr(parts, n).rows for n in PARTS]
        times = [part["t"][part["s"] == s] for part in last]
        assert all(len(t) for t in times)
        assert all(earlier.max() < later.min() for earlier, later in itertools.pairwise(times))
    assert parts.train.history is None
    assert len(parts.test.history) == 120 - parts.counts["test"]
    assert len(parts.select.history) == parts.counts["train"]


def test_time_split_keeps_one_moment_together_and_reads_dates():
    days = objects([f"2024-{1 + i // 40:02}-{1 + i // 10 % 4:02}" for i in range(120)])
    kinds = schema(day=("time", "order"), y=("number", "target"))
    table = Table({"day": days, "y": np.arange(120.0)})
    parts = split(table, kinds, SplitRule("time"), KEY)
    seen = [set(getattr(parts, name).rows["day"]) for name in PARTS]
    assert not seen[3] & (seen[0] | seen[1] | seen[2])
    assert max(seen[0]) < min(seen[3])
    days = days.copy()
    days[5] = "soon"
    with pytest.raises(DataError, match="row 5: the rows are ordered by 'day', but its value 'soon'"):
        split(table.with_columns({"day": days}), kinds, SplitRule("time"), KEY)


def test_no_rows_few_rows_and_unknown_rules():
    empty = split(Table({}), Schema(), RULE, KEY)
    assert empty.counts == dict.fromkeys(PARTS, 0)
    with pytest.raises(DataError, match="19 rows are too few"):
        split(labelled(["a"] * 19), XY, RULE, KEY)
    with pytest.raises(ConfigError, match="no split 'tme'; did you mean 'time'"):
        split(labelled(["a"] * 30), XY, SplitRule("tme"), KEY)


def test_caps_minimums_and_parts_that_are_not_wanted():
    assert how_many(10**6, 0.2, 3) == 20_000
    assert how_many(10**6, 0.1, 1) == 5_000
    assert how_many(150, 0.1, 1) == 20
    assert how_many(20, 0.05, 2) == 2
    parts = split(labelled(["a", "b"] * 50), XY, SplitRule("random", calibrate=0.0), KEY)
    assert parts.counts == {"train": 65, "select": 15, "calibrate": 0, "test": 20}
    assert parts.reason == "drawn at random"


def test_each_class_is_trained_even_a_single_row():
    labels = ["a", "b"] * 60 + ["c"]
    for seed in range(20):
        assert "c" in split(labelled(labels), XY, RULE, Key(seed)).train.rows["y"]


def test_each_class_of_boxes_is_trained_whatever_the_seed():
    """A class that no training row has would make the rows that hold it useless."""

    def cell(row):
        return [
            {"label": name, "box": [0, 0, 1 + row, 1]} for name in ("cat", "rare") if name == "cat" or row in (7, 31)
        ]

    rows = Table({"x": np.arange(60.0), "o": objects([cell(row) for row in range(60)])})
    fields = Schema((Field("x", "number"), Field("o", "boxes", "target")))
    for seed in range(20):
        train = split(rows, fields, SplitRule(), Key(seed)).train.rows["o"]
        assert any(one["label"] == "rare" for boxes in train for one in boxes)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
def test_equal_wines_stay_together():
    values = np.loadtxt(SHARED / "tabular/wine_quality/winequality-white.csv", delimiter=",")
    table = Table({f"c{i}": values[:, i] for i in range(12)})
    kinds = Schema(tuple(Field(f"c{i}", "number", "target" if i == 11 else "input") for i in range(12)))
    parts = split(table, kinds, RULE, KEY)
    assert "937 rows equal an earlier one" in parts.reason
    unit = np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)
    assert all(len(set(parts.assignment[unit == u])) == 1 for u in np.unique(unit[np.bincount(unit)[unit] > 1]))
    assert abs(parts.counts["test"] - 980) < 10
