"""Boxes move with what they mark: a painted rectangle is found again where its box says."""

import pytest
import torch

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.training import augmentation_boxes as boxed

KEY = Key(0)
H, W = 48, 64


def batch(rectangles, dark=60):
    """Grey pictures with one bright rectangle per box, each picture in its own shade: (row, left, top, right, bottom)."""
    n = 1 + max((r[0] for r in rectangles), default=3)
    picture = torch.full((n, 3, H, W), dark, dtype=torch.uint8)
    for row, left, top, right, bottom in rectangles:
        picture[row, :, top:bottom, left:right] = 220
    rows = torch.tensor([r[0] for r in rectangles], dtype=torch.int64)
    arrays = {
        "image": picture, "o": torch.tensor([r[1:] for r in rectangles], dtype=torch.float32).reshape(-1, 4), "o.row": rows,
        "o.label": torch.arange(len(rectangles)), "o.label.row": rows,
        "o.ignore": torch.zeros(len(rectangles), dtype=torch.uint8), "o.ignore.row": rows,
    }  # fmt: skip
    return Batch(arrays, torch.arange(n).numpy())


ONE_EACH = [(0, 10, 8, 30, 20), (1, 40, 30, 60, 46), (2, 5, 24, 25, 44), (3, 30, 4, 50, 24)]


def bright(picture):
    """The edges (left, top, right, bottom) of what is bright in a picture (c, h, w); None if nothing is."""
    at = (picture.float().mean(0) > 140).nonzero()
    if not len(at):
        return None
    (top, left), (bottom, right) = at.amin(0).tolist(), at.amax(0).tolist()
    return left, top, right + 1, bottom + 1


def same_keys(before, after):
    """The arrays are those that came in, with rows in order and companions of one length."""
    assert set(after.arrays) == set(before.arrays)
    total = len(after.arrays["o"])
    for part in ("o", "o.label", "o.ignore"):
        assert len(after.arrays[part]) == len(after.arrays[f"{part}.row"]) == total
        assert torch.equal(after.arrays[f"{part}.row"], after.arrays["o.row"])
        assert after.arrays[part].dtype == before.arrays[part].dtype
    assert (after.arrays["o.row"].diff() >= 0).all()
    assert after.arrays["image"].dtype == torch.uint8
    assert after.arrays["image"].shape == before.arrays["image"].shape


@pytest.mark.parametrize("upside_down", [False, True])
def test_mirrored_boxes_are_exact(upside_down):
    before = batch(ONE_EACH)
    after = boxed.flip("image", "o", 1.0, upside_down=upside_down)(before, KEY)
    same_keys(before, after)
    for row in range(4):
        assert bright(after.arrays["image"][row]) == tuple(after.arrays["o"][row].tolist())
    again = boxed.flip("image", "o", 1.0, upside_down=upside_down)(after, KEY)
    assert torch.equal(again.arrays["image"], before.arrays["image"])
    assert torch.equal(again.arrays["o"], before.arrays["o"])
    # By hand: a box from edge 10 to 30 of 64 comes to lie from 34 to 54.
    assert after.arrays["o"][0].tolist() == ([10, 28, 30, 40] if upside_down else [34, 8, 54, 20])


def test_only_some_are_mirrored_and_a_whole_picture_stays_whole():
    torch.manual_seed(0)
    before = batch([(row, 0, 0, W, H) for row in range(32)])
    after = boxed.flip("image", "o")(before, KEY)
    assert torch.equal(after.arrays["o"], before.arrays["o"])
    torch.manual_seed(0)
    left = batch([(row, 0, 0, 10, 10) for row in range(32)])
    moved = (boxed.flip("image", "o")(left, KEY).arrays["o"][:, 0] > 0).sum()
    assert 4 < moved < 28


@pytest.mark.parametrize("seed", range(8))
def test_zoomed_boxes_stay_on_what_they_mark(seed):
    torch.manual_seed(seed)
    before = batch(ONE_EACH)
    after = boxed.zoom("image", "o", 0.5, 1.8, 0.2)(before, KEY)
    same_keys(before, after)
    boxes = after.arrays["o"]
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] <= torch.tensor([W, H])).all()
    for row, box in zip(after.arrays["o.row"].tolist(), boxes, strict=True):
        seen = torch.tensor(bright(after.arrays["image"][row]), dtype=torch.float32)
        assert (seen - box).abs().max() <= 1.01  # whole pixels of an interpolated edge


