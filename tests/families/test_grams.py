"""Grams: sets of words and characters as a text is read by the prediction family, against sets made by hand."""

import json
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.data.fields.text import Text
from deepwell.families import grams
from deepwell.families.grams import Grams

FIELD = Field("t", "text")


def column(*texts):
    found = np.empty(len(texts), object)
    found[:] = texts
    return found


def fitted(*texts, **options):
    return Grams(Text("byte"), **options).fit(column(*texts), FIELD)


def sets(kind, *texts, part="words"):
    ragged = kind.encode(column(*texts))[0][part]
    return [set(ragged.values[a:b].tolist()) for a, b in zip(ragged.offsets, ragged.offsets[1:], strict=False)]


def test_words_and_the_pairs_of_two_rows_are_entries():
    kind = fitted("a b c", "a b d")
    assert kind.sizes()[1:3] == (1 + 5, 1 + 4 + 3 + 2 + 1)  # a b c d, `a b`; of ` a b ` all runs of two to five
    one, other, third, empty = sets(kind, "a b c", "a b d", "b a", "")
    assert len(one) == len(other) == 4
    assert len(one & other) == 3
    assert third < one
    assert len(third) == 2
    assert empty == set()


def expected(texts, orders, split):
    """Grams of each text as a set, by hand; of those in two texts (single words: in any) the vocabulary."""
    found = []
    for text in texts:
        parts = split(text)
        found.append({tuple(parts[i : i + n]) for n in orders for i in range(len(parts) - n + 1)})
    known = {
        g for one in found for g in one if (len(g) == 1 and orders[0] == 1) or sum(g in other for other in found) > 1
    }
    return [one & known for one in found], known


words = st.lists(st.sampled_from(["no", "yes", "isn't", "Ärger", "!", "42", "好"]), max_size=8).map(" ".join)


@settings(deadline=None, max_examples=60)
@given(st.lists(words, min_size=1, max_size=6))
def test_the_sets_are_those_made_by_hand(texts):
    kind = fitted(*texts)
    for part, orders, split in (
        ("words", (1, 2), lambda t: t.lower().split()),
        ("letters", (2, 3, 4, 5), lambda t: list(f" {t.lower()} ") if t else []),
    ):
        by_hand, known = expected(texts, orders, split)
        found = sets(kind, *texts, part=part)
        assert [len(one) for one in found] == [len(one) for one in by_hand]
        for i in range(len(texts)):
            for j in range(i):
                assert len(found[i] & found[j]) == len(by_hand[i] & by_hand[j])
        assert kind.sizes()[{"words": 1, "letters": 2}[part]] == len(known) + 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters()), max_size=4), st.text(st.characters()))
def test_any_text_is_read_halves_of_surrogate_pairs_too(texts, asked):
    kind = fitted(*texts)
    parts, problems = kind.encode(column(asked, *texts))
    assert not problems
    for part, count in zip(("words", "letters"), kind.sizes()[1:3], strict=True):
        values = parts[part].values
        assert len(parts[part]) == len(texts) + 1
        assert values.dtype == np.int32
        assert np.all((values > 0) & (values < count))


def test_case_does_not_count_and_signs_do():
    kind = fitted("Good film", "a")
    assert sets(kind, "GOOD", "good")[0] == sets(kind, "good")[0] != set()
    assert sets(fitted("good !", "b"), "good!")[0] == sets(fitted("good !", "b"), "good !")[0]


def test_scripts_without_spaces_have_a_word_for_each_character():
    kind = fitted("我喜欢这部电影", "我不喜欢")
    liked, other = sets(kind, "喜欢", "电车")
    assert len(liked) == 3  # two characters and their pair, which both texts have
    assert len(other) == 1


def test_the_most_frequent_entries_stay():
    kind = fitted("a b", "a c", "a d", most=2)
    assert kind.sizes()[1] == 3
    assert len(sets(kind, "a")[0]) == 1


def test_of_long_texts_head_and_tail_are_read(monkeypatch):
    monkeypatch.setattr(grams, "MOST_TOKENS", 8)
    monkeypatch.setattr(grams, "MOST_WORDS", 8)
    text = " ".join("abcdefghijklmnop")
    kind = fitted(text, text)
    parts, _ = kind.encode(column(text, "a b"))
    assert parts[""].lengths.tolist() == [8, 3]
    assert kind.decode(parts[""])[0] == text[:6] + text[-2:]
    assert len(sets(kind, text)[0]) == 8 + 5 + 1  # words, pairs within the head, pair within the tail
    assert kind.sizes()[3] == 8
    assert kind.cut_ == Grams().restore(kind.state()).cut_ == 1.0


