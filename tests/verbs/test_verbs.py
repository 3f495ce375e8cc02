"""Each verb through Python: the same words as on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import columns_of, data_of, write_csv

import deepwell as dw
from deepwell import verbs
from deepwell.core.errors import BundleError, ConfigError, UsageError


class Listener:
    """A Sink that remembers."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def emit(self, event: dict[str, object]) -> None:
        self.events.append(str(event["event"]))


def test_train_from_columns_in_memory(tmp_path: Path) -> None:
    listener = Listener()
    run = dw.train(
        columns_of(120), target="label", epochs=1, size="tiny", device="cpu", out=tmp_path / "runs", sinks=[listener],
        command=["python", "mine.py"],
    )  # fmt: skip
    assert run.path == tmp_path / "runs" / "tabular" / "001"
    assert listener.events[0] == "run"
    assert listener.events[-1] == "end"
    assert run.events[0]["command"] == ["python", "mine.py"]
    assert run.verdict in repr(run)
    assert str(run.path) in repr(run)
    assert run.report.exists()
    assert next(iter(run.scores)) == "accuracy"
    assert set(run.model.predict(columns_of(9))["label"]) <= {"yes", "no"}


def test_options_that_do_not_exist_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"there is no option 'epoch'; did you mean 'epochs'?"):
        dw.train(columns_of(30), target="label", epoch=1)
    with pytest.raises(ConfigError, match=r"there is no option 'targt'; did you mean 'target'?"):
        dw.check(columns_of(30), targt="label")


def test_check_and_a_schema_that_was_edited(tmp_path: Path) -> None:
    saved = tmp_path / "schema.json"
    found = dw.check(columns_of(120), target="label", save=saved)
    assert (found.task, found.rows_read, found.schema["label"].role) == ("tabular", 120, "target")
    fields = json.loads(saved.read_text())
    next(f for f in fields if f["name"] == "weight")["role"] = "ignore"
    saved.write_text(json.dumps(fields))
    assert dw.check(columns_of(120), schema=saved).schema["weight"].role == "ignore"


def test_predict_writes_what_it_gives(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers ü.csv"
    answers = dw.predict(trained, data_of(trained), out=out)
    assert out.read_text() == answers.csv()
    assert len(answers) == 300
    with pytest.raises(ConfigError, match="there is no knob 'temperature'"):
        dw.predict(trained, data_of(trained), temperature=2)


def test_how_a_file_is_read_can_be_said_again(trained: Path, tmp_path: Path) -> None:
    expected = dw.predict(trained, data_of(trained))
    barred = tmp_path / "barred.csv"
    barred.write_text(data_of(trained).read_text().replace(",", "|").replace("red", "-9"))
    answers = dw.predict(trained, barred, reading={"delimiter": "|", "missing": ["-9"]})
    red = np.array([line.split(",")[2] == "red" for line in data_of(trained).read_text().splitlines()[1:]])
    same = answers["label.probability"] == expected["label.probability"]
    assert same[~red].all()
    assert not same[red].all()
    scored = dw.evaluate(trained, barred, reading={"delimiter": "|"})
    assert scored.rows == 300
    for verb in (dw.predict, dw.evaluate):
        with pytest.raises(ConfigError, match="there is no option 'delimter'; did you mean 'delimiter'"):
            verb(trained, barred, reading={"delimter": "|"})


def test_models_are_named_by_run_or_by_file_alike(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "copied.well"
    file.write_bytes((trained / "model.well").read_bytes())
    columns = columns_of(40, 2)
    expected = dw.load(trained).predict(columns)["label.probability"]
    np.testing.assert_array_equal(dw.load(str(file)).predict(columns)["label.probability"], expected)
    assert dw.show(trained).task == dw.show(file).task == "tabular"
    assert [check for check, _ in dw.verify(trained)] == [check for check, _ in dw.verify(file)]


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.well").write_bytes(b"hello")
    with pytest.raises(BundleError, match=r"other.well"):
        dw.load(tmp_path / "other.well")
    for verb in (dw.load, dw.show, dw.verify, dw.report):
        with pytest.raises(UsageError, match="no run"):
            verb(tmp_path / "nowhere")
        with pytest.raises(UsageError, match="is not a run directory"):
            verb(tmp_path)


def test_evaluate_renames_labels(trained: Path, tmp_path: Path) -> None:
    columns = columns_of(50, 7)
    plain = dw.evaluate(trained, columns)
    dotted = write_csv(tmp_path / "dotted.csv", {**columns, "label": [f"{v}." for v in columns["label"]]})
    found = dw.evaluate(trained, dotted, map={"yes.": "yes", "no.": "no"})
    assert found.scores == plain.scores


def test_report_is_written_again_from_the_record(own_run: Path) -> None:
    page = own_run / "report.html"
    before = page.read_text()
    page.unlink()
    assert dw.report(own_run) == page
    assert page.read_text() == before


def test_tasks_and_doctor() -> None:
    assert {"tabular", "image_classification"} <= set(verbs.tasks())
    assert list(verbs.tasks("tabular")) == ["tabular"]
    found = dw.doctor()
    assert set(found) == {"versions", "machine", "torch"}
    assert found["machine"]["cores"] >= 1


def test_demo_learns_the_digits(tmp_path: Path) -> None:
    run = dw.demo(out=tmp_path / "runs", epochs=2, size="tiny")
    assert run.path.parent.name == "image_classification"
    assert run.scores["accuracy"].value > 0.3
