"""Questions in batches: each once, bounded in cost, and answered at their places."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deepwell as dw
from deepwell.core.batch import Encoded, Ragged
from deepwell.core.errors import DataError
from deepwell.core.examples import RowExamples
from deepwell.core.table import Table
from deepwell.runtime.batches import BATCH, MOST_COST, batches


def texts(lengths):
    """Examples of so many tokens each; the first token of each says which it is."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.zeros(offsets[-1], np.int32)
    values[offsets[:-1]] = np.arange(len(lengths))
    return RowExamples(Encoded({"text": Ragged(values, offsets, padded=True)}, np.arange(len(lengths))))


@given(st.lists(st.one_of(st.integers(1, 300), st.integers(1, 3 * MOST_COST)), min_size=1, max_size=200))
def test_texts_of_unequal_length_go_in_batches_of_bounded_cost(lengths):
    seen = []
    for batch, size in batches(texts(lengths)):
        assert size == len(batch) <= BATCH
        dearest = 1 + int(batch.arrays["text.length"].max())
        assert size == 1 or size * dearest <= MOST_COST
        assert batch.arrays["text"].shape[1] < dearest + 8
        assert batch.arrays["text"][:, 0].tolist() == batch.examples.tolist()
        seen += batch.examples.tolist()
    assert sorted(seen) == list(range(len(lengths)))
    costs = np.ceil(np.array(lengths)[seen] / 8)
    assert (np.diff(costs) <= 0).all(), "dearest first"


def test_little_is_padded():
    draws = np.random.default_rng(1).geometric(1 / 30, 5000)
    held = sum(batch.arrays["text"].size for batch, _ in batches(texts(draws)))
    in_order = sum(BATCH * -(-max(draws[i : i + BATCH]) // 8) * 8 for i in range(0, 5000, BATCH))
    assert held < 1.25 * draws.sum() < 0.4 * in_order


@given(st.integers(1, 3 * BATCH))
def test_examples_of_one_size_go_in_batches_of_one_size(count):
    examples = RowExamples(Encoded({"x": np.arange(count)}, np.arange(count)))
    found = list(batches(examples))
    assert all(len(batch) == BATCH for batch, _ in found)
    assert np.concatenate([b.examples[:size] for b, size in found]).tolist() == list(range(count))


def test_endless_examples_are_refused():
    with pytest.raises(DataError, match="endless"):
        next(batches(SimpleNamespace(count=None)))


def test_answers_stand_where_they_were_asked(trained, monkeypatch):
    """Three lines for each text, whatever order the texts were taken in; a row without example stays empty."""
    model = dw.load(trained)
    lengths = np.random.default_rng(2).integers(1, 2000, 300)
    examples = texts(lengths)

    def count(runner, batch, *rest):
        return Table({"label": np.repeat(batch.arrays["text.length"], 3 if examples.rows is None else 1)})

    monkeypatch.setattr(model.task, "predict", count)
    examples.problems = {300: "no text"}
    answers = model.answer(examples, 301)
    assert answers["label"].tolist() == [*lengths, None]
    assert answers["problem"][300] == "no text"
    examples.rows, examples.problems = None, {}
    assert model.answer(examples, 0)["label"].tolist() == np.repeat(lengths, 3).tolist()


def test_the_answer_to_a_text_does_not_depend_on_its_neighbours(tmp_path):
    """Alone, among others and in another order: alike but for float32 rounding."""
    draw = np.random.default_rng(3)
    words = np.array("a film that was great awful dull lovely and long".split())
    made = [" ".join(draw.choice(words, size)) for size in draw.choice([2, 9, 60, 400], 200)]
    label = ["good" if text.count("great") > text.count("awful") else "bad" for text in made]
    data = {"review": made, "label": label}
    run = dw.train(
        data, target="label", task="text_classification", kind={"review": "text"}, steps=3, size="tiny", device="cpu",
        out=tmp_path / "runs",
    )  # fmt: skip
    name = "label.probability.good"
    together = run.model.predict({"review": made})
    order = draw.permutation(200)
    permuted = run.model.predict({"review": [made[i] for i in order]})
    np.testing.assert_allclose(permuted[name], together[name][order], atol=1e-5)
    for i in range(0, 200, 20):
        alone = run.model.predict({"review": [made[i]]})
        assert alone[name][0] == pytest.approx(together[name][i], abs=1e-5)
