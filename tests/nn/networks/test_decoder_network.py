"""Decoder: steps with a cache say what the whole says, however it is cut; sizes; learning; what a runner sees."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.networks.awake import awake
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from deepwell.decoding.steps import generate, greedy
from deepwell.nn.layers.token_grams import GramShape
from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.decoder import Decoder
from deepwell.nn.networks.sizes import decoder_multiplications, decoder_parameters
from deepwell.nn.runner import TorchRunner
from deepwell.training.muon import hidden
from deepwell.training.optimisers import matrices

SHAPE = TransformerShape(width=16, layers=2, heads=2, hidden=24)
GRAMS = GramShape(3, 97, 4)


def decoder(grams=GRAMS, tied=True, shape=SHAPE):
    torch.manual_seed(0)
    return awake(Decoder(50, shape, grams, tied)).eval()


def surprises(network, tokens, cuts):
    """-log p of each token, asked in pieces that end at `cuts`."""
    found, state, start = [], None, 0
    for stop in cuts:
        outputs, state = network.step({"token": tokens[:, start:stop]}, state)
        found.append(-outputs["logits"].log_softmax(1).gather(1, tokens[:, stop : stop + 1]))
        start = stop
    return torch.cat(found, 1)


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 11), min_size=1), grams=st.sampled_from([None, GRAMS, GramShape(6, 50, 3)]),
    tied=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_steps_say_what_the_whole_says_however_it_is_cut(cuts, grams, tied, seed):
    network, cuts = decoder(grams, tied), sorted(cuts)
    tokens = torch.randint(50, (3, 12), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        whole = network({"tokens": tokens})[0]["nll"]
        torch.testing.assert_close(surprises(network, tokens, cuts), whole[:, [c - 1 for c in cuts]], rtol=0, atol=1e-5)


def test_a_single_token_may_come_without_its_axis():
    network, token = decoder(), torch.tensor([4, 7])
    assert torch.equal(
        network.step({"token": token})[0]["logits"], network.step({"token": token[:, None]})[0]["logits"]
    )


def test_nothing_looks_ahead_and_rows_are_apart():
    network, tokens = decoder(), torch.randint(50, (3, 12))
    whole = network({"tokens": tokens})[0]["nll"]
    other = tokens.clone()
    other[:, 7:] = 0
    torch.testing.assert_close(network({"tokens": other})[0]["nll"][:, :6], whole[:, :6], rtol=0, atol=1e-5)
    torch.testing.assert_close(network({"tokens": tokens[1:2]})[0]["nll"], whole[1:2], rtol=0, atol=1e-5)


def test_a_state_can_be_continued_twice_and_picked():
    network = decoder()
    runner, start = TorchRunner(network), np.array([[3, 4, 5], [6, 7, 8]])
    _, state = runner.run("step", {"token": start})
    first, _ = runner.run("step", {"token": np.array([9, 10])}, state)
    runner.run("step", {"token": np.array([11, 12])}, state)
    again, _ = runner.run("step", {"token": np.array([9, 10])}, state)
    assert np.array_equal(first["logits"], again["logits"])
    swapped = runner.pick(state, np.array([1, 0, 1]))
    other, _ = runner.run("step", {"token": np.array([10, 9, 10])}, swapped)
    np.testing.assert_allclose(other["logits"], first["logits"][[1, 0, 1]], atol=1e-5)


def test_generation_with_the_cache_is_generation_without():
    network = decoder()
    runner, start = TorchRunner(network), np.array([[3, 4, 5], [6, 7, 8]])
    _, state = runner.run("step", {"token": start[:, :2]})
    cached = generate(runner, "step", {"token": start[:, 2]}, state, 20, greedy)
    tokens = start
    for _ in range(20):
        outputs, _ = runner.run("step", {"token": tokens})
        tokens = np.concatenate([tokens, outputs["logits"].argmax(1)[:, None]], 1)
    assert np.array_equal(cached, tokens[:, 3:])


def test_it_begins_knowing_nothing():
    torch.manual_seed(0)
    network = Decoder(300, TransformerShape(64, 4, 4, 256), GramShape(4, 997, 16))
    nll = network({"tokens": torch.randint(300, (8, 40))})[0]["nll"]
    assert abs(float(nll.detach().mean()) - np.log(300)) < 0.1


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_every_weight_learns(autocast, tied):
    network = decoder(tied=tied, shape=TransformerShape(16, 2, 2, 24, dropout=0.1)).train()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        nll = network({"tokens": torch.randint(50, (4, 150), dtype=torch.int32)})[0]["nll"]
    assert nll.dtype == torch.float32
    nll.sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_gradients_in_bfloat16_point_where_those_in_float32_do():
    tokens, found = torch.randint(50, (8, 140), generator=torch.Generator().manual_seed(1)), []
    for autocast in (False, True):
        network = decoder().train()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            network({"tokens": tokens})[0]["nll"].sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert torch.cosine_similarity(*found, dim=0) > 0.995


def test_it_learns_a_rule_that_needs_attention():
    """Each row repeats its own random half: the second half can be known only by looking back."""
    torch.manual_seed(0)
    network = Decoder(12, TransformerShape(32, 2, 2, 64))
    optimiser = torch.optim.Adam(network.parameters(), 4e-3)
    for _ in range(250):
        half = torch.randint(12, (32, 8))
        nll = network({"tokens": torch.cat([half, half], 1)})[0]["nll"]
        optimiser.zero_grad()
        nll.mean().backward()
        optimiser.step()
    assert nll[:, 8:].mean() < 0.1
    assert nll[:, :7].mean() > 0.9 * np.log(12)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("grams", [None, GRAMS])
def test_parameters_are_counted(tied, grams):
    assert decoder_parameters(50, SHAPE, grams, tied) == sum(p.numel() for p in decoder(grams, tied).parameters())


def test_multiplications_are_those_that_torch_counts():
    shape, length = TransformerShape(16, 2, 2, 24, rotary=False), 9
    network, tokens = decoder(shape=shape), torch.randint(50, (3, length + 1))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network({"tokens": tokens})
    ahead = 2 * 2 * 16 * (length - 1) / 2  # torch counts also what causal attention does not need
    assert counter.get_total_flops() == 2 * 3 * length * (decoder_multiplications(50, shape, length, GRAMS) + ahead)


@pytest.mark.parametrize("tied", [False, True])
def test_muon_gets_all_matrices_inside_and_no_others(tied):
    network = decoder(tied=tied)
    names = [n for n, _ in network.named_parameters()]
    inside = {n for n, p in network.named_parameters() if "blocks" in n and p.ndim == 2} | {"grams.mix.weight"}
    assert hidden(network, names, matrices(network)) == inside


def test_it_is_built_on_the_meta_device_and_filled():
    source, tokens = decoder(), torch.randint(50, (2, 6))
    with torch.device("meta"):
        empty = Decoder(50, SHAPE, GRAMS)
    assert not list(empty.buffers())
    filled = empty.to_empty(device="cpu").eval()
    filled.load_state_dict(source.state_dict())
    assert torch.equal(filled({"tokens": tokens})[0]["nll"], source({"tokens": tokens})[0]["nll"])
