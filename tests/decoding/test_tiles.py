"""Tiles: stitched answers equal the whole where the function is local, nothing is asked beyond the picture, memory is bounded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError
from deepwell.decoding.tiles import fading, starts, stripes


def asker(picture, window, function, asked=None):
    """`ask` for a picture (h, w): each window of the picture, through function (h, w) -> (K, h, w)."""
    high, wide = (min(w, s) for w, s in zip(window, picture.shape, strict=True))

    def ask(corners):
        if asked is not None:
            asked.append(corners)
        for top, left in corners:
            assert 0 <= top <= picture.shape[0] - high
            assert 0 <= left <= picture.shape[1] - wide
        return np.stack([function(picture[top : top + high, left : left + wide]) for top, left in corners])

    return ask


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)), st.tuples(st.integers(2, 24), st.integers(2, 24)),
    st.integers(0, 30), st.integers(0, 1000),
)  # fmt: skip
def test_a_function_of_single_pixels_is_stitched_to_the_whole(size, window, overlap, seed):
    picture = np.random.default_rng(seed).random(size, np.float32)

    def function(part):
        return np.stack([part, 1.0 - part, part**2])

    found = list(stripes(size, window, overlap, asker(picture, window, function)))
    lines = [top + i for top, values in found for i in range(values.shape[1])]
    assert lines == list(range(size[0]))
    np.testing.assert_allclose(np.concatenate([v for _, v in found], 1), function(picture), rtol=1e-5, atol=1e-6)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 300), st.integers(1, 60), st.data())
def test_windows_cover_everything_and_share_enough(length, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    found = starts(length, window, overlap)
    assert found[0] == 0
    assert found[-1] + window >= length
    if length > window:
        assert found[-1] + window == length
        steps = np.diff(found)
        assert (steps > 0).all()
        assert steps.max() <= window - overlap
        # One window fewer could not share so much.
        assert (len(found) - 2) * (window - overlap) + window < length


def test_where_windows_meet_the_better_placed_one_counts_more():
    """Two windows of 4 over 6 pixels that answer 0 and 1: by hand, weights 1/3, 2/3, 2/3, 1/3 about the shared two pixels."""
    answers = iter([0.0, 1.0])

    def ask(corners):
        return np.stack([np.full((1, 1, 4), next(answers)) for _ in corners])

    ((top, values),) = stripes((1, 6), (1, 4), 2, ask)
    assert top == 0
    np.testing.assert_allclose(values[0, 0], [0, 0, 1 / 3, 2 / 3, 1, 1], rtol=1e-6)


def test_weights_fall_over_the_overlap_and_are_never_zero():
    np.testing.assert_allclose(fading(7, 2), [1 / 3, 2 / 3, 1, 1, 1, 2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(fading(3, 0), 1.0)


def test_a_picture_within_one_window_is_asked_once_as_it_is():
    asked = []
    picture = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    ((top, values),) = stripes((3, 4), (8, 8), 2, asker(picture, (8, 8), lambda part: part[None], asked))
    assert (top, asked) == (0, [[(0, 0)]])
    np.testing.assert_array_equal(values[0], picture)


def test_what_is_held_does_not_grow_with_the_height():
    picture = np.zeros((400, 30), np.float32)
    found = list(stripes((400, 30), (20, 20), 6, asker(picture, (20, 20), lambda part: part[None])))
    assert max(values.shape[1] for _, values in found) <= 20
    assert len(found) > 20


@pytest.mark.parametrize(("window", "overlap"), [(4, 4), (4, 9), (0, 0), (4, -1)])
def test_windows_that_have_nothing_of_their_own_are_refused(window, overlap):
    with pytest.raises(ConfigError, match=f"windows of {window} pixels cannot overlap by {overlap}"):
        starts(100, window, overlap)
