"""GramBag: sums by row, against a loop; what training drops; empty rows."""

import numpy as np
import pytest
import torch

from deepwell.nn.layers.ngrams import GramBag

ENTRIES, ROW = torch.tensor([1, 4, 4, 0, 2]), torch.tensor([0, 0, 2, 2, 2])


def bag(dropout=0.0):
    torch.manual_seed(0)
    return GramBag(5, 3, 1.0, dropout)


def test_a_row_is_the_sum_over_the_root_of_the_number_of_its_entries():
    module = bag()
    found = module(ENTRIES, ROW, 4)
    for row, entries in enumerate([[1, 4], [], [4, 0, 2], []]):
        expected = module.table[entries].sum(0) / max(1, len(entries)) ** 0.5
        torch.testing.assert_close(found[row], expected)


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_entries_of_any_whole_type_are_looked_up(kind):
    torch.testing.assert_close(bag()(ENTRIES.to(kind), ROW, 3), bag()(ENTRIES, ROW, 3))


def test_rows_do_not_depend_on_each_other_bit_by_bit():
    module = bag()
    first, last = module(ENTRIES[:2], ROW[:2], 1), module(ENTRIES[2:], torch.zeros(3, dtype=torch.int64), 1)
    assert torch.equal(torch.cat([first, torch.zeros(1, 3), last]), module(ENTRIES, ROW, 3))


def test_training_drops_whole_entries_and_questions_none():
    module = GramBag(1000, 2, 1.0, 0.4)
    module.table.data.fill_(1.0)
    every, row = torch.arange(1000), torch.zeros(1000, dtype=torch.int64)
    first, second = (module(every, row, 1).detach() * 1000**0.5 * 0.6)[0].tolist()
    assert first == second == pytest.approx(round(first), abs=0.01)
    assert 500 < first < 700
    assert module.eval()(every, row, 1)[0, 0].item() == pytest.approx(1000**0.5)


def test_only_entries_that_occur_get_a_gradient():
    module = bag()
    module(ENTRIES, ROW, 3).sum().backward()
    assert module.table.grad.abs().sum(1).nonzero().flatten().tolist() == [0, 1, 2, 4]


def test_a_batch_without_any_entry_gives_zeros():
    none = torch.zeros(0, dtype=torch.int64)
    assert torch.equal(bag()(none, none, 2), torch.zeros(2, 3))


def test_a_bag_can_begin_with_given_weights():
    module = bag()
    before = module.table.detach().clone()
    module.begin(np.arange(10.0).reshape(5, 2))
    torch.testing.assert_close(module.table[:, :2].detach(), torch.arange(10.0).reshape(5, 2))
    assert torch.equal(module.table[:, 2].detach(), before[:, 2])
