"""Metrics of masks against hand calculations, scikit-learn, and a boundary F that is written pixel by pixel."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score, recall_score

from deepwell.metrics import segmentation as seg

CLASSES = 4


def columns(truths, answers, classes=CLASSES):
    lines = [seg.compare(t, a, classes) for t, a in zip(truths, answers, strict=True)]
    return {f"m.{name}": np.stack([line[name] for line in lines]) for name in lines[0]}


def value(metric, found):
    return float(metric.finish(found, np.ones((1, len(found["m.hit"]))))[0])


masks = arrays.arrays(np.uint8, (2, 3, 6, 7), elements=st.integers(0, CLASSES - 1))


@settings(max_examples=50, deadline=None)
@given(masks, arrays.arrays(np.bool_, (3, 6, 7)))
def test_counts_and_iou_are_those_of_scikit_learn(pair, void):
    truths, answers = pair
    truths = np.where(void, 255, truths).astype(np.uint8)
    found = columns(truths, answers)
    known = truths != 255
    if not known.any():
        assert math.isnan(value(seg.mean_iou("m"), found))
        return
    t, a = truths[known], answers[known]
    assert np.array_equal(found["m.confusion"].sum(0), confusion_matrix(t, a, labels=range(CLASSES)))
    occurring = np.union1d(t, a)
    expected = jaccard_score(t, a, labels=occurring, average="macro")
    assert value(seg.mean_iou("m"), found) == pytest.approx(expected)
    assert value(seg.pixel_accuracy("m"), found) == pytest.approx((t == a).mean())
    for k in range(CLASSES):
        iou = value(seg.class_iou("m", k, "x"), found)
        assert math.isnan(iou) if k not in occurring else iou == pytest.approx(jaccard_score(t == k, a == k))


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.uint8, (2, 3, 6, 7), elements=st.integers(0, 1)))
def test_two_classes_have_the_measures_of_medicine(pair):
    truths, answers = pair
    found = columns(truths, answers, 2)
    t, a = truths.ravel(), answers.ravel()
    for metric, positive in ((seg.sensitivity("m"), 1), (seg.specificity("m"), 0)):
        expected = recall_score(t, a, pos_label=positive) if (t == positive).any() else math.nan
        assert value(metric, found) == pytest.approx(expected, nan_ok=True)
    each = [f1_score(x.ravel(), y.ravel()) for x, y in zip(truths, answers, strict=True) if x.any() or y.any()]
    assert value(seg.dice("m"), found) == pytest.approx(np.mean(each) if each else math.nan, nan_ok=True)


def test_with_many_classes_there_is_no_table_but_the_same_counts():
    draws = np.random.default_rng(0)
    truth, answer = draws.integers(0, 70, (2, 30, 40)).astype(np.uint8)
    truth[:3] = 255
    found = seg.compare(truth, answer, 70)
    table = confusion_matrix(truth[3:].ravel(), answer[3:].ravel(), labels=range(70))
    assert "confusion" not in found
    assert np.array_equal(found["hit"], table.diagonal())
    assert np.array_equal(found["true"], table.sum(1))
    assert np.array_equal(found["answered"], table.sum(0))
    assert found["boundary"] == pytest.approx(slow_boundary(truth, np.where(truth == 255, 255, answer)))


def slow_boundary(truth, answer):
    """The definition, pixel by pixel."""
    reach = seg.TOLERANCE * math.hypot(*truth.shape)

    def edge(mask):
        points = {}
        for y in range(mask.shape[0]):
            for x in range(mask.shape[1]):
                near = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
                inside = [mask[p] for p in near if 0 <= p[0] < mask.shape[0] and 0 <= p[1] < mask.shape[1]]
                if mask[y, x] != 255 and any(other not in (mask[y, x], 255) for other in inside):
                    points.setdefault(int(mask[y, x]), []).append((y, x))
        return points

    def share(some, others):
        if not some or not others:
            return 0.0
        return np.mean([any(math.dist(p, q) <= reach for q in others) for p in some])

    ours, theirs = edge(answer), edge(truth)
    values = []
    for k in {*ours, *theirs}:
        p, r = share(ours.get(k, []), theirs.get(k, [])), share(theirs.get(k, []), ours.get(k, []))
        values.append(2 * p * r / (p + r) if p + r else 0.0)
    return float(np.mean(values)) if values else math.nan


@settings(max_examples=30, deadline=None)
@given(masks, arrays.arrays(np.bool_, (6, 7)), st.sampled_from([0.0075, 0.12, 0.25, 0.4]))
def test_the_boundary_is_that_of_the_definition(pair, void, tolerance):
    truth = np.where(void, 255, pair[0, 0]).astype(np.uint8)
    answer = np.where(void, 255, pair[1, 0]).astype(np.uint8)
    before, seg.TOLERANCE = seg.TOLERANCE, tolerance
    try:
        assert seg.boundary(truth, answer, CLASSES) == pytest.approx(slow_boundary(truth, answer), nan_ok=True)
    finally:
        seg.TOLERANCE = before


def test_a_boundary_may_be_off_by_the_tolerance_and_no_more():
    truth = np.zeros((90, 120), np.uint8)  # diagonal 150: 1.125 pixels
    truth[:, 60:] = 1
    assert seg.boundary(truth, truth, 2) == 1
    assert seg.boundary(truth, np.roll(truth, 1, axis=1)[:, :], 2) > 0.5
    off = np.zeros_like(truth)
    off[:, 62:] = 1
    assert seg.boundary(truth, off, 2) == 0
    assert math.isnan(seg.boundary(np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.uint8), 2))


def test_a_very_large_picture_is_compared_at_a_smaller_size():
    truth = np.zeros((1500, 1500), np.uint8)
    truth[:, 700:] = 1
    assert seg.boundary(truth, truth, 2) == 1
    off = np.zeros_like(truth)
    off[:, 900:] = 1
    assert seg.boundary(truth, off, 2) == 0


def test_by_hand():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    answer = np.array([[0, 1, 1, 1]], np.uint8)
    found = columns([truth], [answer], 2)
    assert value(seg.mean_iou("m"), found) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert value(seg.dice("m"), found) == pytest.approx(4 / 5)
    assert value(seg.sensitivity("m"), found) == 1
    assert value(seg.specificity("m"), found) == 0.5


def test_resamples_are_weighted_sums_of_pictures():
    draws = np.random.default_rng(0)
    truths, answers = draws.integers(0, 3, (2, 4, 5, 6)).astype(np.uint8)
    found = columns(truths, answers)
    twice = columns(truths[[0, 0, 2]], answers[[0, 0, 2]])
    for metric in seg.every("m", ["a", "b", "c", "d"], 2).values():
        got = metric.finish(found, np.array([[2.0, 0.0, 1.0, 0.0]]))[0]
        assert got == pytest.approx(value(metric, twice), nan_ok=True)


def test_metrics_are_named_once_and_the_first_is_mean_iou():
    names = list(seg.every("m", ["road", "car"], 1))
    assert names == [
        "mean_iou",
        "pixel_accuracy",
        "boundary_f",
        "dice",
        "sensitivity",
        "specificity",
        "iou road",
        "iou car",
    ]
    assert "dice" not in seg.every("m", ["a", "b", "c"])
    shown = [metric.name for metric in seg.every("m", ["polyp", "ground"], 0).values()]
    assert shown[3:6] == ["dice polyp", "sensitivity polyp", "specificity polyp"]


def test_the_class_that_is_looked_for_may_stand_anywhere():
    draws = np.random.default_rng(0)
    truths, answers = draws.integers(0, 3, (2, 4, 5, 6)).astype(np.uint8)
    metrics = seg.every("m", ["a", "b", "c"], 0)
    found = columns(truths, answers, 3)
    assert value(metrics["sensitivity"], found) == pytest.approx(
        recall_score(truths.ravel() == 0, answers.ravel() == 0)
    )
    assert value(metrics["specificity"], found) == pytest.approx(
        recall_score(truths.ravel() != 0, answers.ravel() != 0)
    )
    each = [f1_score(x.ravel() == 0, y.ravel() == 0) for x, y in zip(truths, answers, strict=True)]
    assert value(metrics["dice"], found) == pytest.approx(np.mean(each))


def test_no_class_has_a_metric_of_its_own_where_there_are_many():
    assert len(seg.every("m", [str(k) for k in range(60)])) == 3
