"""Guards: what counts as missing memory, how a batch is halved, and which number was the first that is not finite."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from deepwell.core.batch import Batch
from deepwell.core.errors import RunError
from deepwell.core.keys import Key
from deepwell.core.task import Loss
from deepwell.training import guards


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), True),
        (MemoryError("Unable to allocate 8.00 GiB for an array"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (RuntimeError("memory format option is only supported by strided tensors"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_which_errors_mean_missing_memory(error, meant):
    assert guards.out_of_memory(error) is meant


def test_torch_says_it_as_it_is_known_here():
    """What the allocator of this version really says."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.float32)
    assert guards.out_of_memory(caught.value)


def test_halves_down_to_one():
    sizes, size = [], 0
    while size != 1:
        size = guards.smaller(size, 100, coupled=False)
        sizes.append(size)
    assert sizes == [50, 25, 13, 7, 4, 2, 1]
    assert guards.smaller(64, 10, coupled=False) == 5  # a last batch may be smaller than a micro-batch
    with pytest.raises(RunError, match="a single example does not fit"):
        guards.smaller(1, 100, coupled=False)
    with pytest.raises(RunError, match=r"a batch of 100 examples .* cannot be cut") as caught:
        guards.smaller(0, 100, coupled=True)
    assert "--set batch_size=50" in caught.value.repair


class Net(nn.Module):
    """Two layers and batch norm; a fault may be put into the second layer's output."""

    def __init__(self, fault=None):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.normal, self.last, self.fault = nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1), fault

    def forward(self, x):
        hidden = self.normal(self.first(x))
        return self.last(hidden * math.inf if self.fault == "last" else hidden)


def squares(network, batch, draw):
    return Loss((network(batch.arrays["x"]) ** 2).sum(), len(batch))


def nan_loss(network, batch, draw):
    return Loss(squares(network, batch, draw).total * math.nan, len(batch))


def root(network, batch, draw):
    good = squares(network, batch, draw)
    return Loss(good.total + (network.first.bias * 0).sum().sqrt(), len(batch))


def batches(*rows):
    return [
        (Batch({"x": torch.tensor(x), "n": torch.arange(len(x))}, np.arange(10, 10 + len(x))), Key(0)) for x in rows
    ]


GOOD = [[1.0, 2.0], [3.0, 5.0], [0.5, 0.1]]
SPOILT = [[1.0, 2.0], [3.0, -math.inf], [0.5, 0.1]]


@pytest.mark.parametrize(
    ("network", "loss", "given", "said"),
    [
        (Net(), squares, [SPOILT], "the input 'x' of example 11 is not finite"),
        (Net(), squares, [GOOD, SPOILT], "the input 'x' of example 11 is not finite"),
        (Net("last"), squares, [GOOD], "the first output that is not finite is that of the layer 'last' (Linear)"),
        (Net(), nan_loss, [GOOD], "all outputs of the network's layers are finite, their loss is not"),
        (Net(), root, [GOOD], "the gradient of 'first.bias' is not finite"),
        (Net(), squares, [GOOD, GOOD], guards.NOTHING_FOUND),
    ],
)
def test_the_first_fault_is_named_and_the_network_is_left_as_it_was(network, loss, given, said):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert guards.name_fault(network, loss, iter(batches(*given)), torch.float32) == said
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_memory_that_does_not_suffice_elsewhere_is_said_in_words():
    with pytest.raises(RunError, match="memory did not suffice for training: no room"), guards.in_words("training"):
        raise torch.OutOfMemoryError("no room")
    with pytest.raises(RuntimeError, match="shapes"), guards.in_words("training"):
        raise RuntimeError("shapes do not match")


def test_one_example_cannot_be_normalised_and_that_is_said():
    normal = torch.nn.BatchNorm1d(2)
    with pytest.raises(RunError, match="cannot learn from one example at once"), guards.in_words("training"):
        normal(torch.zeros(1, 2))


def test_a_state_of_another_network_is_refused():
    one, two = {"network.w": torch.zeros(2, 3)}, {"network.w": torch.zeros(3, 3), "best.w": torch.zeros(1)}
    guards.check_same(one, one)
    with pytest.raises(RunError, match=r"'w' is \(3, 3\) there and \(2, 3\) here"):
        guards.check_same(one, two)
    with pytest.raises(RunError, match=r"'v' is absent there and \(1,\) here"):
        guards.check_same({**one, "network.v": torch.zeros(1)}, one)
