"""predict: a model and new rows, or a request -> answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepwell.core import config
from deepwell.core.runner import Emit
from deepwell.core.task import Task
from deepwell.runs.options import reread
from deepwell.runtime.answers import Answers
from deepwell.store.files import write_file
from deepwell.verbs.load import load


def predict(
    model: str | Path,
    data: Any = None,
    *,
    out: str | Path | None = None,
    task: str | type[Task] | None = None,
    device: str = "cpu",
    reading: Mapping[str, Any] | None = None,
    emit: Emit | None = None,
    **request: Any,
) -> Answers:
    """Answers of the model in a run directory or `.well` file for new data; written as CSV to `out` if given.

    reading: form, delimiter, encoding, missing (words), header or names of the file, where it differs in them from those
    of training; None: found out.
    emit: hears the pieces of an answer as they are made. request: knobs of the question that the task declares (e.g. n,
    temperature); an unknown one is refused with the nearest.
    Raises DataError for columns that do not fit; a row that cannot be used gets an empty answer with its reason.
    """
    predictor = load(model, task, device)
    predictor.reading = reread(predictor.reading, reading or {})
    answers = predictor.predict(data, config.make(predictor.task.Request, request), emit)
    if out is not None:
        write_file(Path(out), answers.csv().encode())
    return answers
