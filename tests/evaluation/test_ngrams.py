"""n-grams: probabilities by hand and by the formula written out, and what must hold of any of them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.evaluation import ngrams

texts = st.lists(st.integers(0, 3), min_size=12, max_size=60).map(lambda tokens: np.array(tokens, np.int64))


def kneser_ney(text: list[int], order: int, vocabulary: int, context: tuple[int, ...], token: int) -> float:
    """Interpolated Kneser-Ney, straight from the definition (Chen and Goodman 1999, section 3), with Counters."""
    context = context[len(context) - min(len(context), order - 1) :]
    share = 1.0 / vocabulary
    for size in range(len(context) + 1):
        length = size + 1
        raw = Counter(tuple(text[i : i + length]) for i in range(len(text) - length + 1))
        counts = raw
        if length < order:
            longer = {tuple(text[i : i + length + 1]) for i in range(len(text) - length)}
            behind = Counter(gram[1:] for gram in longer)
            counts = Counter({gram: max(1, behind[gram]) for gram in raw})
        discount = ngrams.discounts(np.array(list(counts.values())))
        before = context[len(context) - size :]
        mine = {gram: c for gram, c in counts.items() if gram[:-1] == before}
        if not mine:
            break
        total = sum(mine.values())
        less = {gram: c - discount[min(c, 3)] for gram, c in mine.items()}
        share = less.get((*before, token), 0.0) / total + (total - sum(less.values())) / total * share
    return share


@settings(deadline=None, max_examples=30)
@given(texts, st.integers(1, 4), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_probabilities_are_those_of_the_formula(text, order, asked) -> None:
    model = ngrams.count(text, 5, order)
    found = np.exp(-model.surprise(np.array([asked], np.int64)))[0]
    for place, probability in enumerate(found):
        expected = kneser_ney(text.tolist(), order, 5, tuple(asked[: place + 1]), asked[place + 1])
        assert probability == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(texts, st.integers(1, 5), st.lists(st.integers(0, 4), max_size=6))
def test_the_probabilities_of_all_tokens_sum_to_one(text, order, recent) -> None:
    share = ngrams.count(text, 5, order).distribution(np.array(recent, np.int64))
    assert share.sum() == pytest.approx(1.0)
    assert (share > 0).all()  # also of tokens that never occurred


def test_single_tokens_by_hand() -> None:
    # a a a b of 4 possible tokens: no formula for so few, so half a count is taken off each: 2.5 and 0.5 of 4, and one
    # count in four is shared out evenly.
    model = ngrams.count(np.array([0, 0, 0, 1]), 4, 1)
    np.testing.assert_allclose(
        model.distribution(np.array([], np.int64)), [2.5 / 4 + 1 / 16, 0.5 / 4 + 1 / 16, 1 / 16, 1 / 16]
    )


def test_discounts_of_a_known_table() -> None:
    # n1 = 4, n2 = 2, n3 = 1, n4 = 1: Y = 4 / 8; 1 - 2 Y 2/4, 2 - 3 Y 1/2, 3 - 4 Y 1/1.
    np.testing.assert_allclose(ngrams.discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])), [0, 0.5, 1.25, 1.0])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_something_is_taken_off_every_count_but_not_all_of_it(counts: list[int]) -> None:
    found = ngrams.discounts(np.array(counts))
    assert found[0] == 0
    assert (found[1:] > 0).all()
    assert (found[1:] < [1, 2, 3]).all()


def test_steps_continue_what_forward_measures() -> None:
    text = np.random.default_rng(0).integers(0, 4, 500)
    model, _, _ = ngrams.fit(text, 6)
    runner = model.runner()
    asked = np.random.default_rng(1).integers(0, 4, (3, 9))
    nll = runner.run("forward", {"tokens": asked})[0]["nll"]
    outputs, state = runner.run("step", {"token": asked[:, :4]})
    for place in range(4, 9):
        found = -outputs["logits"][np.arange(3), asked[:, place]]
        np.testing.assert_allclose(found, nll[:, place - 1], rtol=1e-9)
        outputs, state = runner.run("step", {"token": asked[:, place]}, state)
    picked = runner.pick(state, np.array([2, 0]))
    again, _ = runner.run("step", {"token": asked[[2, 0], 0]}, picked)
    whole, _ = runner.run("step", {"token": asked[:, 0]}, state)
    np.testing.assert_array_equal(again["logits"], whole["logits"][[2, 0]])


def test_the_order_is_the_one_that_the_text_has() -> None:
    # The next token is the sum of the last two, modulo 5, nine times in ten: triples say it all.
    draws = np.random.default_rng(2)
    text = [1, 2]
    for _ in range(6000):
        text.append((text[-1] + text[-2]) % 5 if draws.random() < 0.9 else int(draws.integers(5)))
    model, _, notes = ngrams.fit(np.array(text), 5)
    assert model.order == 3
    assert "up to 3 tokens" in notes[0]
    entropy = -(0.92 * np.log(0.92) + 4 * 0.02 * np.log(0.02))
    assert model.surprise(np.array([text[3000:]])).mean() == pytest.approx(entropy, abs=0.05)


def test_a_text_too_short_for_pairs_is_counted_all_the_same() -> None:
    model, _, notes = ngrams.fit(np.array([1, 2]), 3)
    assert model.order == 1
    assert notes


def told(text: np.ndarray, vocabulary: int, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What held_out says of each token; what it says nothing of is as likely as any."""
    share, longest, known = np.full(len(text), 1 / vocabulary), np.zeros(len(text), int), np.zeros(len(text))
    for start, found in ngrams.held_out(text, vocabulary, order):
        for whole, block in zip((share, longest, known), found, strict=True):
            whole[start : start + len(block)] = block
    return share, longest, known


