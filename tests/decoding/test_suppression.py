"""Suppression against the greedy loop over boxes, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.decoding import suppression
from deepwell.decoding.suppression import areas, detections, overlaps, suppress


def loop(boxes, scores, labels, threshold, most):
    """The greedy rule, one box after the other, as it is usually written."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    kept = []
    for i in order:
        if all(labels[i] != labels[j] or overlap(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept[:most]


def overlap(a, b):
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def crowd(count, seed, side=60, classes=3):
    """Boxes that overlap a lot, with tied scores among them."""
    draws = np.random.default_rng(seed)
    corner = draws.uniform(0, side, (count, 2))
    boxes = np.concatenate([corner, corner + draws.uniform(1, side / 2, (count, 2))], 1).astype(np.float32)
    scores = (draws.integers(0, 40, count) / 40).astype(np.float32)
    return boxes, scores, draws.integers(0, classes, count)


def test_overlaps_by_hand():
    a = np.array([[0, 0, 10, 10], [0, 0, 4, 2], [5, 5, 5, 9]], np.float32)
    b = np.array([[5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(overlaps(a, b), [[50 / 150, 0], [0, 0], [0, 0]])
    np.testing.assert_allclose(areas(a), [100, 8, 0])
    assert overlaps(a[2:], a[2:]).item() == 0  # no area, no overlap, no warning


def test_the_best_of_a_heap_stays_and_another_class_is_no_rival():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.6, 0.9, 0.8, 0.1], np.float32)
    assert suppress(boxes, scores, np.array([0, 0, 1, 0]), 0.5, 10).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, np.array([0, 0, 0, 0]), 0.5, 10).tolist() == [1, 3]
    assert suppress(boxes, scores, np.array([0, 0, 1, 0]), 0.5, 2).tolist() == [1, 2]


def test_a_box_that_went_takes_no_other_with_it():
    chain = np.array([[0, 0, 10, 1], [4, 0, 14, 1], [8, 0, 18, 1]], np.float32)  # each overlaps the next by 6/14
    assert suppress(chain, np.array([0.9, 0.8, 0.7]), np.zeros(3, np.int64), 0.3, 9).tolist() == [0, 2]


def test_nothing_in_nothing_out():
    assert suppress(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), 0.5, 10).shape == (0,)
    (found,) = detections(np.zeros((1, 5, 4)), np.zeros((1, 5, 2)), 0.1, 0.5, 10)
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == found.labels.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 10_000), st.floats(0, 1), st.integers(1, 50))
def test_equal_to_the_loop(count, seed, threshold, most):
    boxes, scores, labels = crowd(count, seed)
    assert suppress(boxes, scores, labels, threshold, most).tolist() == loop(
        boxes.astype(float), scores, labels, threshold, most
    )


@pytest.mark.parametrize("block", [1, 7, 64])
def test_the_size_of_blocks_changes_nothing(monkeypatch, block):
    boxes, scores, labels = crowd(300, 1)
    whole = loop(boxes.astype(float), scores, labels, 0.4, 1000)
    monkeypatch.setattr(suppression, "BLOCK", block)
    monkeypatch.setattr(suppression, "CHUNK", 3 * block)
    assert suppress(boxes, scores, labels, 0.4, 1000).tolist() == whole
    assert suppress(boxes, scores, labels, 0.4, 11).tolist() == whole[:11]


def test_detections_take_each_class_of_a_place_by_itself():
    boxes = np.array([[[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 50, 50]]], np.float32)
    scores = np.array([[[0.9, 0.7], [0.8, 0.0], [0.04, 0.3]]], np.float32)
    (found,) = detections(boxes, scores, 0.05, 0.5, 10)
    assert found.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.scores, [0.9, 0.7, 0.3])
    np.testing.assert_array_equal(found.boxes, boxes[0][[0, 0, 2]])


def test_only_the_best_candidates_are_looked_at(monkeypatch):
    monkeypatch.setattr(suppression, "CANDIDATES", 2)
    boxes = np.array([[[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]]], np.float32)
    (found,) = detections(boxes, np.array([[[0.2], [0.9], [0.5]]]), 0.1, 0.5, 10)
    np.testing.assert_allclose(found.scores, [0.9, 0.5])


def test_a_box_without_area_is_no_object():
    boxes = np.array([[[0, 0, 0, 5], [0, 0, 4, 4]]], np.float32)
    found = detections(boxes, np.array([[[0.9], [0.8]]]), 0.1, 0.5, 10)[0]
    assert found.boxes.tolist() == [[0, 0, 4, 4]]
