"""OddFields: what it sees and does not see, tails against hand calculations, and one-class networks."""

import math

import numpy as np
import pytest
import torch

from deepwell.nn.networks.odd_fields import FLOOR, OddFields

STEPS = 5


def network(way="fields", numbers=2, levels=(3,), codes=2, seed=0):
    torch.manual_seed(seed)
    made = OddFields(numbers, STEPS, list(levels), 16, way, codes).eval()
    if way != "one_class":  # as if it were trained: some chances that depend on what is shown
        torch.nn.init.normal_(made.write.weight, std=0.5)
    return made


def rows(n=6, seed=0):
    draws = np.random.default_rng(seed)
    places = draws.uniform(0, STEPS - 1, (n, 2)).astype(np.float32)
    return {
        "inputs.number": torch.tensor(places),
        "inputs.category": torch.tensor(draws.integers(0, 3, (n, 1)).astype(np.int32)),
    }


def with_number(arrays, column, value):
    changed = arrays["inputs.number"].clone()
    changed[:, column] = value
    return {**arrays, "inputs.number": changed}


def test_a_field_is_told_without_seeing_it():
    made, arrays = network(), rows()
    before, after = made(arrays)[0], made(with_number(arrays, 0, 3.3))[0]
    assert torch.equal(before["expected"][:, 0], after["expected"][:, 0])
    assert not torch.equal(before["share"][:, 0], after["share"][:, 0])
    made_up = {"hidden": torch.tensor([[1.0, 0.0, 0.0]] * 6)}
    assert not torch.equal(
        made({**arrays, **made_up})[0]["nats"], made({**with_number(arrays, 1, 0.5), **made_up})[0]["nats"]
    )
    made_up = {"hidden": torch.tensor([[0.0, 0.0, 1.0]] * 6)}
    other = {**arrays, "inputs.category": (arrays["inputs.category"] + 1) % 3}
    alike = [made._chances(made._steps(a), 1 - made_up["hidden"])[:, 2] for a in (arrays, other)]
    assert torch.equal(*alike)


def test_shares_add_up_to_the_score_and_chances_to_one():
    made, arrays = network(), rows()
    found, _ = made(arrays)
    assert torch.allclose(found["share"].sum(1), found["score"])
    chances = made._chances(made._steps(arrays), torch.ones(6, 3))
    assert torch.allclose(chances.sum(2), torch.ones(6, 3), atol=1e-6)
    assert (chances[:, 2, 3:] == 0).all()  # of three levels
    assert float(chances[:, 2, :3].detach().min()) >= FLOOR / 3 - 1e-9


def test_the_tail_of_a_number_is_that_of_its_smaller_side():
    made = network(levels=())
    chances = torch.tensor([[[0.1, 0.2, 0.4, 0.2, 0.1, 0.0]]]).expand(1, 2, -1)
    truth = made._steps({"inputs.number": torch.tensor([[0.0, 3.0]])})
    # Half of the own step counts: 0.05 lies below the first, 0.1 + 0.1 above the second; twice that, since there are two sides.
    assert made._odd(chances, truth)[0].tolist() == pytest.approx([-math.log(0.1), -math.log(0.4)])
    between = made._steps({"inputs.number": torch.tensor([[0.5, 2.0]])})
    assert made._odd(chances, between)[0].tolist() == pytest.approx([-math.log(2 * (0.05 + 0.2) / 2), 0.0])


def test_categories_and_missing_numbers_count_what_is_at_most_as_likely():
    made = network(numbers=1, levels=(4,))
    chances = torch.tensor([[[0.3, 0.2, 0.2, 0.1, 0.1, 0.1], [0.1, 0.5, 0.1, 0.3, 0.0, 0.0]]])
    truth = made._steps({"inputs.number": torch.tensor([[-1.0]]), "inputs.category": torch.tensor([[3]])})
    assert made._odd(chances, truth)[0].tolist() == pytest.approx([-math.log(0.3), -math.log(0.5)])


def test_a_field_by_itself_counts_where_the_others_would_excuse_it():
    torch.manual_seed(1)
    made = OddFields(1, STEPS, [2], 16, "fields", 1).eval()
    alone = made._odd(made._chances(*shown(made, 0.0)), shown(made, 0.0)[0])
    assert (made(one(0.0))[0]["share"] >= alone - 1e-6).all()


def one(place):
    return {"inputs.number": torch.tensor([[place]]), "inputs.category": torch.tensor([[1]])}


