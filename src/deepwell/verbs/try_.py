"""try_: ask a model line by line, at the terminal or through a pipe. (`try` is a word of Python: hence the underscore.)"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TextIO

from deepwell.core.task import Task
from deepwell.runtime.conversation import Conversation
from deepwell.runtime.interactive import Face, from_stream, from_terminal
from deepwell.runtime.predictor import Predictor, opened, requested
from deepwell.tracking.directory import sealed


def try_(
    model: str | Path,
    *,
    task: str | type[Task] | None = None,
    device: str = "cpu",
    json: bool = False,
    questions: TextIO | None = None,
    **request: Any,
) -> None:
    """Answer each line, written to standard output, until there are no more.

    A line is a question to the model: its prompt, or its row (a text, a path of a picture, a line of CSV). At a terminal, rows
    may be given value by value, answers stream, a chat remembers what was said, and /help lists the commands.

    questions: an open text file; what is typed, or comes through a pipe, if not given. json: each answer as a JSON object.
    request: knobs of the question, as for `predict`; an unknown one is refused with the nearest.
    """
    contents, task_class = opened(sealed(model), task)
    requested(task_class, request, "try", model)
    conversation = Conversation(Predictor(contents, task_class, device), request)
    live = questions is None and sys.stdin.isatty() and sys.stdout.isatty()
    ask = from_terminal() if live else from_stream(sys.stdin if questions is None else questions)
    Face(conversation, ask, sys.stdout, sys.stderr, live, json).run()
