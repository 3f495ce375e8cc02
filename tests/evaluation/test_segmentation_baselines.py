"""Baselines of masks: each answers what it is meant to know, and no more."""

import numpy as np
import pytest

from deepwell.core.batch import Encoded
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.evaluation import segmentation_baselines as known
from deepwell.evaluation.segmentation_figures import figures
from deepwell.metrics.segmentation import compare

KEY = Key(0)


class Named:
    """A pipeline that knows its classes."""

    def __init__(self, count):
        self.count = count

    def classes(self, name):
        return [str(k) for k in range(self.count)]


def examples(image, mask):
    return RowExamples(Encoded({"image": image, "mask": mask}, np.arange(len(image))))


def answers(baseline, image, mask, asked, classes):
    runner = baseline("image", "mask").fit(examples(image, mask), Named(classes), KEY)
    logits = runner.run("forward", {"image": asked})[0]["mask.logits"]
    assert logits.dtype == np.float32
    assert logits.shape == (len(asked), classes, *asked.shape[2:])
    return logits, runner


def test_the_most_frequent_class_with_its_share():
    mask = np.full((3, 4, 5), 2, np.uint8)
    mask[:, 0], mask[:, 1] = 0, 255
    image = np.zeros((3, 3, 4, 5), np.uint8)
    logits, _ = answers(known.most_frequent, image, mask, np.zeros((2, 3, 7, 8), np.uint8), 3)
    np.testing.assert_allclose(np.exp(logits[1, :, 3, 3]), [1 / 3, known.SMALLEST_SHARE, 2 / 3], rtol=1e-5)


def test_each_place_has_its_own_class_in_any_size():
    mask = np.zeros((5, 40, 40), np.uint8)
    mask[:, 20:] = 1
    image = np.random.default_rng(0).integers(0, 256, (5, 3, 40, 40), np.uint8)
    logits, _ = answers(known.place, image, mask, image[:1, :, :32, :24], 2)
    assert np.array_equal(logits[0].argmax(0), np.repeat([[0], [1]], 16, axis=0).repeat(24, axis=1))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_linear_model_knows_colours(classes):
    draws = np.random.default_rng(0)
    mask = draws.integers(0, 2, (6, 8, 8)).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8) * (classes - 1)
    image = np.stack([60 + 40 * mask, 120 + 0 * mask, 90 - 20 * mask], axis=1) + draws.normal(0, 8, (6, 3, 32, 32))
    image = np.clip(image, 0, 255).astype(np.uint8)
    masked = mask.copy()
    masked[:, :3] = 255
    logits, runner = answers(known.colour, image[:4], masked[:4], image[4:], classes)
    assert (logits.argmax(1) == mask[4:]).mean() > 0.97
    assert "fitted on" in runner.notes[0]


def test_one_class_in_training_is_answered_everywhere():
    image = np.zeros((3, 1, 6, 6), np.uint8)
    logits, _ = answers(known.colour, image, np.ones((3, 6, 6), np.uint8), image, 2)
    assert (logits.argmax(1) == 1).all()


def test_the_features_are_means_of_squares_cut_at_the_border():
    picture = np.random.default_rng(0).integers(0, 256, (3, 9, 11), np.uint8)
    found = known._features(picture)
    assert found.shape == (9, 11, known._width(3))
    values = picture / 255.0
    np.testing.assert_allclose(found[4, 5, 3:6], values[:, 2:7, 3:8].mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[0, 0, 3:6], values[:, :3, :3].mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[4, 5, 6], values.mean(0)[2:7, 3:8].std(), atol=1e-4)
    np.testing.assert_allclose(found[0, -1, -5:], [-1, 1, 1, 1, -1])


def test_figures_show_classes_that_occur_best_first():
    truth = np.array([[0, 0, 0, 2, 2]], np.uint8)
    answer = np.array([[0, 0, 2, 2, 2]], np.uint8)
    line = compare(truth, answer, 3)
    columns = {f"mask.{name}": value[None] for name, value in line.items()}
    bars, confusion = figures("mask", ["road", "sky", "car"], columns)
    assert bars["data"] == {"labels": ["road", "car"], "values": [pytest.approx(2 / 3), pytest.approx(2 / 3)]}
    assert confusion["data"] == {"labels": ["road", "car"], "counts": [[667, 333], [0, 1000]]}
    del columns["mask.confusion"]
    assert [e["kind"] for e in figures("mask", ["road", "sky", "car"], columns)] == ["bars"]
