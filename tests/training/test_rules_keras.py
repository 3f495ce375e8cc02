"""Rules as Keras has them, against torch's optimisers where both agree, and by hand where they do not."""

import math

import pytest
import torch
from torch import nn

from deepwell.training.optimisers import Optimiser
from deepwell.training.rules import SGD
from deepwell.training.rules_keras import (
    Adadelta,
    Adagrad,
    Adamax,
    AdamHat,
    Clipped,
    HeavyBall,
    Lion,
    Nadam,
    RMSpropInside,
)

RATE = 0.01
CASES = {
    # a rule with the small constant at 0, or in the place where torch has it too; torch's optimiser
    "heavy ball": (lambda: HeavyBall(0.9, False), lambda p: torch.optim.SGD(p, RATE, momentum=0.9)),
    "nesterov": (lambda: HeavyBall(0.8, True), lambda p: torch.optim.SGD(p, RATE, momentum=0.8, nesterov=True)),
    "rmsprop": (lambda: RMSpropInside(0.9, 0.0, 0.0, False), lambda p: torch.optim.RMSprop(p, RATE, alpha=0.9, eps=0.0)),
    "rmsprop centred": (
        lambda: RMSpropInside(0.9, 0.5, 1e-16, True),
        lambda p: torch.optim.RMSprop(p, RATE, alpha=0.9, eps=1e-8, momentum=0.5, centered=True),
    ),
    "adagrad": (lambda: Adagrad(0.1, 0.0), lambda p: torch.optim.Adagrad(p, RATE, initial_accumulator_value=0.1, eps=0.0)),
    "adadelta": (lambda: Adadelta(0.95, 1e-7), lambda p: torch.optim.Adadelta(p, RATE, rho=0.95, eps=1e-7)),
    "adam": (lambda: AdamHat(0.9, 0.99, 0.0), lambda p: torch.optim.Adam(p, RATE, (0.9, 0.99), eps=0.0)),
    "adam fused": (lambda: AdamHat(0.9, 0.99, 0.0, fused=True), lambda p: torch.optim.Adam(p, RATE, (0.9, 0.99), eps=0.0)),
    "adamax": (lambda: Adamax(0.9, 0.99, 0.0), lambda p: torch.optim.Adamax(p, RATE, (0.9, 0.99), eps=0.0)),
    "nadam": (lambda: Nadam(0.9, 0.99, 1e-8), lambda p: torch.optim.NAdam(p, RATE, (0.9, 0.99), eps=1e-8, momentum_decay=1.0)),
}  # fmt: skip


def parameters():
    draws = torch.Generator().manual_seed(0)
    return {n: nn.Parameter(torch.randn(shape, generator=draws)) for n, shape in (("a", (3, 2)), ("b", (4,)))}


def give(weights, seed, scale=1.0):
    draws = torch.Generator().manual_seed(seed)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=draws) * scale


def moved(rule, steps, rate=lambda step: RATE, decay=0.0, before=None):
    weights = parameters()
    optimiser = Optimiser(weights, dict.fromkeys(weights, rule), dict.fromkeys(weights, decay))
    for step in range(steps):
        give(weights.values(), step, 8.0)
        if before is not None:
            before(weights, step)
        optimiser.step(rate(step), torch.tensor(8.0), torch.tensor(0.0))
    return weights, optimiser


@pytest.mark.parametrize("case", CASES)
def test_rules_are_torchs_where_both_say_the_same(case):
    make, theirs = CASES[case]
    weights, _ = moved(make(), 12)
    other = parameters()
    optimiser = theirs(list(other.values()))
    for step in range(12):
        give(other.values(), step)
        optimiser.step()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, other[name], rtol=1e-5, atol=1e-6)


def one(rule, gradients, rate=lambda step: 1.0, decay=0.0):
    """What a weight of 1 becomes under these gradients."""
    weights = {"w": nn.Parameter(torch.ones(1))}
    optimiser = Optimiser(weights, {"w": rule}, {"w": decay})
    for step, gradient in enumerate(gradients):
        weights["w"].grad = torch.tensor([gradient])
        optimiser.step(rate(step), torch.tensor(1.0), torch.tensor(0.0))
    return weights["w"].item()


def test_momentum_remembers_moves_and_not_gradients():
    falls = [0.5, 0.0].__getitem__
    assert one(HeavyBall(0.5, False), [1.0, 0.0], falls) == pytest.approx(1 - 0.5 - 0.25)  # the first move goes on
    assert one(SGD(0.5, False, False), [1.0, 0.0], falls) == pytest.approx(
        1 - 0.5
    )  # torch's stands still at a rate of 0