def shown(made, place):
    truth = made._steps(one(place))
    return truth, torch.zeros(1, 2)


def test_nats_of_a_new_network_are_those_of_even_chances():
    made = OddFields(0, STEPS, [4, 8], 16, "fields", 1)
    arrays = {"inputs.category": torch.tensor([[1, 2]]), "hidden": torch.ones(1, 2)}
    assert float(made(arrays)[0]["nats"][0].detach()) == pytest.approx(math.log(4) + math.log(8), abs=1e-4)
    arrays["hidden"] = torch.tensor([[1.0, 0.0]])  # as if all were hidden: twice the one that is
    assert float(made(arrays)[0]["nats"][0].detach()) == pytest.approx(2 * math.log(4), abs=1e-4)


@pytest.mark.parametrize("way", ["fields", "reconstruction", "one_class"])
def test_answers_are_finite_at_the_ends_of_the_scale(way):
    arrays = {
        "inputs.number": torch.tensor([[0.0, STEPS - 1.0], [-1.0, -1.0]]),
        "inputs.category": torch.tensor([[0], [2]]),
    }
    found, _ = network(way)(arrays)
    assert all(torch.isfinite(values).all() for values in found.values())
    assert found["share"].shape == (2, 3)


def test_more_fields_than_are_asked_one_by_one_are_hidden_in_groups():
    made = network(numbers=0, levels=[3] * 70)
    plain = {"inputs.category": torch.ones(2, 70, dtype=torch.int64)}
    found = made(plain)[0]["expected"].shape, made(plain)[0]["share"]
    assert found[0] == (2, 70)
    for other, beside in ((64, True), (1, False)):  # the fields 0 and 64 are hidden together
        changed = plain["inputs.category"].clone()
        changed[:, other] = 2
        share = made({"inputs.category": changed})[0]["share"]
        alone = made._odd(made._chances(made._steps(plain), torch.zeros(2, 70)), made._steps(plain))[:, 0]
        given = torch.where(share[:, 0] > alone, share[:, 0], torch.zeros(2))
        before = torch.where(found[1][:, 0] > alone, found[1][:, 0], torch.zeros(2))
        assert torch.equal(given, before) or not beside


def test_one_class_networks_miss_what_they_did_not_learn():
    torch.manual_seed(0)
    made = OddFields(2, STEPS, [3], 16, "one_class", 2)
    near = torch.rand(128, 1) * (STEPS - 1)
    arrays = {"inputs.number": near.repeat(1, 2), "inputs.category": torch.ones(128, 1, dtype=torch.int64)}
    optimiser = torch.optim.Adam((p for p in made.parameters() if p.requires_grad), 1e-2)
    fixed = made.random.clone()
    for _ in range(60):
        loss = made(arrays)[0]["nats"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert torch.equal(made.random, fixed)
    odd = {"inputs.number": torch.tensor([[0.0, STEPS - 1.0]]), "inputs.category": torch.tensor([[1]])}
    usual, found = made.eval()(arrays)[0]["score"].detach(), made(odd)[0]
    assert float(found["score"][0].detach()) > float(usual.quantile(0.95))
    assert (found["share"][0, :2] > found["share"][0, 2]).all()


def test_neighbours_on_a_scale_learn_from_one_another_but_levels_and_gaps_do_not():
    made = network()
    torch.nn.init.zeros_(made.write.weight)
    torch.nn.init.zeros_(made.write.bias)
    at_two = {"inputs.number": torch.full((1, 2), 2.0), "inputs.category": torch.ones((1, 1), dtype=torch.int32)}
    made({**at_two, "hidden": torch.ones(1, 3)})[0]["nats"].sum().backward()
    wanted = -made.write.bias.grad.view(3, STEPS + 1)
    assert wanted[0].argmax() == 2
    assert wanted[0, 2] > wanted[0, 1] > wanted[0, 0]
    assert wanted[0, 1].item() == pytest.approx(wanted[0, 3].item())
    gap = wanted[0, STEPS].item()  # of a missing value: as if nothing were shared
    chance = 1 / (STEPS + 1)
    assert gap == pytest.approx(-chance * (1 - FLOOR), rel=0.01)
    assert wanted[2, 0].item() == pytest.approx(wanted[2, 2].item())


def test_a_bundle_holds_how_neighbours_share():
    made, again = network(), network(seed=1)
    again.load_state_dict(made.state_dict())
    arrays = rows()
    assert torch.equal(made(arrays)[0]["score"], again(arrays)[0]["score"])
