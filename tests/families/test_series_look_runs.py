"""Anomalies of series through a whole run: trained, sealed, and asked about rows of which one is wrong."""

import numpy as np
import pytest

import deepwell as dw
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.table import Table
from deepwell.runs import stage

WRONG = 390


def rows(count, seed=0, labels=False, regular=True):
    """Hours of two shops with a wave of a day; sold goes with it."""
    draws = np.random.default_rng(seed)
    hour = np.tile(np.arange(count), 2)
    sold = 50 + 10 * np.sin(2 * np.pi * hour / 24) + draws.normal(0, 1, 2 * count)
    minutes = hour * 60 if regular else hour * 60 + draws.integers(0, 37, 2 * count)
    columns = {
        "hour": np.datetime_as_string(np.datetime64("2024-01-01T00:00", "s") + 60 * minutes).astype(object),
        "shop": np.repeat(np.array(["a", "b"], object), count),
        "sold": sold,
    }
    if labels:
        wrong = draws.random(2 * count) < 0.03
        columns["sold"] = np.where(wrong, sold + 30, sold)
        columns["state"] = np.where(wrong, "broken", "sound").astype(object)
    return Table(columns)


def train(table, out, **options):
    task = {
        "task": "anomaly_detection",
        "device": "cpu",
        "out": str(out),
        "sinks": (),
        "set": {"window": "96"},
        "plan": {"threads": 1},
    }
    return dw.train(table, steps=40, **{**task, **options})


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    """Drawing the report takes most of so small a run; that of `run` is drawn, since module-scoped runs are made first."""
    monkeypatch.setattr(stage, "render", lambda events: "")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(rows(400), tmp_path_factory.mktemp("runs"))


def test_a_wrong_row_is_the_oddest_and_the_reason_names_it(run):
    asked = rows(400, seed=1)
    asked["sold"][WRONG] += 35
    answers = run.model.predict(asked)
    assert len(answers) == 800
    assert not any(answers["problem"])
    score = np.asarray(answers["score"], float)
    assert score.argmax() == WRONG
    assert answers["alarming"][WRONG] == "yes"
    assert np.asarray(answers["onset"], float).argmax() == WRONG
    assert answers["because"][WRONG].startswith("sold is ")
    assert abs(float(answers["expected.sold"][WRONG]) - (asked["sold"][WRONG] - 35)) < 8
    alarms = np.asarray(answers["alarming"]) == "yes"
    assert alarms.mean() < 0.2


def test_the_bundle_answers_alike_and_later_rows_change_no_earlier_answer(run):
    asked = rows(120, seed=2)
    first = dw.load(str(run.directory.model)).predict(asked)
    assert first.csv() == run.model.predict(asked).csv()
    early = np.flatnonzero(np.tile(np.arange(120) < 80, 2))
    part = run.model.predict(asked.take(early))
    np.testing.assert_allclose(
        np.asarray(part["score"], float), np.asarray(first["score"], float)[early], rtol=1e-4, atol=1e-4
    )


def test_what_is_planted_is_said_and_found(run):
    notes = " ".join(str(e.get("text", "")) for e in run.events if e["event"] == "note")
    assert "planted" in notes
    names = {e["name"] for e in run.events if e["event"] == "baseline"}
    assert names == {"far from the mean", "windowed Gaussian"}
    primary = next(iter(run.scores.values()))
    assert primary.value > 0.7


def test_a_row_without_a_value_is_answered_with_its_reason(run):
    asked = rows(30, seed=3)
    asked["sold"][5] = np.nan
    answers = run.model.predict(asked)
    assert len(answers) == 60
    assert answers["score"][5] is None or np.isnan(answers["score"][5])
    assert "has a value" in answers["problem"][5]


def test_labels_measure_and_irregular_times_are_read(tmp_path):
    table = rows(400, labels=True, regular=False)
    run = train(table, tmp_path, target=("state",), role={"hour": "order", "shop": "group"})
    assert not any("planted" in name for name in run.scores)
    assert next(iter(run.scores.values())).value > 0.9
    answers = run.model.predict(rows(60, regular=False))
    assert len(answers) == 120


def test_a_moment_twice_in_a_series_is_refused_in_words(tmp_path):
    table = rows(60)
    twice = table.take(np.concatenate([np.arange(120), [7]]))
    with pytest.raises(DataError, match="twice"):
        train(twice, tmp_path)


def test_labelled_rows_at_regular_times_are_a_series_by_themselves(tmp_path):
    run = train(rows(200, labels=True), tmp_path, target=("state",))
    fields = next(e for e in run.events if e["event"] == "schema")["fields"]
    found = {f["name"]: f["role"] for f in fields}
    assert found == {"hour": "order", "shop": "group", "sold": "input", "state": "target"}
    assert next(iter(run.scores.values())).value > 0.9


def test_most_usual_rows_have_no_reason_and_alarming_ones_do(run):
    answers = run.model.predict(rows(400, seed=4))
    reason = answers["because"] != "nothing stands out"
    assert reason.mean() < 0.3
    assert reason[answers["alarming"] == "yes"].all()


def test_a_misspelt_class_that_no_measured_row_has_is_refused(tmp_path):
    data = rows(200, labels=True)
    late = np.tile(np.arange(200) >= 150, 2)
    data = data.take(np.flatnonzero(late | (data["state"] == "sound")))
    with pytest.raises(ConfigError, match="did you mean 'broken'"):
        train(data, tmp_path, target=("state",), role={"hour": "order", "shop": "group"}, positive="brokn")
