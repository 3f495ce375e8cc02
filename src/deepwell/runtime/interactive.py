"""The terminal's side of a conversation: reads lines, writes answers. The rules stand in conversation.py.

At a terminal each question is asked for, an answer streams, Ctrl-C stops it, and a second one or Ctrl-D leaves. Through a pipe
each line is one question and nothing but answers is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from deepwell.core.errors import DataError, DeepwellError
from deepwell.core.text import escape_terminal
from deepwell.runtime.conversation import LEAVE, Conversation
from deepwell.runtime.wording import Streamed, as_json, words

Ask = Callable[[str], str]
"""Shows a prompt and gives the next line; raises EOFError after the last."""


def from_terminal() -> Ask:
    """Lines typed at the terminal, with editing where the system has it."""
    with suppress(ImportError):  # Windows has none, and its terminal edits by itself
        import readline  # noqa: F401
    return input


def from_stream(stream: TextIO) -> Ask:
    """Lines of a stream, one a question; prompts are not shown."""

    def ask(prompt: str) -> str:
        line = stream.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")

    return ask


@dataclass
class Face:
    """Asks and answers until the lines end.

    Attributes:
        conversation: the questions' rules.
        ask: where lines come from. out, notes: where answers and what is said beside them go.
        live: someone sits there: prompts, hints and Ctrl-C as the top of this file says. json: answers as JSON, one a line.
    """

    conversation: Conversation
    ask: Ask
    out: TextIO
    notes: TextIO
    live: bool = False
    json: bool = False
    _leaving: bool = False
    """Whether Ctrl-C was the last thing heard."""

    def run(self) -> None:
        """Answer question after question. Raises KeyboardInterrupt only where nobody sits there."""
        self._hint(f"{self.conversation.predictor.contents.task}: /help says what can be said; Ctrl-D leaves\n")
        while True:
            try:
                self._turn()
                self._leaving = False
            except EOFError:
                self._hint("\n")
                return
            except KeyboardInterrupt:
                if not self.live:
                    raise
                if self._leaving:
                    self._hint("\n")
                    return
                self._leaving = True
                self._hint("\n(Ctrl-C once more, or Ctrl-D, leaves)\n")

    def _turn(self) -> None:
        """One question with its answers. Raises EOFError to leave."""
        conversation = self.conversation
        line = self._heard(0)
        by_value = self.live and len(conversation.names) > 1
        if not line.strip() and conversation.names and not by_value and not conversation.continues:
            return  # nothing was asked
        try:
            cells = conversation.cells(line)
            if cells is None and by_value:
                cells = self._others(line)
            if cells is None:
                raise DataError(self._needed(line))
            if not conversation.reorder(cells):
                self._answer(cells)
        except DeepwellError as error:
            self._problem(str(error))

    def _heard(self, place: int) -> str:
        """The next line that is no command; commands are obeyed. place: of the value that is asked for."""
        names = self.conversation.names
        prompt = escape_terminal(self.conversation.wants(names[place]) if names else "Enter asks") + "> "
        while True:
            line = self.ask(prompt)
            try:
                reply = self.conversation.command(line)
            except DeepwellError as error:
                reply = str(error)
            if reply is None:
                return line
            if reply == LEAVE:
                raise EOFError
            self._say(json.dumps({"reply": reply}) if self.json else reply)

    def _others(self, first: str) -> list[str]:
        """One value after the other, the first as given; a wrong one is asked for again."""
        cells: list[str] = []
        for place, name in enumerate(self.conversation.names):
            cell = first if place == 0 else self._heard(place)
            while why := self.conversation.problem(name, cell):
                self._problem(why)
                cell = self._heard(place)
            cells.append(cell)
        return cells

    def _needed(self, line: str) -> str:
        names = self.conversation.names
        if not names:
            return f"this model takes no text, only knobs (/help lists them); got {line[:80]!r}"
        return f"a question is a line with {len(names)} values, {self.conversation.header}; got {line[:80]!r}"

    def _answer(self, cells: list[str]) -> None:
        conversation, streamed = self.conversation, Streamed(self._write, safe=self.live)
        if self.json:
            for text in as_json(conversation.ask(cells)):
                self._say(text)
            return
        if conversation.predictor.task.asks_rows:
            for text in words(conversation.ask(cells), safe=self.live):
                self._say(text)
            return
        answers = conversation.ask(cells, streamed)
        streamed.rest(answers)
        speed = streamed.speed(answers)
        if speed:
            self._hint(f"({speed})\n")

    # output ------------------------------------------------------------------------------------------------------------
    def _problem(self, text: str) -> None:
        """What was wrong with a question, where its answer would stand."""
        self._say(json.dumps({"problem": text}) if self.json else f"no answer: {escape_terminal(text, lines=True)}")

    def _say(self, text: str) -> None:
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()

    def _hint(self, text: str) -> None:
        """What only someone who sits there wants to know."""
        if self.live:
            self.notes.write(text)
            self.notes.flush()
