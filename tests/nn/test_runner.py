"""TorchRunner: named calls, opaque state, nothing changed behind the caller's back."""

import numpy as np
import pytest
import torch
from torch import nn

from deepwell.core.errors import ConfigError
from deepwell.nn.runner import TorchRunner


class Net(nn.Module):
    calls = ("forward", "step")

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.seen = {}

    def forward(self, arrays, state=None):
        self.seen = {name: tensor.dtype for name, tensor in arrays.items()}
        arrays["x"].mul_(2)  # a rude network
        return {"y": self.drop(arrays["x"]).to(torch.bfloat16), "k": arrays["k"]}, None

    def step(self, arrays, state=None):
        state = {"h": (arrays["x"], [arrays["x"] + 1]), "n": None} if state is None else state
        return {"y": state["h"][0] + state["h"][1][0]}, state

    def secret(self, arrays, state=None):
        return {}, None


def arrays():
    return {
        "x": np.arange(6.0).reshape(3, 2),
        "k": np.array([1, 2, 3]),
        "b": np.array([True, False, True]),
        "u": np.zeros(3, np.uint8),
    }


def test_outputs_are_float32_in_evaluation_mode_and_inputs_are_unchanged():
    net, given = Net().train(), arrays()
    outputs, state = TorchRunner(net).run("forward", given)
    assert state is None
    assert outputs["y"].dtype == np.float32
    np.testing.assert_array_equal(outputs["y"], 2 * np.arange(6).reshape(3, 2))
    assert outputs["k"].dtype == np.int64
    np.testing.assert_array_equal(given["x"], np.arange(6.0).reshape(3, 2))
    assert net.seen == {"x": torch.float32, "k": torch.int64, "b": torch.bool, "u": torch.uint8}
    assert net.training
    assert net.drop.training


def test_modes_of_submodules_are_restored():
    net = Net().train()
    net.drop.eval()
    TorchRunner(net).run("forward", arrays())
    assert net.training
    assert not net.drop.training


def test_state_stays_and_pick_reorders_its_rows():
    runner = TorchRunner(Net())
    _, state = runner.run("step", {"x": np.arange(6.0).reshape(3, 2)})
    picked = runner.pick(state, np.array([2, 2, 0]))
    outputs, _ = runner.run("step", {"x": np.zeros((3, 2))}, picked)
    np.testing.assert_array_equal(outputs["y"], 2 * np.array([[4, 5], [4, 5], [0, 1]]) + 1)
    assert picked["n"] is None
    assert isinstance(picked["h"], tuple)


@pytest.mark.parametrize("call", ["secret", "stp", "__init__", "drop", "parameters"])
def test_only_declared_calls_can_be_run(call):
    with pytest.raises(ConfigError, match="Net has no call"):
        TorchRunner(Net()).run(call, {})


def test_nearest_call_is_offered():
    with pytest.raises(ConfigError, match="did you mean 'step'"):
        TorchRunner(Net()).run("stp", {})


def test_without_calls_only_forward():
    class Plain(nn.Module):
        def forward(self, arrays, state=None):
            return {"y": arrays["x"]}, state

        def other(self, arrays, state=None):
            return {}, state

    runner = TorchRunner(Plain())
    assert runner.run("forward", {"x": np.ones(2)})[0]["y"].tolist() == [1, 1]
    with pytest.raises(ConfigError):
        runner.run("other", {})


def test_read_only_arrays_are_accepted():
    given = np.ones((2, 2))
    given.flags.writeable = False
    outputs, _ = TorchRunner(Net()).run("step", {"x": given})
    assert outputs["y"].shape == (2, 2)


def test_a_lower_precision_is_that_of_the_products_inside_and_outputs_stay_whole():
    torch.manual_seed(0)

    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 8)

        def forward(self, arrays, state=None):
            return {"y": self.layer(arrays["x"])}, None

    module, x = Product(), np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    exact, rough = (
        TorchRunner(module, "cpu", p).run("forward", {"x": x})[0]["y"] for p in (torch.float32, torch.bfloat16)
    )
    assert rough.dtype == exact.dtype == np.float32
    assert np.array_equal(rough, torch.from_numpy(rough).bfloat16().float().numpy())
    assert not np.array_equal(rough, exact)
    assert np.allclose(rough, exact, atol=0.05)
