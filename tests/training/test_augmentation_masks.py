"""Masks move with their pictures: what has a colour keeps its class wherever it goes, and what comes from outside is void."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.training.augmentation_masks import VOID, flip, light, zoom

KEY = Key(0)


def scene(n=6, height=40, width=60, dtype=torch.uint8):
    """Three classes in blocks of three greys, the mask their index; and the batch of them."""
    torch.manual_seed(0)
    blocks = torch.randint(0, 3, (n, height // 10, width // 10))
    mask = blocks.repeat_interleave(10, 1).repeat_interleave(10, 2).to(torch.uint8)
    picture = (mask.unsqueeze(1) * 100 + 20).repeat(1, 3, 1, 1)
    picture = picture if dtype == torch.uint8 else picture.float() / 255
    return Batch({"image": picture, "mask": mask}, np.arange(n))


def drawn(transform, batch, seed=0):
    torch.manual_seed(seed)
    return transform(batch, KEY)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.4, 1.0), st.floats(1.0, 2.5), st.floats(0, 0.3), st.floats(0, 30))
def test_grey_still_names_the_class_after_a_zoom(seed, least, most, stretch, degrees):
    moved = drawn(zoom("image", "mask", least, most, stretch=stretch, degrees=degrees), scene(), seed)
    picture, mask = moved.arrays["image"], moved.arrays["mask"]
    assert picture.dtype == mask.dtype == torch.uint8
    assert set(mask.unique().tolist()) <= {0, 1, 2, VOID}
    known = mask != VOID
    named = (picture[:, 0].float() - 20).div(100).round().to(torch.uint8)
    # Along borders of blocks the picture is blended and the mask is not; few pixels lie there.
    right = (named == mask)[known].float().mean().item() if known.any() else 1.0
    assert right > 0.8


def test_a_zoom_of_one_changes_nothing():
    batch = scene()
    moved = drawn(zoom("image", "mask", 1.0, 1.0), batch)
    assert torch.equal(moved.arrays["image"], batch.arrays["image"])
    assert torch.equal(moved.arrays["mask"], batch.arrays["mask"])


def test_a_picture_made_smaller_is_whole_and_stands_in_void():
    batch = scene()
    moved = drawn(zoom("image", "mask", 0.5, 0.5), batch)
    known = moved.arrays["mask"] != VOID
    assert known.flatten(1).sum(1).tolist() == pytest.approx([600] * 6, abs=60)
    for i in range(6):
        lines, columns = known[i].any(1).nonzero(), known[i].any(0).nonzero()
        assert 19 <= lines.max() - lines.min() + 1 <= 21
        assert 29 <= columns.max() - columns.min() + 1 <= 31
        counts = [(batch.arrays["mask"][i] == c).sum().item() / 4 for c in range(3)]
        assert [(moved.arrays["mask"][i] == c).sum().item() for c in range(3)] == pytest.approx(counts, abs=60)
    places = {tuple(known[i].nonzero()[0].tolist()) for i in range(6)}
    assert len(places) > 3


def test_a_picture_made_larger_fills_its_frame():
    moved = drawn(zoom("image", "mask", 2.0, 2.0), scene())
    assert (moved.arrays["mask"] != VOID).all()
    views = {tuple(m.flatten().tolist()) for m in moved.arrays["mask"]}
    assert len(views) > 3


def test_turning_keeps_shapes():
    """A square turned by 90 degrees about the middle of a wide picture is the same square."""
    mask = torch.zeros(1, 40, 80, dtype=torch.uint8)
    mask[:, 10:30, 30:50] = 1
    batch = Batch({"image": (mask * 200).unsqueeze(1), "mask": mask}, np.arange(1))
    torch.manual_seed(0)
    largest = max(
        (drawn(zoom("image", "mask", 1.0, 1.0, degrees=45), batch, seed).arrays["mask"] for seed in range(8)),
        key=lambda m: (m[0] == 1).any(0).sum().item(),
    )
    assert (largest == 1).sum().item() == pytest.approx(400, abs=20)
    # A square of side 20 on its corner is up to 28.3 wide and as high.
    wide, high = ((largest[0] == 1).any(axis).sum().item() for axis in (0, 1))
    assert wide == pytest.approx(high, abs=1)
    assert 24 < wide <= 29


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_flipped_pictures_have_flipped_masks(dtype):
    batch = scene(40, dtype=dtype)
    moved = drawn(flip("image", "mask"), batch)
    turned = 0
    for i in range(40):
        picture, mask = batch.arrays["image"][i], batch.arrays["mask"][i]
        if torch.equal(moved.arrays["image"][i], picture.flip(2)):
            assert torch.equal(moved.arrays["mask"][i], mask.flip(1))
            turned += 1
        else:
            assert torch.equal(moved.arrays["image"][i], picture)
            assert torch.equal(moved.arrays["mask"][i], mask)
    assert 8 < turned < 32


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_light_changes_values_and_neither_mask_nor_type(dtype, channels):
    batch = scene(dtype=dtype)
    batch = batch.replace(image=batch.arrays["image"][:, :1].repeat(1, channels, 1, 1))
    moved = drawn(light("image", 0.3, 0.3, 0.3), batch)
    picture = moved.arrays["image"]
    assert picture.dtype == dtype
    assert picture.shape == batch.arrays["image"].shape
    assert torch.equal(moved.arrays["mask"], batch.arrays["mask"])
    means = picture.float().mean((2, 3)) / batch.arrays["image"].float().mean((2, 3))
    assert 0.4 < means.min() < 0.95
    assert 1.05 < means.max() < 2.0
    if channels > 1:
        assert (means.max(1).values - means.min(1).values).max() > 0.05
    assert torch.equal(drawn(light("image", 0, 0, 0), batch).arrays["image"], batch.arrays["image"])


def test_the_same_generator_gives_the_same_batch():
    for transform in (flip("image", "mask"), zoom("image", "mask", degrees=10), light("image")):
        first, again, other = (drawn(transform, scene(), seed).arrays["image"] for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
