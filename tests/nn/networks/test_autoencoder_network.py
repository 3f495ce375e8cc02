"""Autoencoder: likelihoods by hand and by torch's distributions, importance weights against the bound, what is missing."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal

from deepwell.nn.networks.autoencoder import LEAST_SCALE, Autoencoder, Row

ROW = Row({"image": (1, 4, 4)}, 3, (1,), (3, 4))


def arrays(n=5, draws=2, codes=3):
    torch.manual_seed(0)
    numbers = torch.randn(n, 4)
    numbers[:, 3] = 0.0
    return {
        "image": torch.randint(0, 2, (n, 1, 4, 4), dtype=torch.uint8) * 255,
        "inputs.number": numbers,
        "inputs.category": torch.stack([torch.randint(1, 3, (n,)), torch.randint(1, 4, (n,))], 1),
        "noise": torch.randn(1, draws, codes),
    }


def written(network, given):
    """What the network writes from codes that its own formula draws, one draw."""
    outputs, _ = network(given)
    codes = outputs["codes"] + given["noise"][0, 0] * (0.5 * outputs["spread"]).exp()
    return network.decode({"codes": codes})[0]


@pytest.mark.parametrize("bernoulli", [True, False])
def test_the_likelihood_is_that_of_known_distributions(bernoulli):
    network, given = Autoencoder(ROW, 3, 16, bernoulli, True), arrays(draws=1)
    torch.nn.init.normal_(network.scales)
    shown = written(network, given)
    scales = torch.nn.functional.softplus(network.scales) + LEAST_SCALE
    pixels = given["image"].float() / 255
    by_hand = (
        Bernoulli(shown["image"]).log_prob(pixels) if bernoulli else Normal(shown["image"], scales[0]).log_prob(pixels)
    ).sum((1, 2, 3))
    by_hand = by_hand + Normal(shown["numbers"], scales[1:]).log_prob(given["inputs.number"][:, :3]).sum(1)
    levels = given["inputs.category"]
    by_hand = by_hand + Categorical(logits=shown["categories"][:, :3]).log_prob(levels[:, 0])
    by_hand = by_hand + Categorical(logits=shown["categories"][:, 3:]).log_prob(levels[:, 1])
    assert torch.allclose(network(given)[0]["log_likelihood"][:, 0], by_hand, atol=1e-3, rtol=1e-4)


def test_importance_weights_have_the_bound_as_their_mean():
    network = Autoencoder(ROW, 3, 16, True, True)
    outputs, _ = network(arrays(n=3, draws=20_000))
    bound = outputs["log_likelihood"].mean(1) - outputs["divergence"]
    assert torch.allclose(outputs["log_weight"].mean(1), bound, atol=0.05)
    assert (outputs["log_weight"].logsumexp(1) - math.log(20_000) >= bound - 0.05).all()  # Jensen


def test_the_divergence_is_that_of_normal_distributions():
    network, given = Autoencoder(ROW, 3, 16, True, True), arrays()
    outputs, _ = network(given)
    theirs = torch.distributions.kl_divergence(
        Normal(outputs["codes"], (0.5 * outputs["spread"]).exp()), Normal(torch.zeros(3), torch.ones(3))
    ).sum(1)
    assert torch.allclose(outputs["divergence"], theirs, atol=1e-5)


def test_a_plain_one_has_no_draws_and_no_divergence():
    network, given = Autoencoder(ROW, 3, 16, False, False), arrays(draws=4)
    outputs, _ = network(given)
    assert not outputs["divergence"].any()
    assert torch.allclose(outputs["log_likelihood"], outputs["log_likelihood"][:, :1].expand(-1, 4))


def test_what_the_mean_writes_is_left_out_while_gradients_are_taken():
    network, given = Autoencoder(ROW, 3, 16, True, True), arrays()
    assert "image" not in network(given)[0]
    with torch.no_grad():
        shown = network(given)[0]["image"]
    without = {name: array for name, array in given.items() if name != "noise"}
    assert torch.equal(shown, network(without)[0]["image"])


def test_a_plain_one_learns_least_squares():
    network, given = Autoencoder(Row({"image": (1, 4, 4)}, 2), 3, 16, False, False), arrays(draws=1)
    given["inputs.number"] = given["inputs.number"][:, :2]
    outputs = {
        **network({**given, "noise": torch.zeros(1, 1, 3)})[0],
        **network.decode({"codes": network(given)[0]["codes"]})[0],
    }
    squares = ((outputs["image"] - given["image"] / 255) ** 2).sum((1, 2, 3))
    squares = squares + ((outputs["numbers"] - given["inputs.number"]) ** 2).sum(1)
    assert torch.allclose(-outputs["log_likelihood"][:, 0], 0.5 * squares + 9 * math.log(2 * math.pi), atol=1e-4)


def test_there_is_a_straight_path_beside_the_layers():
    """So that it can do at least what principal components do."""
    network = Autoencoder(Row({}, 6), 2, 16, False, False)
    torch.nn.init.zeros_(network.encode.layers[-1].weight)
    torch.nn.init.zeros_(network.write.layers[-1].weight)
    one, two = torch.randn(1, 6), torch.randn(1, 6)
    written = [network({"inputs.number": x})[0]["numbers"] for x in (one, two, one + two, torch.zeros(1, 6))]
    assert torch.allclose(written[0] + written[1], written[2] + written[3], atol=1e-5)
    assert written[0].abs().max() > 0.01


@pytest.mark.parametrize("numbers", [1, 3, 5, 6, 14, 33])
def test_a_row_is_answered_alike_wherever_it_stands(numbers):
    torch.manual_seed(0)
    network = Autoencoder(Row({}, numbers), 3, 16, False, True)
    x, order = torch.randn(64, numbers), torch.randperm(64)
    with torch.inference_mode():
        straight, permuted = (network({"inputs.number": rows})[0] for rows in (x, x[order]))
    assert all(torch.equal(straight[name][order], permuted[name]) for name in straight)


def test_what_is_missing_or_unknown_counts_nothing():
    network, given = Autoencoder(ROW, 3, 16, True, True).eval(), arrays(n=1)
    missing = {**given, "inputs.number": given["inputs.number"].clone(), "inputs.category": torch.tensor([[0, 2]])}
    missing["inputs.number"][:, 1], missing["inputs.number"][:, 3] = 0.0, 1.0  # the indicator is of number 1
    outputs, _ = network(missing)
    codes = outputs["codes"] + given["noise"][0, 0] * (0.5 * outputs["spread"]).exp()
    shown = network.decode({"codes": codes})[0]
    scales = torch.nn.functional.softplus(network.scales) + LEAST_SCALE
    known = [0, 2]
    by_hand = Bernoulli(shown["image"]).log_prob(given["image"].float() / 255).sum()
    by_hand = (
        by_hand
        + Normal(shown["numbers"][:, known], scales[1:][known]).log_prob(missing["inputs.number"][:, known]).sum()
    )
    by_hand = by_hand + Categorical(logits=shown["categories"][:, 3:]).log_prob(torch.tensor([2])).sum()
    assert outputs["log_likelihood"][0, 0].item() == pytest.approx(by_hand.item(), abs=1e-3)


def test_what_is_read_may_be_spoilt_while_the_truth_stays():
    network, given = Autoencoder(ROW, 3, 16, True, False), arrays()
    spoilt = {**given, "image.read": 255 - given["image"]}
    plain, other = network(given)[0], network(spoilt)[0]
    assert not torch.allclose(plain["codes"], other["codes"])
    assert torch.allclose(other["codes"], network({**given, "image": spoilt["image.read"]})[0]["codes"])


@pytest.mark.parametrize("size", [(3, 96, 80), (1, 65, 70)])
def test_large_pictures_come_back_in_their_size(size):
    network = Autoencoder(Row({"photo": size}), 8, 32, False, True)
    outputs, _ = network({"photo": torch.zeros(2, *size, dtype=torch.uint8)})
    assert outputs["photo"].shape == (2, *size)
    assert 0 <= outputs["photo"].min() <= outputs["photo"].max() <= 1
    with torch.device("meta"):
        assert all(t.is_meta for t in Autoencoder(Row({"photo": size}), 8, 32, False, True).state_dict().values())
