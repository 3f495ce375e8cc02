"""A judge of series: its statistics against a plain loop, what it may see, and that it learns to forecast."""

import numpy as np
import pytest
import torch

from deepwell.nn.networks.series_judge import FEW, LEAST, NONE, REASONS, TAME, WEIGHTS, JudgeShape, SeriesJudge

SHAPE = JudgeShape(window=80, numbers=2)


def judge(shape=SHAPE, seed=0):
    torch.manual_seed(seed)
    return SeriesJudge(shape).eval()


def arrays(values, seen=None):
    values = np.asarray(values, np.float32)
    seen = np.ones(values.shape, np.uint8) if seen is None else np.asarray(seen, np.uint8)
    return {"window": torch.from_numpy(values * seen), "window.seen": torch.from_numpy(seen)}


def asked(network, given):
    with torch.inference_mode():
        return {name: out.numpy() for name, out in network(given)[0].items()}


def noise(n=3, seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=(n, shape.window, shape.numbers)).astype(np.float32)


def by_hand(values, shape, which):
    """(recent + 1,) log factors of level, spread or flatness of one column without gaps, step by step."""
    steps = len(values)
    statistic = np.zeros(steps)
    for t in range(steps):
        stretch = values[max(0, t + 1 - shape.stretch) : t + 1]
        if which == "level":
            statistic[t] = abs(values[t] - values[:t].mean()) if t >= FEW else 0
        elif len(stretch) >= shape.stretch / 2:
            statistic[t] = stretch.std() if which == "spread" else 1 / (stretch.std() + 0.1)
    factors = []
    for t in range(steps - shape.recent - 1, steps):
        before = statistic[:t]
        doubt = np.log1p(shape.window / 4 / (len(before) - FEW + 1))
        factors.append(np.log((statistic[t] + LEAST) / (before.max() + LEAST)) - doubt)
    return np.array(factors)


def deviations_by_hand(values, shape, which):
    """By how many deviations level, spread or flatness is above what it was, at the end of one column without gaps."""
    steps = len(values)
    if which == "level":
        return abs(values[-1] - values[:-1].mean()) / (values[:-1].std() + LEAST)
    tame = values.copy()
    for t in range(FEW, steps):
        reach = TAME * values[:t].std() + LEAST
        tame[t] = np.clip(values[t], values[:t].mean() - reach, values[:t].mean() + reach)
    spread = np.array([tame[max(0, t + 1 - shape.stretch) : t + 1].std() for t in range(steps)])
    statistic = spread if which == "spread" else 1 / (spread + 0.1)
    earlier = statistic[FEW : steps - shape.apart]
    return (statistic[-1] - earlier.mean()) / (earlier.std() + LEAST) * len(earlier) / (len(earlier) + shape.apart)


@pytest.mark.parametrize("reason", REASONS[:3])
def test_statistics_are_those_of_a_plain_loop(reason):
    values = noise()
    values[1, -3:] += 6
    values[2, -8:] = 0.25
    place = REASONS.index(reason)
    network = judge()
    parts = asked(network, arrays(values))["parts"]
    y = torch.from_numpy(values).transpose(1, 2)
    seen = torch.ones_like(y)
    many = seen.cumsum(dim=2) - seen
    mean = (y.cumsum(dim=2) - y) / many.clamp(min=1)
    factors = network._beyond(network._plain(y, seen, many, mean)[place], seen).numpy()
    for n in range(3):
        for column in range(2):
            one = values[n, :, column].astype(np.float64)
            np.testing.assert_allclose(factors[n, column], by_hand(one, SHAPE, reason), atol=1e-3)
            above = WEIGHTS[place] * deviations_by_hand(one, SHAPE, reason)
            np.testing.assert_allclose(parts[n, column, place], above, rtol=1e-3, atol=2e-3)


def test_the_score_lasts_and_the_onset_is_its_first_row():
    values = noise(1)[0]
    values[-5:, 0] += 12  # as long as no row of it is compared with another
    begins = np.concatenate([np.zeros((4, 2), np.float32), values[:-4]])
    first, last = (asked(judge(), arrays(w[None])) for w in (begins, values))
    usual = asked(judge(), arrays(noise(1)))
    for one in (first, last):
        assert one["score"] > usual["score"] + 0.9
        np.testing.assert_array_equal(one["score"], one["parts"].max(axis=(1, 2)))
        assert one["parts"][0].argmax() // len(REASONS) == 0  # the column that was moved
    assert first["onset"] > 0.5
    assert max(last["onset"], usual["onset"]) < 0