def test_a_very_long_text_is_not_cut_into_words_as_a_whole():
    texts = [" ".join(f"word{i % 999} is {i % 7}" for i in range(20_000))] * 60  # 17 MB, of which 1 MB is read
    kind = Grams(Text("byte"))
    tracemalloc.start()
    try:
        kind.fit(column(*texts[:2]), FIELD)
        tracemalloc.reset_peak()
        found = kind.encode(column(*texts))[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80e6
    assert found[""].lengths.tolist() == [grams.MOST_TOKENS] * 60
    ends = kind.encode(column(texts[0][:100_000] + texts[0][-100_000:]))[0]
    for part in ("", "words", "letters"):
        np.testing.assert_array_equal(ends[part].values, found[part].take(np.array([59])).values)


def test_words_are_the_same_under_every_version_of_unicode():
    # U+A7CB came with Unicode 16 and U+11F02 with 15, both as letters: \w takes them for one or not by Python's version.
    kind = fitted("x\ua7cby", "z\U00011f02", "x")
    assert [len(one) for one in sets(kind, "x\ua7cby", "z\U00011f02")] == [1, 1]
    small = "".join(map(chr, [code for pair in sorted(grams._SMALL.items()) for code in pair]))
    assert zlib.crc32(small.encode()) == 0xD72C54E7


@pytest.mark.parametrize(
    ("capital", "small"), [("ÉCOLE", "école"), ("ΑΘΗΝΑ", "αθηνα"), ("МИР", "мир"), ("ＡＢ", "ａｂ")]
)
def test_case_does_not_count_in_other_scripts(capital, small):
    assert sets(fitted(small), capital) == sets(fitted(small), small) != [set()]


def test_rows_do_not_depend_on_each_other(monkeypatch):
    texts = [f"word{i % 7} and {i % 5} more" for i in range(40)]
    kind = fitted(*texts)
    whole = kind.encode(column(*texts))[0]
    monkeypatch.setattr(grams, "ROWS", 3)
    monkeypatch.setattr(grams, "LEAST_WAITING", 5)
    again = fitted(*texts)
    for name, ragged in again.encode(column(*texts))[0].items():
        np.testing.assert_array_equal(ragged.values, whole[name].values)
        np.testing.assert_array_equal(ragged.offsets, whole[name].offsets)
    single = kind.encode(column(texts[7]))[0]["letters"]
    np.testing.assert_array_equal(single.values, whole["letters"].take(np.array([7])).values)


def test_of_too_many_entries_those_of_a_single_row_are_forgotten(monkeypatch):
    for name, value in (("ROWS", 1), ("LEAST_WAITING", 1), ("MOST_COUNTED", 3)):
        monkeypatch.setattr(grams, name, value)
    kind = fitted("a b", "a b", "c d", "e f", "a b")
    assert len(sets(kind, "a b")[0]) == 3
    assert kind.sizes()[1] < 1 + 7  # a b c d e f, `a b`


def test_what_is_no_text_is_read_as_none_and_lists_are_joined():
    kind = fitted("a b", "a b")
    assert sets(kind, None, ["a", "b"], float("nan")) == [set(), sets(kind, "a b")[0], set()]


def test_a_column_without_any_text_still_encodes():
    kind = fitted("", None)
    assert kind.sizes()[1:] == (1, 1, 1)
    assert sets(kind, "news") == [set()]


def test_a_restored_kind_gives_the_same_and_holds_no_text():
    kind = fitted("secret words here", "secret words there")
    stored = json.dumps(kind.state())
    assert "secret" not in stored
    copy = Grams().restore(json.loads(stored))
    for part in ("words", "letters"):
        assert sets(copy, "words here", part=part) == sets(kind, "words here", part=part)
    assert copy.sizes() == kind.sizes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"words": ["AAAA"]}, "at most"),
        ({"words": ["not base64!"]}, "not base64"),
        ({"words": [7]}, "at most"),
        ({"letters": ["AQAAAAEAAAA="]}, "ascending order"),
        ({"length": 0}, "1 to 512"),
        ({"cut": 1.5}, "0 to 1"),
        ({"more": 1}, "exactly the entries"),
    ],
)
def test_a_bad_state_is_refused(change, said):
    with pytest.raises(BundleError, match=said):
        Grams().restore(fitted("a b", "a b").state() | change)
