"""Data in memory, and the array files that hold it: what the columns are called, and that the same data mean the same."""

import gzip
import json
import struct

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepwell.core.errors import DataError
from deepwell.core.table import ImageFile, Table
from deepwell.data.sources import ReadOptions, files, read
from deepwell.data.sources.columns import MISSING, column, words

ROWS = [
    {"age": 39, "pay": 1.5, "job": "clerk", "gap": None, "yes": True},
    {"age": 50, "pay": None, "job": "?", "gap": 7, "yes": False},
]
COLUMNS = {k: [r[k] for r in ROWS] for k in ROWS[0]}


def sources(folder):
    """The same two rows in every form there is."""
    pl.DataFrame(ROWS).write_parquet(folder / "x.parquet")
    (folder / "x.jsonl").write_text("\n".join(json.dumps(r) for r in ROWS))
    (folder / "x.json").write_text(json.dumps(ROWS))
    return [
        ROWS, COLUMNS, pd.DataFrame(ROWS), pd.DataFrame(ROWS).convert_dtypes(), pd.DataFrame(ROWS, index=[7, 9]),
        pl.DataFrame(ROWS), pa.Table.from_pylist(ROWS), folder / "x.parquet", folder / "x.jsonl", folder / "x.json",
        {k: pd.Series(v) for k, v in COLUMNS.items()}, {k: pl.Series(v) for k, v in COLUMNS.items()},
    ]  # fmt: skip


@pytest.mark.parametrize("which", range(12))
def test_the_same_rows_in_every_form_are_the_same_table(tmp_path, which):
    found = read(sources(tmp_path)[which])
    assert found.names == list(COLUMNS)
    assert {n: c.dtype.kind for n, c in found.columns.items()} == dict(zip(COLUMNS, "ifOfb", strict=True))
    assert found["age"].tolist() == [39, 50]
    assert found["pay"][0] == 1.5
    assert np.isnan(found["pay"][1])
    assert list(found["job"]) == ["clerk", None]
    assert np.isnan(found["gap"][0])
    assert found["yes"].tolist() == [True, False]


def test_a_csv_of_a_frame_is_the_frame(tmp_path):
    frame = pd.DataFrame(
        {"n": [1, 2], "x": [0.1, np.nan], "c": ["a", None], "when": pd.to_datetime(["2020-01-02 03:04:05"] * 2)}
    )
    frame.to_csv(tmp_path / "f.csv", index=False)
    one, two = read(frame), read(tmp_path / "f.csv")
    for name in frame:
        np.testing.assert_array_equal(one[name], two[name])


def test_pandas_manners():
    frame = pd.DataFrame({"c": pd.Categorical(["u", None]), 3: pd.to_timedelta([1, 2], unit="min")})
    found = read(frame)
    assert found.names == ["c", "3"]
    assert list(found["c"]) == ["u", None]
    assert found["3"].tolist() == [60.0, 120.0]
    doubled = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match="two columns are called 'a': column 1 and column 2"):
        read(doubled)


def test_arrays():
    found = read(np.array([[1.5, 2], [3, 4]]))
    assert found.names == ["x0", "x1"]
    assert found["x1"].tolist() == [2, 4]
    assert read([[1, "a"], [2, "b"]])["x1"].tolist() == ["a", "b"]
    assert read(np.array([[1, "a"], [2, None]], dtype=object))["x0"].tolist() == [1, 2]
    structured = np.array([(1, "x")], dtype=[("n", "i4"), ("s", "U3")])
    assert read(structured)["s"].tolist() == ["x"]
    with pytest.raises(DataError, match=r"an array of shape \(3,\) is neither .*\n  repair: reshape it"):
        read(np.arange(3))
    with pytest.raises(DataError, match="has no row"):
        read(np.empty((0, 3)))
    with pytest.raises(DataError, match="data of type int cannot be read"):
        read(3)


def test_pairs():
    x, y = np.ones((2, 2)), np.array([0, 1])
    assert read((x, y)).names == ["x0", "x1", "target"]
    assert read((x, y[:, None]))["target"].tolist() == [0, 1]
    assert read((x, ["a", "b"]))["target"].tolist() == ["a", "b"]
    assert read((x, np.ones((2, 2)))).names == ["x0", "x1", "target_0", "target_1"]
    assert read((pd.DataFrame({"a": [1, 2]}), pd.Series(["u", "v"], name="z"))).names == ["a", "target"]
    assert read((x, None)).names == ["x0", "x1"]
    assert read((["good film", "bad film"], [1, 0])).names == ["text", "target"]
    assert read((np.zeros((2, 4, 4), np.uint8), y)).names == ["image", "label"]
    assert list(read((x, y), ReadOptions(test=(x, y)))["split"]) == ["train", "train", "test", "test"]
    with pytest.raises(DataError, match="X has 2 rows and y has 3"):
        read((x, [1, 2, 3]))
    with pytest.raises(DataError, match="X already has a column 'target'"):
        read((pd.DataFrame({"target": [1, 2]}), [1, 2]))


