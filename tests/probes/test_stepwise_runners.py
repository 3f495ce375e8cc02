"""Step-by-step generation is the same over torch and over a small numpy Runner with the same weights."""

import numpy as np
import torch

from deepwell.core.runner import NumpyRunner
from deepwell.nn.runner import TorchRunner
from tests.probes.networks import Speller
from tests.probes.stepwise import spell


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_speller(network: Speller) -> NumpyRunner:
    """The gated recurrent unit written out (Cho et al. 2014, in torch's form) over the same weights."""
    w = {name: tensor.numpy() for name, tensor in network.state_dict().items()}

    def step(arrays, state):
        x = w["embedding.weight"][arrays["token"]]
        memory = np.zeros((len(x), x.shape[1]), np.float32) if state is None else state["memory"]
        inner = x @ w["cell.weight_ih"].T + w["cell.bias_ih"]
        outer = memory @ w["cell.weight_hh"].T + w["cell.bias_hh"]
        (ri, zi, ni), (rh, zh, nh) = np.split(inner, 3, 1), np.split(outer, 3, 1)
        reset, keep = sigmoid(ri + rh), sigmoid(zi + zh)
        memory = (1 - keep) * np.tanh(ni + reset * nh) + keep * memory
        return {"logits": memory @ w["head.weight"].T + w["head.bias"]}, {"memory": memory}

    return NumpyRunner({"step": step})


def test_torch_and_numpy_agree_step_by_step() -> None:
    torch.manual_seed(0)
    network = Speller(11, 16)
    start = np.array([[0, 1], [3, 7], [10, 10]])
    over_torch, over_numpy = (spell(r, start, 8) for r in (TorchRunner(network), numpy_speller(network)))
    assert over_torch.shape == (3, 8)
    np.testing.assert_array_equal(over_torch, over_numpy)


def test_picked_states_continue_their_rows() -> None:
    torch.manual_seed(1)
    network = Speller(11, 16)
    for runner in (TorchRunner(network), numpy_speller(network)):
        _, state = runner.run("step", {"token": np.array([1, 2, 3])}, None)
        picked, _ = runner.run("step", {"token": np.array([5, 5])}, runner.pick(state, np.array([2, 0])))
        whole, _ = runner.run("step", {"token": np.array([5, 5, 5])}, state)
        np.testing.assert_allclose(picked["logits"], whole["logits"][[2, 0]], atol=1e-6)
