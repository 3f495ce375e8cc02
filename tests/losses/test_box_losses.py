"""Losses of boxes and qualities: by hand, against torchvision's formulas written out, and their invariants."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from deepwell.losses.boxes import box_loss, generalised_overlap, overlap
from deepwell.losses.focal import quality_focal


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32)


@pytest.mark.parametrize(
    ("a", "b", "share", "generalised"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0, 1.0),
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7, 1 / 7 - 2 / 9),  # one of seven shared; two of nine enclosed are empty
        ((0, 0, 1, 1), (3, 0, 4, 1), 0.0, -0.5),  # two of four enclosed are empty
        ((0, 0, 4, 2), (1, 0, 2, 2), 0.25, 0.25),  # one inside the other
        ((5, 5, 5, 5), (5, 5, 5, 5), 0.0, 0.0),  # no area
    ],
)
def test_overlaps_by_hand(a, b, share, generalised):
    assert overlap(boxes(a), boxes(b)).item() == pytest.approx(share, abs=1e-6)
    assert generalised_overlap(boxes(a), boxes(b)).item() == pytest.approx(generalised, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 12)] * 8), min_size=1, max_size=8))
def test_overlap_is_that_of_counted_pixels(rows):
    corners = np.array(rows).reshape(-1, 2, 2, 2)  # box, corner, axis
    low, high = np.minimum(corners[:, :, 0], corners[:, :, 1]), np.maximum(corners[:, :, 0], corners[:, :, 1])
    drawn = np.zeros((len(rows), 2, 12, 12), bool)
    for i, j in np.ndindex(len(rows), 2):
        (x0, y0), (x1, y1) = low[i, j], high[i, j]
        drawn[i, j, y0:y1, x0:x1] = True
    both, either = drawn.all(1).sum((1, 2)), drawn.any(1).sum((1, 2))
    a, b = (torch.tensor(np.concatenate([low[:, j], high[:, j]], 1)) for j in (0, 1))
    found = overlap(a, b)
    np.testing.assert_allclose(found.numpy(), both / np.maximum(either, 1), atol=1e-5)
    assert torch.equal(found, overlap(b, a))
    generalised = generalised_overlap(a, b)
    assert bool((generalised <= found + 1e-6).all() and (generalised >= -1.0).all())


def test_boxes_that_do_not_meet_are_drawn_to_each_other():
    guess = boxes((0, 0, 1, 1)).requires_grad_()
    box_loss(guess, boxes((5, 0, 6, 1))).backward()
    assert guess.grad[0, 2] < 0  # a larger right edge lowers the loss


def test_the_loss_is_a_weighted_sum_and_none_for_no_boxes():
    guess, truth = boxes((0, 0, 2, 2), (0, 0, 4, 2)), boxes((1, 1, 3, 3), (1, 0, 2, 2))
    expected = 0.5 * (1 - 1 / 7 + 2 / 9) + 2.0 * 0.75
    assert box_loss(guess, truth, weights=torch.tensor([0.5, 2.0])).item() == pytest.approx(expected, abs=1e-6)
    nothing = torch.zeros(0, 4, requires_grad=True)
    loss = box_loss(nothing, torch.zeros(0, 4))
    loss.backward()
    assert loss.item() == 0.0


def test_half_precision_is_widened_before_areas_are_taken():
    large = boxes((0, 0, 640, 640)).bfloat16()
    assert overlap(large, boxes((0, 0, 640, 639))).item() == pytest.approx(639 / 640, abs=1e-4)


def test_quality_focal_by_hand():
    logits, quality = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[0.8, 0.0]])
    first = 0.3**2 * math.log(2)  # p = 1/2: any quality costs ln 2
    second = 0.75**2 * math.log(4)  # p = 3/4 and no is right
    assert quality_focal(logits, quality).item() == pytest.approx(first + second, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 1.5, 2.0]))
def test_quality_focal_is_binary_cross_entropy_in_focus(seed, gamma):
    torch.manual_seed(seed)
    logits, quality, weights = 4 * torch.randn(7, 3), torch.rand(7, 3), torch.randint(0, 2, (7,))
    plain = functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    expected = (plain * (quality - logits.sigmoid()).abs() ** gamma * weights[:, None]).sum()
    torch.testing.assert_close(quality_focal(logits, quality, gamma=gamma, weights=weights), expected)


def test_a_perfect_score_costs_no_more_and_has_no_slope():
    logits = torch.tensor([[0.3, -20.0]], requires_grad=True)
    loss = quality_focal(logits, torch.tensor([[torch.sigmoid(torch.tensor(0.3)).item(), 0.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6