def test_pictures_in_memory(tmp_path):
    grey, colour = Image.new("L", (3, 2)), Image.new("RGB", (3, 2), "red")
    assert read(np.zeros((5, 4, 4, 3), np.uint8))["image"].shape == (5, 4, 4, 3)
    assert read([grey, grey])["image"].shape == (2, 2, 3)
    mixed = read(([grey, colour, colour.convert("P")], [0, 1, 1]))
    assert [v.shape for v in mixed["image"]] == [(2, 3), (2, 3, 3), (2, 3, 4)]
    assert mixed["image"][2][0, 0].tolist() == [255, 0, 0, 255]
    assert read(([ImageFile("a.png")], ["x"])).names == ["image", "label"]
    assert isinstance(read({"photo": ["a.png", "b.jpg"], "n": [1, 2]})["photo"][0], ImageFile)
    whole = read(np.full((2, 3, 3), 16.0))["image"]
    assert whole.dtype == np.uint8
    with pytest.raises(DataError, match=r"pictures must be whole numbers from 0 to 255"):
        read(np.full((2, 3, 3), 0.5))
    with pytest.raises(DataError, match="mode 'F'"):
        read([Image.new("F", (2, 2))])


def test_dicts():
    assert read({"age": 39, "job": "clerk", "gap": None})["job"].tolist() == ["clerk"]
    with pytest.raises(DataError, match="column 'b' is a single value"):
        read({"a": [1, 2], "b": 3})
    with pytest.raises(DataError, match="the columns have different lengths"):
        read({"a": [1, 2], "b": [3]})
    table = Table({"a": np.arange(2)})
    assert read(table) is table


@pytest.mark.parametrize("word", MISSING)
def test_missing_words_mean_missing_in_memory_as_in_files(tmp_path, word):
    path = tmp_path / "x.csv"
    path.write_text(f"n,c\n1, {word} \n2,b\n")
    assert list(read(path)["c"]) == list(read({"n": [1, 2], "c": [f" {word} ", "b"]})["c"]) == [None, "b"]


VALUES = st.none() | st.integers(-(2**80), 2**80) | st.floats() | st.text(max_size=4) | st.booleans()


@given(st.lists(VALUES, max_size=8))
@settings(deadline=None, max_examples=200)
def test_any_values_make_a_column_of_the_same_length_in_a_known_form(values):
    found = column(values, words(()))
    assert len(found) == len(values)
    assert found.dtype in (np.int64, np.float64, bool, object)
    for value, got in zip(values, found.tolist(), strict=True):
        if value is None or value != value:
            assert got is None or got != got
        elif found.dtype != object:
            assert got == (float(value) if found.dtype == np.float64 else value)


def test_whole_numbers_that_floats_cannot_hold_stay_exact():
    assert list(column([2**53 + 1, None], words(()))) == ["9007199254740993", None]
    assert column([2**63 - 1], words(())).tolist() == [2**63 - 1]


# array files ---------------------------------------------------------------------------------------------------------


def idx(array, code=0x08, shape=None):
    """The bytes of an idx file."""
    shape = shape or array.shape
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + array.tobytes()


def mnist(folder, counts=(("train", 3), ("t10k", 2)), pack=gzip.compress, end=".gz"):
    """A small data set as MNIST's files."""
    for prefix, n in counts:
        images = np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2)
        (folder / f"{prefix}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
        (folder / f"{prefix}-labels-idx1-ubyte{end}").write_bytes(pack(idx(np.arange(n, dtype=np.uint8))))


@pytest.mark.parametrize(("pack", "end"), [(gzip.compress, ".gz"), (bytes, "")])
def test_idx_folder_and_pair(tmp_path, pack, end):
    mnist(tmp_path, pack=pack, end=end)
    (tmp_path / "README.md").write_text("x")
    found = read(tmp_path)
    assert found.names == ["image", "label", "split"]
    assert found["image"].shape == (5, 2, 2)
    assert found["image"][3].tolist() == [[0, 1], [2, 3]]
    assert found["label"].tolist() == [0, 1, 2, 0, 1]
    assert list(found["split"]) == ["train"] * 3 + ["test"] * 2
    assert found.where(4).endswith(f"t10k-images-idx3-ubyte{end}, picture 2")
    assert len(read(tmp_path / f"t10k-labels-idx1-ubyte{end}")) == 2


def test_idx_files_that_lie(tmp_path):
    mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    good = idx(np.zeros((3, 2, 2), np.uint8))
    for content, said in [
        (
            idx(np.zeros(4, np.uint8), shape=(60_000, 5000, 5000)),
            "promises 1,500,000,000,000 bytes, more than this file can",
        ),
        (idx(np.zeros(4, np.uint8), shape=(3, 2, 2)), "promises 12 bytes of values, the file holds 4"),
        (good + b"\0", "promises 12 bytes of values, the file holds more"),
        (idx(np.zeros((2, 2, 2), np.uint8)), "there are 2 pictures in train-images"),
        (idx(np.zeros((3, 2, 2), ">f4"), code=0x0D), "pictures must be uint8"),
    ]:
        path.write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=said):
            read(tmp_path)
    path.write_bytes(gzip.compress(good)[:-6])
    with pytest.raises(DataError, match="damaged or cut off"):
        read(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="labels without pictures"):
        read(tmp_path)


