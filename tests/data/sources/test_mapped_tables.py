"""Parquet files larger than memory: what is mapped has the same cells, types and places as what is read at once."""

import datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from deepwell.core.errors import DataError, RunError
from deepwell.core.table import Table
from deepwell.data.sources import ReadOptions, mapped, parquet, read
from deepwell.store.arrays import ArrayCache
from deepwell.store.arrays import mapped as in_a_file

MAPPED = ReadOptions(memory=0)
ROWS = 23
GAPS = [None if i % 5 == 0 else i for i in range(ROWS)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, and blocks of a few rows, so that every file has several."""
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mapped, "BLOCK_ROWS", 7)
    return ArrayCache(tmp_path / "cache")


def frame(rows=ROWS, shift=0):
    """A column of every kind that a Parquet file has, in forms that depend on cells beyond the first block."""
    day = datetime.datetime(2024, 1, 31, 12, 30)
    at = range(shift, shift + rows)
    return pl.DataFrame(
        {
            "float": pl.Series([i / 7 for i in at], dtype=pl.Float32),
            "float gaps": [None if i == 20 else float(i) for i in at],
            "only gaps": pl.Series([None] * rows, dtype=pl.Float64),
            "int": pl.Series(at, dtype=pl.Int16) - 9,
            "int gaps": [None if i == 20 else -i for i in at],
            "no int": pl.Series([None] * rows, dtype=pl.Int32),
            "long gaps": [None if i == 1 else 2**60 + i for i in at],
            "unsigned": pl.Series([2**63 + i for i in at], dtype=pl.UInt64),
            "bool": [i % 3 == 0 for i in at],
            "bool gaps": [None if i == 20 else i % 3 == 0 for i in at],
            "text": [None if i == 3 else [" a ", "?", "ü", "", "b\nc"][i % 5] for i in at],
            "category": pl.Series([f"g{i % 3}" for i in at], dtype=pl.Categorical),
            "moment": [day + datetime.timedelta(hours=i) for i in at],
            "day": [day.date() + datetime.timedelta(days=i) for i in at],
            "lasts": [datetime.timedelta(seconds=i) for i in at],
            "exact": [Decimal(i) / 4 for i in at],
            "list": [[i, i + 1] for i in at],
        }
    )


def same(one, two):
    """Whether two tables have equal columns of equal types, in the same order, at the same places."""
    assert one.names == two.names
    for name in one.names:
        assert one[name].dtype == two[name].dtype, name
        assert [(type(c), str(c)) for c in one[name].tolist()] == [(type(c), str(c)) for c in two[name].tolist()], name
    assert [one.where(i) for i in range(len(one))] == [two.where(i) for i in range(len(two))]


def test_mapped_columns_are_the_columns(tmp_path):
    frame().write_parquet(tmp_path / "x.parquet", row_group_size=5)
    found = read(tmp_path / "x.parquet", MAPPED)
    same(found, read(tmp_path / "x.parquet"))
    files = {name for name in found.names if in_a_file(found[name])}
    assert files == {"float", "float gaps", "only gaps", "int", "int gaps", "unsigned", "bool"}
    assert found.entry
    assert not found["float"].flags.writeable
    assert found.select(["int"]).with_columns({"new": np.arange(ROWS)}).entry == found.entry
    assert not found.take(np.arange(3)).entry


def test_only_what_is_larger_than_allowed_is_mapped(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": np.arange(100), "b": ["x"] * 100}).write_parquet(path)
    assert parquet.size(path) == 1600
    assert read(path, ReadOptions(memory=1599)).entry
    assert not read(path, ReadOptions(memory=1600)).entry
    assert not (tmp_path / "cache").exists() or not read(path).entry


def test_a_second_reading_does_not_parse(tmp_path, monkeypatch, cache):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": np.arange(40), "b": ["x", "none"] * 20}).write_parquet(path)
    first = read(path, MAPPED)
    (tmp_path / "y.parquet").write_bytes(path.read_bytes())
    monkeypatch.setattr(parquet, "_block", lambda *_: pytest.fail("the file was parsed again"))
    again = read(tmp_path / "y.parquet", MAPPED)
    assert again["a"].tolist() == first["a"].tolist()
    assert again["b"].tolist() == first["b"].tolist()
    assert again.where(1) == f"{tmp_path / 'y.parquet'}, row 2"  # same content, other file
    monkeypatch.undo()
    monkeypatch.setenv("DEEPWELL_CACHE", str(cache.root))
    other = read(path, ReadOptions(memory=0, missing=("none",)))
    assert other["b"].tolist() == ["x", None] * 20
    pl.DataFrame({"a": np.arange(1, 41), "b": ["x", "none"] * 20}).write_parquet(path)
    assert read(path, MAPPED)["a"].tolist() == list(range(1, 41))
    assert len(cache.entries()) == 3
    assert {entry.what for entry in cache.entries()} == {"columns of x.parquet"}


def test_files_that_are_too_large_together(tmp_path):
    """Each file alone would fit; one below the other they are mapped, with the types that both need."""
    folder = tmp_path / "data"
    folder.mkdir()
    frame().drop("list").write_parquet(folder / "train.parquet")
    frame(shift=100).drop("list").with_columns(pl.col("int") / 2).write_parquet(folder / "test.parquet")
    allowed = ReadOptions(memory=int(1.5 * parquet.size(folder / "train.parquet")))
    found, whole = read(folder, allowed), read(folder)
    same(found, whole)
    assert found.entry
    assert in_a_file(found["int"])
    assert in_a_file(found.origin.line)
    assert set(found["split"]) == {"train", "test"}
    same(read([folder / "train.parquet", folder / "test.parquet"], allowed), whole)
    same(read(folder, allowed), whole)  # from the cache
    parts = tmp_path / "parts"
    for name in ("train", "test"):
        (parts / name).mkdir(parents=True)
        (folder / f"{name}.parquet").rename(parts / name / "rows.parquet")
    same(read(parts, allowed), read(parts))
    assert read(parts, allowed).entry


def test_a_mapped_table_and_a_small_test_file(tmp_path):
    large, small = tmp_path / "large.parquet", tmp_path / "small.csv"
    frame().select("float", "int", "text").write_parquet(large)
    small.write_text("float,int,text\n1.5,2,a\n2.5,3,b\n")
    found = read(large, ReadOptions(memory=100, test=small))
    same(found, read(large, ReadOptions(test=small)))
    assert found.entry
    other = tmp_path / "other.csv"
    other.write_text("float,int,text\n1.5,2,a\n2.5,4,b\n")
    assert read(large, ReadOptions(memory=100, test=other))["int"][-1] == 4  # not the entry of the first two


def test_tables_of_text_alone_stay_in_memory_when_joined(tmp_path):
    for name in ("a", "b"):
        pl.DataFrame({"text": [name] * 9}).write_parquet(tmp_path / f"{name}.parquet")
    found = read([tmp_path / "a.parquet", tmp_path / "b.parquet"], MAPPED)
    assert found["text"].tolist() == ["a"] * 9 + ["b"] * 9
    assert isinstance(found, Table)
    assert not found.entry


def test_a_damaged_file_leaves_nothing(tmp_path, cache):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": np.random.default_rng(0).random(4000)}).write_parquet(path, compression="zstd")
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole[:100] + bytes(2000) + whole[2100:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="the Parquet file is damaged"):
            read(path, MAPPED)
    assert cache.entries() == []
    assert not cache.root.exists() or list(cache.root.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path / "file" / "cache"))
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(RunError, match="cache could not be written"):
        read(tmp_path / "x.parquet", MAPPED)
