"""predict: a model and new rows, or a request -> answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepwell.core.runner import Emit
from deepwell.core.task import Task
from deepwell.runs.options import reread
from deepwell.runtime.answers import Answers
from deepwell.runtime.files import write
from deepwell.runtime.predictor import Predictor, opened, requested
from deepwell.tracking.directory import sealed


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
    """Answers of the model in a run directory or `.well` file for new data; written to `out` if given.

    out: a file of CSV, or of JSON where it ends in `.json` (boxes in the form of COCO results); or a folder (one that exists, or
    a path that ends in a slash or, for boxes, masks and pictures, has no suffix), which also gets drawn boxes, masks, pictures.
    Pictures that a model made: one file of them all where it ends in `.png`, or, without a question, a folder of class folders.
    reading: form, delimiter, encoding, missing (words), header or names of the file, where it differs in them from those
    of training; None: found out.
    emit: hears the pieces of an answer as they are made. request: knobs of the question that the task declares (e.g. n,
    temperature); an unknown one is refused with the nearest.
    Raises DataError for columns that do not fit; a row that cannot be used gets an empty answer with its reason.
    """
    contents, task_class = opened(sealed(model), task)
    asked = requested(task_class, request, "predict", model)
    predictor = Predictor(contents, task_class, device)
    predictor.reading = reread(predictor.reading, reading or {})
    answers = predictor.predict(data, asked, emit)
    if out is not None:
        write(out, answers, data)
    return answers
