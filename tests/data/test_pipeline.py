"""FieldPipeline: rows in = rows out + problems, the same arrays after a bundle, and no trace of skipped columns."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Rejected, Table
from deepwell.core.task import Pipeline, SplitRule
from deepwell.data.cache import Storage
from deepwell.data.fields.image import Image
from deepwell.data.pipeline import FieldPipeline
from deepwell.data.recognition import recognise
from deepwell.data.splits import split
from deepwell.data.usable import stop_if_many

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared" / "data"))
SCHEMA = Schema((
    Field("age", "number"), Field("job", "category"), Field("image", "image"), Field("note", "text", "ignore"),
    Field("nr", "id", "id"), Field("pay", "category", "target"), Field("y", "number", "target"),
))  # fmt: skip


def objects(values):
    column = np.empty(len(values), object)
    for index, value in enumerate(values):
        column[index] = value
    return column


def table(rows=40):
    age = np.arange(rows) * 1.5
    age[3] = np.nan
    return Table({
        "age": age, "job": objects(["cook", "nurse", None, "cook"] * (rows // 4)),
        "image": objects([np.full((8 + i % 2, 9, 3), i, np.uint8) * np.uint8([1, 2, 3]) for i in range(rows)]),
        "note": objects(["some text"] * rows), "nr": np.arange(rows), "pay": np.arange(rows) % 2, "y": np.arange(rows) / 7,
    })  # fmt: skip


def test_it_is_a_pipeline_and_survives_the_bundle_bit_for_bit():
    made: Pipeline = FieldPipeline(SCHEMA).fit(table())
    encoded = made.encode(table())
    assert set(encoded.columns) == {"age", "age.missing", "job", "image", "pay", "y"}
    assert made.sizes() == {"age": (1,), "job": (3,), "image": (3, 8, 8), "pay": (2,), "y": (1,)}
    assert made.classes("pay") == ["0", "1"]
    text = json.dumps(made.state(), allow_nan=False, sort_keys=True)
    assert text == json.dumps(FieldPipeline(SCHEMA).fit(table()).state(), allow_nan=False, sort_keys=True)
    again = FieldPipeline(SCHEMA).restore(json.loads(text))
    for name, array in again.encode(table()).columns.items():
        assert array.dtype == encoded.columns[name].dtype
        assert np.array_equal(array, encoded.columns[name])
    assert again.decode("pay", np.array([1, 0])).tolist() == [1, 0]


def test_rows_are_used_or_named():
    fitted = FieldPipeline(SCHEMA).fit(table())
    broken = table()
    age, pay = broken["age"].astype(object), broken["pay"].astype(np.float64)
    age[5], pay[7], pay[9] = "old", np.nan, 4
    image = broken["image"].copy()
    image[11] = None
    broken = broken.with_columns({"age": age, "pay": pay, "image": image})
    encoded = fitted.encode(broken)
    assert encoded.problems == {
        5: "column 'age': 'old' is not a number",
        7: "column 'pay': the label is missing",
        9: "column 'pay': the label '4' was never seen in training; known: '0', '1'",
        11: "column 'image': the picture is missing",
    }
    assert len(encoded.rows) + len(encoded.problems) == len(broken)
    whole = fitted.encode(table())
    for name, array in encoded.columns.items():
        assert np.array_equal(array, whole.columns[name][encoded.rows])
    asked = fitted.encode(broken.select(["age", "job", "image"]), targets=False)
    assert set(asked.problems) == {5, 11}
    assert "pay" not in asked.columns


def test_rejected_rows_are_counted_and_stop_above_the_limit():
    some = [Rejected("row 3", "broken"), Rejected("row 4", "broken"), Rejected("row 9", "odd")]
    stop_if_many(some, 300)
    with pytest.raises(
        DataError, match=r"(?s)3 of 40 rows cannot be used \(7.5%; allowed is 1.0%\).*2 x broken \(first: row 3"
    ):
        stop_if_many(some, 40)


def test_array_pictures_of_the_caller_are_never_written():
    pictures = np.random.default_rng(0).integers(0, 256, (30, 12, 12), np.uint8)
    label = objects(["a", "b", None] * 10)
    given = Table({"image": pictures, "label": label})
    before = pictures.copy()
    encoded = (
        FieldPipeline(Schema((Field("image", "image"), Field("label", "category", "target")))).fit(given).encode(given)
    )
    assert len(encoded.rows) == 20
    assert np.array_equal(encoded.columns["image"][:, 0], before[encoded.rows])
    assert np.array_equal(pictures, before)


def test_own_options_of_a_kind_and_self_made_data():
    assert FieldPipeline(SCHEMA, {"image": Image(size=8)}).fit(table()).sizes()["image"] == (3, 8, 8)
    assert FieldPipeline(Schema()).fit(Table({})).encode(Table({})).columns == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.pop("age"),
        lambda s: s.update(more={}),
        lambda s: s["age"].update(kind="category"),
        lambda s: s["age"].update(code="os.system"),
        lambda s: s["pay"]["state"].update(target=False),
        lambda s: s["age"].update(state=[]),
    ],
)
def test_foreign_state_is_refused(change):
    state = FieldPipeline(SCHEMA).fit(table()).state()
    change(state)
    with pytest.raises(BundleError):
        FieldPipeline(SCHEMA).restore(state)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
def test_mnist_from_table_to_arrays():
    folder = SHARED / "image-classification/mnist"
    pixels, digits = (
        np.frombuffer(gzip.decompress((folder / f"t10k-{name}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    pixels, digits = pixels.reshape(-1, 28, 28), digits.astype(np.int64)
    data = Table({"image": pixels, "label": digits})
    schema = recognise(data)
    parts = split(data, schema, SplitRule(), Key(0))
    fitted = FieldPipeline(schema).fit(parts.train.rows)
    encoded = fitted.encode(parts.test.rows)
    assert fitted.sizes() == {"image": (1, 28, 28), "label": (10,)}
    assert fitted.classes("label") == [str(d) for d in range(10)]
    assert np.array_equal(fitted.decode("label", encoded.columns["label"]), parts.test.rows["label"])
    assert np.array_equal(fitted.decode("image", encoded.columns["image"]), parts.test.rows["image"])
    assert abs(parts.counts["test"] - 2000) <= 2


def test_a_few_rows_are_encoded_once(monkeypatch):
    """One row may be a whole novel."""
    made = FieldPipeline(SCHEMA).fit(table())
    asked = []
    plain = Image.encode
    monkeypatch.setattr(Image, "encode", lambda self, column: (asked.append(len(column)), plain(self, column))[1])
    few = table(12)
    want = made.encode(few)
    made.storage = Storage(1 << 30)
    asked.clear()
    found = made.encode(few)
    assert asked == [12]
    for name, array in want.columns.items():
        assert np.array_equal(array, found.columns[name])
