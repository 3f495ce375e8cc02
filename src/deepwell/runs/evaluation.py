"""Proof: baselines fitted on the same training examples, calibration, and the test part opened once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepwell.core.examples import Picked
from deepwell.core.fields import Field, Schema
from deepwell.core.keys import Key
from deepwell.core.runner import Runner
from deepwell.core.scores import Columns
from deepwell.core.table import Table
from deepwell.core.task import Baseline, Pipeline, Task
from deepwell.evaluation import figures, intervals
from deepwell.evaluation.calibration import expected_calibration_error
from deepwell.evaluation.measure import measure
from deepwell.evaluation.verdict import verdict
from deepwell.runs.prepare import Prepared
from deepwell.runtime.answers import ROW, Answers
from deepwell.runtime.predictor import Predictor
from deepwell.tracking.record import Record
from deepwell.training.decisions import Decisions

Fitted = Sequence[tuple[Baseline, Runner, float]]
FEWEST_RESAMPLES = 200
"""Of the bootstrap, when there is no time for all."""
BASELINE_SHARE = 0.3
"""Of the time that is left: when the baselines so far took more, the remaining classical ones are left out, and it is said."""


def fit_baselines(
    prepared: Prepared,
    key: Key,
    record: Record,
    stop: Callable[[], bool],
    seconds: float | None,
    decisions: Decisions,
) -> Fitted:
    """Every baseline, fitted on the training examples, with the seconds it took; none after a request to stop."""
    examples = prepared.examples["train"]
    began = time.perf_counter()
    fitted = []
    for baseline in prepared.task.baselines():
        if stop():
            break
        spent = time.perf_counter() - began
        if seconds is not None and _left_out(baseline, spent, seconds, decisions):
            continue
        since = time.perf_counter()
        runner = baseline.fit(examples, prepared.pipeline, key.fold("baseline", baseline.name))
        fitted.append((baseline, runner, time.perf_counter() - since))
    record.emit({"event": "phase", "name": "baselines", "wall": {"seconds": time.perf_counter() - began}})
    return fitted


def _left_out(baseline: Baseline, spent: float, seconds: float, decisions: Decisions) -> bool:
    """Whether a baseline is left out because those before it took too much of the time."""
    over = baseline.kind != "trivial" and spent > BASELINE_SHARE * seconds
    why = f"the ones before took {spent:.1f} s of the time limit"
    return decisions.choose(0, f"baseline {baseline.name}", lambda: ("left out", why) if over else None) is not None


def evaluate(
    prepared: Prepared,
    predictor: Predictor,
    fitted: Fitted,
    key: Key,
    record: Record,
    opened: int = 1,
    hurry: bool = False,
) -> Answers:
    """Open the test part: scores, paired differences to every baseline, figures, verdict. Returns the test answers.

    opened: how often the test part has been opened, this time included. hurry: with fewer resamples, without figures and
    examples; a note says so.
    """
    resamples = FEWEST_RESAMPLES if hurry else intervals.RESAMPLES
    if hurry:
        text = f"to keep the time limit, intervals rest on {resamples} resamples, and figures and examples are left out"
        record.emit({"event": "note", "text": text})
    task, pipeline, examples = prepared.task, prepared.pipeline, prepared.examples["test"]
    metrics = task.metrics(pipeline)
    columns = measure(task, predictor.runner, examples, pipeline)
    ours = intervals.replicate(metrics, columns, examples.units, key, resamples)
    scores = [intervals.interval(ours[m.name]) for m in metrics]
    record.emit({"event": "scores", "part": "test", "scores": [s.to_json() for s in scores], "opened": opened})
    primary = {}
    for baseline, runner, seconds in fitted:
        measured = measure(task, runner, examples, pipeline, without=(".logits",))
        theirs = intervals.replicate(metrics, measured, examples.units, key, resamples)
        differences = [intervals.difference(ours[m.name], theirs[m.name]) for m in metrics]
        if baseline.kind != "reference":
            primary[baseline.name] = differences[0]
        of = {"name": baseline.name, "kind": baseline.kind, "notes": list(getattr(runner, "notes", ()))}
        scores_of = [intervals.interval(theirs[m.name]).to_json() for m in metrics]
        compared = {"scores": scores_of, "differences": [d.to_json() for d in differences]}
        record.emit({"event": "baseline", **of, **compared, "wall": {"seconds": seconds}})
    trivial = [baseline.name for baseline, _, _ in fitted if baseline.kind == "trivial"]
    sentence = verdict(scores[0], primary, trivial)
    for figure in () if hurry else _figures(task, columns, pipeline):
        record.emit(figure)
    after = {t.name: reliability_error(columns, t.name) for t in task.schema.targets}
    if any(e is not None for e in after.values()):
        before = measure(task, predictor.uncalibrated, examples, pipeline)
        for name, ece in after.items():
            event = {"event": "calibration", "target": name, "numbers": dict(predictor.contents.calibration)}
            record.emit({**event, "before": {"ece": reliability_error(before, name)}, "after": {"ece": ece}})
    answers = _answers(prepared, predictor)
    for example in () if hurry else _shown(prepared, columns, answers.table):
        record.emit(example)
    record.emit({"event": "verdict", "text": sentence.text, "winner": sentence.winner})
    return answers


def _figures(task: Task, columns: Columns, pipeline: Pipeline) -> Sequence[Mapping[str, Any]]:
    """The task's own figures; where it has none, those of its targets' kinds."""
    own = task.figures(columns, pipeline)
    return figures.figures(task.schema, pipeline, columns) if own is None else own


def _shown(prepared: Prepared, columns: Columns, answers: Table) -> Sequence[Mapping[str, Any]]:
    """What a task itself shows of single rows; where it says nothing, right answers and the worst mistakes."""
    task, pipeline = prepared.task, prepared.pipeline
    rows, index = prepared.parts.test.rows, prepared.examples["test"].rows
    own = task.shown(rows, answers, columns, index, pipeline)
    if own is not None:
        return own
    if not task.asks_rows:
        return figures.answered(task.answers(pipeline), answers)
    return figures.showcase(rows, task.schema, answers, columns, index, pipeline)


def reliability_error(columns: Columns, target: str) -> float | None:
    """Expected calibration error of a measured category target; None for other targets."""
    probabilities = columns.get(f"{target}.probabilities")
    if probabilities is None or not len(probabilities):
        return None
    correct = columns[f"{target}.answer"] == columns[f"{target}.truth"]
    return float(expected_calibration_error(probabilities.max(axis=1), correct))


def _answers(prepared: Prepared, predictor: Predictor) -> Answers:
    """The model's answers on the test rows, next to the truth where there is one; to the default request without rows."""
    if not prepared.task.asks_rows:
        return predictor.predict()
    rows, examples = prepared.parts.test.rows, prepared.examples["test"]
    if examples.answered is not None:
        examples = Picked(examples, examples.answered)
    answers = predictor.answer(examples, len(rows))
    targets = [t for t in prepared.task.schema.targets if t.name in rows]
    if not targets or examples.rows is None or len(answers) != len(rows):
        return answers
    beside = {f"{t.name}.truth": rows[t.name] for t in targets}
    beside[ROW] = np.array([rows.where(i) for i in range(len(rows))], dtype=object)
    fields = [*(replace(t, name=f"{t.name}.truth") for t in targets), Field(ROW, "text")]
    return Answers(answers.table.with_columns(beside), Schema((*answers.schema.fields, *fields)))
