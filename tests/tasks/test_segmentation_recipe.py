"""What the recipe of segmentation decides: the size by time, what the loss is made of, by which part of it weights are chosen."""

import numpy as np
import pytest
import torch

from deepwell.core.batch import Batch
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.task import Sizes
from deepwell.losses.dice import dice, halved, pixel_cross_entropy
from deepwell.tasks.segmentation import COARSE, Segmentation, SegmentationConfig

SCHEMA = Schema((Field("image", "image", "input", "by hand"), Field("mask", "mask", "target", "by hand")))
ORDER = ["tiny", "small", "base"]


def task(**knobs):
    return Segmentation(SCHEMA, SegmentationConfig(**knobs))


def sizes(seconds=None, examples=30, size=(3, 64, 96), classes=3):
    return Sizes({"image": size, "mask": (classes, 0, 0)}, examples, seconds)


def batch(n=2):
    rng = np.random.default_rng(0)
    arrays = {
        "image": torch.from_numpy(rng.integers(0, 256, (n, 3, 64, 96), np.uint8)),
        "mask": torch.from_numpy(rng.choice([0, 1, 2, 255], (n, 64, 96)).astype(np.uint8)),
    }
    return Batch(arrays, np.arange(n))


def test_more_time_never_chooses_a_smaller_network_and_more_work_never_a_larger_one():
    by_time = [ORDER.index(task().size(sizes(seconds, size=(3, 360, 480)))) for seconds in (1, 60, 400, 4_000)]
    assert by_time == sorted(by_time)
    assert (by_time[0], by_time[-1]) == (0, 2)
    by_pictures = [ORDER.index(task().size(sizes(400, n, (3, 360, 480)))) for n in (30, 300, 3_000)]
    assert by_pictures == sorted(by_pictures, reverse=True)
    by_pixels = [ORDER.index(task().size(sizes(60, size=(3, side, side)))) for side in (48, 128, 512)]
    assert by_pixels == sorted(by_pixels, reverse=True)
    assert by_pixels[0] > by_pixels[-1]
    assert task(size="large").size(sizes(1)) == "large"


def test_in_training_coarser_maps_count_in_part():
    one = task(size="tiny", dropout=0.0, dice=0.5)
    torch.manual_seed(0)
    network, given = one.network(sizes()).train(), batch()
    loss = one.loss(network, given, Key(0))
    outputs, _ = network(given.arrays)
    mask = given.arrays["mask"]
    expected = pixel_cross_entropy(outputs.pop("mask.logits"), mask)
    assert set(outputs) == {"mask.coarse.1", "mask.coarse.2"}
    for logits in outputs.values():
        expected = expected + COARSE * pixel_cross_entropy(logits, halved(mask, logits.shape[2:]))
    torch.testing.assert_close(loss.parts["cross_entropy"], expected)
    torch.testing.assert_close(loss.total, loss.parts["cross_entropy"] + 0.5 * loss.parts["dice"])


def test_weights_are_chosen_by_a_part_of_the_loss_of_the_answer_alone():
    one = task(size="tiny")
    network, given = one.network(sizes()).eval(), batch()
    with torch.no_grad():
        loss = one.loss(network, given, Key(0))
        logits = network(given.arrays)[0]["mask.logits"]
    assert Segmentation.watch in loss.parts
    torch.testing.assert_close(loss.parts["dice"], dice(logits, given.arrays["mask"]))
    assert loss.units == 2


@pytest.mark.parametrize("classes", [2, 11])
def test_a_network_for_these_sizes_answers_each_class(classes):
    one = task(size="tiny")
    network = one.network(sizes(classes=classes)).eval()
    assert network(batch().arrays)[0]["mask.logits"].shape == (2, classes, 64, 96)