@pytest.mark.parametrize("block", [7, 1 << 19])
def test_what_is_left_out_is_told_from_the_rest_of_the_text(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "BLOCK", block)
    text = np.random.default_rng(3).integers(0, 4, 100)
    share, longest, known = told(text, 5, 3)
    for start in range(0, 100, 20):
        rest = np.concatenate([text[:start], text[start + 20 :]])
        model = ngrams.count(rest, 5, 3)
        own = model.seen(text[None])  # behind all that stands before in the text
        for place in range(max(1, start), start + 20):
            assert share[place] == pytest.approx(own[0][0, place - 1])
            assert (longest[place], known[place]) == (own[1][0, place - 1], own[2][0, place - 1])
    assert share[0] == pytest.approx(0.2)


def test_a_model_keeps_to_the_grams_that_it_may_have() -> None:
    draws = np.random.default_rng(2)
    text = [1, 2]
    for _ in range(3000):
        text.append((text[-1] + text[-2]) % 5 if draws.random() < 0.9 else int(draws.integers(5)))
    free, bound, _ = ngrams.fit(np.array(text), 5, most_grams=40)
    assert free.order >= 3
    assert bound.order == 2
    assert sum(bound.grams) <= 40
    same = ngrams.count(np.array(text), 5, 2)  # though it was not counted once more
    for ours, theirs in zip(bound.levels, same.levels, strict=True):
        np.testing.assert_array_equal(ours.codes, theirs.codes)
        for name in ("less", "total", "back"):
            np.testing.assert_array_equal(getattr(ours.counts, name), getattr(theirs.counts, name))
    assert free.levels[0] is bound.levels[0]  # held once
    assert ngrams.fit(np.array(text), 5)[1].order == free.order
    assert ngrams.fit(np.array(text), 5, most_grams=0)[1].order == 1


def test_of_a_long_text_the_end_is_counted_and_all_of_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    text = np.random.default_rng(3).integers(0, 4, 300)
    monkeypatch.setattr(ngrams, "MOST_TOKENS", 100)
    share, longest, _ = told(text, 5, 2)
    model = ngrams.count(text[220:], 5, 2)
    np.testing.assert_allclose(share[1:220], model.seen(text[None, :220])[0][0])
    assert (longest[1:] > 0).all()
    _, _, notes = ngrams.fit(text, 5)
    assert "last 100 tokens" in notes[0]


def test_a_text_is_counted_twice_at_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    class Seen(ngrams.Counted):
        def __init__(self, tokens, vocabulary, order) -> None:
            counted.append(len(tokens))
            super().__init__(tokens, vocabulary, order)

    monkeypatch.setattr(ngrams, "Counted", Seen)
    ngrams.fit(np.random.default_rng(0).integers(0, 4, 1000), 5, most_grams=6)
    assert counted == [900, 1000]  # to find the order, and in the end
