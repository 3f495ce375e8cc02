"""anomaly_detection: with and without labels, reasons, thresholds, many anomalies in training, pictures, bad input."""

import numpy as np
import pytest
import torch

import deepwell as dw
from deepwell import tasks
from deepwell.core.batch import Batch
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.table import Table
from deepwell.data.recognition import recognise
from deepwell.families.looks import AnomalyConfig
from deepwell.runs import stage
from deepwell.tasks.anomaly_detection import THRESHOLD, AnomalyDetection

TASK = "anomaly_detection"


def table(n=800, seed=0, odd=0.04):
    """Rows whose b follows a and whose kind follows the sign of a; in the odd ones b is that of another row."""
    draws = np.random.default_rng(seed)
    a = draws.uniform(-1, 1, n)
    broken = draws.random(n) < odd
    b = 3 * a + draws.normal(0, 0.1, n)
    b[broken] = -b[broken] + np.sign(b[broken]) * -1.0
    columns = {"a": a, "b": b, "kind": np.where(a > 0, "up", "down").astype(object)}
    return Table({**columns, "state": np.where(broken, "broken", "fine").astype(object)})


def train(data, out, **options):
    knobs = options.pop("set", {})
    options = {"steps": 80, "set": knobs, "plan": {"threads": 1, "precision": "float32"}, **options}
    return dw.train(data, task=TASK, device="cpu", out=str(out), sinks=(), **options)


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    """Drawing the report takes most of so small a run; that of `labelled` is drawn, since module-scoped runs are made first."""
    monkeypatch.setattr(stage, "render", lambda events: "")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return train(table(), tmp_path_factory.mktemp("runs"), target="state", set={"alarms": "0.05"})


def notes(run):
    return " ".join(e["text"] for e in run.events if e["event"] == "note")


def test_broken_rows_are_found_and_the_broken_column_is_named(labelled):
    assert labelled.scores["area_under_curve"].value > 0.95
    odd = Table({"a": np.array([0.8, 0.8]), "b": np.array([2.4, -3.4]), "kind": np.array(["up", "up"], object)})
    answers = labelled.model.predict(odd)
    assert list(answers["alarming"]) == ["no", "yes"]
    assert answers["because"][0] == "nothing stands out"
    assert answers["because"][1].startswith("b -3.4 (1 in ")
    assert "is usual here" in answers["because"][1]
    assert answers["share.b"][1] == max(answers[f"share.{n}"][1] for n in ("a", "b", "kind"))


def test_shares_make_the_score(labelled):
    answers = labelled.model.predict(table(50, 1))
    total = sum(answers[f"share.{n}"].astype(float) for n in ("a", "b", "kind"))
    assert total == pytest.approx(answers["score"].astype(float), rel=1e-5)


def test_a_gap_a_word_never_seen_and_a_huge_number_raise_the_score(labelled):
    plain = {"a": np.full(4, 0.5), "b": np.full(4, 1.5), "kind": np.array(["up"] * 4, object)}
    plain["a"][1], plain["b"][3], plain["kind"][2] = np.nan, 1e30, "sideways"
    answers = labelled.model.predict(Table(plain))
    scores = answers["score"].astype(float)
    assert not any(answers["problem"])
    assert (scores[1:] > scores[0] + 2).all()
    assert "a missing" in answers["because"][1]
    assert "kind of a rare, unknown or missing value" in answers["because"][2]
    assert answers["because"][3].startswith("b above ")  # numbers are told as far as the scale goes


