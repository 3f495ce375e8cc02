"""Both sides of the benchmark of boxes do the same work."""

import numpy as np
import pytest

from benchmarks import places_boxes
from deepwell.decoding.suppression import suppress
from deepwell.metrics.detection import mean_average_precision, measured


@pytest.mark.parametrize(("objects", "classes"), places_boxes.SCENES.values())
def test_both_keep_the_same_boxes(objects, classes):
    for seed in range(3):
        boxes, scores, labels = places_boxes.heap(objects, classes, seed)
        ours = suppress(boxes, scores, labels, places_boxes.OVERLAP, places_boxes.MOST)
        theirs = places_boxes.loop(boxes, scores, labels, places_boxes.OVERLAP, places_boxes.MOST)
        assert ours.tolist() == theirs.tolist()


def test_both_give_a_resample_the_same_figure(monkeypatch):
    pytest.importorskip("faster_coco_eval", reason="the other side is not installed")
    monkeypatch.setattr(places_boxes, "PICTURES", 12)
    answers, truths = places_boxes.scenes()
    drawn = np.random.default_rng(0).integers(0, 12, 12)
    columns = measured("o", answers, truths, places_boxes.CLASSES)
    weights = np.bincount(drawn, minlength=12)[None].astype(np.float64)
    ours = mean_average_precision("o").finish(columns, weights)[0]
    theirs = places_boxes.evaluator([answers[i] for i in drawn], [truths[i] for i in drawn])
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert 0.05 < ours < 0.95


def test_both_count_what_they_did(monkeypatch):
    pytest.importorskip("faster_coco_eval", reason="the other side is not installed")
    monkeypatch.setattr(places_boxes, "PICTURES", 5)
    monkeypatch.setattr(places_boxes, "RESAMPLES", 4)
    ours, theirs = places_boxes.resamplers()
    assert (ours(), theirs()) == (4, places_boxes.THEIR_RESAMPLES)
    first, second = places_boxes.suppressors(5, 2)
    assert first() == second() == 20
