"""The score of the benchmark of series: against calculations by hand, its two fixed points, and the files themselves."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import nab

DATA = Path(os.environ.get("DEEPWELL_DATA", "/nowhere")) / "anomaly-detection" / "nab_subset"


def series(rows=100, windows=((40, 49),), name="a"):
    times = np.datetime64("2024-01-01", "s") + 60 * np.arange(rows)
    return nab.Series(name, times, np.zeros(rows), np.array(windows, np.int64).reshape(-1, 2))


def alarms(rows, *at):
    scores = np.zeros(rows)
    scores[list(at)] = 1.0
    return scores


def sigma(y):
    return 2 / (1 + math.exp(5 * y)) - 1


def test_the_ends_of_the_scale():
    one = series()
    nothing, first = np.zeros(100), alarms(100, 40)
    assert nab.score([one], [first]) == nab.Result(pytest.approx(100.0), 1.0, 1, 1, 0)
    silent = nab.score([one], [nothing])
    assert (silent.score, silent.found, silent.false, silent.threshold) == (0.0, 0, 0, math.inf)


def test_a_late_alarm_and_one_outside_by_hand():
    """An alarm in the middle (row 45: y = -5/10), one 9 rows after the window (y = 9/9), one before any window (-0.11)."""
    one = series()
    worth, window = nab.worth(one)
    assert worth[45] == pytest.approx(sigma(-0.5) / sigma(-1))
    assert worth[40] == pytest.approx(1.0)
    assert worth[49] == pytest.approx(sigma(-0.1) / sigma(-1))
    assert worth[58] == pytest.approx(0.11 * sigma(1.0))
    assert worth[20] == pytest.approx(-0.11)
    assert worth[90] == pytest.approx(-0.11)  # far behind
    assert window.tolist() == [-1] * 40 + [0] * 10 + [-1] * 50
    found = nab.score([one], [alarms(100, 45, 47, 58, 20)])
    total = sigma(-0.5) / sigma(-1) + 0.11 * sigma(1.0) - 0.11
    assert found.score == pytest.approx(100 * (total + 1) / 2)
    assert (found.found, found.false) == (1, 2)


def test_the_threshold_is_the_best_for_all_files_together():
    """The second file's alarm is found at 0.5 already, at the price of one false alarm; at 0.2 there would be many."""
    first, second = series(name="a"), series(name="b", windows=((60, 69),))
    scores = [np.full(100, 0.2), np.full(100, 0.2)]
    scores[0][40], scores[0][30], scores[1][60] = 0.9, 0.5, 0.5
    found = nab.score([first, second], scores)
    assert (found.threshold, found.found, found.windows, found.false) == (0.5, 2, 2, 1)
    assert found.score == pytest.approx(100 * (2 - 0.11 + 2) / 4)


def test_probation_is_not_scored():
    one = series()
    assert one.probation == 15
    assert series(10_000).probation == 750
    assert nab.score([one], [alarms(100, 3, 14, 40)]).score == pytest.approx(100.0)


@given(st.lists(st.integers(0, 5), min_size=60, max_size=60), st.integers(10, 40), st.integers(1, 12))
@settings(deadline=None, max_examples=60)
def test_the_sweep_is_that_of_all_thresholds_one_by_one(levels, begin, width):
    one = series(60, ((begin, begin + width - 1),))
    worth, window = nab.worth(one)
    best = 0.0
    for threshold in range(6):
        on = (np.array(levels) >= threshold) & (np.arange(60) >= one.probation)
        inside = worth[on & (window == 0)]
        total = worth[on & (window < 0)].sum() + (inside.max() if len(inside) else -1.0)
        best = max(best, 100 * (total + 1) / 2)
    assert nab.score([one], [np.array(levels, float)]).score == pytest.approx(best)


def test_the_gaussian_baseline_is_one_minus_a_tail():
    """Values 0, 2, 0, 2: mean 1 and deviation 1, so 4 is three deviations away."""
    found = nab.windowed_gaussian(np.array([0.0, 2, 0, 2, 4]))
    assert found[-1] == pytest.approx(1 - 0.5 * math.erfc(3 / math.sqrt(2)))
    steady = nab.windowed_gaussian(np.array([0.0, 2, 0, 2, 4, 4]), window=4, step=10)
    assert steady[-1] == steady[-2]  # the window is full, and its mean waits for ten values


@pytest.mark.skipif(not DATA.exists(), reason="DEEPWELL_DATA has no copy of the benchmark")
def test_the_files_have_their_windows():
    files = nab.read(DATA)
    assert (len(files), sum(len(f.windows) for f in files)) == (22, 39)
    for one in files:
        share = (one.windows[:, 1] - one.windows[:, 0] + 1).sum() / len(one.values)
        assert share == 0 or 0.05 < share < 0.15  # a tenth, but for overlaps
    perfect = [np.isin(np.arange(len(f.values)), f.windows[:, 0]).astype(float) for f in files]
    assert nab.score(files, perfect).score == pytest.approx(100.0)
