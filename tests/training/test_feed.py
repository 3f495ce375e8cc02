"""Feed: the same batches from memory, from mapped files and from `take`; nothing is copied that need not be."""

import mmap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepwell.core.batch import Batch, Encoded, IntArray, Ragged
from deepwell.core.examples import Examples, RowExamples
from deepwell.core.keys import Key
from deepwell.store.arrays import ArrayCache
from deepwell.training import feed as feed_module
from deepwell.training.feed import Feed, pages
from deepwell.training.order import Order

CPU = torch.device("cpu")
ROWS = 700


def columns() -> dict[str, np.ndarray[Any, Any]]:
    draw = np.random.default_rng(0)
    return {
        "picture": draw.integers(0, 255, (ROWS, 3, 20, 20), np.uint8),
        "number": draw.normal(size=(ROWS, 5)).astype(np.float32),
        "wide": draw.normal(size=ROWS),
        "half": draw.normal(size=(ROWS, 2)).astype(np.float16),
        "label": draw.integers(0, 9, ROWS),
        "flag": draw.random(ROWS) < 0.5,
    }


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The same columns in mapped files."""
    with ArrayCache(tmp_path).write("0" * 64) as writer:
        for name, column in columns().items():
            writer.array(name, column.shape, column.dtype)[:] = column
    return dict(writer.arrays)


def examples(of: dict[str, np.ndarray[Any, Any]]) -> RowExamples:
    return RowExamples(Encoded(of, np.arange(ROWS)))


def equal(one: Batch, other: Batch) -> None:
    assert list(one.arrays) == list(other.arrays)
    for name, tensor in one.arrays.items():
        assert tensor.dtype == other.arrays[name].dtype
        assert torch.equal(tensor, other.arrays[name])


def test_memory_and_mapped_files_give_the_same_batches(stored: dict[str, Any]) -> None:
    memory, files = Feed(examples(columns()), CPU), Feed(examples(stored), CPU)
    for seed in range(5):
        index = np.random.default_rng(seed).integers(0, ROWS, 64)
        one, other = memory.batch(index, Key(0)), files.batch(index, Key(0))
        equal(one, other)
        assert {n: t.dtype for n, t in one.arrays.items()} == {
            "picture": torch.uint8, "number": torch.float32, "wide": torch.float32, "half": torch.float32,
            "label": torch.int64, "flag": torch.bool,
        }  # fmt: skip
        np.testing.assert_array_equal(one.arrays["picture"].numpy(), columns()["picture"][index])
        np.testing.assert_array_equal(one.arrays["wide"].numpy(), columns()["wide"][index].astype(np.float32))


def test_columns_are_shared_not_copied(stored: dict[str, Any]) -> None:
    given = columns()
    for column in (given["picture"], given["number"], stored["picture"], stored["wide"]):
        held = feed_module._held(column)
        assert held.data_ptr() == column.ctypes.data


def test_a_batch_is_its_own(stored: dict[str, Any]) -> None:
    """Transforms may write into a batch; neither the columns nor an earlier batch may change."""
    feed = Feed(examples(stored), CPU)
    first = feed.batch(np.arange(9), Key(0))
    kept = first.arrays["number"].clone()
    second = feed.batch(np.arange(9), Key(0))
    second.arrays["number"].zero_()
    assert torch.equal(first.arrays["number"], kept)
    np.testing.assert_array_equal(stored["number"], columns()["number"])


class Drawn(Examples):
    """Examples that are no slices of columns."""

    count = 50

    def take(self, index: IntArray, key: Key) -> Batch:
        return Batch({"x": np.array([key.fold(int(i)).numpy().random() for i in index])}, index)


def test_other_examples_are_taken_under_the_key() -> None:
    feed = Feed(Drawn(), CPU)
    found = feed.batch(np.array([3, 4]), Key(7)).arrays["x"]
    assert found.dtype == torch.float32
    assert found[1].item() == pytest.approx(Key(7).fold(4).numpy().random())
    feed.ahead([(0, 10)])  # nothing to read


def test_ragged_columns_are_taken_too() -> None:
    ragged = Ragged(np.arange(6.0), np.array([0, 1, 3, 6]))
    feed = Feed(RowExamples(Encoded({"p": ragged}, np.arange(3))), CPU)
    arrays = feed.batch(np.array([2, 0]), Key(0)).arrays
    assert arrays["p"].tolist() == [3, 4, 5, 0]
    assert arrays["p.row"].tolist() == [0, 0, 0, 1]


def test_the_pages_of_rows_hold_exactly_these_rows(stored: dict[str, Any]) -> None:
    for name, column in columns().items():
        for start, stop in ((0, ROWS), (0, 1), (317, 400), (ROWS - 1, ROWS)):
            mapping, first, length = pages(stored[name][10:][: ROWS - 10], *(max(0, n - 10) for n in (start, stop)))
            wanted = column[10:][max(0, start - 10) : max(0, stop - 10)].tobytes()
            assert first % mmap.PAGESIZE == 0
            assert mapping[first : first + length].endswith(wanted)
            assert length - len(wanted) < mmap.PAGESIZE


def test_only_mapped_rows_have_pages(stored: dict[str, Any]) -> None:
    for column in (columns()["number"], stored["number"][:, :2]):
        with pytest.raises(ValueError, match="mapped file"):
            pages(column, 0, 1)


def test_reading_ahead_asks_for_every_window_and_changes_nothing(
    stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    plain = feed_module._read_ahead
    monkeypatch.setattr(feed_module, "_read_ahead", lambda c, spans: (asked.extend(spans), plain(c, spans)))
    feed, order = Feed(examples(stored), CPU), Order(ROWS, 8, Key(0), window=1)
    assert order.windows == 3
    for step in range(order.steps_per_epoch):
        feed.ahead(order.ahead(step))
        index = order.index(step)
        np.testing.assert_array_equal(feed.batch(index, Key(0)).arrays["label"].numpy(), columns()["label"][index])
    for thread in threading.enumerate():
        if thread.name == feed_module.READER:
            thread.join(10)
    rows = [row for start, stop in asked for row in range(start, stop)]
    assert set(rows) == set(range(ROWS))
    assert len(rows) == ROWS + order.window  # the first window of the next epoch


def test_columns_in_memory_are_not_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_read_ahead", lambda *_: pytest.fail("nothing is mapped"))
    Feed(examples(columns()), CPU).ahead([(0, 100)])
    assert not [thread for thread in threading.enumerate() if thread.name == feed_module.READER]


def test_columns_that_a_device_has_no_room_for_stay_with_the_host(
    stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA is not here: its answer is put in its place; the rule and the arithmetic are what is tested."""
    given = columns()
    needed = sum(column.size * (4 if column.dtype.kind == "f" else column.dtype.itemsize) for column in given.values())
    for free, fits in ((4 * needed, True), (4 * needed - 4, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 2 * free))
        assert feed_module._fit(given, torch.device("cuda")) == fits
        assert feed_module._fit(stored, torch.device("cuda")) == fits
    assert feed_module._fit(given, torch.device("mps"))
    assert not feed_module._fit(stored, torch.device("mps"))


def test_rows_sent_from_the_host_are_the_same(stored: dict[str, Any]) -> None:
    index = np.array([5, 5, 699, 0])
    whole = Feed(examples(stored), CPU).batch(index, Key(0)).arrays
    for name, column in stored.items():
        sent = feed_module._sent(feed_module._held(column), torch.from_numpy(index), CPU)
        assert torch.equal(sent, whole[name])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_device_batches_are_the_same_resident_or_not(
    stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, index = torch.device("cuda"), np.random.default_rng(0).integers(0, ROWS, 64)
    want = Feed(examples(columns()), CPU).batch(index, Key(0))
    for share in (0.25, 0.0):
        monkeypatch.setattr(feed_module, "SHARE", share)
        feed = Feed(examples(stored), device)
        for _ in range(20):
            found = feed.batch(index, Key(0))
        equal(want, Batch({name: tensor.cpu() for name, tensor in found.arrays.items()}, index))
