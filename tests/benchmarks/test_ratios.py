"""Medians of pairs and their intervals, against values from the binomial distribution by hand."""

import pytest
from benchmarks.ratios import difference, median, ratio


@pytest.mark.parametrize(
    ("n", "rank", "coverage"),
    [
        (1, 1, 0.0),
        (5, 1, 1 - 2 / 32),
        (6, 1, 1 - 2 / 64),
        (8, 1, 1 - 2 / 256),
        (9, 2, 1 - 2 * (1 + 9) / 512),
        (12, 3, 1 - 2 * (1 + 12 + 66) / 4096),
        (25, 8, 0.95671),  # Conover, Practical Nonparametric Statistics, table of the binomial: ranks 8 and 18 of 25
    ],
)
def test_the_interval_is_that_of_the_sign_test(n: int, rank: int, coverage: float) -> None:
    found = median([float(v) for v in range(n, 0, -1)])
    assert (found.low, found.high) == (rank, n + 1 - rank)
    assert found.coverage == pytest.approx(coverage, abs=1e-5)
    assert found.value == (n + 1) / 2
    assert found.pairs == n


def test_figures_are_paired_before_the_median_is_taken() -> None:
    ours, theirs = [10.0, 40.0, 90.0], [5.0, 10.0, 30.0]
    assert ratio(ours, theirs).value == 3.0  # of 2, 4, 3; the ratio of the medians would be 4
    assert difference(ours, theirs).value == 30.0  # of 5, 30, 60
    assert (ratio(ours, theirs).low, ratio(ours, theirs).high) == (2.0, 4.0)


def test_an_outlier_moves_the_interval_no_further_than_its_neighbour() -> None:
    steady = [1.0 + 0.01 * v for v in range(9)]
    assert median([*steady[:8], 100.0]).high == steady[7]


def test_what_is_not_paired_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="no figures"):
        median([])


def test_a_median_says_its_interval_and_pairs() -> None:
    found = median([float(v) for v in range(1, 10)])
    assert str(found) == "5 (2 to 8, 9 pairs)"
    assert str(median([1.0, 2.0, 3.0])) == "2 (1 to 3, 3 pairs, covers 75%)"
    assert found.to_json() == {"value": 5.0, "low": 2.0, "high": 8.0, "coverage": pytest.approx(0.9609375), "pairs": 9}
