"""Detector: shapes, what a new network answers, that it learns one picture by heart, and what it counts."""

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from deepwell.nn.layers.pictures import PictureShape
from deepwell.nn.layers.pyramid import places
from deepwell.nn.networks import detector
from deepwell.nn.networks.detector import BEGIN, PRIOR, Detector, DetectorShape, detector_multiplications
from deepwell.nn.runner import TorchRunner

SHAPE = DetectorShape(PictureShape(4, 1), 8)


def build(size=(3, 64, 96), classes=2, shape=SHAPE):
    torch.manual_seed(0)
    return Detector("image", size, "objects", classes, shape)


@pytest.mark.parametrize("size", [(3, 64, 96), (1, 37, 50)])
@pytest.mark.parametrize("strides", [(8, 16, 32), (4, 8, 16)])
def test_a_box_and_scores_for_each_place(size, strides):
    shape = DetectorShape(PictureShape(4, 1), 8, strides=strides)
    outputs, state = build(size, shape=shape).eval()({"image": torch.zeros(3, *size, dtype=torch.uint8)})
    count = len(places(size[1], size[2], strides))
    assert state is None
    assert {n: tuple(t.shape) for n, t in outputs.items()} == {
        "objects.boxes": (3, count, 4), "objects.logits": (3, count, 2)
    }  # fmt: skip


def test_a_new_network_answers_boxes_that_suit_each_map_and_low_scores():
    outputs, _ = build().eval()({"image": torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)})
    where, boxes = places(64, 96, SHAPE.strides), outputs["objects.boxes"]
    middle, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    assert bool(((middle - where[:, :2]).abs() < where[:, 2:]).all())
    assert bool(((sides / where[:, 2:]).log() - math.log(BEGIN)).abs().max() < 0.5)
    assert outputs["objects.logits"].sigmoid().mean().item() == pytest.approx(PRIOR, rel=0.2)


def test_outputs_are_float32_and_finite_whatever_the_precision_and_the_picture():
    network = build().train()
    with torch.no_grad():
        network.boxes.last.weight.mul_(1e4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, _ = network({"image": torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)})
    assert all(t.dtype == torch.float32 and bool(torch.isfinite(t).all()) for t in outputs.values())


def test_outside_training_few_pictures_are_answered_at_once(monkeypatch):
    network = build().eval()
    pictures = torch.randint(0, 256, (7, 3, 64, 96), dtype=torch.uint8)
    whole, _ = network({"image": pictures})
    monkeypatch.setattr(detector, "AT_ONCE", 3 * 64 * 96)
    seen = []
    network.pyramid.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0][0])))
    pieces, _ = network({"image": pictures})
    assert seen == [3, 3, 1]
    for name, values in whole.items():
        torch.testing.assert_close(pieces[name], values, rtol=1e-4, atol=1e-4)
    network.train()({"image": pictures})
    assert seen[-1] == 7  # whose normalisation reads the whole batch


def test_maps_share_convolutions_and_have_normalisations_of_their_own():
    names = [n for n, _ in build().classes.named_parameters()]
    assert sum(n.startswith("convolutions.") for n in names) == SHAPE.depth
    assert sum(n.startswith("norms.") for n in names) == 2 * SHAPE.depth * len(SHAPE.strides)


def test_multiplications_are_those_that_torch_counts():
    network = build((3, 72, 100)).eval()
    with FlopCounterMode(display=False) as counter:
        network({"image": torch.zeros(1, 3, 72, 100, dtype=torch.uint8)})
    seen = counter.get_total_flops() / 2
    assert seen == pytest.approx(detector_multiplications((3, 72, 100), SHAPE), rel=0.05)
    assert seen > detector_multiplications((3, 72, 100), SHAPE)


def test_pictures_do_not_see_each_other_when_answering():
    runner = TorchRunner(build())
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 64, 96)).astype(np.uint8)
    together, _ = runner.run("forward", {"image": pictures})
    turned, _ = runner.run("forward", {"image": pictures[::-1].copy()})
    np.testing.assert_allclose(turned["objects.boxes"][::-1], together["objects.boxes"], atol=1e-3)
