"""Tasks whose targets are read by their past: gaps stay, the last rows travel in the model, and a question needs no file."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import CommandLine, write_csv

import deepwell as dw
from deepwell.bundle.read import read
from deepwell.core.errors import ConfigError, DataError
from deepwell.runs.options import TrainOptions, parse
from deepwell.runs.prepare import prepare
from deepwell.runs.run import Run
from deepwell.runtime.conversation import Conversation
from deepwell.tracking.directory import find

PROBE = Path(__file__).with_name("tails.py")
QUICK = ("--task", PROBE, "--steps", "40", "--plan", "threads=1", "--plan", "precision=float32", "--quiet")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model of the probe's demo, trained for a few steps."""
    out = tmp_path_factory.mktemp("tails")
    return dw.train(task=str(PROBE), demo=True, steps=60, out=str(out), plan={"threads": 1})


def test_rows_without_a_target_stay() -> None:
    found = prepare(None, parse(TrainOptions, {"task": str(PROBE), "demo": True}))
    assert sum(found.parts.counts.values()) == found.rows_read == 400
    assert not found.rejected


def test_the_tasks_own_figures_are_recorded(run: Run) -> None:
    assert [e["title"] for e in run.events if e["event"] == "figure"] == ["error by step"]


def test_a_question_without_rows_goes_on_from_the_kept_ones(run: Run) -> None:
    model = dw.load(run.path, str(PROBE))
    kept = read(run.directory.model).kept["tail"]
    train = prepare(None, parse(TrainOptions, {"task": str(PROBE), "demo": True})).parts.train.rows["value"]
    assert kept.tolist() == train[-6:].tolist()
    answers = model.predict()
    same = model.predict({"t": list(range(6)), "value": kept.tolist()})
    assert answers["step"].tolist() == [1, 2]
    assert answers.csv() == same.csv()
    assert 30 < answers["value"][0] < 70


def test_what_comes_next_is_printed_as_rows(deepwell: CommandLine, run: Run) -> None:
    said = deepwell("predict", run.path, "--task", PROBE)
    assert said.out == dw.load(run.path, str(PROBE)).predict().csv()
    assert said.out.startswith("step,value,problem\n1,")


def test_a_question_must_hold_the_targets(run: Run) -> None:
    with pytest.raises(DataError, match="the data lacks the column 'value'"):
        dw.load(run.path, str(PROBE)).predict({"t": list(range(6))})


def test_what_cannot_be_answered_stands_below_the_answers(run: Run) -> None:
    answers = dw.load(run.path, str(PROBE)).predict({"t": [1, 2], "value": [3.0, 4.0]})
    assert answers["problem"].tolist() == ["the series has 2 rows; it needs 6"]
    assert np.isnan(answers["value"].astype(float)).tolist() == [True]


def test_at_the_terminal_enter_asks_what_comes_next(run: Run) -> None:
    model = dw.load(run.path, str(PROBE))
    talk = Conversation(model)
    assert talk.names == []
    assert talk.help().startswith("Enter asks what comes next")
    assert talk.ask(talk.cells("") or []).csv() == model.predict().csv()


def test_the_card_and_verify_say_what_is_inside(run: Run) -> None:
    contents = dw.show(run.path)
    assert (
        "this model holds rows of the data themselves (tail 6); training with --no-tail leaves them out"
        in contents.card
    )
    assert dict(dw.verify(run.path))["rows of the data"] == "1 array, 6 numbers, all finite"


def test_without_a_tail_nothing_is_kept_and_a_question_needs_a_file(deepwell: CommandLine, tmp_path: Path) -> None:
    rows = {"t": list(range(120)), "value": [float(i % 7) for i in range(120)]}
    data = write_csv(tmp_path / "rows.csv", rows)
    said = deepwell("train", data, *QUICK, "--no-tail", "--horizon", "2", "--split", "100", "--out", tmp_path / "runs")
    assert said.code == 0, said.err
    run = Run(find(tmp_path / "runs" / "tails" / "001"))
    assert (run.events[0]["config"]["tail"], run.events[0]["config"]["split"]) == (False, "100")
    contents = dw.show(run.path)
    assert (contents.format, dict(contents.kept)) == (1, {})
    assert "rows of the data" not in contents.card
    said = deepwell("predict", run.path, "--task", PROBE)
    assert said.code == 2
    assert "this model keeps no rows of the data that it could go on from" in said.err
    assert deepwell("predict", run.path, data, "--task", PROBE).out.startswith("step,value,problem\n1,")


def test_a_resumed_run_keeps_the_options(deepwell: CommandLine, tmp_path: Path) -> None:
    """The options of time come out of run.json as they were given."""
    options = parse(TrainOptions, {"horizon": "3", "split": "12/4/4 months", "no_tail": True})
    from deepwell.runs.options import to_json

    assert parse(TrainOptions, to_json(options)) == options


@pytest.mark.parametrize("option", ["horizon", "split", "no_tail", "judge"])
def test_other_tasks_refuse_the_options_of_time(option: str) -> None:
    value = {"horizon": 3, "split": "2017", "no_tail": True, "judge": "runs/x"}[option]
    with pytest.raises(ConfigError, match=f"this task has no option --{option.replace('_', '-')}"):
        prepare(None, parse(TrainOptions, {"task": "tabular", "demo": True, option: value}))