def test_rows_after_one_wrong_value_do_not_pay_for_it():
    values = noise(40)
    spiked = values.copy()
    spiked[:, -2, 0] += 15
    usual, after, at = (asked(judge(), arrays(v))["score"] for v in (values, spiked, np.roll(spiked, 1, axis=1)))
    assert np.median(after) < np.median(usual) + 0.5
    assert np.median(at) > np.median(usual) + 5


def test_nothing_is_seen_of_later_steps_and_a_forecast_not_of_its_own():
    values = noise(1)
    network = judge(JudgeShape(80, 2, season=12))
    with torch.no_grad():
        network.again.fill_(0.5)
    changed = values.copy()
    changed[0, -1] += 50
    first, second = (asked(network, arrays(v)) for v in (values, changed))
    np.testing.assert_array_equal(first["expected"], second["expected"])
    assert second["score"] > first["score"]


def test_what_is_missing_changes_nothing_and_is_never_unusual_itself():
    """A window whose first half is missing is judged as one that is half as long; a missing last value only by its spread."""
    values, seen = noise(1), np.ones((1, 80, 2), np.uint8)
    seen[0, :40] = 0
    first = asked(judge(), arrays(values, seen))
    rest = values.copy()
    rest[0, :40] = 1e3  # hidden
    second = asked(judge(), arrays(rest, seen))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert first["counted"] == 2 * 39
    seen[0, -1] = 0
    last = asked(judge(), arrays(values, seen))
    assert (last["parts"][0, :, [REASONS.index("level"), REASONS.index("forecast")]] <= 0).all()
    nothing = asked(judge(), arrays(values, np.zeros((1, 80, 2))))
    assert nothing["score"] <= 0
    assert nothing["onset"] == NONE
    assert nothing["nats"] == 0
    assert nothing["counted"] == 0


def test_the_first_rows_of_a_series_are_doubted():
    """A value far out after few others says less than the same after many: of fewer than eight nothing is said."""
    values, seen = noise(50), np.ones((50, 80, 2), np.uint8)
    values[:, -1] = 8
    many = asked(judge(), arrays(values))
    seen[:, :65] = 0
    few = asked(judge(), arrays(values, seen))
    assert np.median(few["onset"]) < np.median(many["onset"])
    assert (few["parts"][:, :, 1:] == 0).all()
    seen[:, :73] = 0
    fewest = asked(judge(), arrays(values, seen))
    assert (fewest["score"] == 0).all()
    assert (fewest["onset"] == NONE).all()


@pytest.mark.parametrize("shape", [JudgeShape(1, 1), JudgeShape(2, 1), JudgeShape(9, 3, 2), JudgeShape(512, 1, 0, 288)])
def test_windows_of_any_length_with_values_of_any_size(shape):
    values = noise(2, shape=shape)
    values[0] *= 1e6
    given = arrays(values)
    if shape.known:
        given["window.known"] = torch.randn(2, shape.window, shape.known)
    found = asked(judge(shape), given)
    assert all(np.isfinite(array).all() for array in found.values())
    assert found["parts"].shape == (2, shape.numbers, len(REASONS))
    assert found["score"].shape == (2,)


def test_rows_do_not_depend_on_one_another():
    values = noise(5)
    order = np.array([3, 1, 4, 0, 2])
    first, second = (asked(judge(), arrays(v)) for v in (values, values[order]))
    for name in first:
        np.testing.assert_array_equal(first[name][order], second[name])


def test_it_learns_to_forecast_a_wave_and_then_a_wrong_turn_is_unusual():
    """A sine whose half period is 16 steps: a value on the wrong side is within the level and spread of all others."""
    shape = JudgeShape(128, 1)
    network = judge(shape)
    draws = np.random.default_rng(0)
    phase = draws.uniform(0, 2 * np.pi, (64, 1))
    wave = (np.sin(np.pi * np.arange(128) / 16 + phase) + draws.normal(0, 0.05, (64, 128)))[..., None]
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        out = network(arrays(wave))[0]
        loss = out["nats"].sum() / out["counted"].sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < -0.7  # the noise alone costs 1 + log(2 * 0.04) = -1.5 nats, the last value again 0.3
    wrong = wave.copy()
    wrong[:, -1] *= -1
    clear = np.abs(wave[:, -1, 0]) > 0.5
    usual, turned = (asked(network, arrays(v[clear])) for v in (wave, wrong))
    assert np.median(turned["score"]) > np.median(usual["score"]) + 0.5
    assert (turned["parts"][:, 0].argmax(axis=1) == REASONS.index("forecast")).mean() > 0.9
    assert np.abs(turned["expected"][:, 0] - wave[clear, -1, 0]).mean() < 0.2
