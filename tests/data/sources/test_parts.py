"""Names that say a part, and tables put one below the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Rejected, Table
from deepwell.data.sources import parts


@pytest.mark.parametrize(
    ("name", "part", "rest"),
    [
        ("train", "train", ""),
        ("adult-train", "train", "adult"),
        ("Train_images", "train", "images"),
        ("x_test", "test", "x"),
        ("wine.validation", "select", "wine"),
        ("dev", "select", ""),
        ("2019 testing", "test", "2019"),
        ("train2017", "train", ""),
        ("instances_val2014", "select", "instances"),
        ("test1", "test", ""),
        ("adult", None, "adult"),
        ("constrain", None, "constrain"),
        ("latest", None, "latest"),
        ("train-vs-test", None, "vs"),
        ("a-train-of-thought", None, "a-of-thought"),
        ("", None, ""),
    ],
)
def test_what_a_name_says(name, part, rest):
    assert parts.part_of(name) == part
    assert parts.without_part(name) == rest


def made(values, file="a.csv", line=2):
    """A one-column table with origins."""
    values = np.asarray(values) if not isinstance(values, list) else np.array(values, dtype=object)
    rows = len(values)
    return Table({"v": values}, Origin((file,), np.zeros(rows, np.int32), np.arange(line, line + rows)))


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (np.array([1, 2]), np.array([3]), [1, 2, 3]),
        (np.array([1, 2]), np.array([0.5]), [1.0, 2.0, 0.5]),
        (np.array([1, 2]), ["x"], ["1", "2", "x"]),
        (np.array([1.0, np.nan, 2.5]), ["x"], ["1", None, "2.5", "x"]),
        (np.array([True]), ["x"], ["True", "x"]),
        (["x", None], [None], ["x", None, None]),
    ],
)
def test_columns_of_two_tables_take_a_common_form(first, second, joined):
    found = parts.stack([("a.csv", made(first)), ("b.csv", made(second))])
    assert found["v"].tolist() == joined


def test_pictures_of_one_size_stay_one_array_and_others_become_objects():
    small, large = np.zeros((2, 4, 4), np.uint8), np.ones((1, 8, 8), np.uint8)
    assert parts.stack([("a", Table({"i": small})), ("b", Table({"i": small}))])["i"].shape == (4, 4, 4)
    mixed = parts.stack([("a", Table({"i": small})), ("b", Table({"i": large}))])["i"]
    assert [v.shape for v in mixed] == [(4, 4), (4, 4), (8, 8)]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_every_row_keeps_its_file_and_line_and_every_rejected_row_its_place(sizes):
    tables = []
    for i, size in enumerate(sizes):
        table = made(np.arange(size), f"{i}.csv", line=10 * i + 1)
        tables.append((f"{i}.csv", Table(table.columns, table.origin, (Rejected(f"{i}.csv, line 99", "x"),))))
    found = parts.stack(tables)
    expected = [f"{i}.csv, line {10 * i + 1 + row}" for i, size in enumerate(sizes) for row in range(size)]
    assert [found.where(row) for row in range(len(found))] == expected
    assert len(found.rejected) == len(sizes)


def test_units_that_differ_are_called_rows():
    lines = made(np.arange(1), "a.csv")
    pictures = Table(lines.columns, Origin(("b.gz",), np.zeros(1, np.int32), np.array([7]), "picture"))
    assert pictures.where(0) == "b.gz, picture 7"
    assert parts.stack([("a", lines), ("b", pictures)]).where(1) == "b.gz, row 7"
    assert parts.stack([("a", lines), ("b", Table({"v": np.arange(1)}))]).origin is None


def test_columns_in_another_order_fit_and_missing_ones_are_named():
    first = Table({"a": np.arange(2), "b": np.arange(2)})
    swapped = Table({"b": np.array([7]), "a": np.array([5])})
    assert parts.stack([("x", first), ("y", swapped)])["a"].tolist() == [0, 1, 5]
    with pytest.raises(DataError, match=r"y.csv: there is a column 'c', which x.csv has not"):
        parts.stack([("x.csv", first), ("y.csv", swapped.with_columns({"c": np.arange(1)}))])
    with pytest.raises(DataError, match=r"y.csv: none of its columns \(c, d\) is in x.csv"):
        parts.stack([("x.csv", first), ("y.csv", Table({"c": np.arange(1), "d": np.arange(1)}))])


@pytest.mark.parametrize("own", ["split", "Split", "SPLIT"])
def test_a_column_called_split_of_the_user_s_own_is_never_overwritten(own):
    with pytest.raises(DataError, match=f"has its own column '{own}'"):
        parts.mark(Table({own: np.array(["banana"], dtype=object)}), "train", "a.csv")


def test_parts_are_put_in_the_order_train_select_test():
    tables = [(f"{n}.csv", n, made(np.array([i]), n)) for i, n in enumerate(("test", "dev", "train"))]
    found = parts.by_name(tables)
    assert found["v"].tolist() == [2, 1, 0]
    assert list(found["split"]) == ["train", "select", "test"]
    with pytest.raises(DataError, match="none is called train"):
        parts.by_name(tables[:2])
