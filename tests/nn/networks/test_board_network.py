"""BoardNetwork: shapes, an even start, and that it can be built without memory."""

import torch

from deepwell.nn.networks.board import BoardNetwork


def test_at_first_all_moves_and_results_are_alike():
    network = BoardNetwork((2, 6, 7), 7, 16, 2).eval()
    outputs, state = network({"view": torch.randint(0, 2, (5, 2, 6, 7)).float()})
    assert state is None
    assert outputs["policy"].shape == (5, 7)
    assert outputs["chances"].shape == (5, 3)
    assert not outputs["policy"].any()
    assert not outputs["value"].any()


def test_the_value_is_the_chance_to_win_less_that_to_lose():
    network = BoardNetwork((2, 3, 3), 9, 16, 1).eval()
    torch.nn.init.normal_(network.value.weight)
    outputs, _ = network({"view": torch.randint(0, 2, (4, 2, 3, 3)).float()})
    shares = outputs["chances"].softmax(1)
    assert torch.allclose(outputs["value"], shares[:, 0] - shares[:, 2])
    assert outputs["value"].abs().max() <= 1


def test_it_is_built_without_memory():
    with torch.device("meta"):
        network = BoardNetwork((2, 6, 7), 7, 32, 3)
    assert all(t.is_meta for t in network.state_dict().values())
