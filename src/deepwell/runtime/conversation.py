"""A conversation: one question after another to one model, each a line of text. The rules of it, without a terminal.

Unusual: nothing here knows a task. What a question needs is read off the model: its Schema where it answers rows, else its
Request. A task that reads targets by their past is only asked what comes next, for no line holds the rows known so far.
Where a Request has the field `history`, a JSON text of turns ({"role", "text"}), and the model has learnt from dialogues, it
chats: what was asked and answered is kept and sent with the next question.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deepwell.core import config
from deepwell.core.config import Option
from deepwell.core.errors import ConfigError, DataError, closest
from deepwell.core.runner import Emit
from deepwell.core.table import Column, ImageFile, Part, Table
from deepwell.core.text import escape_terminal
from deepwell.data.sources import columns
from deepwell.runtime.answers import Answers
from deepwell.runtime.predictor import Predictor
from deepwell.runtime.wording import telling

HISTORY = "history"
ASKING, ANSWERING = "user", "assistant"
"""Roles of the two sides of a chat."""
COMMANDS = {"new": "forget what was said", "help": "this", "quit": "leave"}
LEAVE = "bye"
"""The reply to /quit."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_COMMAND = re.compile(r"/([A-Za-z][A-Za-z0-9_-]*)(?:\s+(.*))?", re.DOTALL)


def knobs_of(request: type) -> list[Option]:
    """The knobs of a question that a user sets: all of its Request but the history."""
    return [option for option in config.options(request) if option.name != HISTORY]


