"""Pairs of texts: the arrays of an encoder-decoder, the vocabularies, and what is learnt beside them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.fields.tokeniser import BEGIN, END, SPECIALS
from deepwell.data.pipeline import encode
from deepwell.families.pairing import FACTS, Joining, PairFacts, PairPipeline, PairReader, cut, pairs, same_letters

ONE = Schema((Field("en", "text"), Field("de", "text", "target")))
TWO = Schema((Field("context", "text"), Field("question", "text"), Field("answer", "text", "target")))
EN = ["a dog runs fast", "the cat sleeps", "a bird sings in the tree", "two men talk"]
DE = ["ein Hund läuft schnell", "die Katze schläft", "ein Vogel singt im Baum", "zwei Männer reden"]
RU = ["собака бежит", "кошка спит", "птица поёт", "двое говорят"]


def column(values):
    made = np.empty(len(values), object)
    made[:] = values
    return made


def table(**columns):
    return Table({name: column(values) for name, values in columns.items()})


def fitted(schema, data, **options):
    return PairPipeline(schema, **options).fit(data)


def arrays(pipeline, data, longest=64):
    joining = Joining(pipeline.inputs, pipeline.target, longest)
    columns = encode(pipeline, data, joining).columns
    padded = {n: c.pad() for n, c in columns.items() if isinstance(c, Ragged)}
    return {**padded, **{f"{n}.length": c.lengths for n, c in columns.items() if isinstance(c, Ragged)}}


def test_a_source_ends_and_a_target_begins_and_ends():
    data = table(en=EN, de=DE)
    found = arrays(fitted(ONE, data), data)
    for row in range(4):
        source = found["source"][row, : found["source.length"][row]]
        target = found["target"][row, : found["target.length"][row]]
        assert source[-1] == END
        assert (target[0], target[-1]) == (BEGIN, END)
        assert (source[:-1] >= SPECIALS).all()
        assert (target[1:-1] >= SPECIALS).all()


@given(
    st.lists(
        st.tuples(st.text(max_size=12), st.text(max_size=12), st.text(min_size=1, max_size=9)), min_size=1, max_size=6
    )
)
@settings(deadline=None, max_examples=40)
def test_texts_come_back_from_the_arrays(rows):
    data = table(context=[r[0] for r in rows], question=[r[1] for r in rows], answer=["x" + r[2] for r in rows])
    pipeline = PairPipeline(TWO, "byte")
    pipeline.kinds_["answer"].target_ = True
    reader, found = PairReader.of(pipeline), arrays(pipeline, data)
    assert reader.targets(found) == data["answer"].tolist()
    assert reader.references(found) == [[text] for text in data["answer"]]
    assert reader.sources(found) == [" ".join(filter(None, r[:2])) for r in rows]
    assert [reader.text(tokens[1:]) for tokens in found["target"]] == data["answer"].tolist()


def test_several_inputs_each_begin_with_a_token_of_their_own():
    data = table(context=EN, question=["who?"] * 4, answer=["x y"] * 4)
    found = arrays(fitted(TWO, data), data)
    row = found["source"][0, : found["source.length"][0]]
    assert [int(t) for t in row if t < SPECIALS] == [2, 3, END]
    assert row[0] == 2


def test_a_long_source_loses_the_ends_of_its_longest_fields():
    data = table(context=["word " * 50] * 3, question=["who?"] * 3, answer=["x"] * 3)
    pipeline = fitted(TWO, data, level="byte")
    found = arrays(pipeline, data, longest=40)
    assert found["source.length"].tolist() == [40] * 3
    assert PairReader.of(pipeline).sources(found)[0].endswith("who?")


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=1, max_size=8), st.integers(0, 60))
def test_cutting_keeps_within_the_bound_and_takes_from_the_longest(rows, most):
    lengths = np.array(rows).T
    kept = cut(lengths, most)
    assert (kept <= lengths).all()
    assert (kept.sum(0) <= most).all()
    assert (kept[:, lengths.sum(0) <= most] == lengths[:, lengths.sum(0) <= most]).all()
    for before, after in zip(lengths.T, kept.T, strict=True):
        bound = after[after < before].max(initial=0)
        if (after < before).any():
            assert (after <= max(bound, 0)).all()
            assert after.sum() > most - len(rows[0])  # rounding leaves less than one token a field


def test_all_right_answers_come_back():
    data = table(en=EN, de=[["ein Hund", "der Hund"], ["x"], ["y z", "w"], ["a"]])
    pipeline = fitted(ONE, data)
    reader, found = PairReader.of(pipeline), arrays(pipeline, data)
    assert reader.references(found) == [["ein Hund", "der Hund"], ["x"], ["y z", "w"], ["a"]]
    assert reader.targets(found) == ["ein Hund", "x", "y z", "a"]


def test_a_vocabulary_is_shared_where_most_letters_are():
    german, russian = (fitted(ONE, table(en=EN, de=other)) for other in (DE, RU))
    assert german.facts_.shared
    assert not russian.facts_.shared
    assert german.text("en").tokeniser_ is german.text("de").tokeniser_
    assert russian.text("en").tokeniser_ is not russian.text("de").tokeniser_
    assert [size[2] for size in german.sizes().values()] == [1, 1]
    assert [size[2] for size in russian.sizes().values()] == [0, 0]
    assert not fitted(ONE, table(en=EN, de=DE), vocabulary="separate").facts_.shared
    assert fitted(ONE, table(en=EN, de=RU), vocabulary="shared").facts_.shared


def test_shares_of_letters_by_hand():
    assert same_letters(["aab"], ["abb"]) == pytest.approx(2 / 3)
    assert same_letters(["Aa"], ["A 1!"]) == 1.0
    assert same_letters(["abc"], ["где"]) == 0.0
    assert same_letters(["123"], ["где"]) == 1.0


def test_answers_may_be_as_long_as_training_had_them():
    facts = PairFacts(ratio=1.5, longest=10)
    assert facts.limits(np.array([0, 3, 100])).tolist() == [7, 11, 20]
    data = table(en=EN, de=DE)
    pipeline = fitted(ONE, data)
    found = arrays(pipeline, data)
    assert (pipeline.facts_.limits(found["source.length"]) >= found["target.length"]).all()


def test_what_targets_are_like_is_counted_in_words():
    facts = fitted(ONE, table(en=["one two three", "four"], de=["eins", "zwei drei vier"])).facts_
    assert (facts.source_words, facts.target_words, facts.unspaced) == (2.0, 2.0, False)
    assert fitted(ONE, table(en=EN, de=["我爱猫", "我看狗", "你好", "他来"])).facts_.unspaced


def test_a_stored_pipeline_is_the_same_and_foreign_ones_are_refused():
    data = table(en=EN, de=DE)
    pipeline = fitted(ONE, data)
    state = json.loads(json.dumps(pipeline.state()))
    again = PairPipeline(ONE).restore(state)
    assert again.facts_ == pipeline.facts_
    assert again.sizes() == pipeline.sizes()
    for name, values in arrays(pipeline, data).items():
        assert np.array_equal(arrays(again, data)[name], values)
    bytes_only = {**state["de"]["state"], "tokeniser": {"rule": "words-1", "merges": []}}
    for broken, said in [
        ({n: s for n, s in state.items() if n != FACTS}, "have no facts"),
        ({**state, FACTS: {**state[FACTS], "ratio": "much"}}, "ratio must be a finite float"),
        ({**state, FACTS: {**state[FACTS], "longest": -1}}, "not all positive"),
        ({**state, "de": {**state["de"], "state": bytes_only}}, "one size"),
    ]:  # fmt: skip
        with pytest.raises(BundleError, match=said):
            PairPipeline(ONE).restore(broken)


def test_the_same_text_on_both_sides_is_refused():
    with pytest.raises(
        DataError, match=r"in 4 of 4 rows the target 'de' is the same text as the source[\s\S]*--target"
    ):
        fitted(ONE, table(en=EN, de=EN))
    fitted(ONE, table(en=EN, de=[*EN[:2], *DE[2:]]))  # some are: names, corrections


def test_another_pipeline_is_named():
    with pytest.raises(TypeError, match="no pipeline of pairs"):
        pairs(object())
