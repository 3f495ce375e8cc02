"""Forecaster: begins as a simple forecast, passes level and scale through, never mixes windows, reads what is known ahead."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deepwell.losses.forecasting import forecast_error
from deepwell.nn.layers.transformer import TransformerShape
from deepwell.nn.networks.forecaster import BELIEVED, LEVELS, Forecaster, ForecasterShape

WIDE = {"known": 3, "beside": 2, "static": 4}


def shape(context=20, horizon=7, targets=2, patch=6, dropout=0.0, **features):
    return ForecasterShape(context, horizon, targets, patch, TransformerShape(16, 2, 2, 32, dropout), **features)


def arrays(of, n=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    sizes = {
        "past": (of.context, of.targets), "future": (of.horizon, of.targets), "past.known": (of.context, of.known),
        "future.known": (of.horizon, of.known), "past.beside": (of.context, of.beside), "static": (of.static,),
    }  # fmt: skip
    found = {name: torch.randn(n, *size, generator=draw) for name, size in sizes.items() if 0 not in size}
    found |= {f"{name}.seen": torch.ones(found[name].shape, dtype=torch.uint8) for name in ("past", "future")}
    return found | {"future.factor": torch.ones(n, of.targets), "future.offset": torch.zeros(n, of.targets)}


def awake(of, seed=0):
    """A network whose last layers say something, and whose linear family is no repetition."""
    torch.manual_seed(seed)
    network = Forecaster(of).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    weight = torch.rand(of.context, of.horizon)
    network.fill(weight / weight.sum(0), torch.randn(of.known, of.targets) if of.known else None)
    return network


@pytest.mark.parametrize("features", [{}, WIDE, {"known": 2}, {"beside": 1}, {"static": 1}])
def test_a_new_network_repeats_the_last_value_with_normal_quantiles(features):
    of = shape(**features)
    given_ = arrays(of)
    outputs, state = Forecaster(of).eval()(given_)
    last = given_["past"][:, -1:].expand(3, of.horizon, of.targets)
    assert state is None
    for name in ("future.value", "future.linear", "future.patches"):
        torch.testing.assert_close(outputs[name], last)
    spread = (outputs["future.quantiles"] - last[..., None]) / given_["past"].var(1, correction=0).add(4e-4).sqrt()[
        :, None, :, None
    ]
    normal = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(LEVELS))
    torch.testing.assert_close(spread, normal.expand(spread.shape), atol=1e-3, rtol=1e-3)


def test_quantiles_begin_as_wide_as_the_linear_family_misses():
    of = shape()
    network, plain = Forecaster(of).eval(), arrays(of)
    before = network(plain)[0]
    spread = np.linspace(0.5, 2, of.horizon).astype(np.float32)
    network.fill(network.linear.weight.clone(), spread=spread)
    after = network(plain)[0]
    wide = [(found["future.quantiles"][..., 5] - found["future.quantiles"][..., 1]) for found in (before, after)]
    torch.testing.assert_close(wide[1], wide[0] * torch.from_numpy(spread)[None, :, None], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after["future.value"], before["future.value"])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(-20, 20), st.floats(1, 50))
def test_level_and_scale_pass_through(seed, moved, stretched):
    of = shape()
    network, plain = awake(of, seed), arrays(of, seed=seed)
    network.own.weight.data[:, :2] = 0  # what a window says of its width may change what is said
    first = network(plain)[0]
    other = network(plain | {"past": plain["past"] * stretched + moved})[0]
    for name, found in first.items():
        torch.testing.assert_close(other[name], found * stretched + moved, rtol=1e-2, atol=1e-2 * stretched)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_quantiles_never_cross(seed):
    of = shape(**WIDE)
    quantiles = awake(of, seed)(arrays(of, seed=seed))[0]["future.quantiles"]
    assert quantiles.shape == (3, of.horizon, of.targets, len(LEVELS))
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_windows_and_targets_do_not_mix():
    of = shape(targets=3)
    network, plain = awake(of), arrays(of)
    changed = plain["past"].clone()
    changed[1, :, 2] += torch.randn(of.context)
    moved = (network(plain | {"past": changed})[0]["future.value"] - network(plain)[0]["future.value"]).abs().amax(1)
    assert moved[1, 2] > 0.01
    moved[1, 2] = 0
    assert moved.max() < 1e-5


def test_value_is_the_mean_of_both_and_what_is_missing_has_no_influence():
    of = shape(**WIDE)
    network, plain = awake(of), arrays(of)
    plain["past.seen"][:, 3:6] = 0
    outputs = network(plain)[0]
    mixed = torch.lerp(outputs["future.linear"], outputs["future.patches"], BELIEVED)
    torch.testing.assert_close(outputs["future.value"], mixed)
    spoilt = plain["past"].clone()
    spoilt[:, 3:6] = 99
    torch.testing.assert_close(network(plain | {"past": spoilt})[0]["future.value"], outputs["future.value"])


@pytest.mark.parametrize("name", ["past.known", "future.known", "past.beside", "static"])
def test_every_group_of_features_is_read(name):
    of = shape(**WIDE)
    network, plain = awake(of), arrays(of)
    other = network(plain | {name: plain[name] + 1})[0]["future.patches"]
    assert (other - network(plain)[0]["future.patches"]).abs().max() > 1e-3


def test_effects_are_taken_off_the_past_and_added_to_the_future():
    of = shape(context=3, horizon=2, targets=1, patch=2, known=1)
    network = Forecaster(of).eval()
    network.fill(np.array([[0, 0], [0, 0], [1, 1]]), np.array([[10.0]]))
    plain = arrays(of, n=1)
    plain |= {
        "past": torch.tensor([[[1.0], [1.0], [11.0]]]), "past.known": torch.tensor([[[0.0], [0.0], [1.0]]]),
        "future.known": torch.tensor([[[0.0], [2.0]]]),
    }  # fmt: skip
    torch.testing.assert_close(network(plain)[0]["future.linear"], torch.tensor([[[1.0], [21.0]]]))


@pytest.mark.parametrize("horizon", [1, 5, 6, 7, 14, 30])
@pytest.mark.parametrize("known", [0, 3])
def test_the_linear_family_answers_the_same_wherever_a_window_stands(horizon, known):
    """To the last bit, also where the columns do not fill the lanes of a processor."""
    of = shape(context=48, horizon=horizon, targets=1, patch=min(horizon, 6), known=known)
    linear = awake(of).linear
    for n in (2, 3, 7, 13, 24):
        plain, moved = arrays(of, n, seed=n), torch.randperm(n, generator=torch.Generator().manual_seed(n))

        def answer(order, plain=plain, n=n):
            features = [plain[name][order] if known else None for name in ("past.known", "future.known")]
            return linear(plain["past"][order].transpose(1, 2), torch.zeros(n, 1, 1), *features)

        assert torch.equal(answer(torch.arange(n))[moved], answer(moved))


def test_growth_is_a_share_of_the_own_value():
    of = shape(context=4, horizon=2, targets=1, patch=2)
    network = Forecaster(of).eval()
    network.fill(
        np.array([[0, 0], [0, 0], [-1, -2], [2, 3]]), growth=True
    )  # the last value times its last ratio, once and twice
    own = torch.tensor([[[1.0], [2.0], [4.0], [8.0]]])
    plain = arrays(of, n=1) | {
        "past": (own - 6) / 2,
        "future.factor": torch.full((1, 1), 2.0),
        "future.offset": torch.full((1, 1), 6.0),
    }
    torch.testing.assert_close(network(plain)[0]["future.linear"] * 2 + 6, torch.tensor([[[16.0], [32.0]]]))
    below = network(plain | {"past": plain["past"] - 9})[0]["future.value"]  # own values below 0 have no logarithm
    assert below.isfinite().all()


def test_intervals_cost_the_mean_nothing():
    of = shape()
    network, plain = awake(of), arrays(of)
    outputs = network(plain)[0]
    gradient = torch.autograd.grad(
        outputs["future.quantiles"].sum(), network.correction.weight, allow_unused=True, retain_graph=True
    )
    assert gradient == (None,)
    total, units, _ = forecast_error(outputs, plain, LEVELS)
    total.backward()
    assert units.item() == 3 * of.horizon * of.targets
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_it_is_built_without_data_and_holds_all_that_it_needs():
    of = shape(**WIDE)
    with torch.device("meta"):
        empty = Forecaster(of)
    full = awake(of)
    assert {n: (t.shape, t.dtype) for n, t in empty.state_dict().items()} == {
        n: (t.shape, t.dtype) for n, t in full.state_dict().items()
    }
    again = empty.to_empty(device="cpu")
    again.load_state_dict(full.state_dict())
    plain = arrays(of)
    torch.testing.assert_close(again.eval()(plain)[0]["future.quantiles"], full(plain)[0]["future.quantiles"])


def test_multiplications_are_those_that_torch_counts():
    of = shape(context=96, horizon=24, patch=8)
    network, plain = Forecaster(of).eval(), arrays(of, n=4)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(plain)
    assert 4 * 2 * of.multiplications() == pytest.approx(counter.get_total_flops(), rel=0.15)


def test_it_learns_what_no_line_can_say():
    """Each window rises and then falls back to 0 if it has passed 1: a question of shape."""
    torch.manual_seed(0)
    of = shape(context=12, horizon=4, targets=1, patch=4)
    network = Forecaster(of)
    kind = torch.randint(0, 2, (256, 1, 1)).float()
    ramp = torch.linspace(0, 1, 12)[None, :, None]
    past = ramp * (1 + kind) + 0.05 * torch.randn(256, 12, 1)
    future = (1 - kind).expand(256, 4, 1)
    batch = {
        "past": past, "past.seen": torch.ones_like(past), "future": future, "future.seen": torch.ones_like(future),
        "future.factor": torch.ones(256, 1), "future.offset": torch.zeros(256, 1),
    }  # fmt: skip
    before = (network(batch)[0]["future.patches"] - future).square().mean().item()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(60):
        total, units, _ = forecast_error(network(batch)[0], batch, LEVELS)
        (total / units).backward()
        optimiser.step()
        optimiser.zero_grad()
    outputs = network(batch)[0]
    assert (outputs["future.patches"] - future).square().mean().item() < 0.2 * before
    low, high = (outputs["future.quantiles"][..., LEVELS.index(p)] for p in (0.1, 0.9))
    assert ((low <= future) & (future <= high)).float().mean() > 0.6
