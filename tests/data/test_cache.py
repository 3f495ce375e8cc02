"""Storage: mapped columns hold what columns in memory hold, are made once, and stay within the memory allowed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from deepwell.core.batch import Encoded, Ragged
from deepwell.core.errors import RunError
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import ImageFile, Table
from deepwell.data import cache as cache_module
from deepwell.data.cache import Storage, bytes_per_example, content_key, tier
from deepwell.data.fields import pictures
from deepwell.data.fields.image import Image
from deepwell.data.pipeline import FieldPipeline, encode
from deepwell.families.positions import PositionedNumber
from deepwell.families.stacking import Stacking
from deepwell.store.arrays import ArrayCache, mapped

SCHEMA = Schema((
    Field("a", "number"), Field("b", "number"), Field("k", "category"), Field("p", "points"), Field("y", "number", "target"),
))  # fmt: skip


def table(rows: int, seed: int = 0) -> Table:
    draw = np.random.default_rng(seed)
    a = draw.normal(size=rows)
    a[draw.random(rows) < 0.1] = np.nan
    y = draw.normal(size=rows)
    y[draw.random(rows) < 0.05] = np.nan
    points = np.empty(rows, object)
    for row in range(rows):
        points[row] = [] if draw.random() < 0.3 else draw.normal(size=(draw.integers(1, 4), 2)).tolist()
    points[rows // 2] = None
    kinds = draw.choice(np.array(["x", "y", None], object), rows)
    return Table({"a": a, "b": draw.integers(0, 9, rows), "k": kinds, "p": points, "y": y})


def fitted(data: Table, storage: Storage | None = None) -> FieldPipeline:
    pipeline = FieldPipeline(SCHEMA, {"a": PositionedNumber(), "b": PositionedNumber()}).fit(data)
    pipeline.storage = storage
    return pipeline


def same(one: Encoded, other: Encoded) -> None:
    assert list(one.columns) == list(other.columns)
    assert one.rows.tolist() == other.rows.tolist()
    assert one.problems == other.problems
    for name, column in one.columns.items():
        found: Any = other.columns[name]
        if isinstance(column, Ragged):
            np.testing.assert_array_equal(column.values, found.values, strict=True)
            np.testing.assert_array_equal(column.offsets, found.offsets, strict=True)
        else:
            np.testing.assert_array_equal(column, found, strict=True)


@settings(max_examples=15, deadline=None)
@given(st.integers(20, 400), st.integers(1, 150), st.booleans(), st.booleans())
def test_columns_are_the_same_in_memory_and_mapped(
    tmp_path_factory: pytest.TempPathFactory, rows: int, chunk: int, targets: bool, stacked: bool
) -> None:
    data, storage = table(rows, rows), Storage(0, ArrayCache(tmp_path_factory.mktemp("cache")))
    reshape = Stacking.of(SCHEMA) if stacked else None
    want = fitted(data).encode(data, targets=targets, reshape=reshape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_module, "MOST_ROWS", chunk)
        for _ in range(2):  # written, then opened
            found = fitted(data, storage).encode(data, targets=targets, reshape=reshape)
            same(want, found)
            columns = (c.values if isinstance(c, Ragged) else c for c in found.columns.values())
            assert all(mapped(column) for column in columns if column.size)
    assert len(storage.cache.entries()) == 1
    assert storage.cache.entries()[0].what.startswith(f"{rows:,} rows of 'a', 'b', 'k', 'p'")


def test_a_second_run_encodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, storage = table(200), Storage(0, ArrayCache(tmp_path))
    first = fitted(data, storage).encode(data)
    seen: list[int] = []
    plain = PositionedNumber.encode
    monkeypatch.setattr(PositionedNumber, "encode", lambda self, c: (seen.append(len(c)), plain(self, c))[1])
    same(first, fitted(data, storage).encode(data))
    assert set(seen) == {cache_module.SAMPLE}


def test_what_fits_stays_in_memory_and_takes_its_room(tmp_path: Path) -> None:
    data, storage = table(1000), Storage(10**6, ArrayCache(tmp_path))
    encoded = fitted(data, storage).encode(data)
    assert not any(mapped(c) for c in encoded.columns.values() if isinstance(c, np.ndarray))
    left = storage.left
    assert 10**6 - left >= sum(c.nbytes for c in encoded.columns.values() if isinstance(c, np.ndarray)) * 0.9
    while storage.left > 0:
        before = storage.left
        fitted(data, storage).encode(data)
        if storage.left == before:
            break
    assert len(storage.cache.entries()) == 1


def test_without_a_storage_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPWELL_CACHE", str(tmp_path))
    data = table(50)
    fitted(data).encode(data)
    fitted(data, Storage(10**9)).encode(data)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda t, p: (t.with_columns({"a": np.where(np.arange(len(t)) == 7, 9.0, t["a"])}), p),
        lambda t, p: (t.take(np.arange(len(t))[::-1]), p),
        lambda t, p: (t.take(np.arange(len(t) - 1)), p),
        lambda t, p: (t, fitted(table(300, 5), p.storage)),
    ],
    ids=["one cell", "order", "fewer rows", "other transforms"],
)
def test_whatever_changes_the_result_makes_another_entry(tmp_path: Path, change: Any) -> None:
    storage = Storage(0, ArrayCache(tmp_path))
    data = table(300)
    pipeline = fitted(data, storage)
    pipeline.encode(data)
    other, changed = change(data, pipeline)
    found = changed.encode(other)
    assert len(storage.cache.entries()) == 2
    changed.storage = None
    same(changed.encode(other), found)


def test_other_code_makes_another_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    column = [np.arange(3)]
    key = content_key(column, "facts", ["deepwell.families.stacking"])
    assert key == content_key(column, "facts", ["deepwell.families.stacking"])
    assert key != content_key(column, "facts", ["deepwell.families.positions"])
    assert key != content_key(column, "other facts", ["deepwell.families.stacking"])
    source = tmp_path / "copied.py"
    source.write_bytes(b"x = 1")
    monkeypatch.setattr("deepwell.families.stacking.__file__", str(source))
    changed = content_key(column, "facts", ["deepwell.families.stacking"])
    source.write_bytes(b"x = 2")
    assert len({key, changed, content_key(column, "facts", ["deepwell.families.stacking"])}) == 3


def cells(*given: Any) -> np.ndarray[Any, Any]:
    column = np.empty(len(given), object)
    for row, cell in enumerate(given):
        column[row] = cell
    return column


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (cells("a", "bc"), cells("ab", "c")),
        (cells(None), cells("None")),
        (cells(1), cells(1.0)),
        (cells(True), cells(1)),
        (cells("1"), cells(1)),
        (cells(b"a"), cells("a")),
        (cells([1, [2]]), cells([1, 2])),
        (cells(np.arange(4)), cells(np.arange(4).reshape(2, 2))),
        (cells(np.zeros(3000)), cells(np.eye(1, 3000, 1500)[0])),
        (np.arange(3), np.arange(3.0)),
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8)),
    ],
)
def test_different_cells_have_different_keys(one: Any, other: Any) -> None:
    assert content_key([one], "", []) == content_key([one.copy()], "", [])
    assert content_key([one], "", []) != content_key([other], "", [])


def test_cells_of_an_unknown_type_are_never_taken_for_known_ones() -> None:
    column = cells(object())
    assert content_key([column], "", []) != content_key([column], "", [])


def photos(folder: Path, count: int, side: int) -> Table:
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(count):
        Pillow.fromarray(draw.integers(0, 255, (side, side, 3), np.uint8)).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes(b"no picture")
    return Table({"image": cells(*(ImageFile(str(folder / f"{n}.png")) for n in range(count)))})


def test_dear_pictures_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, schema = photos(tmp_path / "photos", 30, 40), Schema((Field("image", "image"),))
    storage = Storage(10**9, ArrayCache(tmp_path / "cache"))
    want = FieldPipeline(schema).fit(data).encode(data)
    assert list(want.problems) == [3]
    decoded: list[str] = []
    plain = pictures.decode
    monkeypatch.setattr(pictures, "decode", lambda cell, *size: (decoded.append(str(cell)), plain(cell, *size))[1])
    for dear, calls in ((2.0, {30}), (1e-4, {30 + 16}), (1e-4, {16})):
        monkeypatch.setattr(cache_module, "DEAR_SECONDS", dear)
        pipeline = FieldPipeline(schema).fit(data)
        pipeline.storage = storage
        decoded.clear()
        same(want, pipeline.encode(data))
        assert len(decoded) - (cache_module.SAMPLE if dear == 2.0 else 0) in calls
    assert len(storage.cache.entries()) == 1
    os.utime(tmp_path / "photos" / "5.png", (1e9, 1e9))
    pipeline.encode(data)
    assert len(storage.cache.entries()) == 2


def test_how_long_pictures_take_is_told_from_a_few_headers(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 30, 40)
    image = Image()
    small = image.seconds(data["image"])
    assert 0 < small < 0.1
    assert image.seconds(np.repeat(data["image"], 10)) == pytest.approx(10 * small, rel=0.2)
    ready = np.zeros((50, 128, 128, 3), np.uint8)
    assert image.seconds(ready) == 0
    assert image.seconds(ready[:, :64]) > 0
    assert image.seconds(cells(None, b"broken")) > 0


def test_a_cache_that_cannot_be_written_stops_only_what_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ArrayCache(tmp_path / "file" / "cache")
    data = table(100)
    with pytest.raises(RunError, match="could not be written"):
        fitted(data, Storage(0, cache)).encode(data)
    storage = Storage(10**6, cache)
    monkeypatch.setattr(cache_module, "DEAR_SECONDS", -1.0)
    same(fitted(data).encode(data), fitted(data, storage).encode(data))
    assert len(storage.notes) == 1
    assert "not kept for later runs" in storage.notes[0]


def test_the_tier_and_the_size_of_examples(tmp_path: Path) -> None:
    schema = Schema((Field("a", "number"), Field("k", "category")))
    data = Table({"a": np.arange(9.0), "k": cells(*"abcabcabc")})
    for allowed, expected in ((0, "mapped"), (10**6, "memory")):
        pipeline = FieldPipeline(schema, {"a": PositionedNumber()}).fit(data)
        pipeline.storage = Storage(allowed, ArrayCache(tmp_path))
        examples = RowExamples(encode(pipeline, data, Stacking.of(schema)))
        assert tier(examples) == expected
        assert bytes_per_example(examples) == 4 + 4 + 4
        assert examples.take(np.array([2]), Key(0)).arrays["inputs.category"].tolist() == [[3]]
    assert bytes_per_example(RowExamples(Encoded({}, np.arange(0)))) == 0


def test_a_pipeline_of_another_kind_is_reshaped_afterwards() -> None:
    class Other:
        def encode(self, table: Table, *, targets: bool = True) -> Encoded:
            return Encoded({"k": np.array([1, 2])}, np.array([0, 2]), {1: "bad"})

    found = encode(Other(), Table({}), Stacking((), ("k",)))  # type: ignore[arg-type]
    assert found.columns["inputs.category"].tolist() == [[1], [2]]  # type: ignore[union-attr]
    assert (found.rows.tolist(), found.problems) == ([0, 2], {1: "bad"})


SCRIPT = """
import sys, threading, time
from pathlib import Path
import numpy as np
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.cache import Storage
from deepwell.data.pipeline import FieldPipeline
from deepwell.store.arrays import ArrayCache

