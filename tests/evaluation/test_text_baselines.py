"""Baselines of texts are as good as scikit-learn used by hand, and say what they left out."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from deepwell.core.errors import DataError
from deepwell.core.examples import RowExamples
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.data.fields.text import Text
from deepwell.data.pipeline import FieldPipeline
from deepwell.evaluation import text_baselines

KEY = Key(3)
WORDS = {"good": "fine lovely warm", "bad": "cold rude stale", "odd": "green square loud"}


def remarks(count, seed=0):
    """Texts of words of one mood and some others, and the mood."""
    draw = np.random.default_rng(seed)
    moods = draw.choice(sorted(WORDS), count)
    texts = [" ".join(draw.permutation([*draw.choice(WORDS[m].split(), 2), *draw.choice(["it", "was", "so", "!"], 4)]))
             for m in moods]  # fmt: skip
    return np.array(texts, object), moods.astype(object)


def made(kind, texts, truth):
    schema = Schema((Field("t", "text"), Field("y", kind, "target")))
    pipeline = FieldPipeline(schema, {"t": Text("byte")}).fit(Table({"t": texts, "y": truth}))
    return pipeline, lambda t, y: RowExamples(pipeline.encode(Table({"t": t, "y": y})))


def answers(runner, examples, output):
    batch = examples.take(np.arange(examples.count), KEY)
    return runner.run("forward", {n: a for n, a in batch.arrays.items() if n != "y"})[0][output]


def matrix(texts, asked, **options):
    vectors = TfidfVectorizer(token_pattern=r"(?u)\w+|[^\w\s]", ngram_range=(1, 2), **options)
    return vectors.fit_transform(texts), vectors.transform(asked)


def test_classes_equal_logistic_regression_by_hand():
    texts, moods = remarks(120)
    asked, truth = remarks(30, seed=1)
    pipeline, examples = made("category", texts, moods)
    baseline = text_baselines.words("y", "category", ["t"])
    runner = baseline.fit(examples(texts, moods), pipeline, KEY)
    found = answers(runner, examples(asked, truth), "y.logits")
    train, test = matrix(texts, asked)
    expected = LogisticRegression(max_iter=100, tol=1e-3).fit(train, moods).predict_log_proba(test)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert (np.array(pipeline.classes("y"))[found.argmax(1)] == truth).mean() > 0.9
    assert (baseline.name, baseline.kind, runner.notes) == ("TF-IDF", "classical", ())


def test_a_number_equals_ridge_regression_by_hand():
    texts, moods = remarks(80)
    values = np.array([len(text) + 10.0 * (mood == "odd") for text, mood in zip(texts, moods, strict=True)])
    pipeline, examples = made("number", texts, values)
    part = examples(texts, values)
    found = answers(text_baselines.words("y", "number", ["t"]).fit(part, pipeline, KEY), part, "y.value")
    train, test = matrix(texts, texts)
    expected = Ridge().fit(train, (values - values.mean()) / values.std()).predict(test)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_each_tag_is_learned_for_itself_and_one_that_never_varies_is_kept():
    texts, moods = remarks(90)
    tags = np.empty(90, object)
    tags[:] = [["text", mood] for mood in moods]
    pipeline, examples = made("tags", texts, tags)
    part = examples(texts, tags)
    found = answers(text_baselines.words("y", "tags", ["t"]).fit(part, pipeline, KEY), part, "y.logits")
    train, _ = matrix(texts, texts)
    names = pipeline.classes("y")
    for mood in WORDS:
        expected = LogisticRegression(max_iter=100, tol=1e-3).fit(train, moods == mood).decision_function(train)
        np.testing.assert_allclose(found[:, names.index(mood)], expected, rtol=1e-3, atol=1e-4)
    assert (found[:, names.index("text")] > 10).all()


def test_a_script_without_spaces_is_read_by_characters():
    texts = np.array(["我非常喜欢这部电影真的很好看" * 2, "这个餐厅的服务员态度实在太差了" * 2] * 10, object)
    labels = np.array(["good", "bad"] * 10, object)
    pipeline, examples = made("category", texts, labels)
    part = examples(texts, labels)
    found = answers(text_baselines.words("y", "category", ["t"]).fit(part, pipeline, KEY), part, "y.logits")
    assert [pipeline.classes("y")[k] for k in found.argmax(1)] == labels.tolist()


def test_what_bounds_the_time_is_said(monkeypatch):
    monkeypatch.setattr(text_baselines, "MOST_WORK", 100)
    monkeypatch.setattr(text_baselines, "FEWEST_ROWS", 50)
    texts, moods = remarks(90)
    pipeline, examples = made("category", texts, moods)
    decoded = []
    plain = pipeline.decode
    monkeypatch.setattr(pipeline, "decode", lambda name, array: decoded.extend(array) or plain(name, array))
    runner = text_baselines.words("y", "category", ["t"]).fit(examples(texts, moods), pipeline, KEY)
    assert len(decoded) == 50  # the others are not even decoded
    assert runner.notes == ("fitted on 50 of 90 rows, drawn at random, to bound its time",)


def test_several_texts_are_read_as_one():
    texts, moods = remarks(90)
    table = {"t": texts, "other": np.array(["and"] * 90, object), "y": moods}
    schema = Schema((Field("t", "text"), Field("other", "text"), Field("y", "category", "target")))
    pipeline = FieldPipeline(schema, {n: Text("byte") for n in ("t", "other")}).fit(Table(table))
    part = RowExamples(pipeline.encode(Table(table)))
    found = answers(text_baselines.words("y", "category", ["t", "other"]).fit(part, pipeline, KEY), part, "y.logits")
    joined, _ = matrix([f"{text}\nand" for text in texts], texts)
    expected = LogisticRegression(max_iter=100, tol=1e-3).fit(joined, moods).predict_log_proba(joined)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_without_examples_there_is_no_baseline():
    texts, moods = remarks(9)
    pipeline, examples = made("category", texts, moods)
    with pytest.raises(DataError, match="needs training examples"):
        text_baselines.words("y", "category", ["t"]).fit(examples(texts[:0], moods[:0]), pipeline, KEY)


def test_empty_texts_are_answered_by_the_shares_of_the_classes():
    texts, labels = np.array([""] * 8, object), np.array(["a", "a", "a", "b"] * 2, object)
    pipeline, examples = made("category", texts, labels)
    part = examples(texts, labels)
    found = answers(text_baselines.words("y", "category", ["t"]).fit(part, pipeline, KEY), part, "y.logits")
    np.testing.assert_allclose(np.exp(found), [[0.75, 0.25]] * 8, atol=1e-3)
