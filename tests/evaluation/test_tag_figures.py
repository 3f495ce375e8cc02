"""Figures of tags: F1 by tag is scikit-learn's; reliability counts the possible tags only."""

import json

import numpy as np
from sklearn.metrics import f1_score

from deepwell.evaluation.tag_figures import LEAST, MOST_TAGS, figures


def columns(rows=200, tags=5, seed=0):
    draws = np.random.default_rng(seed)
    chances = draws.uniform(0, 1, (rows, tags)) ** np.arange(1, tags + 1)  # later tags are rarer
    present = draws.uniform(0, 1, (rows, tags)) < chances
    return {"t.present": present, "t.answered": chances >= 0.5, "t.chances": chances.astype(np.float32)}


def test_f1_by_tag_is_scikit_learns_and_the_best_stand_first():
    measured = columns()
    bars = figures("t", list("abcde"), measured)[0]
    expected = dict(zip("abcde", f1_score(measured["t.present"], measured["t.answered"], average=None), strict=True))
    found = dict(zip(bars["data"]["labels"], bars["data"]["values"], strict=True))
    assert (bars["kind"], bars["target"]) == ("bars", "t")
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[tag] for tag in "abcde"], [expected[tag] for tag in "abcde"])
    assert bars["data"]["values"] == sorted(bars["data"]["values"], reverse=True)
    json.dumps(bars)


def test_reliability_is_of_possible_tags():
    measured = columns(rows=2000)
    bins = figures("t", list("abcde"), measured)[1]["data"]["bins"]
    assert sum(b["count"] for b in bins) == np.count_nonzero(measured["t.chances"] >= LEAST)
    assert max(abs(b["confidence"] - b["accuracy"]) for b in bins) < 0.08  # truth was drawn from these chances
    measured["t.chances"] = measured["t.chances"] * 0 + 0.01
    assert [event["kind"] for event in figures("t", list("abcde"), measured)] == ["bars"]


def test_of_many_tags_the_most_frequent_and_of_none_nothing():
    measured = columns(tags=30)
    often = np.argsort(-measured["t.present"].sum(axis=0), kind="stable")[:MOST_TAGS]
    labels = figures("t", [str(k) for k in range(30)], measured)[0]["data"]["labels"]
    assert sorted(labels) == sorted(str(k) for k in often if measured["t.present"][:, k].any())
    measured["t.present"] = measured["t.present"] & False
    assert figures("t", [str(k) for k in range(30)], measured) == []
