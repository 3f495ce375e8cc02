"""Adversaries: shapes for any picture, classes that matter, and that they can be built without memory."""

import pytest
import torch

from deepwell.nn.layers.pictures import PictureShape
from deepwell.nn.networks.adversaries import Adversaries, sides
from deepwell.nn.networks.judge import Judge


def adversaries(size, noise, width, classes=0):
    return Adversaries(size, noise, width, classes, Judge(size, max(2, classes), PictureShape(8, 1)))


def test_maps_double_up_to_the_picture():
    assert sides(28, 28) == [(4, 4), (7, 7), (14, 14), (28, 28)]
    assert sides(64, 48) == [(4, 3), (8, 6), (16, 12), (32, 24), (64, 48)]
    assert sides(5, 5) == [(5, 5)]


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 33, 20), (3, 6, 6)])
def test_pictures_of_any_size_are_made_and_judged(size):
    network = adversaries(size, 16, 8, 3)
    outputs, _ = network({"noise": torch.randn(4, 16), "label": torch.tensor([0, 1, 2, 0])})
    assert outputs["picture"].shape == (4, *size)
    made = network.eval()({"noise": torch.randn(4, 16), "label": torch.tensor([0, 1, 2, 0])})[0]["picture"]
    assert 0 <= made.min() <= made.max() <= 255
    assert network.critic(torch.randn(4, *size), torch.tensor([0, 1, 2, 0])).shape == (4,)


def test_the_class_changes_what_is_made_and_how_it_is_judged():
    torch.manual_seed(0)
    network = adversaries((1, 16, 16), 8, 8, 2)
    noise, picture = torch.randn(1, 8), torch.randn(1, 1, 16, 16)
    one, two = (network({"noise": noise, "label": torch.tensor([k])})[0]["picture"] for k in (0, 1))
    assert not torch.equal(one, two)
    assert network.critic(picture, torch.tensor([0])) != network.critic(picture, torch.tensor([1]))


def test_without_classes_none_are_needed():
    network = adversaries((3, 16, 16), 8, 8)
    assert network({"noise": torch.randn(2, 8)})[0]["picture"].shape == (2, 3, 16, 16)
    with torch.device("meta"):
        assert all(t.is_meta for t in adversaries((3, 16, 16), 8, 8, 4).state_dict().values())


def test_the_judge_sees_pictures_and_is_not_trained():
    network = adversaries((1, 16, 16), 8, 8).eval()
    picture = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8)
    outputs, _ = network.features({"picture": picture})
    assert torch.equal(outputs["features"], network.judge(picture)[0])
    assert len(outputs["features"]) == 3
    assert not any(p.requires_grad for p in network.judge.parameters())
