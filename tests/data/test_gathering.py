"""Rows of a mapped table: the same as copies of them, and found again by a second run."""

import numpy as np
import polars as pl
import pytest

from deepwell.data import gathering
from deepwell.data.gathering import gathered
from deepwell.data.sources import ReadOptions, read
from deepwell.store.arrays import ArrayCache, mapped


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gathering, "COPIED_ROWS", 10)
    monkeypatch.setattr(gathering, "BLOCK_ROWS", 16)
    path = tmp_path / "x.parquet"
    pl.DataFrame({"n": np.arange(100) / 3, "i": np.arange(100), "t": [f"t{i % 7}" for i in range(100)]}).write_parquet(
        path
    )
    return read(path, ReadOptions(memory=0))


@pytest.mark.parametrize("rows", [np.arange(5, 95), np.arange(99, 20, -3), np.array([3, 1, 2]), np.arange(0)])
def test_gathered_rows_are_the_rows(table, rows):
    found, copied = gathered(table, rows), table.take(rows)
    assert found.names == copied.names
    for name in found.names:
        assert found[name].dtype == copied[name].dtype
        assert found[name].tolist() == copied[name].tolist()
    assert [found.where(i) for i in range(len(rows))] == [copied.where(i) for i in range(len(rows))]
    large = len(rows) > 10
    assert mapped(found["n"]) == mapped(found.origin.line) == bool(found.entry) == large


def test_a_second_run_finds_them(table, tmp_path):
    cache = ArrayCache(tmp_path / "cache")
    rows = np.arange(0, 100, 2)
    first = gathered(table, rows)
    assert gathered(table, rows).entry == first.entry
    assert len(cache.entries()) == 2  # the table and these rows
    assert gathered(table, rows + 1).entry != first.entry
    assert gathered(table.select(["i"]), rows).names == ["i"]
    changed = table.with_columns({"t": np.full(100, "z", object)})
    assert gathered(changed, rows)["t"].tolist() == ["z"] * 50  # text is never taken from the entry


def test_rows_of_rows(table):
    once = gathered(table, np.arange(10, 90))
    twice = gathered(once, np.arange(0, 80, 2))
    assert twice["i"].tolist() == list(range(10, 90, 2))
    assert twice.entry != once.entry
