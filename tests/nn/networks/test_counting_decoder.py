"""The network that shares the word with counts: both are what they are alone, and step by step is forward."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import BundleError
from deepwell.evaluation import ngrams
from deepwell.nn.layers.gram_counts import GramCounts
from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.counting_decoder import CountingDecoder
from deepwell.nn.networks.decoder import Decoder
from deepwell.nn.runner import TorchRunner

V = 7


def counted(seed: int = 0, order: int = 4) -> ngrams.NGrams:
    """A model of a text in which some pairs are frequent."""
    draws = np.random.default_rng(seed)
    return ngrams.count(np.cumsum(draws.integers(0, 3, 400)) % 6, V, order)


def filled(counts: GramCounts, model: ngrams.NGrams) -> GramCounts:
    for number, level in enumerate(model.levels):
        of = level.counts
        counts.fill(number, (level.codes, of.less, of.total, of.back))
    return counts


def network(model: ngrams.NGrams) -> CountingDecoder:
    torch.manual_seed(0)
    decoder = Decoder(V, TransformerShape(16, 2, 2, 32))
    made = CountingDecoder(decoder, V, [len(level.codes) for level in model.levels])
    with torch.no_grad():
        for parameter in made.gate.parameters():  # else the gate would be the same everywhere
            parameter.normal_(std=0.5)
    filled(made.counts, model)
    return made


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(0, 10**6))
def test_tables_answer_as_the_model_that_was_counted(order: int, seed: int) -> None:
    model = counted(seed, order)
    counts = filled(GramCounts(V, [len(level.codes) for level in model.levels]), model)
    tokens = np.random.default_rng(seed).integers(0, V, (3, 9))
    share, longest, known = model.seen(tokens)
    found = counts(torch.from_numpy(tokens[:, :-1]), torch.from_numpy(tokens[:, 1:])).numpy()
    np.testing.assert_allclose(found[..., 0], np.log(share), atol=1e-5)
    np.testing.assert_array_equal(found[..., 1], longest)
    np.testing.assert_allclose(found[..., 2], np.log(np.maximum(known, 1)), atol=1e-6)
    following = counts.following(torch.from_numpy(tokens)).numpy()
    for row in range(3):
        np.testing.assert_allclose(np.exp(following[row, :, 0]), model.distribution(tokens[row]), atol=1e-6)


def test_an_untrained_gate_leaves_the_word_to_the_counts() -> None:
    model = counted()
    decoder = Decoder(V, TransformerShape(16, 2, 2, 32))
    made = CountingDecoder(decoder, V, [len(level.codes) for level in model.levels])
    filled(made.counts, model)
    tokens = np.random.default_rng(1).integers(0, V, (2, 12))
    both, alone = (TorchRunner(m).run("forward", {"tokens": tokens})[0]["nll"] for m in (made, decoder))
    own = 1 / (1 + np.e**3)
    np.testing.assert_allclose(np.exp(-both), own * np.exp(-alone) + (1 - own) * model.seen(tokens)[0], rtol=1e-4)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_steps_of_any_length_say_what_forward_measures(cut: list[int]) -> None:
    runner = TorchRunner(network(counted()))
    tokens = np.random.default_rng(sum(cut)).integers(0, V, (2, sum(cut) + 1))
    nll = runner.run("forward", {"tokens": tokens})[0]["nll"]
    state, place = None, 0
    for length in cut:
        piece = tokens[:, place] if length == 1 else tokens[:, place : place + length]
        outputs, state = runner.run("step", {"token": piece}, state)
        place += length
        np.testing.assert_allclose(np.exp(outputs["logits"]).sum(1), 1.0, rtol=1e-4)
        np.testing.assert_allclose(-outputs["logits"][[0, 1], tokens[:, place]], nll[:, place - 1], atol=1e-4)


def test_picked_rows_go_on_as_before() -> None:
    runner = TorchRunner(network(counted()))
    tokens = np.random.default_rng(3).integers(0, V, (3, 6))
    _, state = runner.run("step", {"token": tokens})
    whole, _ = runner.run("step", {"token": tokens[:, 0]}, state)
    picked, _ = runner.run("step", {"token": tokens[[2, 0], 0]}, runner.pick(state, np.array([2, 0])))
    np.testing.assert_allclose(picked["logits"], whole["logits"][[2, 0]], atol=1e-5)


def test_given_counts_stand_for_the_tables() -> None:
    model = counted()
    made = network(model)
    tokens = np.random.default_rng(4).integers(0, V, (2, 8))
    looked_up = np.zeros((2, 8, 3), np.float32)
    looked_up[:, 1:] = made.counts(torch.from_numpy(tokens[:, :-1]), torch.from_numpy(tokens[:, 1:])).numpy()
    runner = TorchRunner(made)
    own, given_ones = (
        runner.run("forward", {"tokens": tokens, **more})[0]["nll"] for more in ({}, {"counted": looked_up})
    )
    np.testing.assert_allclose(own, given_ones, atol=1e-6)
    looked_up[..., 0] = -30.0  # counts that know nothing: what is left is the network's share
    worse = runner.run("forward", {"tokens": tokens, "counted": looked_up})[0]["nll"]
    assert (worse >= own - 1e-6).all()


def test_in_training_the_network_also_speaks_alone() -> None:
    made = network(counted())
    tokens = torch.from_numpy(np.random.default_rng(6).integers(0, V, (2, 8)))
    found = made.train()({"tokens": tokens})[0]
    torch.testing.assert_close(found["alone"], made.decoder({"tokens": tokens})[0]["nll"])
    assert set(made.eval()({"tokens": tokens})[0]) == {"nll"}


@pytest.mark.parametrize("held", [0, 1])
def test_what_is_held_trains_the_gate_alone_and_the_rest_the_network_alone(held: int) -> None:
    made = network(counted()).train()
    arrays = {"tokens": torch.from_numpy(np.random.default_rng(7).integers(0, V, (2, 8)))}
    expected = made(arrays)[0]
    made.apart = True
    found = made({**arrays, "held": torch.full((2, 8), held, dtype=torch.uint8)})[0]
    for name in ("nll", "alone"):
        torch.testing.assert_close(found[name], expected[name])
    (found["nll"].sum() + found["alone"].sum()).backward()
    moved = {name.split(".")[0] for name, p in made.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == ({"gate"} if held else {"decoder"})


def test_outside_training_nothing_is_held() -> None:
    made = network(counted())
    tokens = np.random.default_rng(8).integers(0, V, (2, 8))
    expected = TorchRunner(made).run("forward", {"tokens": tokens})[0]["nll"]
    made.apart = True
    np.testing.assert_array_equal(TorchRunner(made).run("forward", {"tokens": tokens})[0]["nll"], expected)


def test_tables_are_not_trained_and_the_rest_is() -> None:
    made = network(counted())
    tokens = torch.from_numpy(np.random.default_rng(5).integers(0, V, (2, 8)))
    made({"tokens": tokens})[0]["nll"].sum().backward()
    assert {name for name, _ in made.counts.named_parameters()} == set()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in made.parameters())


@pytest.mark.parametrize("length", [2, 3])
def test_texts_shorter_than_the_longest_gram(length: int) -> None:
    nll = TorchRunner(network(counted(order=5))).run("forward", {"tokens": np.ones((1, length), np.int64)})[0]["nll"]
    assert np.isfinite(nll).all()
    assert nll.shape == (1, length - 1)


def test_counted_tables_are_loaded_and_so_are_those_that_were_never_filled() -> None:
    model = counted()
    grams = [len(level.codes) for level in model.levels]
    tables = filled(GramCounts(V, grams), model).state_dict()
    with torch.device("meta"):
        empty = GramCounts(V, grams)
    empty.load_state_dict(tables, assign=True)
    assert torch.equal(empty.get_buffer("codes1"), torch.from_numpy(model.levels[1].codes))
    GramCounts(V, grams).load_state_dict(GramCounts(V, grams).state_dict())


@pytest.mark.parametrize(
    ("name", "change"),
    [("back1", lambda t: -t), ("less1", lambda t: -t), ("total1", lambda t: -t), ("codes1", lambda t: t.flip(0)),
     ("codes1", lambda t: t - 1), ("codes1", lambda t: t + V * 100), ("total1", lambda t: t * 2),
     ("less1", lambda t: t * 0), ("total1", lambda t: t * 1e-3)],
)  # fmt: skip
def test_tables_that_nobody_counted_are_refused(name: str, change) -> None:
    model = counted()
    grams = [len(level.codes) for level in model.levels]
    tables = filled(GramCounts(V, grams), model).state_dict()
    tables[name] = change(tables[name])
    with pytest.raises(BundleError, match="of 2 tokens are none"):
        GramCounts(V, grams).load_state_dict(tables)
