"""Transforms: points move with their pixels, types stay, draws come from the seeded generator alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.training.augmentation import affine, brightness_contrast, cutout, flip, shift

KEY = Key(0)


def batch_of(points, size=21, dtype=torch.uint8, n=None):
    """Black pictures with a white pixel at each point; point i belongs to picture i."""
    pictures = torch.zeros(n or len(points), 1, size, size, dtype=dtype)
    for i, (x, y) in enumerate(points):
        pictures[i, 0, y, x] = 255 if dtype == torch.uint8 else 1.0
    arrays = {"image": pictures, "p": torch.tensor(points, dtype=torch.float32), "p.row": torch.arange(len(points))}
    return Batch(arrays, np.arange(len(pictures)))


def brightest(picture):
    """(x, y) of the centre of mass of a picture's light."""
    light = picture[0].float()
    light = light / light.sum()
    axis = torch.arange(len(light), dtype=torch.float32)
    return torch.stack([(light.sum(0) * axis).sum(), (light.sum(1) * axis).sum()])


GEOMETRIC = {
    "shift": shift("image", 3, ["p"]),
    "shift zero": shift("image", 3, ["p"], border="zero"),
    "flip": flip("image", ["p"]),
    "affine": affine("image", 20, 0.2, 0.1, ["p"]),
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("name", GEOMETRIC)
def test_a_bright_pixel_stays_at_its_point(name, dtype):
    torch.manual_seed(3)
    batch = batch_of([(8, 10), (10, 12), (13, 7), (9, 9)] * 4, dtype=dtype)
    moved = GEOMETRIC[name](batch, KEY)
    assert moved.arrays["image"].dtype == dtype
    assert not torch.equal(moved.arrays["p"], batch.arrays["p"])
    tolerance = 0.35 if name == "affine" else 1e-5  # one pixel, drawn bilinearly, has its centre of mass between pixels
    for picture, point in zip(moved.arrays["image"], moved.arrays["p"], strict=True):
        torch.testing.assert_close(brightest(picture), point, atol=tolerance, rtol=0)


def test_a_wide_spot_turns_with_its_point():
    y, x = torch.meshgrid(torch.arange(41.0), torch.arange(41.0), indexing="ij")
    spot = torch.exp(-((x - 28) ** 2 + (y - 15) ** 2) / 8)
    arrays = {"image": spot.expand(16, 1, 41, 41), "p": torch.tensor([[28.0, 15.0]] * 16), "p.row": torch.arange(16)}
    torch.manual_seed(0)
    moved = affine("image", 30, 0.2, 0.2, ["p"])(Batch(arrays, np.arange(16)), KEY)
    for picture, point in zip(moved.arrays["image"], moved.arrays["p"], strict=True):
        torch.testing.assert_close(brightest(picture), point, atol=0.05, rtol=0)


def test_several_points_of_one_picture_and_of_none():
    batch = batch_of([(2, 3), (4, 5)], n=3).replace(**{"p.row": torch.tensor([1, 1])})
    torch.manual_seed(0)
    offset = shift("image", 3, ["p"])(batch, KEY).arrays["p"] - batch.arrays["p"]
    assert torch.equal(offset[0], offset[1])


def test_edges_or_zeros_come_in():
    batch = Batch({"image": torch.full((64, 1, 5, 5), 7, dtype=torch.uint8)}, np.arange(64))
    assert (shift("image", 2)(batch, KEY).arrays["image"] == 7).all()
    assert (affine("image", 20, 0.5)(batch, KEY).arrays["image"] == 7).all()
    assert (shift("image", 2, border="zero")(batch, KEY).arrays["image"] == 0).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9), st.booleans(), st.integers(0, 99))
def test_shapes_types_and_inputs_are_kept(n, channels, height, width, whole, seed):
    torch.manual_seed(seed)
    picture = torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8)
    picture = picture if whole else picture / 255
    before = picture.clone()
    transforms = (shift("i", 2), flip("i"), affine("i", 10, 0.1, 0.1), brightness_contrast("i"), cutout("i"))
    for transform in transforms:
        batch = Batch({"i": picture}, np.arange(n))
        torch.default_generator.manual_seed(seed)
        first = transform(batch, KEY).arrays["i"]
        torch.default_generator.manual_seed(seed)
        second = transform(batch, KEY).arrays["i"]
        assert first.shape == picture.shape
        assert first.dtype == picture.dtype
        assert torch.equal(first, second)
        assert torch.equal(picture, before)


def test_nothing_asked_changes_nothing():
    torch.manual_seed(0)
    batch = Batch({"i": torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)}, np.arange(4))
    for transform in (shift("i", 0), flip("i", probability=0.0), affine("i"), brightness_contrast("i", 0, 0)):
        assert torch.equal(transform(batch, KEY).arrays["i"], batch.arrays["i"])


def test_light_keeps_within_bytes_and_cutout_covers_its_share():
    batch = Batch({"i": torch.full((200, 1, 20, 20), 250, dtype=torch.uint8)}, np.arange(200))
    torch.manual_seed(0)
    lit = brightness_contrast("i", 0.2, 0.0)(batch, KEY).arrays["i"].float().mean((1, 2, 3))
    assert lit.max() == 255
    assert 195 < lit.min() < 210
    noise = Batch({"i": torch.rand(200, 1, 20, 20)}, np.arange(200))
    changed = (cutout("i", 0.5)(noise, KEY).arrays["i"] != noise.arrays["i"]).float().mean((1, 2, 3))
    assert changed.max() <= 0.25 + 1e-6
    assert changed.max() > 0.2
