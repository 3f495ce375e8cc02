"""TabularNetwork: outputs, what members are, what the optimiser is told, and that it is rebuilt from sizes alone."""

import numpy as np
import pytest
import torch

from deepwell.nn.networks.tabular import TabularNetwork, TabularShape
from deepwell.nn.runner import TorchRunner
from deepwell.nn.treatment import treatment


def build(numbers=True, categories=True, targets=None):
    torch.manual_seed(0)
    return TabularNetwork(
        numbers={"a": (1, 7), "b": (2, 3)} if numbers else {},
        categories={"k": 4} if categories else {},
        targets={"y": 3, "z": None} if targets is None else targets,
        shape=TabularShape(members=4, width=16, depth=2),
        dropout=0.2,
        encoder_rate=5.0,
    )


def arrays(n=6):
    draws = np.random.default_rng(0)
    return {
        "inputs.number": draws.normal(size=(n, 3)).astype(np.float32),
        "inputs.number.position": draws.uniform(0, 2, (n, 2)).astype(np.float32),
        "inputs.category": draws.integers(0, 4, (n, 1)).astype(np.int32),
    }


def tensors(n=6):
    return {name: torch.tensor(array) for name, array in arrays(n).items()}


def test_the_answer_is_the_mean_of_the_members_probabilities_or_values():
    network = build()
    network.blocks[3].p = network.blocks[6].p = 0.0
    outputs, state = network(tensors())
    assert state is None
    torch.testing.assert_close(outputs["y.logits"].softmax(-1), outputs["y.members"].softmax(-1).mean(1))
    torch.testing.assert_close(outputs["z.value"], outputs["z.members"].mean(1))
    assert outputs["y.members"].shape == (6, 4, 3)
    assert outputs["z.members"].shape == (6, 4)


def test_members_differ_from_the_start():
    members = build()(tensors())[0]["z.members"]
    assert members.std(1).min() > 1e-3


def test_only_the_answers_are_given_in_prediction():
    outputs, _ = TorchRunner(build()).run("forward", arrays())
    assert {name: array.shape for name, array in outputs.items()} == {"y.logits": (6, 3), "z.value": (6,)}


def test_rows_do_not_see_each_other():
    runner, data = TorchRunner(build()), arrays(8)
    order = np.random.default_rng(1).permutation(8)
    outputs, _ = runner.run("forward", data)
    moved, _ = runner.run("forward", {name: array[order] for name, array in data.items()})
    np.testing.assert_array_equal(moved["y.logits"], outputs["y.logits"][order])


@pytest.mark.parametrize(("numbers", "categories"), [(True, False), (False, True)])
def test_either_kind_of_column_is_enough(numbers, categories):
    network = build(numbers, categories)
    assert set(network.encoder) == ({"number"} if numbers else {"category"})
    assert network(tensors())[0]["y.logits"].isfinite().all()


def test_encoders_learn_faster_and_do_not_decay():
    told = {n: (treatment(p).lr_scale, treatment(p).decays) for n, p in build().named_parameters()}
    assert all(hints == (5.0, False) for name, hints in told.items() if name.startswith("encoder."))
    assert told["blocks.0.scale"] == (1.0, False)
    assert told["blocks.1.weight"] == told["heads.0.weight"] == (1.0, True)


def test_it_is_rebuilt_without_memory_and_every_value_comes_from_the_weights():
    network = build()
    with torch.device("meta"):
        copy = build()
    copy.load_state_dict(network.state_dict(), assign=True)
    assert not [n for n, t in [*copy.named_parameters(), *copy.named_buffers()] if t.is_meta]
    ours, theirs = TorchRunner(network).run("forward", arrays())[0], TorchRunner(copy).run("forward", arrays())[0]
    np.testing.assert_array_equal(ours["y.logits"], theirs["y.logits"])
