"""Losses are sums; checked against torch's own means and by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from deepwell.losses import absolute_error, binary_cross_entropy, cross_entropy, l1, squared_error


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(2, 6), st.floats(0, 0.5), st.integers(0, 100))
def test_cross_entropy_agrees_with_torch(n, classes, smoothing, seed):
    torch.manual_seed(seed)
    logits, target = torch.randn(n, classes), torch.randint(classes, (n,))
    expected = functional.cross_entropy(logits, target, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(cross_entropy(logits, target, smoothing=smoothing), expected)


def test_cross_entropy_by_hand_with_weights():
    logits, target = torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]]), torch.tensor([0, 1])
    loss = cross_entropy(logits, target, class_weights=torch.tensor([2.0, 1.0]), weights=torch.tensor([1.0, 0.5]))
    assert loss.item() == pytest.approx(2 * math.log(2) + 0.5 * math.log(4 / 3))


def test_sums_of_parts_are_the_sum_of_the_whole():
    torch.manual_seed(0)
    logits, target = torch.randn(10, 3), torch.randint(3, (10,))
    parts = cross_entropy(logits[:4], target[:4]) + cross_entropy(logits[4:], target[4:])
    torch.testing.assert_close(cross_entropy(logits, target), parts)


def test_members_of_an_ensemble_have_losses_of_their_own():
    torch.manual_seed(0)
    logits, target = torch.randn(5, 4, 3), torch.randint(3, (5,))
    whole = cross_entropy(logits, target.unsqueeze(1).expand(5, 4))
    torch.testing.assert_close(whole, sum(cross_entropy(logits[:, m], target) for m in range(4)))


def test_half_precision_logits_are_summed_in_float32():
    loss = cross_entropy(torch.zeros(4096, 2, dtype=torch.bfloat16), torch.zeros(4096, dtype=torch.int64))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(4096 * math.log(2), rel=1e-6)


def test_errors_of_numbers():
    value, target = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 0.0, 1.0])
    assert squared_error(value, target).item() == 13
    assert absolute_error(value, target).item() == 5
    assert squared_error(value, target, weights=torch.tensor([1.0, 0.5, 0.0])).item() == 2


def test_l1_and_its_gradient():
    weights = [torch.tensor([[1.0, -2.0]], requires_grad=True), torch.tensor([3.0], requires_grad=True)]
    penalty = l1(weights)
    penalty.backward()
    assert penalty.item() == 6
    assert weights[0].grad.tolist() == [[1, -1]]
    with pytest.raises(ValueError, match="at least one"):
        l1([])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.floats(0, 0.5), st.integers(0, 100))
def test_binary_cross_entropy_agrees_with_torch(n, tags, smoothing, seed):
    torch.manual_seed(seed)
    logits, target = 20 * torch.randn(n, tags), torch.randint(2, (n, tags))
    asked = (1 - smoothing) * target + smoothing / 2
    expected = functional.binary_cross_entropy_with_logits(logits, asked, reduction="sum")
    torch.testing.assert_close(binary_cross_entropy(logits, target, smoothing=smoothing), expected)


def test_binary_cross_entropy_by_hand_with_weights():
    logits, target = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]]), torch.tensor([[0, 1], [1, 0]])
    loss = binary_cross_entropy(logits, target, weights=torch.tensor([2.0, 1.0]))
    assert loss.item() == pytest.approx(4 * math.log(2) + math.log(4 / 3) + math.log(2))
