"""Figures of found objects: the threshold by hand, curves that agree with the metric they show."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.decoding.suppression import Found
from deepwell.evaluation.detection_figures import best_threshold, figures, precision_at_recalls
from deepwell.metrics.detection import Truth, class_average_precision, measured

SQUARE = np.array([0, 0, 10, 10], np.float32)


def columns(pictures, classes=2):
    """pictures: ([(place, label, score)] found, [(place, label, ignore)] true); a place is a square of its own."""
    found, true = [], []
    for answers, truths in pictures:
        f = np.array(answers, np.float64).reshape(-1, 3)
        t = np.array(truths, np.float64).reshape(-1, 3)
        found.append(Found(SQUARE + 20 * f[:, :1].astype(np.float32), f[:, 2].astype(np.float32), f[:, 1].astype(int)))
        true.append(Truth(SQUARE + 20 * t[:, :1], t[:, 1].astype(int), t[:, 2].astype(np.uint8)))
    return measured("o", found, true, classes)


def test_the_threshold_is_where_f1_is_best():
    found = columns([([(0, 0, 0.9), (1, 0, 0.8), (2, 0, 0.6), (9, 0, 0.5), (8, 0, 0.4)], [(0, 0, 0), (2, 0, 0)])])
    # Answered 1, 2, 3, 4, 5: F1 is 2/3, 2/4, 4/5, 4/6, 4/7. The third answer is the last that pays.
    assert best_threshold("o", found) == pytest.approx(0.55)


def test_what_is_ignored_counts_neither_way():
    found = columns([([(0, 0, 0.9), (1, 0, 0.7), (2, 0, 0.6)], [(0, 0, 0), (1, 0, 1), (2, 0, 0)])])
    assert best_threshold("o", found) == pytest.approx(0.3)  # all three: the ignored one costs nothing


def test_answers_of_one_score_come_together():
    found = columns([([(9, 0, 0.5), (0, 0, 0.5), (8, 0, 0.2)], [(0, 0, 0)])])
    assert best_threshold("o", found) == pytest.approx(0.35)


def test_without_objects_or_answers_there_is_no_threshold():
    assert best_threshold("o", columns([([(0, 0, 0.9)], [])])) is None
    assert best_threshold("o", columns([([], [(0, 0, 0)])])) is None
    assert figures("o", ["a", "b"], columns([([(0, 0, 0.9)], [])])) == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_curve_has_the_area_that_the_metric_says(seed):
    draw = np.random.default_rng(seed)
    pictures = [
        (
            [(draw.integers(0, 6), draw.integers(0, 2), round(draw.uniform(), 3)) for _ in range(draw.integers(0, 8))],
            [(p, draw.integers(0, 2), draw.random() < 0.2) for p in range(draw.integers(0, 6))],
        )
        for _ in range(4)
    ]
    found = columns(pictures)
    for label in (0, 1):
        value = class_average_precision("o", label, "x").value(found)
        if np.isfinite(value):
            assert precision_at_recalls("o", found, label).mean() == pytest.approx(value, abs=1e-9)


def test_figures_are_json_and_show_classes_with_objects_only():
    found = columns([([(0, 0, 0.9)], [(0, 0, 0), (3, 2, 0)])], classes=3)
    bars, lines = figures("o", ["cat", "dog", "owl"], found)
    assert json.loads(json.dumps([bars, lines])) == [bars, lines]
    assert (bars["kind"], bars["data"]) == ("bars", {"labels": ["cat", "owl"], "values": [1.0, 0.0]})
    assert [s["name"] for s in lines["data"]["series"]] == ["cat", "owl"]
    assert lines["data"]["series"][0]["values"] == [1.0] * 101
