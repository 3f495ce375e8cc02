"""Baselines of text to text: what each answers, over the same search as a network."""

from dataclasses import dataclass

import numpy as np
import pytest

from deepwell.core.batch import Encoded, Ragged
from deepwell.core.examples import RowExamples
from deepwell.core.keys import Key
from deepwell.data.fields.tokeniser import BEGIN, END, Tokeniser
from deepwell.decoding.beam import Search, beam_search
from deepwell.evaluation import dictionary
from deepwell.evaluation.dictionary import learn, sentences

TOKENISER = Tokeniser()


@dataclass
class Letters:
    """A Reader of single bytes."""

    size: int = TOKENISER.size

    def sources(self, arrays):
        return self._texts(arrays, "source")

    def targets(self, arrays):
        return self._texts(arrays, "target")

    def tokens(self, texts) -> Ragged:
        return TOKENISER.encode_all(texts)

    def _texts(self, arrays, name):
        return [TOKENISER.decode(row[:n]) for row, n in zip(arrays[name], arrays[f"{name}.length"], strict=True)]


def examples(pairs):
    columns = {
        "source": TOKENISER.encode_all([s for s, _ in pairs]),
        "target": TOKENISER.encode_all([t for _, t in pairs]),
    }
    return RowExamples(Encoded(columns, np.arange(len(pairs))))


def answers(make, pairs, asked, width=3):
    """What a baseline fitted on pairs answers, through encode, step and beam search."""
    runner = make(lambda pipeline: Letters()).fit(examples(pairs), None, Key(0))
    arrays = examples([(text, "") for text in asked]).take(np.arange(len(asked)), Key(0)).arrays
    _, state = runner.run("encode", arrays)
    found = beam_search(runner, "step", {"token": np.full(len(asked), BEGIN)}, state, 80, END, Search(width, 1.0, 1))
    return [TOKENISER.decode(row[: n - 1]) for row, n in zip(found.tokens[:, 0], found.lengths[:, 0], strict=True)]


PAIRS = [
    ("the dog runs", "der Hund läuft"),
    ("the cat runs", "die Katze läuft"),
    ("the dog sleeps", "der Hund schläft"),
    ("the cat sleeps", "die Katze schläft"),
    ("a dog runs", "ein Hund läuft"),
]


def test_copy_says_the_source_whatever_the_width():
    asked = ["Ein Haus.", "", "漢字"]
    for width in (1, 5):
        assert answers(dictionary.copy, PAIRS, asked, width) == asked


def test_lead_says_as_many_first_sentences_as_targets_have():
    asked = ["One is 3.5 long. Two? Three!", "一つ。二つ。三つ。"]
    assert answers(dictionary.lead, [("x", "A. B."), ("y", "A. B! C?")], asked) == [
        "One is 3.5 long. Two?",
        "一つ。 二つ。",
    ]
    assert answers(dictionary.lead, [("x", "A")], asked) == ["One is 3.5 long.", "一つ。"]


def test_the_usual_answer_is_the_most_frequent_target():
    assert answers(dictionary.usual, [("a", "no"), ("b", "yes"), ("c", "yes")], ["q", ""]) == ["yes", "yes"]


def test_the_dictionary_translates_word_by_word_and_copies_what_it_does_not_know():
    assert answers(dictionary.dictionary, PAIRS, ["a cat sleeps", "Dog runs zzz"]) == [
        "ein Katze schläft",
        "Hund läuft zzz",
    ]


def test_the_dictionary_knows_scripts_without_spaces():
    pairs = [
        ("我爱猫", "I love cats"),
        ("我爱狗", "I love dogs"),
        ("你爱猫", "You love cats"),
        ("我看狗", "I see dogs"),
    ]
    assert answers(dictionary.dictionary, pairs, ["你看猫"]) == ["You see cats"]
    back = [(target, source) for source, target in pairs]
    assert answers(dictionary.dictionary, back, ["you see cats"]) == ["你看猫"]


def test_too_many_pairs_are_sampled_and_it_is_said(monkeypatch):
    monkeypatch.setattr(dictionary, "MOST_TOGETHER", 30)
    runner = dictionary.dictionary(lambda pipeline: Letters()).fit(examples(PAIRS), None, Key(0))
    assert runner.notes == ("learnt from 2 of 5 pairs, to bound its time",)


def test_pairs_that_are_not_learnt_from_are_not_even_decoded(monkeypatch):
    monkeypatch.setattr(dictionary, "MOST_TOGETHER", 30)
    monkeypatch.setattr(dictionary, "AT_ONCE", 2)
    decoded = []

    class Counting(Letters):
        def targets(self, arrays):
            decoded.extend(super().targets(arrays))
            return decoded[-len(arrays["target"]) :]

    dictionary.dictionary(lambda pipeline: Counting()).fit(examples(PAIRS * 100), None, Key(0))
    assert 1 <= len(decoded) <= 4


def test_the_chances_are_those_of_model_1_by_hand():
    # Two pairs, b = y alone: expectation and maximisation draw a to x (Brown et al. 1993; Koehn 2010, section 4.2).
    assert learn([(["a", "b"], ["x", "y"]), (["b"], ["y"])]) == {"a": "x", "b": "y"}
    assert learn([]) == {}
    assert learn([(["a"], [])]) == {}


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("Only one", ["Only one"]),
        ("  ", []),
    ],
)
def test_sentences(text, cut):
    assert sentences(text) == cut