def anonymous():
    return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) << 10

rows = 20_000
raw = np.memmap(sys.argv[1], np.uint8, "w+", shape=(rows, 48, 48, 3))
raw[..., 0] = 200  # red, so that three channels are kept
data = Table({"image": raw})
pipeline = FieldPipeline(Schema((Field("image", "image"),))).fit(Table({"image": raw[:300]}))
pipeline.encode(Table({"image": raw[:64]}))
pipeline.storage = Storage(int(sys.argv[3]), ArrayCache(Path(sys.argv[2])))
before, peak, ended = anonymous(), [0], threading.Event()

def watch():
    while not ended.wait(0.002):
        peak[0] = max(peak[0], anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
encoded = pipeline.encode(data)
ended.set()
watcher.join()
print(len(encoded.rows), max(peak[0], anonymous()) - before)
"""


@pytest.mark.parametrize(("allowed", "bounded"), [(16 << 20, True), (1 << 30, False)])
def test_anonymous_memory_stays_within_what_is_allowed(tmp_path: Path, allowed: int, bounded: bool) -> None:
    """138 MB of pictures: with 16 MB allowed they go through; with 1 GB they lie in memory, which shows what is measured."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "raw", tmp_path / "cache", str(allowed)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows, peak = map(int, done.stdout.split())
    assert rows == 20_000
    assert peak < allowed if bounded else peak > 130 << 20
