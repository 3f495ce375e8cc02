"""The formulas behind the losses, by hand and against torch and scikit-learn; values that stay finite; sums with units."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import hinge_loss, log_loss, mean_pinball_loss
from torch.nn import functional

from deepwell.core.errors import ConfigError
from deepwell.losses import focal, likelihood, margins, numbers, sets, similarity
from deepwell.losses.named import NAMED
from deepwell.losses.reduction import along, total

FAR = torch.tensor([1e-30, 1.0, 1e4, 1e30])


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        (numbers.squared, functional.mse_loss),
        (numbers.absolute, functional.l1_loss),
        (
            lambda v, t: numbers.huber(v, t, delta=0.5),
            lambda v, t, reduction: functional.huber_loss(v, t, reduction, 0.5),
        ),
        (margins.hinge, lambda v, t, reduction: (1 - v * t).clamp(min=0)),
        (numbers.log_cosh, lambda v, t, reduction: (v - t).double().cosh().log().float()),
    ],
)
def test_numbers_against_torch(loss, wanted):
    value, target = drawn(50), drawn(50, seed=1)
    torch.testing.assert_close(loss(value, target), wanted(value, target, reduction="none"))


def test_numbers_by_hand():
    assert numbers.percentage(torch.tensor(3.0), torch.tensor(4.0)).item() == pytest.approx(25.0)
    assert numbers.squared_logarithmic(torch.tensor(math.e - 1), torch.tensor(0.0)).item() == pytest.approx(
        1.0, abs=1e-6
    )
    assert numbers.poisson(torch.tensor(2.0), torch.tensor(3.0)).item() == pytest.approx(2 - 3 * math.log(2))
    assert numbers.quantile(torch.tensor([1.0, 5.0]), torch.tensor(3.0), 0.9).tolist() == pytest.approx([1.8, 0.2])


def test_the_pinball_loss_is_scikit_learns():
    value, target = drawn(40), drawn(40, seed=1)
    mine = numbers.quantile(value, target, 0.3).mean().item()
    assert mine == pytest.approx(mean_pinball_loss(target.numpy(), value.numpy(), alpha=0.3), rel=1e-5)


def test_cross_entropies_are_scikit_learns():
    p = torch.softmax(drawn(30, 4), -1)
    target = torch.arange(30) % 4
    wanted = log_loss(target.numpy(), p.numpy(), labels=range(4))
    assert likelihood.sparse(likelihood.log_probabilities(p), target).mean().item() == pytest.approx(wanted, rel=1e-4)
    hot = functional.one_hot(target, 4)
    assert likelihood.dense(likelihood.log_probabilities(p), hot).mean().item() == pytest.approx(wanted, rel=1e-4)
    yes = p[:, :1]
    wanted = log_loss((target == 0).numpy(), yes.numpy().ravel())
    assert likelihood.binary_of_probabilities(yes[:, 0], target == 0).mean().item() == pytest.approx(wanted, rel=1e-4)


def test_the_categorical_hinge_is_scikit_learns_where_scores_are_positive():
    scores, target = drawn(30, 4).abs(), torch.arange(30) % 4
    mine = margins.categorical_hinge(scores, functional.one_hot(target, 4)).mean().item()
    assert mine == pytest.approx(hinge_loss(target.numpy(), scores.numpy(), labels=range(4)), rel=1e-5)


def test_logits_and_probabilities_agree():
    logits, target = drawn(20, 3), functional.one_hot(torch.arange(20) % 3, 3)
    for smoothing in (0.0, 0.2):
        wide = likelihood.dense(functional.log_softmax(logits, -1), target, smoothing=smoothing)
        torch.testing.assert_close(
            likelihood.dense(likelihood.log_probabilities(logits.softmax(-1)), target, smoothing=smoothing), wide
        )
        torch.testing.assert_close(
            likelihood.binary_of_probabilities(logits.sigmoid(), target, smoothing=smoothing),
            likelihood.binary(logits, target, smoothing=smoothing),
            rtol=1e-4, atol=1e-5,
        )  # fmt: skip


def test_divergence_is_torchs_and_0_for_equals():
    p, q = torch.softmax(drawn(10, 5), -1), torch.softmax(drawn(10, 5, seed=1), -1)
    torch.testing.assert_close(likelihood.divergence(p, q), functional.kl_div(p.log(), q, reduction="none").sum(-1))
    assert likelihood.divergence(p, p).abs().max() < 1e-6
    assert torch.isfinite(likelihood.divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])))


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 5), st.integers(0, 50))
def test_focal_losses_are_cross_entropies_that_fade(gamma, seed):
    logits, target = drawn(6, 3, seed=seed), functional.one_hot(torch.arange(6) % 3, 3).float()
    log_p = functional.log_softmax(logits, -1)
    plain = likelihood.dense(log_p, target)
    faded = focal.categorical(log_p, target, gamma=gamma, alpha=1.0)
    right = (log_p.exp() * target).sum(-1)
    torch.testing.assert_close(faded, (1 - right) ** gamma * plain, rtol=1e-4, atol=1e-6)
    each = likelihood.binary(logits, target)
    p = logits.sigmoid()
    p_t = torch.where(target == 1, p, 1 - p)
    torch.testing.assert_close(
        focal.binary(each, p, target, gamma=gamma), (1 - p_t) ** gamma * each, rtol=1e-4, atol=1e-6
    )


def test_focal_gradients_are_finite_for_perfect_answers():
    logits = torch.tensor([[60.0, -60.0]], requires_grad=True)
    target = torch.tensor([[1.0, 0.0]])
    loss = focal.categorical(functional.log_softmax(logits, -1), target, gamma=0.5)
    loss = loss + focal.binary(likelihood.binary(logits, target), logits.sigmoid(), target, gamma=0.5).sum()
    assert torch.isfinite(torch.autograd.grad(loss.sum(), logits)[0]).all()


@pytest.mark.parametrize(
    "loss", [numbers.squared_logarithmic, numbers.log_cosh, numbers.huber, numbers.percentage, numbers.poisson]
)
def test_sizes_of_all_decades_stay_finite(loss):
    value = FAR[:3].clone().requires_grad_()
    found = loss(value, FAR[:3].flip(0))
    assert torch.isfinite(found).all()
    assert torch.isfinite(torch.autograd.grad(found.sum(), value)[0]).all()
    assert torch.isfinite(numbers.log_cosh(FAR, -FAR)).all()


@pytest.mark.parametrize("size", [1e4, -1e4, 80.0])
def test_extreme_logits_stay_finite_and_teach(size):
    logits = torch.tensor([[size, 0.0]], requires_grad=True)
    wrong = torch.tensor([[0.0, 1.0]]) if size > 0 else torch.tensor([[1.0, 0.0]])
    for loss in (likelihood.dense(functional.log_softmax(logits, -1), wrong), likelihood.binary(logits, wrong).sum(-1)):
        slope = torch.autograd.grad(loss.sum(), logits, retain_graph=True)[0]
        assert torch.isfinite(loss).all()
        assert slope.abs().max().item() == pytest.approx(1.0)


def test_half_precision_is_computed_in_float32():
    for name in NAMED:
        shape = (5,) if NAMED[name].truth == "classes" else (5, 3)
        truth = torch.zeros(shape) if NAMED[name].truth == "numbers" else torch.zeros(shape, dtype=torch.int64)
        assert NAMED[name].values(truth, torch.full((5, 3), 0.5, dtype=torch.bfloat16)).dtype == torch.float32


# sets and likeness ---------------------------------------------------------------------------------------------------
def test_dice_by_hand_and_for_nothing_at_all():
    value, target = torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    assert sets.soft_dice(value, target).item() == pytest.approx(0.5)
    assert sets.soft_dice(target, target, (1,)).tolist() == pytest.approx([0.0])
    assert torch.isfinite(sets.soft_dice(torch.zeros(2, 2), torch.zeros(2, 2)))
    assert sets.tversky(value, target).item() == pytest.approx(0.5)
    assert sets.tversky(value, target, missed=1.0, wrong=0.0).item() == pytest.approx(0.5)
    missing = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert sets.tversky(missing, target, missed=1.0, wrong=0.0) > sets.tversky(missing, target, missed=0.1, wrong=0.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100))
def test_tversky_of_halves_is_dice(seed):
    value, target = drawn(4, 6, seed=seed).sigmoid(), (drawn(4, 6, seed=seed + 1) > 0).float()
    torch.testing.assert_close(sets.tversky(value, target, 1), sets.soft_dice(value, target, 1), rtol=1e-4, atol=1e-5)


def test_info_nce_is_a_cross_entropy_of_cosines():
    queries, keys = drawn(6, 4), drawn(6, 4, seed=1)
    cosines = functional.cosine_similarity(queries.unsqueeze(1), keys.unsqueeze(0), dim=-1)
    one_way = functional.cross_entropy(cosines / 0.2, torch.arange(6), reduction="sum")
    other = functional.cross_entropy(cosines.T / 0.2, torch.arange(6), reduction="sum")
    torch.testing.assert_close(similarity.info_nce(queries, keys, temperature=0.2, symmetric=False), one_way)
    torch.testing.assert_close(similarity.info_nce(queries, keys, temperature=0.2), (one_way + other) / 2)


def test_info_nce_leaves_out_pairs_of_weight_0():
    queries, keys = drawn(6, 4), drawn(6, 4, seed=1)
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    kept = weights > 0
    torch.testing.assert_close(
        similarity.info_nce(queries, keys, weights=weights), similarity.info_nce(queries[kept], keys[kept])
    )
    assert similarity.info_nce(queries * 1e10, queries * 1e-3, temperature=0.01) < 1e-3  # lengths do not matter


def test_cosines_are_torchs():
    a, b = drawn(5, 3), drawn(5, 3, seed=1)
    torch.testing.assert_close(similarity.cosine(a, b), functional.cosine_similarity(a, b))
    assert similarity.cosine(torch.zeros(3), torch.ones(3)) == 0


def test_signs():
    assert margins.signs(torch.tensor([0.0, 1.0])).tolist() == [-1.0, 1.0]
    assert margins.signs(torch.tensor([-1.0, 1.0])).tolist() == [-1.0, 1.0]
    assert margins.signs(torch.tensor([0.0, 2.0])).tolist() == [0.0, 2.0]


# sums with units -----------------------------------------------------------------------------------------------------
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_sums_and_units_add_up(n, steps, seed):
    values, mask = drawn(n, steps, seed=seed), drawn(n, steps, seed=seed + 1) > 0
    weights = drawn(n, seed=seed + 2).abs()
    summed, units = total(values, weights=weights, mask=mask)
    assert units.item() == mask.sum()
    torch.testing.assert_close(summed, (values * weights.unsqueeze(1))[mask].sum())
    cut = n // 2
    parts = [
        total(v, weights=w, mask=m)
        for v, w, m in ((values[:cut], weights[:cut], mask[:cut]), (values[cut:], weights[cut:], mask[cut:]))
    ]
    torch.testing.assert_close(parts[0][0] + parts[1][0], summed)
    assert parts[0][1] + parts[1][1] == units


def test_what_is_masked_may_be_infinite():
    values = torch.tensor([1.0, torch.inf, torch.nan])
    assert [x.item() for x in total(values, mask=torch.tensor([True, False, False]))] == [1.0, 1.0]
    assert NAMED["mean_squared_error"].values(
        torch.zeros(2, 1), torch.tensor([[2.0], [torch.inf]]), mask=torch.tensor([True, False])
    ).tolist() == [4.0, 0.0]


def test_masks_of_coupled_losses_take_places_out_of_both_sets():
    truth, answer = torch.tensor([[1.0, 1.0], [1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert NAMED["dice"].values(truth, answer, mask=torch.tensor([True, False])).item() == pytest.approx(0.0)


def test_weights_that_do_not_fit_are_refused():
    assert along(torch.ones(3), torch.ones(3, 2)).shape == (3, 1)
    with pytest.raises(ValueError, match=r"shape \(2,\) do not fit values of \(3, 2\)"):
        along(torch.ones(2), torch.ones(3, 2))
    with pytest.raises(ValueError, match="do not fit"):
        along(torch.ones(3, 2, 1), torch.ones(3, 2))


def test_the_table_says_what_each_loss_takes():
    assert NAMED["huber"].settings == {"delta": 1.0}
    assert NAMED["binary_crossentropy"].settings == {"from_logits": False, "label_smoothing": 0.0, "axis": -1}
    assert NAMED["mean_squared_error"].settings == {}
    assert all(name == loss.name for name, loss in NAMED.items())
    with pytest.raises(ConfigError, match="huber has no setting 'dleta'; did you mean 'delta'"):
        NAMED["huber"].values(torch.zeros(1, 1), torch.zeros(1, 1), settings={"dleta": 2.0})
    rows = np.zeros((4, 3), "float32")
    values = NAMED["huber"].values(torch.from_numpy(rows), torch.ones(4, 3), settings={"delta": 0.5})
    assert values.tolist() == pytest.approx([0.375] * 4)
