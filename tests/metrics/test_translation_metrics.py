"""BLEU and chrF against sacreBLEU on any text, and against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.metrics import translation
from deepwell.metrics.translation import bleu_counts, bleu_signature, chrf_counts, chrf_signature, words

sacrebleu = pytest.importorskip("sacrebleu", reason="sacreBLEU is the other side of these comparisons (extra `text`)")

SIGNS = "ab1 2.,-'\"&;:!(][}äß\n\t~`^_/$<>=#|\\学"
TEXT = st.text(st.sampled_from(SIGNS), max_size=16)
SENTENCE = st.lists(st.sampled_from("the a cat dog sat on mat . , 3.5 don't".split()), max_size=9).map(" ".join)


def corpora(references: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[list[str], list[list[str]]]]:
    """(answers, lists of references of each), of one to five examples."""
    one = references.flatmap(
        lambda k: st.lists(st.tuples(SENTENCE, *[SENTENCE.filter(bool)] * k), min_size=1, max_size=5)
    )
    return one.map(lambda rows: ([row[0] for row in rows], [list(row[1:]) for row in rows]))


def ours_bleu(answers, references, tokens="13a", lower=False):
    def cut(text):
        return words(text.lower() if lower else text, tokens)

    counts = [bleu_counts(cut(a), [cut(r) for r in rs]) for a, rs in zip(answers, references, strict=True)]
    return translation.bleu("x").value({"x": np.stack(counts)})


@given(TEXT)
@settings(max_examples=400)
def test_text_is_cut_like_mteval_13a(text):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    assert words(text) == Tokenizer13a()(text.rstrip()).split()


@given(corpora(st.integers(1, 3)), st.sampled_from(["13a", "char"]), st.booleans())
@settings(max_examples=150)
def test_bleu_is_that_of_sacrebleu(corpus, tokens, lower):
    answers, references = corpus
    theirs = sacrebleu.metrics.BLEU(tokenize=tokens, lowercase=lower)
    expected = theirs.corpus_score(answers, [list(column) for column in zip(*references, strict=True)]).score
    assert ours_bleu(answers, references, tokens, lower) == pytest.approx(expected, abs=1e-6)


@given(corpora(st.integers(1, 3)))
@settings(max_examples=150)
def test_chrf_is_that_of_sacrebleu(corpus):
    answers, references = corpus
    counts = np.stack([chrf_counts(a, rs) for a, rs in zip(answers, references, strict=True)])
    expected = sacrebleu.metrics.CHRF().corpus_score(
        answers, [list(column) for column in zip(*references, strict=True)]
    )
    assert translation.chrf("x").value({"x": counts}) == pytest.approx(expected.score, abs=1e-6)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda several: bleu_signature("13a", False, several), sacrebleu.metrics.BLEU()),
        (
            lambda several: bleu_signature("char", True, several),
            sacrebleu.metrics.BLEU(tokenize="char", lowercase=True),
        ),
        (chrf_signature, sacrebleu.metrics.CHRF()),
    ],
)
def test_signatures_are_those_of_sacrebleu_without_the_version(ours, theirs, several):
    theirs.corpus_score(["a b", "c"], [["a b", "c"], ["d", None]] if several else [["a b", "c"]])
    assert ours(several) == str(theirs.get_signature()).rpartition("|version:")[0]


def test_bleu_by_hand():
    # The example of Papineni et al. 2002, section 2.1: "the" is clipped to the two of the first reference.
    counts = bleu_counts(
        "the the the the the the the".split(), ["the cat is on the mat".split(), "there is a cat".split()]
    )
    assert counts.tolist() == [7, 6, 2, 0, 0, 0, 7, 6, 5, 4]
    # Five of six words, three of five pairs, ... one word too short: brevity exp(1 - 7/6).
    answer, reference = "the cat sat on the mat".split(), "the cat sat down on the mat".split()
    counts = bleu_counts(answer, [reference])
    assert counts.tolist() == [6, 7, 6, 4, 2, 0, 6, 5, 4, 3]
    by_hand = 100 * math.exp(1 - 7 / 6) * (6 / 6 * 4 / 5 * 2 / 4 * (1 / 2) / 3) ** 0.25
    assert translation.bleu("x").value({"x": counts[None]}) == pytest.approx(by_hand)


def test_weights_repeat_examples():
    rows = [("a b c d e", "a b c d f"), ("x y z", "x y"), ("q", "r s t u")]
    columns = {
        "b": np.stack([bleu_counts(a.split(), [r.split()]) for a, r in rows]),
        "c": np.stack([chrf_counts(a, [r]) for a, r in rows]),
    }
    weights = np.array([[1.0, 1, 1], [2, 0, 1], [0, 0, 3]])
    for metric in (translation.bleu("b"), translation.chrf("c")):
        for weight, value in zip(weights, metric.finish(columns, weights), strict=True):
            repeated = {name: np.repeat(column, weight.astype(int), axis=0) for name, column in columns.items()}
            assert metric.value(repeated) == pytest.approx(value)


def test_an_empty_answer_scores_nothing():
    assert ours_bleu([""], [["a b c d"]]) == 0.0
    assert translation.chrf("x").value({"x": chrf_counts("", ["abc"])[None]}) == 0.0
