"""EncoderDecoder: steps say what the whole says, padding and neighbours have no influence, sizes, learning, beams."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.networks.awake import awake
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from deepwell.decoding.beam import Search, beam_search
from deepwell.decoding.steps import generate, greedy
from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.encoder_decoder import EncoderDecoder
from deepwell.nn.networks.sizes import encoder_decoder_multiplications, encoder_decoder_parameters
from deepwell.nn.runner import TorchRunner
from deepwell.training.muon import hidden
from deepwell.training.optimisers import matrices

READER = TransformerShape(width=16, layers=2, heads=2, hidden=24)
WRITER = TransformerShape(width=16, layers=1, heads=4, hidden=20)


def network(tied=True, source=50, target=50, reader=READER, writer=WRITER, pointer=False):
    torch.manual_seed(0)
    return awake(EncoderDecoder(source, target, reader, writer, tied, pointer)).eval()


def pairs(seed, sources, targets, wide=0):
    g = torch.Generator().manual_seed(seed)
    n = len(sources)
    return {
        "source": torch.randint(50, (n, max(*sources, 1) + wide), generator=g, dtype=torch.int32),
        "source.length": torch.tensor(sources),
        "target": torch.randint(50, (n, max(targets) + wide), generator=g, dtype=torch.int32),
        "target.length": torch.tensor(targets),
    }


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 8), st.integers(2, 8)), min_size=1, max_size=4), wide=st.integers(0, 4),
    pointer=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_pair_is_the_same_alone_among_others_and_with_anything_behind_it(rows, wide, pointer, seed):
    model, arrays = network(pointer=pointer), pairs(seed, *zip(*rows, strict=True), wide)
    outputs, _ = model(arrays)
    for row, (source, target) in enumerate(rows):
        alone = {k: v[row : row + 1] for k, v in arrays.items()}
        alone |= {"source": alone["source"][:, : max(source, 1)], "target": alone["target"][:, :target]}
        expected, _ = model(alone)
        for name in ("nll", "spread"):
            assert not outputs[name][row, target - 1 :].any()
            torch.testing.assert_close(outputs[name][row, : target - 1], expected[name][0], rtol=0, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 8), min_size=1), kind=st.sampled_from([(True, False), (False, False), (True, True)]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_steps_say_what_the_whole_says_however_it_is_cut(cuts, kind, seed):
    tied, pointer = kind
    model, arrays = network(tied, pointer=pointer), pairs(seed, [5, 0, 8], [9, 9, 9])
    arrays["target"][0, 2:6] = arrays["source"][0, :4]  # a stretch that may be copied
    with torch.no_grad():
        whole = model(arrays)[0]
        outputs, state = model.encode({k: arrays[k] for k in ("source", "source.length")})
        assert outputs == {}
        start = 0
        for stop in sorted(cuts):
            outputs, state = model.step({"token": arrays["target"][:, start:stop]}, state)
            logs = -outputs["logits"].log_softmax(1)
            nll = logs.gather(1, arrays["target"][:, stop : stop + 1].long())[:, 0]
            torch.testing.assert_close(nll, whole["nll"][:, stop - 1], rtol=0, atol=1e-5)
            if not pointer:
                torch.testing.assert_close(logs.mean(1), whole["spread"][:, stop - 1], rtol=0, atol=1e-5)
            start = stop


def test_what_was_read_matters():
    model, arrays = network(), pairs(0, [5, 5], [6, 6])
    other = {**arrays, "source": arrays["source"].flip(0)}
    assert not torch.allclose(model(arrays)[0]["nll"], model(other)[0]["nll"])


def test_with_a_pointer_every_token_has_a_probability_and_all_together_are_one():
    model, arrays = network(pointer=True), pairs(3, [5, 0, 8], [4, 4, 4])
    _, state = model.encode(arrays)
    logits = model.step({"token": arrays["target"][:, :3]}, state)[0]["logits"]
    assert logits.isfinite().all()
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(3))


def test_the_spread_with_a_pointer_is_that_of_words_which_are_not_in_the_source():
    model, arrays = network(pointer=True), pairs(4, [5], [4])
    spread = model(arrays)[0]["spread"][:, -1]
    _, state = model.encode(arrays)
    logs = model.step({"token": arrays["target"][:, :3]}, state)[0]["logits"]
    copied = torch.nn.functional.one_hot(arrays["source"].long(), 50).sum(1).bool()
    others = logs.masked_fill(copied, 0)
    pointer = model.pointer
    model.pointer = None
    alone = model.step({"token": arrays["target"][:, :3]}, state)[0]["logits"].log_softmax(-1)
    model.pointer = pointer
    own = (others - alone.masked_fill(copied, 0)).sum(1) / (~copied).sum(1)  # log probability of writing by oneself
    torch.testing.assert_close(spread, -(alone + own[:, None]).mean(1))


@pytest.mark.parametrize("pointer", [False, True])
@pytest.mark.parametrize("width", [1, 4])
def test_what_a_beam_search_scores_is_what_forward_says(width, pointer):
    runner = TorchRunner(network(pointer=pointer))
    arrays = {"source": np.random.default_rng(0).integers(8, 50, (3, 7)), "source.length": np.array([7, 2, 4])}
    _, state = runner.run("encode", arrays)
    beams = beam_search(runner, "step", {"token": np.ones(3, np.int64)}, state, 6, 0, Search(width))
    for answer in range(width):
        target = np.concatenate([np.ones((3, 1), np.int64), beams.tokens[:, answer]], 1)
        asked = {**arrays, "target": target, "target.length": beams.lengths[:, answer] + 1}
        nll = runner.run("forward", asked)[0]["nll"]
        np.testing.assert_allclose(beams.scores[:, answer], -nll.sum(1), atol=1e-4)


def test_a_beam_of_one_is_greedy():
    runner = TorchRunner(network())
    arrays = {"source": np.random.default_rng(0).integers(8, 50, (3, 7)), "source.length": np.array([7, 2, 4])}
    _, state = runner.run("encode", arrays)
    start = {"token": np.ones(3, np.int64)}
    beams = beam_search(runner, "step", start, state, 6, 0, Search(1))
    written = generate(runner, "step", start, state, 6, greedy, stop=0)
    assert np.array_equal(beams.tokens[:, 0, : written.shape[1]], written)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("tied", "pointer"), [(False, False), (True, False), (True, True)])
def test_every_weight_learns(autocast, tied, pointer):
    dropped = TransformerShape(16, 2, 2, 24, dropout=0.1)
    model = network(tied, reader=dropped, writer=dropped, pointer=pointer).train()
    arrays = pairs(1, [6, 3, 0], [9, 2, 5])
    arrays["target"][0, 1:6] = arrays["source"][0, :5]  # so that stretches of every length are copied
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        outputs, _ = model(arrays)
    (0.9 * outputs["nll"] + 0.1 * outputs["spread"]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_it_learns_to_write_backwards():
    torch.manual_seed(0)
    shape = TransformerShape(32, 2, 2, 64)
    model = EncoderDecoder(12, 12, shape, shape)
    optimiser = torch.optim.Adam(model.parameters(), 4e-3)
    for _ in range(250):
        words = torch.randint(2, 12, (32, 6))
        target = torch.cat([torch.ones(32, 1, dtype=torch.long), words.flip(1)], 1)
        arrays = {"source": words, "source.length": torch.full((32,), 6)}
        nll = model({**arrays, "target": target, "target.length": torch.full((32,), 7)})[0]["nll"]
        optimiser.zero_grad()
        nll.mean().backward()
        optimiser.step()
    assert nll.mean() < 0.6  # of 2.3 nats per letter


def test_shared_tables_are_one_and_separate_ones_three():
    one, three = network(), network(tied=False, source=40, target=60)
    tables = [name for name, tensor in one.state_dict().items() if tensor.shape == (50, 16)]
    assert tables == ["embedding.weight"]  # a bundle holds it once
    assert one.output is one.embedding.weight
    assert three.encoder.embedding.weight.shape == (40, 16)
    assert three.embedding.weight.shape == three.output.shape == (60, 16)
    assert three.output is not three.embedding.weight


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="vocabularies of 40 and 60"):
        network(source=40, target=60)
    with pytest.raises(ValueError, match="widths 16 and 8"):
        network(writer=TransformerShape(8, 1, 2, 8))
    with pytest.raises(ValueError, match="a vocabulary that both sides share can be copied"):
        network(tied=False, pointer=True)


@pytest.mark.parametrize(
    ("tied", "source", "target", "pointer"), [(True, 50, 50, False), (False, 40, 60, False), (True, 50, 50, True)]
)
def test_parameters_are_counted(tied, source, target, pointer):
    found = sum(p.numel() for p in network(tied, source, target, pointer=pointer).parameters())
    assert encoder_decoder_parameters(source, target, READER, WRITER, tied, pointer) == found


@pytest.mark.parametrize("pointer", [False, True])
def test_multiplications_are_those_that_torch_counts(pointer):
    reader, writer = TransformerShape(16, 2, 2, 24, rotary=False), TransformerShape(16, 3, 4, 20, rotary=False)
    model, arrays = network(reader=reader, writer=writer, pointer=pointer), pairs(0, [5, 5], [9, 9])
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(arrays)
    ahead = 8 * 3 * 2 * 16 * (8 - 1) / 2  # torch counts also what causal attention does not need
    each = encoder_decoder_multiplications(50, reader, writer, 5, 8, pointer)
    assert counter.get_total_flops() == 2 * 2 * (each + ahead)


@pytest.mark.parametrize(("tied", "pointer"), [(False, False), (True, False), (True, True)])
def test_muon_gets_all_matrices_inside_and_no_others(tied, pointer):
    model = network(tied, pointer=pointer)
    names = [n for n, _ in model.named_parameters()]
    within = ("blocks", "pointer.query", "pointer.keys")
    inside = {n for n, p in model.named_parameters() if any(part in n for part in within) and p.ndim == 2}
    assert hidden(model, names, matrices(model)) == inside


def test_it_is_built_on_the_meta_device_and_filled():
    source, arrays = network(), pairs(0, [5, 3], [6, 4])
    with torch.device("meta"):
        empty = EncoderDecoder(50, 50, READER, WRITER)
    assert not list(empty.buffers())
    filled = empty.to_empty(device="cpu").eval()
    filled.load_state_dict(source.state_dict())
    assert torch.equal(filled(arrays)[0]["nll"], source(arrays)[0]["nll"])


def test_with_a_pointer_words_are_copied_that_training_never_saw():
    torch.manual_seed(0)
    shape = TransformerShape(32, 1, 2, 64)
    model = EncoderDecoder(60, 60, shape, shape, pointer=True)
    optimiser = torch.optim.Adam(model.parameters(), 4e-3)

    def nll(low, high):
        words = torch.randint(low, high, (32, 6))
        target = torch.cat([torch.ones(32, 1, dtype=torch.long), words], 1)
        arrays = {"source": words, "source.length": torch.full((32,), 6)}
        return model({**arrays, "target": target, "target.length": torch.full((32,), 7)})[0]["nll"].mean()

    for _ in range(60):
        optimiser.zero_grad()
        nll(8, 40).backward()
        optimiser.step()
    assert nll(40, 60) < 0.5  # of 4.1 nats per word, of which nothing can be known but from the source
