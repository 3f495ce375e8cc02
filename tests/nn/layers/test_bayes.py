"""Bayes: log-count ratios against scikit-learn's naive Bayes, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import MultinomialNB

from deepwell.nn.layers.bayes import Bayes


def made(seed, n=12, entries=7):
    """Sets of entries as a matrix of 0 and 1, and as flat entries with their rows."""
    matrix = np.random.default_rng(seed).random((n, entries)) < 0.4
    row, flat = np.nonzero(matrix)
    return matrix, flat, row


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_ratios_of_classes_are_those_of_naive_bayes(seed, classes):
    matrix, flat, row = made(seed)
    truth = np.concatenate(
        [np.arange(classes), np.random.default_rng(seed).integers(0, classes, len(matrix) - classes)]
    )
    bayes = Bayes(7, classes, "category")
    cut = np.searchsorted(row, 5)
    bayes.add(flat[:cut], row[:cut], truth[:5])
    bayes.add(flat[cut:], row[cut:] - 5, truth[5:])
    expected = MultinomialNB(alpha=1.0).fit(matrix, truth).feature_log_prob_
    np.testing.assert_allclose(bayes.weights(), (expected - expected.mean(0)).T, rtol=1e-9, atol=1e-12)


def test_each_tag_is_compared_with_the_rows_without_it():
    matrix, flat, row = made(1)
    tags = np.random.default_rng(2).integers(0, 2, (12, 3)).astype(np.uint8)
    bayes = Bayes(7, 3, "tags")
    bayes.add(flat, row, tags)
    for k in range(3):
        expected = MultinomialNB(alpha=1.0).fit(matrix, tags[:, k]).feature_log_prob_
        np.testing.assert_allclose(bayes.weights()[:, k], expected[1] - expected[0], rtol=1e-9, atol=1e-12)


def test_of_a_number_the_mean_with_an_entry_less_that_of_all():
    bayes = Bayes(3, 1, "number")
    bayes.add(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 5.0, 3.0]))
    assert bayes.weights()[:, 0] == pytest.approx([(6 - 2 * 3) / 3, (5 - 3) / 2, 0])


def test_an_entry_that_never_occurs_says_next_to_nothing():
    bayes = Bayes(4, 2, "category")
    bayes.add(np.array([0, 1]), np.array([0, 1]), np.array([0, 1]))
    weights = bayes.weights()
    assert weights[3] == pytest.approx([0, 0])
    assert weights[0, 0] > 0 > weights[0, 1]
