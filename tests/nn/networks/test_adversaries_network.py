"""Adversaries: shapes for any picture, classes that matter, values that keep their size, built without memory."""

import pytest
import torch

from deepwell.nn.layers.pictures import PictureShape
from deepwell.nn.networks.adversaries import Adversaries, doublings, halvings, unit
from deepwell.nn.networks.judge import Judge


def adversaries(size, noise, width, classes=0):
    return Adversaries(size, noise, width, classes, Judge(size, max(2, classes), PictureShape(8, 1)))


def test_maps_double_up_to_the_picture_and_halve_from_it():
    assert doublings(28, 28) == [(7, 7), (14, 14), (28, 28)]
    assert doublings(64, 48) == [(4, 3), (8, 6), (16, 12), (32, 24), (64, 48)]
    assert doublings(9, 9) == [(3, 3), (5, 5), (9, 9)]
    assert halvings(28, 28) == [(14, 14), (7, 7), (4, 4)]
    assert halvings(8, 5) == [(4, 3)]


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 33, 20), (3, 8, 8), (1, 9, 31)])
def test_pictures_of_any_size_are_made_and_judged(size):
    network = adversaries(size, 16, 8, 3).eval()
    labels = torch.tensor([0, 1, 2, 0])
    made = network({"noise": torch.randn(4, 16), "label": labels})[0]["picture"]
    assert made.shape == (4, *size)
    assert 0 <= made.min() <= made.max() <= 255
    assert network.critic(torch.randn(4, *size), labels).shape == (4,)


def test_the_class_changes_what_is_made_and_how_it_is_judged():
    torch.manual_seed(0)
    network = adversaries((1, 16, 16), 8, 8, 2)
    noise, picture = torch.randn(1, 8), torch.randn(1, 1, 16, 16)
    one, two = (network({"noise": noise, "label": torch.tensor([k])})[0]["picture"] for k in (0, 1))
    assert not torch.equal(one, two)
    assert network.critic(picture, torch.tensor([0])) != network.critic(picture, torch.tensor([1]))


def test_a_picture_depends_on_its_own_noise_alone_and_on_its_direction_only():
    torch.manual_seed(0)
    network = adversaries((1, 16, 16), 8, 8)
    noise = torch.randn(5, 8)
    together, alone = (network({"noise": part})[0]["picture"] for part in (noise, noise[2:3]))
    assert torch.allclose(together[2:3], alone, atol=1e-3)
    assert torch.allclose(network({"noise": 3 * noise})[0]["picture"], together, atol=1e-3)


def test_places_are_brought_to_length_one():
    x = torch.randn(2, 6, 3, 3) * 7
    assert torch.allclose(unit(x).square().mean(1), torch.ones(2, 3, 3), atol=1e-4)
    assert unit(x.bfloat16()).dtype == torch.bfloat16


def test_values_keep_their_size_at_the_start():
    torch.manual_seed(0)
    network = adversaries((3, 32, 32), 64, 16)
    scores = network.critic(torch.randn(64, 3, 32, 32), None)
    assert 0.1 < scores.std() < 3
    made = network.generator(torch.randn(64, 64), None)
    assert 0.1 < made.std() < 0.9


def test_without_classes_none_are_needed_and_no_memory_to_build():
    network = adversaries((3, 16, 16), 8, 8)
    assert network({"noise": torch.randn(2, 8)})[0]["picture"].shape == (2, 3, 16, 16)
    with torch.device("meta"):
        assert all(t.is_meta for t in adversaries((3, 16, 16), 8, 8, 4).state_dict().values())


def test_the_judge_sees_pictures_and_is_not_trained():
    network = adversaries((1, 16, 16), 8, 8).eval()
    picture = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8)
    outputs, _ = network.features({"picture": picture})
    assert torch.equal(outputs["features"], network.judge(picture))
    assert len(outputs["features"]) == 3
    assert not any(p.requires_grad for p in network.judge.parameters())


def test_a_judge_sees_pictures_of_another_size_and_without_colour():
    torch.manual_seed(0)
    colour, grey = (Judge((channels, 24, 24), 0, PictureShape(8, 1)).eval() for channels in (3, 1))
    small = torch.randint(0, 256, (2, 1, 12, 12), dtype=torch.uint8)
    assert torch.equal(colour(small), colour(small.expand(-1, 3, -1, -1)))
    alike = torch.full((1, 3, 24, 24), 90, dtype=torch.uint8)
    assert torch.allclose(grey(alike), grey(alike[:, :1]), atol=1e-4)
    with pytest.raises(ValueError, match="came trained"):
        grey.logits(grey(alike))
