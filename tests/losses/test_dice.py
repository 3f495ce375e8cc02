"""Losses of pixels: by hand, against torch, and what void pixels and micro-batches must not change."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from deepwell.losses.dice import VOID, dice, halved, pixel_cross_entropy


def made(seed, n=3, classes=4, side=6, void=0.2):
    """Random logits and targets, some pixels void."""
    torch.manual_seed(seed)
    target = torch.randint(0, classes, (n, side, side), dtype=torch.uint8)
    return torch.randn(n, classes, side, side), target.masked_fill(torch.rand(n, side, side) < void, VOID)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6), st.floats(0, 0.4), st.booleans())
def test_cross_entropy_agrees_with_torch(seed, classes, smoothing, weighted):
    logits, target = made(seed, classes=classes)
    weights = torch.rand(classes) + 0.5 if weighted else None
    expected = functional.cross_entropy(
        logits, target.long(), weight=weights, ignore_index=VOID, label_smoothing=0.0, reduction="sum"
    )
    found = pixel_cross_entropy(logits, target, class_weights=weights)
    torch.testing.assert_close(found, expected / 36)
    if not weighted:  # torch weighs the smoothed part by each class's own weight
        expected = functional.cross_entropy(
            logits, target.long(), ignore_index=VOID, label_smoothing=smoothing, reduction="sum"
        )
        torch.testing.assert_close(pixel_cross_entropy(logits, target, smoothing=smoothing), expected / 36)


def test_dice_by_hand():
    """One picture of four pixels, two classes; p of class 1: 0.5, 0.5, 0.75 and void."""
    odds = torch.tensor([[0.0, 0.0], [math.log(3.0), 9.0]])
    logits = torch.stack([torch.zeros(2, 2), odds]).unsqueeze(0)
    target = torch.tensor([[[0, 1], [1, VOID]]], dtype=torch.uint8)
    first = (2 * 0.5) / (0.5 + 0.5 + 0.25 + 1)
    second = (2 * 1.25) / (0.5 + 0.5 + 0.75 + 2)
    assert dice(logits, target, smooth=0.0).item() == pytest.approx(1 - (first + second) / 2, rel=1e-6)
    first, second = (2 * 0.5 + 1) / (2.25 + 1), (2 * 1.25 + 1) / (3.75 + 1)
    assert dice(logits, target).item() == pytest.approx(1 - (first + second) / 2, rel=1e-6)


def test_dice_is_about_zero_for_what_is_right_and_about_one_for_what_is_wrong():
    _, target = made(0, void=0.0, side=16)
    right = 40.0 * functional.one_hot(target.long(), 4).permute(0, 3, 1, 2).float()
    assert dice(right, target).item() == pytest.approx(0.0, abs=1e-6)
    wrong = right.roll(1, dims=1)
    assert dice(wrong, target, smooth=0.0).item() == pytest.approx(3.0, abs=1e-6)


@pytest.mark.parametrize("loss", [pixel_cross_entropy, dice])
def test_pictures_add_up(loss):
    logits, target = made(1, n=5)
    torch.testing.assert_close(loss(logits, target), loss(logits[:2], target[:2]) + loss(logits[2:], target[2:]))


@pytest.mark.parametrize("loss", [pixel_cross_entropy, dice])
def test_what_stands_on_void_pixels_changes_nothing(loss):
    logits, target = made(2)
    logits.requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert (logits.grad.abs().sum(1) > 0).equal(target != VOID)
    changed = torch.where((target == VOID).unsqueeze(1), torch.full_like(logits, 30.0), logits)
    torch.testing.assert_close(loss(changed, target), value)


@pytest.mark.parametrize("loss", [pixel_cross_entropy, dice])
def test_a_batch_of_void_pictures_is_worth_nothing_and_moves_nothing(loss):
    logits, target = made(3, void=2.0)
    logits.requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert value.item() == 0.0
    assert not logits.grad.any()


@pytest.mark.parametrize("loss", [pixel_cross_entropy, dice])
def test_half_precision_is_summed_in_float32(loss):
    logits, target = torch.zeros(2, 2, 96, 96, dtype=torch.bfloat16), torch.zeros(2, 96, 96, dtype=torch.uint8)
    value = loss(logits, target)
    assert value.dtype == torch.float32
    expected = 2 * math.log(2) if loss is pixel_cross_entropy else 2 * (1 - (96 * 96 + 1) / (1.5 * 96 * 96 + 1))
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_a_small_class_counts_in_dice_as_much_as_a_large_one():
    """Missing all of a class of 4 pixels costs half of the loss of a picture with two classes."""
    target = torch.zeros(1, 32, 32, dtype=torch.uint8)
    target[0, :2, :2] = 1
    all_first = torch.stack([torch.full((32, 32), 40.0), torch.zeros(32, 32)]).unsqueeze(0)
    assert dice(all_first, target, smooth=0.0).item() == pytest.approx(0.5, abs=2e-3)


def test_coarser_targets_are_pixels_from_the_middle_of_their_blocks():
    target = torch.arange(7 * 9, dtype=torch.uint8).view(1, 7, 9)
    assert halved(target, (2, 3)).tolist() == [[[2 * 9 + 2, 2 * 9 + 6, 2 * 9 + 8], [6 * 9 + 2, 6 * 9 + 6, 6 * 9 + 8]]]
    assert torch.equal(halved(target, (7, 9)), target)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 5))
def test_coarser_targets_fit_maps_that_were_halved_upwards(height, width, times):
    target = torch.randint(0, 4, (2, height, width), dtype=torch.uint8)
    shown = target.unsqueeze(1).float()
    for _ in range(times):
        shown = functional.max_pool2d(shown, 2, ceil_mode=True)
    assert halved(target, shown.shape[2:]).shape == shown[:, 0].shape
