"""Windows to train on, pictures to answer: nothing is invented beyond a border, and cutting changes no answer that is local."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Encoded
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.core.table import Part, Table
from deepwell.data.fields import flat
from deepwell.data.fields.mask import Mask
from deepwell.data.fields.scaled_image import ScaledImage
from deepwell.data.pipeline import FieldPipeline
from deepwell.families import pixels
from deepwell.families.pixels import Asked, Pictures, Windows, encoded, enlarged, nearest

SCHEMA = Schema((Field("image", "image"), Field("mask", "mask", "target")))
KEY = Key(3)


def objects(values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def table(*sizes, classes=3):
    """Pictures whose red says the line and green the place, and masks that are (line + place) % classes."""
    images, masks = [], []
    for height, width in sizes:
        y, x = np.mgrid[:height, :width]
        images.append(np.stack([y, x, 0 * y], axis=2).astype(np.uint8))
        masks.append(((y + x) % classes).astype(np.uint8))
    return Table({"image": objects(images), "mask": objects(masks)})


def pipeline(rows, **options):
    return FieldPipeline(SCHEMA, {"image": ScaledImage(**options), "mask": Mask()}).fit(rows)


def windows(rows, window, fitted=None):
    found = encoded(Part("train", rows), fitted or pipeline(rows), "image", "mask", False)
    return Windows(found, "image", "mask", window)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(8, 20), st.integers(8, 20)), min_size=2, max_size=3), st.integers(0, 100))
def test_a_window_is_a_piece_of_picture_and_mask_and_void_beyond(sizes, seed):
    rows = table((9, 9), *sizes)
    examples = windows(rows, (8, 10))
    batch = examples.take(np.arange(examples.count), Key(seed))
    image, mask = batch.arrays["image"], batch.arrays["mask"]
    assert image.shape == (len(rows), 3, 8, 10)
    for picture, classes, (height, width) in zip(image, mask, [(9, 9), *sizes], strict=True):
        known = classes != 255
        assert known.sum() == min(8, height) * min(10, width)
        assert np.array_equal(classes[known], (picture[0][known].astype(int) + picture[1][known]) % 3)
        lines, places = np.nonzero(known)
        assert len(set(picture[0][known].astype(int) - lines)) == 1  # one straight piece
        assert len(set(picture[1][known].astype(int) - places)) == 1


def test_windows_are_drawn_anew_and_depend_on_nothing_beside_them():
    examples = windows(table((30, 30), (40, 40)), (8, 8))
    both = examples.take(np.array([0, 1]), KEY).arrays["image"]
    alone = examples.take(np.array([1]), KEY).arrays["image"]
    assert np.array_equal(both[1:], alone)
    other = examples.take(np.array([1]), KEY.fold(1)).arrays["image"]
    assert not np.array_equal(other, alone)
    assert examples.columns is None


def test_pictures_of_the_window_s_size_are_slices():
    rows = table((8, 10), (8, 10))
    examples = windows(rows, (8, 10))
    taken = examples.take(np.array([1, 0]), KEY).arrays
    assert np.array_equal(examples.columns["image"][[1, 0]], taken["image"])
    assert np.array_equal(examples.columns["mask"][[1, 0]], taken["mask"])
    assert np.array_equal(taken["mask"][0], rows["mask"][1])


def test_masks_follow_their_pictures_to_another_size():
    rows = table((40, 60), (40, 60))
    examples = windows(rows, (20, 30), pipeline(rows, side=30))
    assert np.array_equal(examples.columns["mask"][0], rows["mask"][0][1::2, 1::2])


@settings(max_examples=30, deadline=None)
@given(*[st.integers(1, 12)] * 2, *[st.integers(1, 30)] * 2)
def test_each_pixel_comes_from_the_nearest_one(height, width, high, wide):
    mask = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    found = nearest(mask, (high, wide))
    assert found.shape == (high, wide)
    down = np.abs((found // width + 0.5) / height - (np.arange(high)[:, None] + 0.5) / high)
    along = np.abs((found % width + 0.5) / width - (np.arange(wide) + 0.5) / wide)
    assert down.max() <= 0.5 / height + 1e-9
    assert along.max() <= 0.5 / width + 1e-9


def test_a_mask_of_another_size_is_a_problem_with_both_sizes():
    rows = table((8, 10), (8, 10), (8, 10), (8, 10))
    masks = [np.zeros(size, np.uint8) for size in ((16, 20), (10, 8), (8, 11))]
    rows = rows.with_columns({"mask": objects([*masks, rows["mask"][3]])})
    found = encoded(Part("test", rows), pipeline(rows), "image", "mask", True)
    assert found.rows.tolist() == [3]
    assert (
        "the picture has 10 x 8 pixels, its mask 20 x 16: same shape, so one of them was resized" in found.problems[0]
    )
    assert "one of them is turned" in found.problems[1]
    assert "another shape" in found.problems[2]


def test_whole_pictures_are_padded_with_their_truth_in_original_size():
    rows = table((40, 60), (20, 30))
    fitted = pipeline(rows, side=45)
    examples = Pictures(Part("test", rows), fitted, "image", "mask")
    batch = examples.take(np.array([1, 0]), KEY)
    assert batch.arrays["image"].shape == (2, 3, 40, 60)
    assert batch.arrays["image.size"].tolist() == [[20, 30], [40, 60]]
    assert np.array_equal(batch.arrays["mask"][0, :20, :30], rows["mask"][1])
    assert (batch.arrays["mask"][0, 20:] == 255).all()
    smaller = Pictures(Part("test", rows), pipeline(rows, side=30), "image", "mask").take(np.array([0, 1]), KEY)
    assert smaller.arrays["image.held"].tolist() == [[27, 40], [13, 20]]
    assert smaller.arrays["image.size"].tolist() == [[40, 60], [20, 30]]


@pytest.mark.parametrize("held", [True, False])
def test_questions_are_the_same_however_much_memory_they_take(held, monkeypatch):
    rows = table(*[(20 + i, 30) for i in range(11)])
    fitted = pipeline(rows)
    straight = Pictures(Part("test", rows), fitted, "image", "mask")
    if not held:
        monkeypatch.setattr(pixels, "MOST_HELD", 10_000)
    broken = objects([*rows["image"], None])
    asked = Pictures(Part("predict", Table({"image": broken})), fitted, "image", "mask")
    assert list(asked.problems) == [11]
    assert asked.rows.tolist() == list(range(11))
    index = np.array([9, 2, 2])
    one, other = straight.take(index, KEY).arrays, asked.take(index, KEY).arrays
    assert set(other) == {"image", "image.held", "image.size"}
    assert all(np.array_equal(one[name], other[name]) for name in other)


def test_batches_hold_a_bounded_number_of_pixels(monkeypatch):
    rows = table(*[(20, 30)] * 7)
    examples = Pictures(Part("test", rows), pipeline(rows), "image", "mask")
    monkeypatch.setattr(pixels, "MOST_BATCH", 3 * 20 * 30 + 400)
    assert [len(b) for b in examples.batches(256, KEY)] == [3, 3, 1]
    assert [len(b) for b in examples.batches(2, KEY)] == [2, 2, 2, 1]
    assert (
        list(Pictures(Part("predict", Table({"image": objects([])})), pipeline(rows), "image", "mask").batches(8, KEY))
        == []
    )


def local(arrays, state):
    """A network that sees one pixel at a time: class 1 where green is above 20."""
    green = arrays["image"][:, 1].astype(np.float32)
    return {"mask.logits": np.stack([20.5 - green, green - 20.5], axis=1)}, state


@pytest.mark.parametrize("window", [(16, 16), (50, 60), (200, 200)])
def test_a_picture_is_answered_alike_whole_and_in_windows(window):
    picture = table((50, 60))["image"][0].transpose(2, 0, 1)
    shapes = []

    def network(arrays, state):
        shapes.append(arrays["image"].shape)
        return local(arrays, state)

    answer, sure = Asked("image", "mask.logits", window).answer(NumpyRunner({"forward": network}), picture, (50, 60))
    assert np.array_equal(answer, np.broadcast_to(np.arange(60) > 20, (50, 60)))
    assert 0.5 < sure < 1
    assert all(shape[2:] == ((16, 16) if window == (16, 16) else (50, 60)) for shape in shapes)


def test_an_answer_has_the_original_size():
    picture = table((20, 40))["image"][0].transpose(2, 0, 1)
    answer, _ = Asked("image", "mask.logits", (64, 64)).answer(NumpyRunner({"forward": local}), picture, (60, 80))
    assert answer.shape == (60, 80)
    assert np.array_equal(answer, np.broadcast_to(np.arange(80) > 41, (60, 80)))


@settings(max_examples=40, deadline=None)
@given(
    *[st.integers(1, 9)] * 2,
    *[st.integers(1, 25)] * 2,
    st.integers(1, 60),
    st.sets(st.integers(1, 8)),
)
def test_enlarging_is_torch_s_bilinear_whatever_is_made_at_a_time(height, width, high, wide, listed, cuts):
    import torch

    edges = [0, *sorted(cut for cut in cuts if cut < height), height]
    values = np.random.default_rng(0).normal(size=(2, height, width)).astype(np.float32)
    before, pixels.MOST_LISTED = pixels.MOST_LISTED, listed
    try:
        stripes = [(a, values[:, a:b]) for a, b in itertools.pairwise(edges)]
        pieces = list(enlarged(stripes, (height, width), (high, wide)))
    finally:
        pixels.MOST_LISTED = before
    expected = torch.nn.functional.interpolate(torch.from_numpy(values)[None], (high, wide), mode="bilinear")[0].numpy()
    np.testing.assert_allclose(np.concatenate([v for _, v in pieces], axis=1), expected, atol=1e-5)
    assert all(v.shape[1] * 2 * wide <= max(listed, 2 * wide) for _, v in pieces)
    assert [top for top, _ in pieces] == np.cumsum([0, *(v.shape[1] for _, v in pieces)])[:-1].tolist()


def test_an_answer_is_enlarged_before_the_next_stripe_is_asked_for():
    values = np.zeros((3, 40, 10), np.float32)
    asked = []

    def stripes():
        for top in range(0, 40, 8):
            asked.append(top)
            yield top, values[:, top : top + 8]

    known = [(top, len(asked)) for top, _ in enlarged(stripes(), (40, 10), (80, 20))]
    assert known == [(0, 1), (15, 2), (31, 3), (47, 4), (63, 5)]


def test_padding_counts_where_tall_and_wide_pictures_stand_side_by_side(monkeypatch):
    rows = table(*[(16, 160), (160, 16)] * 4)
    examples = Pictures(Part("test", rows), pipeline(rows), "image", "mask")
    monkeypatch.setattr(pixels, "MOST_BATCH", 3 * 160 * 160)
    sizes = [batch.arrays["mask"].size for batch in examples.batches(256, KEY)]
    assert max(sizes) <= pixels.MOST_BATCH
    assert len(sizes) == 3


def test_flat_columns_are_needed():
    with pytest.raises(TypeError, match="ragged"):
        Windows(Encoded({"image": np.zeros(1), "mask": np.zeros(1)}, np.arange(1)), "image", "mask", (1, 1))
    assert flat.size(flat.pack([np.zeros((2, 3), np.uint8)]), 0) == (2, 3)
