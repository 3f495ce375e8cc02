"""The pinball loss against scikit-learn and its minimum; what is not seen of a future costs nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from deepwell.losses.forecasting import forecast_error
from deepwell.losses.quantile import pinball

LEVELS = (0.1, 0.5, 0.9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_pinball_equals_scikit_learn(seed, n):
    draw = np.random.default_rng(seed)
    target, quantiles = draw.normal(size=n), draw.normal(size=(n, 3))
    expected = np.mean([mean_pinball_loss(target, quantiles[:, i], alpha=q) for i, q in enumerate(LEVELS)])
    assert pinball(torch.tensor(quantiles), torch.tensor(target), LEVELS).item() == pytest.approx(
        n * expected, rel=1e-5
    )


def test_the_quantile_itself_has_the_least_loss():
    target = torch.randn(4001, generator=torch.Generator().manual_seed(0))
    at = {q: pinball(torch.full((4001, 1), q), target, [0.9]).item() for q in (1.1, 1.2816, 1.5)}
    assert min(at, key=at.get) == 1.2816


def test_what_is_not_seen_costs_nothing():
    torch.manual_seed(0)
    truth, seen = torch.randn(2, 3, 1), torch.tensor([[[1.0], [1.0], [0.0]], [[0.0], [1.0], [1.0]]])
    outputs = {
        "future.value": truth + 1, "future.patches": truth + 3, "future.quantiles": truth[..., None].expand(2, 3, 1, 3)
    }  # fmt: skip
    total, units, parts = forecast_error(outputs, {"future": truth, "future.seen": seen}, LEVELS)
    assert units.item() == 4
    assert parts["squared"].item() == pytest.approx(4)
    assert parts["pinball"].item() == 0
    assert total.item() == pytest.approx((4 * 1 + 4 * 9) / 2)
    spoilt = {"future": truth + 1e6 * (1 - seen), "future.seen": seen}
    values = {name: (truth + 1 if name == "future.value" else outputs[name]) for name in outputs}
    assert forecast_error(values, spoilt, LEVELS)[0].item() == pytest.approx(total.item())
