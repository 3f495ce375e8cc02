"""Baselines of detection on drawn scenes: what is usual is found where it usually lies, blobs are found anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Encoded, Ragged
from deepwell.core.errors import DataError
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.decoding.suppression import detections, overlaps
from deepwell.evaluation import detection_baselines as known

KEY = Key(0)


class Names:
    """All that a baseline asks of a pipeline."""

    def __init__(self, names):
        self.names = names

    def classes(self, name):
        return self.names


def examples(pictures, objects):
    """Examples of pictures (n, c, h, w) with objects: a list of (label index, left, top, right, bottom[, ignored]) each."""
    offsets = np.cumsum([0] + [len(o) for o in objects]).astype(np.int64)
    flat = [o for each in objects for o in each]
    columns = {
        "image": pictures,
        "o": Ragged(np.array([o[1:5] for o in flat], np.float32).reshape(-1, 4), offsets),
        "o.label": Ragged(np.array([o[0] for o in flat], np.int64), offsets),
        "o.ignore": Ragged(np.array([o[5] if len(o) > 5 else 0 for o in flat], np.uint8), offsets),
    }
    return RowExamples(Encoded(columns, np.arange(len(pictures))))


def drawn(count=40, side=64, seed=0):
    """Bright red squares and dull blue bars on noisy grey."""
    draws = np.random.default_rng(seed)
    pictures = draws.normal(60, 3, (count, 3, side, side))
    objects = []
    for i in range(count):
        x, y = draws.integers(2, 20, 2)
        u, v = draws.integers(36, 44, 2)
        pictures[i, :, y : y + 12, x : x + 12] += np.array([150, 0, 0])[:, None, None]
        pictures[i, :, v : v + 6, u : u + 18] += np.array([0, 0, 140])[:, None, None]
        objects.append([(0, x, y, x + 12, y + 12), (1, u, v, u + 18, v + 6)])
    return examples(np.clip(pictures, 0, 255).astype(np.uint8), objects), objects


def answers(runner, found, rows):
    """Boxes and chances of some pictures."""
    outputs, _ = runner.run("forward", found.take(np.array(rows), KEY).arrays)
    boxes, logits = outputs["o.boxes"], outputs["o.logits"]
    assert boxes.shape[:2] == logits.shape[:2]
    assert boxes.dtype == logits.dtype == np.float32
    return boxes, 1 / (1 + np.exp(-logits.astype(np.float64)))


def test_usual_boxes_are_means_of_those_that_lie_alike():
    pictures = np.zeros((4, 1, 32, 32), np.uint8)
    left, right = (0, 0, 0, 10, 10), (0, 20, 20, 30, 30)
    found = examples(pictures, [[left, right], [(0, 2, 0, 12, 10), right], [left, right], [(1, 5, 5, 9, 9)]])
    runner = known.mean_box("image", "o").fit(found, Names(["a", "b"]), KEY)
    boxes, chances = answers(runner, found, [0, 3])
    np.testing.assert_array_equal(boxes[0], boxes[1])
    first = boxes[0][chances[0, :, 0] > 0.5]
    assert sorted(first.round(3).tolist()) == [[pytest.approx(2 / 3, abs=1e-3), 0, pytest.approx(32 / 3, abs=1e-3), 10],
                                               [20, 20, 30, 30]]  # fmt: skip
    np.testing.assert_allclose(sorted(chances[0].max(axis=1)), [0.25, 0.75, 0.75], atol=1e-6)
    assert boxes.shape == (2, 3, 4)


def test_a_class_that_training_lacks_is_never_answered_and_ignored_boxes_do_not_count():
    found = examples(np.zeros((2, 1, 16, 16), np.uint8), [[(0, 1, 1, 5, 5)], [(1, 2, 2, 6, 6, 1)]])
    _, chances = answers(known.mean_box("image", "o").fit(found, Names(["a", "b", "c"]), KEY), found, [0])
    assert chances[0, :, 1:].max() < 1e-6
    with pytest.raises(DataError, match="there are none"):
        known.mean_box("image", "o").fit(examples(np.zeros((0, 1, 16, 16), np.uint8), []), Names(["a"]), KEY)


def test_blobs_are_found_and_told_apart():
    train, _ = drawn()
    test, objects = drawn(10, seed=1)
    runner = known.blobs("image", "o").fit(train, Names(["square", "bar"]), KEY)
    assert runner.notes == ("a blob fits 80 of the 80 true boxes of training",)
    boxes, chances = answers(runner, test, range(10))
    for found, truth in zip(detections(boxes, chances, 0.5, 0.5, 10), objects, strict=True):
        assert sorted(found.labels.tolist()) == [0, 1]
        for label, *edges in truth:
            assert overlaps(found.boxes[found.labels == label], np.array([edges], np.float32)).item() > 0.6
    again, _ = answers(known.blobs("image", "o").fit(train, Names(["square", "bar"]), KEY), test, range(10))
    np.testing.assert_array_equal(boxes, again)


def test_blobs_of_empty_pictures_and_without_any_answer_nothing():
    plain = examples(np.full((3, 1, 20, 20), 7, np.uint8), [[], [], []])
    boxes, chances = answers(known.blobs("image", "o").fit(plain, Names(["a"]), KEY), plain, [0, 1])
    assert boxes.shape == (2, 1, 4)
    assert chances.max() < 1e-6
    train, _ = drawn(20)
    runner = known.blobs("image", "o").fit(train, Names(["square", "bar"]), KEY)
    bare = runner.run("forward", {"image": np.full((2, 3, 64, 64), 60, np.uint8)})[0]
    assert (bare["o.logits"] < -10).all()


def test_a_sample_of_many_pictures_is_said(monkeypatch):
    monkeypatch.setattr(known, "MOST_PICTURES", 10)
    train, _ = drawn(20)
    notes = known.mean_box("image", "o").fit(train, Names(["square", "bar"]), KEY).notes
    assert notes == ("fitted on 10 of 20 pictures, drawn at random, to bound time and memory",)


def flooded(mask):
    """Connected pieces by flood fill."""
    left = {tuple(place) for place in np.argwhere(mask).tolist()}
    found = []
    while left:
        waiting, piece = [left.pop()], set()
        while waiting:
            n, y, x = place = waiting.pop()
            piece.add(place)
            for other in ((n, y + 1, x), (n, y - 1, x), (n, y, x + 1), (n, y, x - 1)):
                if other in left:
                    left.remove(other)
                    waiting.append(other)
        found.append(piece)
    return found


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.floats(0.2, 0.9), st.integers(0, 999))
def test_pieces_are_those_of_a_flood_fill(n, height, width, share, seed):
    mask = np.random.default_rng(seed).random((n, height, width)) < share
    labels, count = known.pieces(mask)
    expected = flooded(mask)
    assert count == len(expected)
    assert sorted(sorted(p) for p in expected) == sorted(
        sorted(map(tuple, np.argwhere(labels == k).tolist())) for k in range(count)
    )
    assert ((labels >= 0) == mask).all()


def test_a_long_snake_is_one_piece():
    mask = np.zeros((1, 41, 41), bool)
    mask[0, ::2] = True
    mask[0, 1::4, -1] = mask[0, 3::4, 0] = True
    assert known.pieces(mask)[1] == 1


def test_many_boxes_are_grouped_by_a_sample_and_counted_whole(monkeypatch):
    monkeypatch.setattr(known, "GROUPED", 50)
    draws = np.random.default_rng(0)
    corner = np.where(draws.random((400, 1)) < 0.5, [[10.0, 10.0]], [[40.0, 30.0]]) + draws.normal(0, 0.5, (400, 2))
    truth = known._Truth(np.concatenate([corner, corner + 12], 1), np.zeros(400, np.int64), np.arange(400) // 2, 200)
    centres, shares = known._usual(truth, 0, KEY)
    order = np.argsort(centres[:, 0])
    np.testing.assert_allclose(centres[order][:, :2], [[10, 10], [40, 30]], atol=0.5)
    near = [len(set(truth.rows[np.abs(corner[:, 0] - x) < 9])) / 200 for x in (10, 40)]
    np.testing.assert_allclose(shares[order], near)