def test_npz_parts_and_names(tmp_path):
    path = tmp_path / "med.npz"
    pictures, labels = np.zeros((2, 4, 4), np.uint8), np.array([[1], [0]], np.uint8)
    np.savez(path, train_images=pictures, train_labels=labels, val_images=pictures, val_labels=labels, test_images=pictures,
             test_labels=labels)  # fmt: skip
    found = read(path)
    assert found.names == ["image", "label", "split"]
    assert found["label"].tolist() == [1, 0] * 3
    assert list(found["split"]) == ["train"] * 2 + ["select"] * 2 + ["test"] * 2
    np.savez_compressed(path, x_train=np.ones((3, 2)), y_train=[1, 2, 3], x_test=np.ones((1, 2)), y_test=[1])
    assert read(path).names == ["x0", "x1", "target", "split"]
    np.savez(path, age=[1, 2], job=["a", "b"], pair=np.ones((2, 2)))
    assert read(path).names == ["age", "job", "pair_0", "pair_1"]
    np.save(tmp_path / "one.npy", np.ones((2, 3)))
    assert read(tmp_path / "one.npy").names == ["x0", "x1", "x2"]
    assert len(read(tmp_path / "one.npy")) == 2


def test_npz_files_that_cannot_be_used(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    for arrays, said in [
        ({"a": np.array([{}], dtype=object)}, "holds pickled objects, which are never opened"),
        ({"a": np.ones(2), "b": np.ones(3)}, "the arrays have different lengths"),
        ({"train_x": np.ones((2, 1)), "y": np.ones(2)}, "the array 'y' says no part"),
        ({"val_x": np.ones((2, 1)), "test_x": np.ones((2, 1))}, "none is train"),
        ({"images": np.full((2, 2, 2), 0.5)}, "pictures must be whole numbers"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(DataError, match=said):
            read(path)
    whole = path.read_bytes()
    for damaged in (whole[:-30], whole[:200] + b"\xff" * 20 + whole[220:], b"PK nothing"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged"):
            read(path)
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match="no file of numpy's"):
        read(path)
    np.savez_compressed(path, x=np.zeros((1000, 100)))
    monkeypatch.setattr(files, "memory_limit", lambda: 10_000)
    with pytest.raises(DataError, match=r"unpacks to .* bytes, more than half"):
        read(path)


def test_json_lines_that_are_broken_are_rejected_one_by_one(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"a": 1, "b": [1, 2]}\n\n{"a": 2,\n[3]\n{"a": 4, "c": "z"}\n{"a": 5}\n{"a": ' + "[" * 100_000 + "\n"
    )
    found = read(path)
    assert found.names == ["a", "b", "c"]
    assert found["a"].tolist() == [1, 4, 5]
    assert found["b"][0] == [1, 2]
    assert [r.where.rsplit(", ")[-1] for r in found.rejected] == ["line 3", "line 4", "line 7"]
    path.write_text('{"a": 1}\nx\ny\n')
    with pytest.raises(DataError, match="2 of 3 records cannot be read; the first: line 2 is not JSON"):
        read(path)
    single = tmp_path / "one.json"
    single.write_text('{"version": 1, "data": [1]}')
    with pytest.raises(DataError, match="one nested object, not a list of records"):
        read(single)
    single.write_text('{"age": 39}')
    assert read(single)["age"].tolist() == [39]
    single.write_text('[{"age": 39},\n {"age": }]')
    with pytest.raises(DataError, match=r"not JSON .*line 2"):
        read(single)


def test_a_damaged_parquet_file(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame(ROWS).write_parquet(path)
    assert read(path).where(1) == f"{path}, row 2"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="the Parquet file is damaged"):
        read(path)
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match="no Parquet file"):
        read(path)