def test_zoom_by_one_without_stretch_changes_nothing():
    before = batch(ONE_EACH)
    after = boxed.zoom("image", "o", 1.0, 1.0, 0.0)(before, KEY)
    torch.testing.assert_close(after.arrays["o"], before.arrays["o"])
    assert torch.equal(after.arrays["image"], before.arrays["image"])


def test_what_is_mostly_cut_off_is_ignored_and_what_is_gone_goes():
    rows = torch.zeros(5, dtype=torch.int64)
    marked = boxed._Marked(
        torch.tensor([[-8.0, 0, 2, 10], [-5, 0, 5, 10], [-20, 0, -5, 10], [-50, 0, 1, 10], [3, 3, 4, 4]]),
        rows, torch.arange(5), torch.zeros(5, dtype=torch.uint8),
    )  # fmt: skip
    cut = marked.within(torch.tensor([[0.0, 0, 64, 48]]))
    assert cut.label.tolist() == [0, 1, 4]  # the third lies outside, of the fourth a line of one pixel is left
    assert cut.ignore.tolist() == [1, 0, 0]  # a fifth of the first is visible, half of the second
    assert cut.boxes.tolist() == [[0, 0, 2, 10], [0, 0, 5, 10], [3, 3, 4, 4]]


@pytest.mark.parametrize("seed", range(8))
def test_a_mosaic_shows_parts_of_four_pictures_and_their_boxes(seed):
    torch.manual_seed(seed)
    before = batch(ONE_EACH)
    after = boxed.mosaic("image", "o", 1.0)(before, KEY)
    same_keys(before, after)
    boxes, rows = after.arrays["o"].round().long(), after.arrays["o.row"]
    for row in range(4):
        covered = torch.zeros(H, W, dtype=torch.bool)
        for left, top, right, bottom in boxes[rows == row].tolist():
            covered[top:bottom, left:right] = True
            inner = after.arrays["image"][row, :, top + 2 : bottom - 2, left + 2 : right - 2]
            assert (inner > 140).all()  # what a box marks is bright
        stray = (after.arrays["image"][row].float().mean(0) > 180) & ~covered
        thick = torch.nn.functional.avg_pool2d(stray.float()[None], 4, 1)
        assert thick.max() < 1  # and nothing else is, but lines that are too thin to count


def test_a_mosaic_leaves_the_others_as_they_are():
    torch.manual_seed(1)
    before = batch(ONE_EACH)
    after = boxed.mosaic("image", "o", 0.0)(before, KEY)
    assert all(torch.equal(after.arrays[name], before.arrays[name]) for name in before.arrays)


@pytest.mark.parametrize(
    "transform",
    [
        boxed.flip("image", "o", 0.5), boxed.zoom("image", "o"), boxed.mosaic("image", "o"), boxed.colour("image"),
    ],
)  # fmt: skip
def test_pure_in_the_draws_and_fine_without_any_box(transform):
    before = batch(ONE_EACH)
    copies = {name: array.clone() for name, array in before.arrays.items()}
    torch.manual_seed(3)
    first = transform(before, KEY)
    torch.manual_seed(3)
    second = transform(before, KEY)
    assert all(torch.equal(first.arrays[name], second.arrays[name]) for name in copies)
    assert all(torch.equal(before.arrays[name], copies[name]) for name in copies)
    empty = batch([])
    assert transform(empty, KEY).arrays["o"].shape == (0, 4)


def test_colour_keeps_boxes_and_changes_pixels_within_range():
    torch.manual_seed(0)
    before = batch(ONE_EACH)
    after = boxed.colour("image", 0.5, 0.5, 0.5)(before, KEY)
    assert torch.equal(after.arrays["o"], before.arrays["o"])
    assert not torch.equal(after.arrays["image"], before.arrays["image"])
    grey = batch(ONE_EACH)
    one = grey.replace(image=grey.arrays["image"][:, :1])
    assert boxed.colour("image")(one, KEY).arrays["image"].shape == (4, 1, H, W)
    floats = grey.replace(image=grey.arrays["image"].float() / 255)
    assert boxed.colour("image")(floats, KEY).arrays["image"].dtype == torch.float32
