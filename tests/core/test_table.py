"""Tables, where their rows came from, and ragged columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.batch import Batch, Ragged, collate
from deepwell.core.errors import DataError
from deepwell.core.table import Origin, Rejected, Table

LISTS = st.lists(st.lists(st.integers(-99, 99), max_size=5), max_size=8)


def table() -> Table:
    origin = Origin(("a.csv", "b.png"), np.array([0, 0, 1], np.int32), np.array([2, 5, 0]))
    columns = {"x": np.array([1.0, 2.0, 3.0]), "y": np.array(["a", None, "c"], object)}
    return Table(columns, origin, (Rejected("a.csv, line 3", "bad"),))


def test_rows_know_where_they_came_from_after_any_choice() -> None:
    assert [table().where(i) for i in range(3)] == ["a.csv, line 2", "a.csv, line 5", "b.png"]
    chosen = table().take(np.array([2, 0]))
    assert [chosen.where(i) for i in range(2)] == ["b.png", "a.csv, line 2"]
    assert chosen["x"].tolist() == [3.0, 1.0]
    assert Table({"x": np.arange(2)}).where(1) == "row 1"


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="different lengths"):
        Table({"a": np.arange(2), "b": np.arange(3)})


def test_a_column_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="there is no column 'q'; known: 'x', 'y'"):
        table()["q"]


def test_selecting_and_adding_columns_keeps_origin_and_rejected_rows() -> None:
    assert table().select(["y"]).names == ["y"]
    added = table().with_columns({"z": np.arange(3)})
    assert (added.names, added.where(1), len(added.rejected)) == (["x", "y", "z"], "a.csv, line 5", 1)


def test_columns_in_a_file_are_known_until_they_are_copied() -> None:
    mapped = Table({"x": np.arange(3)}, entry="key")
    assert mapped.select(["x"]).entry == mapped.with_columns({"y": np.arange(3)}).entry == "key"
    assert mapped.take(np.array([1])).entry == ""


@given(st.integers(1, 7), st.integers(0, 20))
def test_chunks_are_the_table(size: int, rows: int) -> None:
    whole = Table({"x": np.arange(rows)})
    chunks = list(whole.chunks(size))
    assert all(0 < len(c) <= size for c in chunks)
    assert [v for c in chunks for v in c["x"].tolist()] == list(range(rows))


def ragged(lists: list[list[int]]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)
    return Ragged(np.array([v for x in lists for v in x], np.int64), offsets)


@given(LISTS, st.data())
def test_taking_rows_of_a_ragged_column_is_taking_from_the_lists(lists: list[list[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=6) if lists else st.just([]))
    taken = ragged(lists).take(np.array(rows, np.int64))
    parts = np.split(taken.values, taken.offsets[1:-1]) if rows else []
    assert [p.tolist() for p in parts] == [lists[r] for r in rows]
    assert taken.lengths.tolist() == [len(lists[r]) for r in rows]
    arrays = collate({"t": ragged(lists)}, np.array(rows, np.int64))
    assert arrays["t.row"].tolist() == [i for i, r in enumerate(rows) for _ in lists[r]]


def test_a_batch_is_replaced_by_a_copy() -> None:
    batch = Batch({"x": np.arange(3)}, np.arange(3))
    other = batch.replace(y=np.ones(3))
    assert (set(batch.arrays), set(other.arrays), len(other)) == ({"x"}, {"x", "y"}, 3)
