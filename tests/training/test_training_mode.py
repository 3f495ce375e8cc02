"""Frozen modules stay in evaluation mode while the rest trains: no dropout, and statistics that do not move."""

import torch
from torch import nn

from deepwell.training.updates import training_mode


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2), nn.BatchNorm1d(2))


def modes(network: nn.Module) -> dict[str, bool]:
    return {name: module.training for name, module in network.named_modules()}


def test_without_frozen_parameters_everything_trains() -> None:
    network = Net().eval()
    training_mode(network)
    assert all(modes(network).values())


def test_a_module_whose_parameters_are_all_frozen_is_evaluated() -> None:
    network = Net()
    network.encoder.requires_grad_(False)
    training_mode(network)
    assert {name for name, training in modes(network).items() if not training} == {
        "encoder", "encoder.0", "encoder.1", "encoder.2",
    }  # fmt: skip
    before = network.encoder[1].running_mean.clone()
    network.head(network.encoder(torch.randn(16, 3) + 5))
    assert torch.equal(network.encoder[1].running_mean, before)
    assert network.head[2].num_batches_tracked == 1


def test_a_module_that_is_partly_frozen_trains() -> None:
    network = Net()
    network.encoder[0].requires_grad_(False)
    training_mode(network)
    assert {name for name, training in modes(network).items() if not training} == {"encoder.0"}
