"""ROUGE, exact match and F1 against values worked out by hand, and what must hold of any texts."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.metrics import summaries
from deepwell.metrics.summaries import best, common, oracle, rouge_l, rouge_n, words

WORDS = st.lists(st.sampled_from("abcd"), max_size=7)


def test_the_examples_of_the_rouge_paper():
    # Lin 2004, section 3.1: the same two words are in order in the first candidate only.
    reference = "police killed the gunman".split()
    assert rouge_l("police kill the gunman".split(), reference) == pytest.approx(3 / 4)
    assert rouge_l("the gunman kill police".split(), reference) == pytest.approx(2 / 4)
    assert rouge_n("police kill the gunman".split(), reference, 2) == pytest.approx(1 / 3)


def test_precision_and_recall_by_hand():
    answer, reference = "a b c".split(), "a x c d e".split()
    assert rouge_n(answer, reference, 1) == pytest.approx(2 * (2 / 3) * (2 / 5) / (2 / 3 + 2 / 5))
    assert rouge_n(answer, reference, 2) == 0.0


@given(WORDS, WORDS)
def test_the_common_subsequence_is_the_longest_by_enumeration(first, second):
    def inside(some):
        rest = iter(second)
        return all(word in rest for word in some)

    expected = max(
        len(some) for size in range(len(first) + 1) for some in itertools.combinations(first, size) if inside(some)
    )
    assert common(first, second) == common(second, first) == expected


@given(WORDS, WORDS, st.sampled_from(sorted(summaries.COMPARISONS)))
def test_shares_lie_between_nothing_and_all(answer, reference, name):
    compare = summaries.COMPARISONS[name]
    assert 0.0 <= compare(answer, reference) <= 1.0
    assert compare(answer, reference) == pytest.approx(compare(reference, answer))
    assert compare(["x", *answer], ["x", *answer]) == (0.0 if name == "rouge_2" and not answer else 1.0)


def test_the_best_of_several_references_counts():
    references = ["a b".split(), "c d e".split()]
    assert best("rouge_1", "c d".split(), references) == pytest.approx(0.8)
    assert best("exact_match", "c d e".split(), references) == 1.0
    assert oracle(["x".split(), "c d".split()], references) == pytest.approx(0.8)
    assert oracle([], references) == 0.0


def test_words_of_many_scripts():
    assert words("The CAT's 3.5 mats!") == ["the", "cat", "s", "3", "5", "mats"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]  # vowel signs belong to their words
    assert words("我爱you2") == ["我", "爱", "you2"]
    assert words("...") == []


def test_an_answer_counts_whatever_its_case_and_signs():
    assert best("exact_match", words("The Cat."), [words("the cat")]) == 1.0
    assert best("f1", words(""), [words("")]) == 1.0
    assert best("f1", words(""), [words("a")]) == 0.0


def test_the_average_weighs_examples():
    metric = summaries.average("rouge_l", "x")
    columns = {"x": np.array([0.0, 0.5, 1.0])}
    assert metric.finish(columns, np.array([[1.0, 1, 1], [3, 1, 0]])) == pytest.approx([0.5, 0.125])
    assert metric.trials is not None
    assert metric.trials(columns) == 3
