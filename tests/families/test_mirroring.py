"""Mirroring: refused where orientation carries the class, allowed where it does not, and pure."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from deepwell.families.mirroring import harmless


def grey(values):
    return np.clip(values, 0, 255).astype(np.uint8)[:, None]


def shapes(n=400, side=24):
    """Discs, squares and diamonds: each its own mirror image."""
    draws = np.random.default_rng(0)
    kind = draws.integers(0, 3, n)
    y, x = np.mgrid[:side, :side][:, None] - draws.uniform(8, 16, (2, n, 1, 1))
    far = np.select(
        [kind[:, None, None] == k for k in (0, 1)], [np.hypot(x, y), np.maximum(abs(x), abs(y))], abs(x) + abs(y)
    )
    return grey(200.0 * (far < 6) + draws.normal(0, 30, far.shape)), kind


def test_digits_may_not_be_mirrored():
    digits = load_digits()
    allowed, why = harmless(grey(digits.images * 255 / 16), [digits.target])
    assert not allowed
    assert "of their mirror images" in why


def test_symmetric_shapes_may():
    pictures, kind = shapes()
    assert harmless(pictures, [kind])[0]


def test_arrows_to_the_left_and_right_may_not():
    draws = np.random.default_rng(0)
    right = draws.integers(0, 2, 300)
    ramp = np.where(right[:, None, None] == 1, np.arange(16.0), np.arange(16.0)[::-1])
    allowed, why = harmless(grey(10 * ramp + draws.normal(0, 10, (300, 16, 16))), [right])
    assert not allowed
    assert "0% of its lead" in why


def test_one_target_that_needs_the_orientation_is_enough_to_refuse():
    pictures, kind = shapes()
    pictures[:, :, :, :4] = np.where(np.arange(len(kind)) % 2, 255, 0)[:, None, None, None]
    assert harmless(pictures, [kind])[0]
    assert not harmless(pictures, [kind, np.arange(len(kind)) % 2])[0]


@pytest.mark.parametrize("handed", [False, True])
def test_where_classes_cannot_be_seen_the_pictures_decide(handed):
    draws = np.random.default_rng(1)
    noise = draws.normal(128, 30, (400, 12, 12))
    allowed, why = harmless(grey(noise + 8.0 * np.arange(12) * handed), [draws.integers(0, 2, 400)])
    assert allowed is not handed
    assert "do not tell the classes apart" in why


def test_the_answer_is_the_same_each_time_and_the_pictures_are_left_alone():
    pictures, kind = shapes()
    before = pictures.copy()
    assert harmless(pictures, [kind]) == harmless(pictures, [kind])
    assert np.array_equal(pictures, before)


def test_one_picture_is_not_mirrored():
    assert not harmless(np.zeros((1, 1, 8, 8), np.uint8), [np.zeros(1, np.int64)])[0]


def test_pictures_that_equal_their_own_mirror_image_say_nothing():
    half = np.random.default_rng(0).uniform(0, 255, (200, 12, 6))
    allowed, why = harmless(grey(np.concatenate([half, half[:, :, ::-1]], axis=2)), [])
    assert allowed
    assert "50% of pictures" in why