def test_the_small_constant_stands_where_keras_has_it():
    tiny, least = 1e-8, 1e-7
    root = math.sqrt(0.1 * tiny**2 + least)
    assert 1 - one(RMSpropInside(0.9, 0.0, least, False), [tiny], lambda s: 1e6) == pytest.approx(
        1e6 * tiny / root, rel=1e-4
    )
    first, second = 0.1 * tiny, math.sqrt(0.001) * tiny
    hat = math.sqrt(0.001) / 0.1 * first / (second + least)
    for fused in (False, True):
        assert 1 - one(AdamHat(0.9, 0.999, least, fused=fused), [tiny]) == pytest.approx(hat, rel=1e-3)
    assert hat < 0.01 * tiny / (tiny + least) * 10  # ten times less than where it is added after the correction


def test_amsgrad_never_forgets_the_largest():
    gradients = [4.0, *[0.01] * 30]
    plain, kept = (one(AdamHat(0.9, 0.5, 1e-8, amsgrad), gradients, lambda s: 0.01) for amsgrad in (False, True))
    assert plain < kept < 1.0  # small gradients move little beside a large one


def test_lion_moves_by_signs():
    assert one(Lion(0.9, 0.99), [3.0], lambda s: 0.25) == pytest.approx(0.75)
    # m = 0.01 * 3 after the first step; 0.9 m - 0.1 * 0.2 is still above 0
    assert one(Lion(0.9, 0.99), [3.0, -0.2], lambda s: 0.25) == pytest.approx(0.5)
    assert one(Lion(0.9, 0.99), [3.0, -0.4], lambda s: 0.25) == pytest.approx(1.0)


def test_nadam_s_momentum_rises():
    u1, u2 = (0.9 * (1 - 0.5 * 0.96**t) for t in (1, 2))
    ahead = u2 * 0.1 / (1 - u1 * u2) + (1 - u1) / (1 - u1)
    assert 1 - one(Nadam(0.9, 0.999, 0.0), [1.0], lambda s: 0.1) == pytest.approx(0.1 * ahead, rel=1e-4)


def test_nadam_goes_on_beyond_its_table():
    from deepwell.training import rules_keras

    assert math.prod(0.9 * (1 - 0.5 * 0.96**t) for t in range(1, rules_keras.NADAM_STEPS)) < 1e-30
    assert math.isfinite(one(Nadam(0.9, 0.999, 1e-7), [0.1] * (rules_keras.NADAM_STEPS + 3), lambda s: 1e-4))


@pytest.mark.parametrize("rule", [SGD(0.0, False, False), HeavyBall(0.9, False), AdamHat(0.9, 0.999, 1e-7, fused=True)])
def test_decay_is_apart_from_the_gradient_and_for_every_weight(rule):
    weights, _ = moved(Clipped(rule), 1, decay=0.5, before=lambda w, s: give(w.values(), 0, 0.0))
    for name, start in parameters().items():
        torch.testing.assert_close(weights[name].detach(), start.detach() * (1 - RATE * 0.5))


def test_clipping_one_by_one_and_number_by_number():
    def gradients(rule):
        before = parameters()
        weights, _ = moved(rule, 1)
        return {n: (before[n] - w).detach() / RATE for n, w in weights.items()}

    plain = gradients(SGD(0.0, False, False))
    each = gradients(Clipped(SGD(0.0, False, False), each=0.5))
    most = gradients(Clipped(SGD(0.0, False, False), most=0.3))
    for name, gradient in plain.items():
        assert gradient.norm() > 0.5
        torch.testing.assert_close(each[name], gradient * (0.5 / gradient.norm()), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(most[name], gradient.clamp(-0.3, 0.3), rtol=1e-3, atol=1e-4)
    loose = gradients(Clipped(SGD(0.0, False, False), each=100.0, most=100.0))
    assert all(torch.equal(loose[name], plain[name]) for name in plain)


@pytest.mark.parametrize("case", CASES)
def test_state_goes_on_bit_for_bit(case):
    make, _ = CASES[case]
    whole, _ = moved(make(), 6)
    weights, optimiser = moved(make(), 3)
    again = {n: nn.Parameter(w.detach().clone()) for n, w in weights.items()}
    restored = Optimiser(again, dict.fromkeys(again, make()), {})
    restored.restore(optimiser.state())
    for step in range(3, 6):
        give(again.values(), step, 8.0)
        restored.step(RATE, torch.tensor(8.0), torch.tensor(0.0))
    assert all(torch.equal(again[n], whole[n]) for n in whole)


@pytest.mark.parametrize("case", CASES)
def test_a_weight_without_gradient_stays_and_counts_no_step(case):
    make, _ = CASES[case]

    def without(weights, step):
        if step == 0:
            weights["b"].grad = None

    weights, _ = moved(make(), 3, before=without)
    alone = {"b": parameters()["b"]}
    optimiser = Optimiser(alone, {"b": make()}, {})
    for step in (1, 2):
        both = parameters()
        give(both.values(), step, 8.0)
        alone["b"].grad = both["b"].grad
        optimiser.step(RATE, torch.tensor(8.0), torch.tensor(0.0))
    torch.testing.assert_close(weights["b"], alone["b"])
