"""The compiled object trains the network's own weights, and nothing else ever sees it."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.probes.networks import Adversaries, Speller
from tests.training.test_loop import Net, data, loss
from torch import nn

from deepwell.core.batch import Batch
from deepwell.core.keys import Key
from deepwell.training import compiling
from deepwell.training.averaging import Average


@pytest.fixture
def calls(monkeypatch):
    """Instead of compiling, calls are counted; gives [(name, mode), ...] in the order in which they were run."""
    ran = []

    def pretend(function, mode=None):
        def run(*arguments):
            ran.append((function.__name__, mode))
            return function(*arguments)

        return run

    monkeypatch.setattr(torch, "compile", pretend)
    return ran


def batch():
    return Batch({n: torch.from_numpy(c) for n, c in data(20).columns.items()}, np.arange(20))


def test_losses_run_through_the_compiled_call_and_reach_the_same_weights(calls) -> None:
    network = Net()
    seen = compiling.compiled(network)
    loss(seen, batch(), Key(0)).total.backward()
    assert calls == [("forward", None)]
    found = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    loss(network, batch(), Key(0)).total.backward()
    assert calls == [("forward", None)], "the network itself is not compiled"
    assert all(torch.equal(a, p.grad) for a, p in zip(found, network.parameters(), strict=True))


def test_copies_averages_and_state_never_see_it(calls) -> None:
    network = Net(4)
    before = list(network.state_dict())
    seen = compiling.compiled(network)
    assert list(network.state_dict()) == before
    assert all(a is b for a, b in zip(seen.parameters(), network.parameters(), strict=True))
    for other in (copy.deepcopy(network), Average(network, 0.1).module):
        other({"x": torch.ones(2, 3)})
    assert calls == []


def test_the_device_and_mode_of_the_network_are_followed(calls) -> None:
    network = Net(4)
    seen = compiling.compiled(network)
    network.to(torch.float64)
    network.eval()
    assert seen({"x": torch.ones(2, 3, dtype=torch.float64)})[0]["y"].dtype == torch.float64
    assert not seen.body.training, "submodules are the network's"
    assert seen.training, "it is there for training only"


def test_every_named_call_is_compiled(calls) -> None:
    seen = compiling.compiled(Adversaries(4))
    point = seen.generate({"noise": torch.ones(2, 4)})[0]["point"]
    seen.criticise({"point": point})
    assert [name for name, _ in calls] == ["generate", "criticise"]
    speller = compiling.compiled(Speller(5, 3))
    speller({"word": torch.zeros(2, 2, dtype=torch.int64)})
    assert [name for name, _ in calls[2:]] == ["forward", "step", "step"]


def test_on_cuda_a_network_of_one_call_and_steady_batches_runs_as_graphs() -> None:
    line = nn.Linear(1, 1)
    assert compiling.mode(line, "cuda", steady=True) == "reduce-overhead"
    assert compiling.mode(line, "cpu", steady=True) is None
    assert compiling.mode(line, "cuda", steady=False) is None
    assert compiling.mode(Adversaries(4), "cuda", steady=True) is None


def test_torch_itself_traces_the_shadow(monkeypatch) -> None:
    """torch.compile for real, without its slow backend."""
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, mode=None: real(function, backend="eager", fullgraph=True))
    network = Net(4)
    seen, plain = compiling.compiled(network), copy.deepcopy(network)
    for module in (seen, plain):
        torch.manual_seed(3)
        loss(module, batch(), Key(0)).total.backward()
    assert all(torch.allclose(a.grad, b.grad) for a, b in zip(network.parameters(), plain.parameters(), strict=True))
    assert torch.equal(network.body[1].running_mean, plain.body[1].running_mean), "buffers are shared too"


def test_what_stands_in_the_way_is_told(monkeypatch) -> None:
    assert compiling.obstacle("cuda") == ""
    assert compiling.obstacle("mps") == "compiling for mps is not tried"
    monkeypatch.setenv("CXX", "/nowhere/compiler")
    assert compiling.obstacle("cpu") == "no C++ compiler was found"
    monkeypatch.setenv("CXX", "sh")
    assert compiling.obstacle("cpu") == ""


def test_larger_networks_are_expected_to_take_longer() -> None:
    deep = nn.Sequential(*(nn.Linear(1, 1) for _ in range(100)))
    assert compiling.predicted_seconds(deep) == pytest.approx(compiling.BASE_SECONDS + 100 * compiling.LAYER_SECONDS)


def test_errors_of_the_compiler_are_the_ones_that_are_caught() -> None:
    def graph(module, inputs):
        raise RuntimeError("no such kernel")

    with pytest.raises(compiling.errors(), match="no such kernel"):
        torch.compile(nn.Linear(1, 1), backend=graph)(torch.ones(1, 1))


def test_a_training_that_compiles_nothing_does_not_import_the_compiler() -> None:
    code = """
import sys
import deepwell.runs.fitting
from deepwell.training import plan
plan._fused("cpu")
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
