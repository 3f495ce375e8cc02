"""dialogue: every common form of turns, speakers by name, one rule for unknown ones, broken dialogues named."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.cache import Storage
from deepwell.data.fields import kind as kinds
from deepwell.data.fields.dialogue import Dialogue, turns
from deepwell.data.fields.tokeniser import END
from deepwell.data.pipeline import FieldPipeline
from deepwell.store.arrays import ArrayCache

FIELD = Field("d", "dialogue")


def objects(values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def said(*pairs):
    return [{"role": role, "text": text} for role, text in pairs]


def fitted(*dialogues, **options):
    return Dialogue(**options).fit(objects(list(dialogues)), FIELD)


@pytest.mark.parametrize(
    "cell",
    [
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}],
        [{"from": "user", "value": "hi"}, {"from": "assistant", "value": "hello"}],
        [{"speaker": "user", "text": "hi", "emotion": 0}, {"speaker": " assistant ", "text": "hello"}],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "assistant", "content": "hello"}],
        [{"text": "hi"}, {"text": "hello"}],
        ["hi", "hello"],
        ("hi", "hello"),
        np.array(["hi", "hello"]),
        '["hi", "hello"]',
    ],
)
def test_every_common_form_is_read(cell):
    assert turns(cell) == [("user", "hi"), ("assistant", "hello")]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "the dialogue is missing"),
        (float("nan"), "the dialogue is missing"),
        ("  ", "the dialogue is missing"),
        ([], "a dialogue has no turns"),
        (3, r"a dialogue is a list of turns; got '3' \(int\)"),
        ("hello there", "got the text 'hello there', which is no JSON list"),
        ("[" * 100_000, "which is no JSON list"),
        ('{"a": 1}', r"a list of turns; got .* \(dict\)"),
        (["hi", None], r"turn 2 is neither a text nor an object .* got 'None' \(NoneType\)"),
        ([{"role": "user"}], "turn 1 has no text: none of content, text, value"),
        ([{"role": "user", "content": 5}], r"turn 1 has a text that is none; got '5' \(int\)"),
        ([{"role": "user", "content": [{"type": "image"}]}], "turn 1 has a text that is none"),
        ([{"role": None, "content": "x"}], r"turn 1 has a speaker that is no name; got 'None' \(NoneType\)"),
        ([{"role": " ", "content": "x"}], "turn 1 has a speaker that is no name"),
    ],
)
def test_broken_dialogues_say_what_was_received(cell, said):
    with pytest.raises(DataError, match=said):
        turns(cell)
    kind = fitted(["hi", "hello"], cell)  # fitting passes over it
    parts, problems = kind.encode(objects([["hi"], cell, ["hello"]]))
    assert list(problems) == [1]
    assert kind.decode(parts[""])[2] == said_by("user", "hello")


def said_by(role, text):
    return [{"role": role, "text": text}]


names = st.sampled_from(["user", "assistant", "system"])
dialogue = st.lists(st.fixed_dictionaries({"role": names, "text": st.text(max_size=20)}), min_size=1, max_size=6)
KNOWN = said(("system", "be kind"), ("user", "hi there"), ("assistant", "hello there"))


@given(st.lists(dialogue, max_size=5), st.sampled_from(["byte", "bpe"]))
@settings(deadline=None, max_examples=60)
def test_dialogues_come_back_exactly(cells, level):
    kind = fitted(KNOWN, level=level)
    parts, problems = kind.encode(objects(cells))
    assert not problems
    assert kind.decode(parts[""]).tolist() == cells
    assert kind.decode(parts[""].pad()).tolist() == cells
    again = Dialogue().restore(json.loads(json.dumps(kind.state())))
    assert np.array_equal(again.encode(objects(cells))[0][""].values, parts[""].values)


def test_tokens_by_hand():
    kind = fitted(KNOWN, level="byte")
    tokens = kind.encode(objects([said(("user", "a"), ("assistant", ""))]))[0][""]
    assert kind.speakers_ == ["system", "user", "assistant"]
    assert tokens.values.tolist() == [3, 8 + ord("a"), END, 4, END]
    assert tokens.padded
    assert kind.decode(np.array([[8 + ord("x"), 3, 8 + ord("a"), 0, 0, 0]]))[0] == said_by("user", "a")


def test_unknown_speakers_follow_one_rule():
    def tokens(kind, *who):
        return kind.speaker_tokens([(name, "") for name in who])

    kind = fitted(KNOWN)  # system 2, user 3, assistant 4
    assert tokens(kind, "human", "GPT", "USER") == [3, 4, 3]  # the same part
    assert tokens(kind, "Ann", "Bob", "Ann", "user") == [2, 3, 2, 3]  # the first that nobody before has
    assert tokens(kind, "user", "Ann", "Bob", "Cid", "Cid", "Ann") == [3, 2, 4, 2, 2, 2]  # all taken: the next one
    two = fitted(["hi", "hello"])
    assert tokens(two, "Ann", "Bob", "Cid", "Ann") == [2, 3, 2, 2]
    many = fitted(said(*((f"person {i}", "x") for i in range(9))))
    assert many.speakers_ == [f"person {i}" for i in range(6)]
    assert tokens(many, "person 5", "person 8") == [7, 2]


def test_it_is_found_by_its_name_and_mapped_where_large(tmp_path):
    assert kinds.find("dialogue") is Dialogue
    data = Table({"d": objects([KNOWN, ["a", "b"], None] * 500)})
    pipeline = FieldPipeline(Schema((Field("d", "dialogue"),))).fit(data)
    plain = pipeline.encode(data)
    assert pipeline.kinds_["d"].seconds(data["d"]) > 0
    pipeline.storage = Storage(0, ArrayCache(tmp_path / "cache"))
    for _ in range(2):
        mapped = pipeline.encode(data)
        assert mapped.problems == plain.problems
        assert mapped.columns["d"].padded
        assert np.array_equal(mapped.columns["d"].values, plain.columns["d"].values)
    assert len(list((tmp_path / "cache").iterdir())) == 1  # the second time it was opened


@pytest.mark.parametrize(
    "change",
    [
        {"speakers": []},
        {"speakers": ["a", "a"]},
        {"speakers": list("abcdefg")},
        {"speakers": [1]},
        {"speakers": ["x" * 101]},
        {"speakers": [""]},
        {"tokeniser": {"rule": "words-1", "merges": [5]}},
        {"extra": 1},
    ],
)
def test_foreign_state_is_refused(change):
    state = fitted(KNOWN).state()
    Dialogue().restore(state)
    with pytest.raises(BundleError):
        Dialogue().restore({**state, **change})