def test_labels_are_not_learnt_from(labelled, tmp_path):
    data = table(200)
    shuffled = data["state"].copy()
    shuffled[:] = np.random.default_rng(1).permutation(shuffled)
    parts = np.array((["train"] * 6 + ["select", "calibrate", "test", "test"]) * 20, object)
    first, second = (
        train(
            data.with_columns({"state": s, "part": parts}),
            tmp_path / str(i),
            target="state",
            role={"part": "split"},
            steps=5,
        )
        for i, s in enumerate((data["state"], shuffled))
    )
    ours, theirs = (run.model.contents.weights for run in (first, second))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_without_labels_anomalies_are_planted_and_everything_says_so(tmp_path):
    data = table(odd=0.0).select(["a", "b", "kind"])
    run = train(data, tmp_path)
    assert list(run.scores) == [
        f"planted_{n}" for n in ("area_under_curve", "average_precision", "recall_at_alarm_rate")
    ]
    assert run.scores["planted_area_under_curve"].value > 0.8
    assert "spoilt copies of rows are added" in notes(run)
    assert "planted_area_under_curve" in run.model.contents.card
    assert "planted" in run.verdict
    counts = next(e for e in run.events if e["event"] == "parts")["counts"]
    answered = run.directory.answers.read_text().strip().splitlines()
    assert len(answered) - 1 < counts["test"]  # only the rows themselves are answered


def test_the_threshold_lets_so_many_usual_rows_pass():
    schema = Schema((Field("a", "number"), Field("state", "category", "target")))
    scores, truth = np.arange(1000.0), np.repeat([0, 1], [900, 100])
    columns = {"score": scores, "truth": truth}
    with_labels = AnomalyDetection(schema, AnomalyConfig(alarms=0.01)).calibrate(columns, None)
    assert with_labels[THRESHOLD] == pytest.approx(np.quantile(np.arange(900), 0.99))
    bare = Schema((Field("a", "number"),))
    without = AnomalyDetection(bare, AnomalyConfig(alarms=0.01, contamination=0.3)).calibrate(
        {"score": scores, "truth": np.zeros(1000)}, None
    )
    assert without[THRESHOLD] == pytest.approx(np.quantile(np.arange(700), 0.99))
    assert AnomalyDetection(bare, AnomalyConfig()).calibrate({"score": scores[:0], "truth": scores[:0]}, None) == {}


def test_rows_without_a_label_stay_and_are_not_measured(tmp_path):
    data = table(200)
    states = data["state"].copy()
    states[::2] = None
    run = train(data.with_columns({"state": states}), tmp_path, target="state", steps=3)
    assert sum(next(e for e in run.events if e["event"] == "parts")["counts"].values()) == 200
    assert next(e for e in run.events if e["event"] == "rejected")["count"] == 0


def test_training_rows_may_all_be_usual_where_the_anomalous_class_is_named(tmp_path):
    data = table(400, odd=0.5)
    fine = data["state"] == "fine"
    parts = np.where(~fine | (np.arange(400) % 5 == 0), "test", "train").astype(object)
    data = data.with_columns({"part": parts})
    run = train(data, tmp_path, target="state", role={"part": "split"}, positive="broken")
    assert run.scores["area_under_curve"].value > 0.9
    with pytest.raises(DataError, match=r"has one class in training \('fine'\)"):
        train(data, tmp_path, target="state", role={"part": "split"})


def test_a_third_of_anomalies_in_training_is_said_with_a_repair(tmp_path):
    run = train(table(300, odd=0.33), tmp_path, target="state", steps=3)
    assert "of the training rows are labelled anomalous. The model learns what is usual from all" in notes(run)
    assert "--set contamination=0.3" in notes(run)


def test_the_worst_rows_of_a_step_are_left_out():
    nats = torch.tensor([1.0, 50.0, 2.0, 3.0, 90.0, 4.0])

    class Fixed(torch.nn.Module):
        def forward(self, arrays, state=None):
            return {"nats": nats}, state

    batch = Batch({"inputs.number": torch.zeros(6, 1)}, np.arange(6))
    schema = Schema((Field("a", "number"),))
    for contamination, kept in ((0.33, [1, 2, 3, 4]), (0.0, [1, 50, 2, 3, 90, 4])):
        task = AnomalyDetection(schema, AnomalyConfig(contamination=contamination))
        loss = task.loss(Fixed(), batch, Key(0))
        assert (float(loss.total), float(loss.units)) == (sum(kept), len(kept))
        assert task.updates()[0].coupled == (contamination > 0)


