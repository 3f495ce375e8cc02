"""text: exact, row by row, one rule for missing cells; several right answers; a vocabulary that fields share."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepwell.core.batch import collate
from deepwell.core.errors import BundleError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.cache import Storage
from deepwell.data.fields import kind as kinds
from deepwell.data.fields.text import Text
from deepwell.data.pipeline import FieldPipeline
from deepwell.store.arrays import ArrayCache

SHARED = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[4] / "shared" / "data"))
FIELD = Field("t", "text")
TEXTS = ["the cat sat on the mat", "the dog sat on the log", "die Katze saß auf der Matte", "猫坐在垫子上"]


def objects(values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def fitted(values=TEXTS, is_target=False, **options):
    return Text(**options).fit(objects(values), FIELD, is_target=is_target)


def lists(ragged):
    return [row.tolist() for row in np.split(ragged.values, ragged.offsets[1:-1])]


@given(st.lists(st.text(), max_size=5), st.sampled_from(["byte", "character", "bpe"]))
@settings(deadline=None, max_examples=60)
def test_any_texts_come_back(values, level):
    kind = fitted(level=level)
    parts, problems = kind.encode(objects(values))
    assert not problems
    assert list(parts) == [""]
    assert kind.decode(parts[""]).tolist() == values
    assert kind.decode(parts[""].pad()).tolist() == values  # as batches hold them


cells = st.lists(
    st.one_of(st.none(), st.text(max_size=9), st.integers(), st.floats(), st.booleans(), st.lists(st.text(max_size=3))),
    max_size=12,
)


@given(cells, st.booleans(), st.integers(0, 12))
@settings(deadline=None, max_examples=100)
def test_what_a_row_gives_does_not_depend_on_the_rows_beside_it(values, is_target, cut):
    kind = fitted([*TEXTS, ["one", "another"]], is_target=is_target)
    whole, problems = kind.encode(objects(values))
    first, second = kind.encode(objects(values[:cut])), kind.encode(objects(values[cut:]))
    assert whole.keys() == first[0].keys() == second[0].keys()
    for part in whole if values else ():
        assert lists(whole[part]) == [
            row for one in (first, second) if len(one[0][part]) for row in lists(one[0][part])
        ]
    shifted = {row + min(cut, len(values)): why for row, why in second[1].items()}
    assert problems == {**first[1], **shifted}
    again = Text().restore(json.loads(json.dumps(kind.state())))
    assert {p: lists(a) for p, a in again.encode(objects(values))[0].items()} == {p: lists(a) for p, a in whole.items()}


def test_inputs_take_missing_cells_numbers_and_lists():
    kind = fitted(level="byte")
    parts, problems = kind.encode(objects([None, float("nan"), "", 3, 3.0, 2.5, True, ["a", None, "", "b"], [], "  "]))
    assert problems == {}
    assert kind.decode(parts[""]).tolist() == ["", "", "", "3", "3", "2.5", "True", "a b", "", "  "]
    assert kind.decode(kind.encode(np.array([1, 20]))[0][""]).tolist() == ["1", "20"]


def test_what_is_no_text_is_named():
    problems = fitted().encode(objects([{"a": 1}, "fine", ["x", {"y": 2}], b"bytes"]))[1]
    assert problems == {
        0: "\"{'a': 1}\" is not text but a value of type dict",
        2: "\"{'y': 2}\" is not text but a value of type dict",
        3: "\"b'bytes'\" is not text but a value of type bytes",
    }


def test_missing_targets_are_problems():
    kind = fitted(is_target=True)
    parts, problems = kind.encode(objects([None, "", " \n", [], [None, " "], "a"]))
    assert problems == dict.fromkeys(range(5), "the text is missing")
    assert kind.references(parts["references"]) == [[]] * 6


@pytest.mark.parametrize("training", [[["one two", "two"], ["three"]], ["one", "two"]])
def test_several_right_answers_are_given_whether_or_not_training_had_them(training):
    kind = fitted(training, is_target=True, level="byte")
    parts, problems = kind.encode(objects([["b", "cd", "b"], ["e"], "f", None]))
    assert list(problems) == [3]
    assert kind.decode(parts[""]).tolist() == ["b", "e", "f", ""]
    assert kind.references(parts["references"]) == [["cd", "b"], [], [], []]
    assert "references" not in fitted([["x", "y"]]).encode(objects([["x", "y"]]))[0]


def test_several_fields_share_one_vocabulary():
    english, german = objects(["the house the house"] * 3), objects(["das Haus das Haus"] * 3)
    source = Text()
    target = Text(partner=source)
    schema = Schema((Field("en", "text"), Field("de", "text", "target")))
    pipeline = FieldPipeline(schema, {"en": source, "de": target})
    for _ in range(2):  # fitting again learns anew
        pipeline.fit(Table({"en": english, "de": german}))
        assert source.tokeniser_ is target.tokeniser_
        assert len(source.tokeniser_.encode(" house")) == len(target.tokeniser_.encode(" Haus")) == 1
    assert pipeline.sizes()["en"] == pipeline.sizes()["de"] == (source.tokeniser_.size,)
    alone = Text().fit(english, FIELD)
    assert len(alone.tokeniser_.encode(" Haus")) > 1
    first = Text()
    again = FieldPipeline(schema, {"en": first, "de": Text(partner=first)}).restore(pipeline.state())
    assert again.kinds_["de"].tokeniser_.merges == source.tokeniser_.merges


def test_it_is_found_by_its_name_and_padded_in_batches():
    assert kinds.find("text") is Text
    kind = fitted(level="byte")
    parts, _ = kind.encode(objects(["abc", None, "a longer text"]))
    batch = collate({"t": parts[""]}, np.array([1, 0]))
    assert batch["t"].shape == (2, 8)
    assert batch["t.length"].tolist() == [0, 3]
    assert batch["t"][1].tolist() == [*(8 + np.frombuffer(b"abc", np.uint8)), 0, 0, 0, 0, 0]


def test_large_columns_are_mapped_and_stay_padded(tmp_path):
    texts = objects([*TEXTS, None, {"no": "text"}, ""] * 300)
    data = Table({"t": texts, "y": objects([["a", "b"]] * len(texts))})
    schema = Schema((Field("t", "text"), Field("y", "text", "target")))
    pipeline = FieldPipeline(schema).fit(data)
    plain = pipeline.encode(data)
    pipeline.storage = Storage(0, ArrayCache(tmp_path / "cache"))
    for _ in range(2):  # written, then opened
        mapped = pipeline.encode(data)
        assert mapped.problems == plain.problems
        assert mapped.columns.keys() == plain.columns.keys() == {"t", "y", "y.references"}
        for name, column in plain.columns.items():
            assert mapped.columns[name].padded
            assert np.array_equal(mapped.columns[name].values, column.values)
            assert np.array_equal(mapped.columns[name].offsets, column.offsets)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_time_that_encoding_takes_is_told_from_some_cells():
    kind = fitted()
    assert kind.seconds(objects([])) == 0
    assert kind.seconds(objects(["x" * 1_000] * 5_000)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "change",
    [{"target": 1}, {"several": "no"}, {"tokeniser": []}, {"tokeniser": {"rule": "words-1", "merges": [5]}}, {"x": 1}],
)
def test_foreign_state_is_refused(change):
    state = fitted().state()
    Text().restore(state)
    with pytest.raises(BundleError):
        Text().restore({**state, **change})


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data sets at {SHARED} (set DEEPWELL_DATA)")
def test_real_sentences_come_back_in_few_tokens():
    file = SHARED / "machine-translation/multi30k_en_de/train.de.gz"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    kind = Text().fit(objects(lines[:8_000]), FIELD)
    parts, _ = kind.encode(objects(lines[8_000:10_000]))
    assert kind.decode(parts[""]).tolist() == lines[8_000:10_000]
    words = sum(len(line.split()) for line in lines[8_000:10_000])
    assert len(parts[""].values) < 1.8 * words
