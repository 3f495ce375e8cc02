"""Swap noise: what is spoilt are values of other rows, in the same place, about as many as asked for."""

import pytest
import torch

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.training.augmentation_rows import swapped


def batch(n=200):
    rows = torch.arange(n)
    pictures = rows.to(torch.uint8)[:, None, None, None].expand(n, 1, 3, 3)
    return Batch({"numbers": rows[:, None] * 10.0 + torch.arange(5), "picture": pictures}, rows.numpy())


@pytest.mark.parametrize("share", [0.0, 0.25, 0.6])
def test_about_the_share_is_replaced_and_the_truth_stays(share):
    torch.manual_seed(0)
    given = batch()
    spoilt = swapped(["numbers"], share)(given, Key(0))
    assert spoilt.arrays["numbers"] is given.arrays["numbers"]
    assert "picture.read" not in spoilt.arrays
    changed = (spoilt.arrays["numbers.read"] != given.arrays["numbers"]).float().mean().item()
    assert changed == pytest.approx(share, abs=0.05)


def test_a_value_comes_from_the_same_place_of_another_row():
    torch.manual_seed(0)
    read = swapped(["numbers", "picture"], 0.5)(batch(), Key(0)).arrays
    assert torch.equal(read["numbers.read"] % 10, torch.arange(5.0).expand(200, 5))
    assert read["picture.read"].dtype == torch.uint8
    assert read["picture.read"].shape == (200, 1, 3, 3)


def test_a_single_row_has_no_other_and_stays():
    torch.manual_seed(0)
    one = batch(1)
    assert torch.equal(swapped(["numbers"], 0.9)(one, Key(0)).arrays["numbers.read"], one.arrays["numbers"])
