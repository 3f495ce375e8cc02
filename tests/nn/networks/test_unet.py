"""UNet: a class for each pixel of pictures of any size; what it may depend on; that it can learn shapes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deepwell.losses.dice import dice, halved, pixel_cross_entropy
from deepwell.nn.layers.pictures import PictureEncoder, PictureShape
from deepwell.nn.networks.unet import UNet, multiplications, stages


def build(size=(3, 32, 48), classes=3, dropout=0.0, image="image", width=4):
    torch.manual_seed(0)
    return UNet(image, "mask", size, classes, PictureShape(width, 1), dropout)


def logits(network, pictures):
    outputs, state = network({network.image: pictures})
    assert state is None
    assert list(outputs) == ["mask.logits"]
    return outputs["mask.logits"]


def pictures(n, size=(3, 32, 48)):
    return torch.randint(0, 256, (n, *size), dtype=torch.uint8)


NETWORK = build().eval()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 2))
def test_pictures_of_any_size_get_logits_of_their_size(height, width, n):
    with torch.no_grad():
        assert logits(NETWORK, pictures(n, (3, height, width))).shape == (n, 3, height, width)


@pytest.mark.parametrize(("side", "count"), [(8, 1), (16, 1), (31, 1), (32, 2), (64, 3), (128, 4), (1024, 4)])
def test_the_coarsest_map_of_small_pictures_is_not_too_small(side, count):
    assert stages(side, side) == stages(side, 2 * side) == count
    assert len(build((1, side, side)).decoder) == count


def test_pictures_do_not_see_each_other_when_answering():
    network = build().eval()
    given_ = pictures(3)
    torch.testing.assert_close(logits(network, given_)[1:2], logits(network, given_[1:2]), rtol=1e-4, atol=1e-4)


def test_in_training_coarser_maps_name_the_classes_too():
    network = build((3, 128, 128)).train()
    outputs, _ = network({"image": pictures(2, (3, 128, 96))})
    shapes = {name: tuple(array.shape) for name, array in outputs.items()}
    assert shapes == {
        "mask.logits": (2, 3, 128, 96),
        "mask.coarse.1": (2, 3, 32, 24),
        "mask.coarse.2": (2, 3, 16, 12),
        "mask.coarse.3": (2, 3, 8, 6),
    }
    assert list(network.eval()({"image": pictures(1)})[0]) == ["mask.logits"]


def test_its_encoder_begins_with_the_weights_of_another():
    """By name and shape, as far as both reach: one that was trained to classify squares of 64 pixels."""
    network, other = build((3, 64, 64)), PictureEncoder((3, 64, 64), PictureShape(4, 1))
    mine, theirs = network.encoder["image"].state_dict(), other.state_dict()
    shared = [n for n in theirs if n in mine and mine[n].shape == theirs[n].shape]
    assert {n.split(".")[0] for n in shared} == {"stem", "stages"}
    assert len(shared) == len(theirs)


def test_weights_of_classes_are_kept_with_the_network():
    network = build()
    network.class_weights.copy_(torch.tensor([0.5, 1.0, 2.0]))
    again = build()
    again.load_state_dict(network.state_dict())
    assert again.class_weights.tolist() == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("size", [(3, 32, 48), (1, 65, 130), (3, 360, 480)])
def test_multiplications_are_those_that_torch_counts(size):
    network = build(size).train()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network({"image": pictures(1, size)})
    assert 2 * multiplications(size, 3, PictureShape(4, 1)) == pytest.approx(counter.get_total_flops(), rel=0.01)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_every_weight_has_a_gradient_and_logits_are_float32(precision):
    network = build((3, 64, 64), dropout=0.1)
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        outputs, _ = network({"image": pictures(2, (3, 64, 64))})
        targets = torch.randint(0, 3, (2, 64, 64), dtype=torch.uint8)
        loss = sum(pixel_cross_entropy(found, halved(targets, found.shape[2:])) for found in outputs.values())
    assert outputs["mask.logits"].dtype == torch.float32
    loss.backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []


def test_it_learns_thin_things_and_large_ones():
    """Lines one pixel wide and discs, on noise, at places that were never shown."""
    shown, target = drawings(0)
    network = build((1, 32, 32), width=8)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for step in range(150):
        optimiser.param_groups[0]["lr"] = 1e-2 * min(1, (step + 1) / 20) * (1 - step / 150)
        optimiser.zero_grad()
        index = torch.randint(0, len(shown), (8,))
        found = network({"image": shown[index]})[0]["mask.logits"]
        (pixel_cross_entropy(found, target[index]) + dice(found, target[index])).backward()
        optimiser.step()
    shown, target = drawings(1)
    found = logits(network.eval(), shown).argmax(1)
    for c, least in enumerate((0.95, 0.8, 0.7)):
        both = ((found == c) & (target == c)).sum() / ((found == c) | (target == c)).sum()
        assert both > least, c


def drawings(seed, n=32, side=32):
    """Grey pictures (n, 1, side, side) of a disc and a line before it, in noise, and what each pixel shows."""
    torch.manual_seed(seed)
    target = torch.zeros(n, side, side, dtype=torch.uint8)
    y, x = torch.arange(side)[:, None], torch.arange(side)
    for i in range(n):
        centre = torch.randint(8, side - 8, (2,))
        target[i][(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 36] = 1
        target[i, :, int(torch.randint(0, side, (1,)))] = 2
    ink = torch.tensor([80.0, 130.0, 180.0])[target.long()]
    return (ink + 10 * torch.randn(n, side, side)).clamp(0, 255).to(torch.uint8).unsqueeze(1), target