@pytest.mark.parametrize("objective", ["reconstruction", "one_class"])
def test_other_objectives_find_rows_far_out_and_say_where(objective, tmp_path):
    data = table(odd=0.0).select(["a", "b", "kind"])
    run = train(data, tmp_path, set={"objective": objective, "learning_rate": "0.006"})
    far = Table({"a": np.array([0.5, 0.5]), "b": np.array([1.5, 500.0]), "kind": np.array(["up", "up"], object)})
    answers = run.model.predict(far)
    assert float(answers["score"][1]) > float(answers["score"][0])
    assert "b " in answers["because"][1]


@pytest.mark.parametrize("objective", ["auto", "one_class"])
def test_pictures_get_a_map_and_a_place(objective, tmp_path):
    draws = np.random.default_rng(0)
    stripes = np.where(np.arange(16) % 4 < 2, 200, 0)[None, None, :] * draws.uniform(0.5, 1, (300, 1, 1))
    pictures = np.broadcast_to(stripes, (300, 16, 16)).astype(np.uint8)
    run = train(Table({"photo": pictures}), tmp_path, set={"objective": objective, "learning_rate": "0.006"})
    assert run.scores["planted_area_under_curve"].value > 0.7
    answers = run.model.predict(Table({"photo": pictures[:3]}))
    assert answers["map"][0].shape == (16, 16)
    assert answers["map"][0].dtype == np.uint8
    assert "of 16 x 16" in answers["because"][0]


def test_what_cannot_be_read_or_judged_is_refused_in_words():
    numbers = (Field("a", "number"), Field("b", "number"))
    assert AnomalyDetection.fits(Schema(())).rank == 0
    for fields in (numbers, (Field("when", "time", "order"), *numbers)):
        reason = AnomalyDetection.fits(Schema((*fields, Field("y", "number", "target")))).reason
        assert "'y' cannot say which rows are anomalous: it is of kind number, not category" in reason
        assert "--role y=input" in reason
    two = tuple(Field(name, "category", "target") for name in ("state", "other"))
    reason = AnomalyDetection.fits(Schema((*numbers, *two))).reason
    assert (
        reason == "only one column can say which rows are anomalous; 'state' and 'other' are given: --role other=ignore"
    )
    fit = AnomalyDetection.fits(Schema((*numbers, Field("note", "text"))))
    assert fit.roles["note"] == "ignore"
    assert "'note' not read" in fit.reason
    with pytest.raises(DataError, match="anomaly_detection: how odd rows of 3 columns are; no labels"):
        tasks.choose(recognise(table(odd=0.0).select(["a", "b", "kind"])))


def test_numbers_of_series_are_looked_at():
    times = Field("when", "time", "order")
    fit = AnomalyDetection.fits(Schema((times, Field("load", "number"), Field("note", "text"))))
    assert fit.roles == {"load": "input", "note": "ignore"}
    assert "each by those before it in 'when'" in fit.reason
    assert AnomalyDetection.fits(Schema((times, Field("kind", "category")))).rank == 0


def test_bad_tables_are_refused_or_survived(tmp_path):
    few = Table({"a": np.arange(1.0)})
    with pytest.raises(DataError):
        train(few, tmp_path)
    constant = Table({"a": np.ones(100), "b": np.full(100, "x", object)})
    with pytest.raises(DataError, match="nothing to read"):
        train(constant, tmp_path)
    three = table(300).with_columns({"state": np.array(["x", "y", "z"] * 100, object)})
    with pytest.raises(DataError, match=r"has 3 classes.*\n.*--positive"):
        train(three, tmp_path, target="state")
    with pytest.raises(ConfigError, match="no row of 'state' is 'w'"):
        train(three, tmp_path, target="state", positive="w")
    grey = Table({"photo": np.full((3, 8, 8), 7, np.uint8)})
    with pytest.raises(DataError, match="3 rows are too few"):
        train(grey, tmp_path)
    with pytest.raises(DataError, match="pictures of the training part are alike"):
        train(Table({"photo": np.full((60, 8, 8), 7, np.uint8)}), tmp_path, steps=5)
    holes = np.full(300, np.nan)
    holes[:5] = [1.0, 2.0, 3.0, 1e30, 5.0]
    run = train(Table({"a": holes, "b": np.random.default_rng(0).normal(size=300)}), tmp_path, steps=5)
    assert np.isfinite(run.scores["planted_area_under_curve"].value)