class Conversation:
    """Questions to one model.

    Args:
        predictor: the model.
        knobs: values of the Request that hold until `/name value` changes them. Raises ConfigError for unknown ones.
    Attributes:
        names: what one question is made of: the columns that the model reads, or the knob for its text.
        knobs: name -> value, as given so far.
        turns: what was said so far, where the model chats. so_far: where a line goes on from those before (Task.continues).
    """

    def __init__(self, predictor: Predictor, knobs: Mapping[str, Any] | None = None) -> None:
        self.predictor = predictor
        self.knobs = dict(knobs or {})
        self.turns: list[dict[str, str]] = []
        self.so_far = ""
        self._request: type = predictor.task.Request
        self._options = {option.name: option for option in knobs_of(self._request)}
        config.make(self._request, self.knobs)
        self._rows = predictor.task.asks_rows and not predictor.task.past_targets
        self.names = [self.prompt] if self.prompt else []
        if self._rows:
            self.names = [f.name for f in predictor.schema.inputs]
        given = predictor.reading.delimiter or ","
        self._delimiter = given if len(given) == 1 else ","
        remembers = any(f.name == HISTORY for f in dataclasses.fields(self._request))
        self._chats = remembers and any(f.kind == "dialogue" for f in predictor.schema.fields)

    # what a question needs ---------------------------------------------------------------------------------------------
    @property
    def prompt(self) -> str | None:
        """The knob that takes the text of a question: the first that takes any text; None where there is none."""
        free = (o.name for o in self._options.values() if o.type is str and not o.knob.choices)
        return None if self.predictor.task.asks_rows else next(free, None)

    @property
    def continues(self) -> bool:
        """Whether a line goes on from those before it; an empty one leaves it to the model to begin or go on."""
        return bool(self.prompt) and self.predictor.task.continues == self.prompt

    @property
    def remembers(self) -> bool:
        """Whether there is something that /new forgets."""
        return self._chats or self.continues

    @property
    def header(self) -> str:
        """The names as a line of CSV."""
        return self._delimiter.join(escape_terminal(name) for name in self.names)

    def wants(self, name: str) -> str:
        """What is asked for a column or knob, in a few words: `height (number)`."""
        if not self._rows:
            return name
        kind = self.predictor.schema[name].kind
        return f"{name} ({'path of a picture' if kind == 'image' else kind})"

    # commands ----------------------------------------------------------------------------------------------------------
    def command(self, line: str) -> str | None:
        """The reply to a command such as `/temperature 0.5`; None where the line is no command but a question.

        Where any text may be a question, a word after the slash that is nearly a command is refused with the nearest. Raises
        ConfigError for it, and for a wrong value.
        """
        match = _COMMAND.fullmatch(line.strip())
        if match is None:
            return None
        word, value = match[1].replace("-", "_"), (match[2] or "").strip()
        known = [*COMMANDS, *(name for name in self._options if name != self.prompt)]
        if word not in known:
            meant = next((name for name in known if name.startswith(word)), None) or closest(word, known)
            if meant is None or self.predictor.task.asks_rows:
                return None
            raise ConfigError(
                f"there is no /{match[1]}; did you mean '/{meant}'?",
                repair=f"a question that begins with a slash is asked with two: /{line.strip()}",
            )
        if word == "quit":
            return LEAVE
        if word == "new":
            self.turns, self.so_far = [], ""
            return "what was said is forgotten" if self.remembers else "each question stands alone: nothing to forget"
        if word == "help":
            return self.help()
        if value:
            try:
                config.make(self._request, {**self.knobs, word: value})
            except ConfigError as error:
                raise ConfigError(error.what, repair="/help lists what can be set") from None
            self.knobs[word] = value
        return f"{word} = {self._shown(self._options[word])}"

    def help(self) -> str:
        """What can be said, with the knobs as they stand."""
        rows = [(f"/{name} VALUE", self._meaning(o)) for name, o in self._options.items() if name != self.prompt]
        rows += [(f"/{name}", meaning) for name, meaning in COMMANDS.items() if name != "new" or self.remembers]
        width = max(len(left) for left, _ in rows)
        return "\n".join([*self._how(), *(f"  {left.ljust(width)}  {right}" for left, right in rows)])

    def _how(self) -> list[str]:
        if not self.names:
            return ["Enter asks" if not self.predictor.task.past_targets else "Enter asks what comes next"]
        if self.continues:
            return [f"a line goes on from the {self.prompt} so far; an empty one leaves it to the model"]
        if not self._rows:
            return ["a line is a question; one that begins with a slash is asked with two: //"]
        if len(self.names) == 1:
            return [f"a line is a question: {self.wants(self.names[0])}"]
        return ["one column after the other, nothing where it is missing; or all at once as a line of CSV:",
                f"  {self.header}"]  # fmt: skip

    def _meaning(self, option: Option) -> str:
        unit = f" ({option.knob.unit})" if option.knob.unit else ""
        return f"{option.knob.meaning}{unit}; {option.must()}; now {self._shown(option)}"

    def _shown(self, option: Option) -> str:
        value = getattr(config.make(self._request, self.knobs), option.name)
        return repr(value) if value == "" else escape_terminal(str(value))

    # questions ---------------------------------------------------------------------------------------------------------
    def cells(self, line: str) -> list[str] | None:
        """The cells of a line that holds a whole question as CSV, one for each of `names`; None where it does not.

        Where a question is one text it is the whole line, without the first of two slashes.
        """
        if len(self.names) <= 1:
            text = line[1:] if line.startswith("//") and _COMMAND.fullmatch(line[1:].strip()) else line
            return [text] if self.names else None if line.strip() else []
        try:
            found = next(csv.reader([line], delimiter=self._delimiter, skipinitialspace=True, strict=True), [])
        except csv.Error:
            return None
        return found if len(found) == len(self.names) else None

    def reorder(self, cells: Sequence[str]) -> bool:
        """Whether a line of CSV held the names of the columns, as a file's first one does: later lines have their order."""
        if len(cells) < 2 or sorted(cells) != sorted(self.names):
            return False
        self.names = list(cells)
        return True

    def problem(self, name: str, cell: str) -> str:
        """Why a value of a column cannot be used, in words; empty where it can."""
        bare = dict.fromkeys(self.names, "")
        encoded = self.predictor.pipeline.encode(self._table({**bare, name: cell}), targets=False)
        why = encoded.problems.get(0, "")
        return why if why.startswith(f"column {name!r}: ") else ""

    def ask(self, cells: Sequence[str], emit: Emit | None = None) -> Answers:
        """The answers to one question, a text for each of `names`. In a chat, question and answer join the turns.

        An answer that KeyboardInterrupt cuts short joins them as far as it came.
        """
        if any(_SURROGATE.search(cell) for cell in cells):
            raise DataError("the question holds bytes that are no UTF-8", repair="save or send it as UTF-8")
        request: Any = config.make(self._request, {**self.knobs, **({self.prompt: cells[0]} if self.prompt else {})})
        if self._rows:
            row = Part("predict", self._table(dict(zip(self.names, cells, strict=True))))
            examples = self.predictor.task.examples(row, self.predictor.pipeline)
            return self.predictor.answer(examples, 1, request, emit)
        if self.continues and self.prompt:
            line = f"{self.so_far} {cells[0]}".strip()
            answers = self.predictor.predict(None, dataclasses.replace(request, **{self.prompt: line}), emit)
            self.so_far = str(answers[self.prompt][0])
            return answers
        if not self._chats:
            return self.predictor.predict(None, request, emit)
        said: list[str] = []

        def hear(piece: Any) -> None:
            said.extend([piece] if isinstance(piece, str) else [])
            if emit is not None:
                emit(piece)

        try:
            history = json.dumps(self.turns, ensure_ascii=False) if self.turns else ""
            asked = dataclasses.replace(request, history=history)
            answers = self.predictor.predict(None, asked, hear)
        except KeyboardInterrupt:
            self._remember(cells, "".join(said))
            raise
        self._remember(cells, self._reply(answers))
        return answers

    def _remember(self, cells: Sequence[str], reply: str) -> None:
        if reply:
            self.turns += [{"role": ASKING, "text": cells[0]}, {"role": ANSWERING, "text": reply}]

    def _reply(self, answers: Answers) -> str:
        """The text of the first answer."""
        value = answers[telling(answers)[0]][0] if len(answers) else None
        return value if isinstance(value, str) else ""

    def _table(self, cells: Mapping[str, str]) -> Table:
        """One row, as a table would give it: stripped, without the words that mean missing. Text that is all of it stays."""
        absent = columns.words(self.predictor.reading.missing)
        made: dict[str, Column] = {}
        for name, cell in cells.items():
            kind = self.predictor.schema[name].kind
            value: Any = columns.clean(cell, ("",) if kind == "text" and len(cells) == 1 else absent)
            if value is not None and kind == "image":
                value = ImageFile(value)
            made[name] = columns.objects([value])
        return Table(made)
