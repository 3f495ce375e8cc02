"""A conversation: what is a command, what is a question, and what is remembered. At a terminal and through a pipe."""

import io
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated

import numpy as np
import pytest

import deepwell as dw
from deepwell.core.config import Knob
from deepwell.core.errors import ConfigError, DataError
from deepwell.core.fields import Field, Schema
from deepwell.core.table import Table
from deepwell.data.sources import ReadOptions
from deepwell.runtime.answers import Answers
from deepwell.runtime.conversation import LEAVE, Conversation
from deepwell.runtime.interactive import Face, from_stream


@dataclass(frozen=True)
class Request:
    """A question."""

    prompt: Annotated[str, Knob("what is said")] = ""
    history: Annotated[str, Knob("the turns before")] = ""
    temperature: Annotated[float, Knob("how bold", "", 0.0, 2.0)] = 1.0
    n: Annotated[int, Knob("how many", "answers", 1, 9)] = 1
    stop: Annotated[str, Knob("where it ends")] = ""


class Parrot:
    """A model that answers requests: it says the prompt twice, in two pieces, and remembers what it was asked."""

    def __init__(self, kind="dialogue", stopped_after=None):
        self.task = SimpleNamespace(Request=Request, asks_rows=False, continues="", past_targets=False)
        self.schema = Schema((Field("talk", kind),))
        self.contents = SimpleNamespace(task="parrot")
        self.reading = ReadOptions()
        self.asked = []
        self.stopped_after = stopped_after

    def predict(self, data, request, emit=None):
        self.asked.append(request)
        if request.prompt == "bad":
            raise DataError("a bad word", repair="another one")
        for number in range(2):
            if number == self.stopped_after:
                raise KeyboardInterrupt
            if emit is not None:
                emit(request.prompt + "!")
        text = [2 * (request.prompt + "!"), *("more" for _ in range(1, request.n))]
        columns = {"prompt": [request.prompt] * request.n, "text": text, "problem": [""] * request.n}
        schema = Schema(tuple(Field(name, "text") for name in columns))
        return Answers(Table({n: np.array(v, object) for n, v in columns.items()}), schema, ("prompt",), 0.5)


def face(model, lines, **settings):
    """What a face writes: answers and notes. A line that is an exception is raised instead."""
    out, notes, left = io.StringIO(), io.StringIO(), list(lines)

    def ask(prompt):
        if not left:
            raise EOFError
        line = left.pop(0)
        if isinstance(line, type):
            raise line
        return line

    Face(Conversation(model), ask, out, notes, **settings).run()
    return out.getvalue(), notes.getvalue(), left


# commands ------------------------------------------------------------------------------------------------------------
def test_commands_set_knobs_and_refuse_what_is_wrong():
    talk = Conversation(Parrot(), {"n": "2"})
    assert talk.command("/temperature 0.5 ") == "temperature = 0.5"
    assert talk.command("/n") == "n = 2"
    assert talk.command("/stop") == "stop = ''"
    assert talk.command("/quit") == LEAVE
    talk.ask(["hi"])
    assert (talk.predictor.asked[0].temperature, talk.predictor.asked[0].n) == (0.5, 2)
    with pytest.raises(ConfigError, match="temperature must be a number from 0 to 2; got '3'"):
        talk.command("/temperature 3")
    with pytest.raises(ConfigError, match=r"there is no /temprature; did you mean '/temperature'\?"):
        talk.command("/temprature 1")
    with pytest.raises(ConfigError, match="did you mean '/temperature'"):
        talk.command("/temp 1")
    assert talk.knobs == {"n": "2", "temperature": "0.5"}
    with pytest.raises(ConfigError, match="there is no knob 'm'"):
        Conversation(Parrot(), {"m": 1})


def test_help_lists_the_knobs_but_neither_prompt_nor_history():
    said = Conversation(Parrot()).command("/help")
    assert "/temperature VALUE  how bold; a number from 0 to 2; now 1.0" in said
    assert "/n VALUE            how many (answers)" in said
    assert "/prompt" not in said
    assert "/history" not in said


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("hi", "hi"),
        ("//help", "/help"),
        ("/tmp/x.png", "/tmp/x.png"),
        ("/ hi", "/ hi"),
        ("/x9!", "/x9!"),
        (" a ", " a "),
    ],
)
def test_questions_that_look_like_commands(line, question):
    talk = Conversation(Parrot())
    assert talk.command(line) is None
    assert talk.cells(line) == [question]


# memory --------------------------------------------------------------------------------------------------------------
def test_a_chat_sends_what_was_said():
    talk = Conversation(Parrot())
    for line in ("héllo 😀", "again"):
        talk.ask([line])
    assert [r.prompt for r in talk.predictor.asked] == ["héllo 😀", "again"]
    assert talk.predictor.asked[0].history == ""
    assert json.loads(talk.predictor.asked[1].history) == [
        {"role": "user", "text": "héllo 😀"}, {"role": "assistant", "text": "héllo 😀!héllo 😀!"},
    ]  # fmt: skip
    assert talk.command("/new") == "what was said is forgotten"
    talk.ask(["once more"])
    assert talk.predictor.asked[2].history == ""


def test_a_model_of_plain_text_remembers_nothing():
    talk = Conversation(Parrot(kind="text"))
    for line in ("one", "two"):
        talk.ask([line])
    assert [r.history for r in talk.predictor.asked] == ["", ""]
    assert "nothing to forget" in talk.command("/new")


def test_a_stopped_answer_is_remembered_as_far_as_it_came():
    talk = Conversation(Parrot(stopped_after=1))
    with pytest.raises(KeyboardInterrupt):
        talk.ask(["hi"])
    assert talk.turns == [{"role": "user", "text": "hi"}, {"role": "assistant", "text": "hi!"}]
    talk = Conversation(Parrot(stopped_after=0))
    with pytest.raises(KeyboardInterrupt):
        talk.ask(["hi"])
    assert talk.turns == []


# at a terminal -------------------------------------------------------------------------------------------------------
def test_answers_stream_and_speed_is_a_note():
    out, notes, _ = face(Parrot(), ["hi", "", "bad", "/n 2", "ho"], live=True)
    assert out == "hi!hi!\nno answer: a bad word\n  repair: another one\nn = 2\nho!ho!\n\nmore\n"
    assert notes.startswith("parrot: /help says")
    assert notes.count("(2 pieces in 0.5 s, 4 a second)") == 2


def test_ctrl_c_stops_an_answer_and_a_second_one_leaves():
    out, notes, left = face(Parrot(stopped_after=1), ["hi", KeyboardInterrupt, "never"], live=True)
    assert out == "hi!"
    assert "(Ctrl-C once more, or Ctrl-D, leaves)" in notes
    assert left == ["never"]
    model = Parrot()
    _, _, left = face(model, [KeyboardInterrupt, "hi", KeyboardInterrupt, KeyboardInterrupt, "never"], live=True)
    assert ([r.prompt for r in model.asked], left) == (["hi"], ["never"])


def test_quit_and_the_end_of_lines_leave():
    assert face(Parrot(), ["/quit", "never"], live=True)[2] == ["never"]
    assert face(Parrot(), ["/quit", "never"])[2] == ["never"]


# through a pipe ------------------------------------------------------------------------------------------------------
def test_a_pipe_gets_answers_and_nothing_else():
    assert face(Parrot(), ["hi", "", "a\x1b"]) == ("hi!hi!\na\x1b!a\x1b!\n", "", [])
    with pytest.raises(KeyboardInterrupt):
        face(Parrot(stopped_after=0), ["hi"])


def test_json_has_a_line_for_each_answer_reply_and_problem():
    out, _, _ = face(Parrot(), ["/n 2", "hi", "bad", "a\udcff"], json=True)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"reply": "n = 2"},
        {"prompt": "hi", "text": "hi!hi!", "problem": ""},
        {"prompt": "hi", "text": "more", "problem": ""},
        {"problem": "a bad word\n  repair: another one"},
        {"problem": "the question holds bytes that are no UTF-8\n  repair: save or send it as UTF-8"},
    ]


def test_lines_of_a_stream():
    ask = from_stream(io.StringIO("one\r\n\ntwo"))
    assert [ask("?") for _ in range(3)] == ["one", "", "two"]
    with pytest.raises(EOFError):
        ask("?")


# rows ----------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def model(trained):
    return dw.load(trained)


def test_rows_come_as_lines_of_csv_in_the_order_of_a_header(model):
    lines = ["9,9,red", "colour,weight,height", 'red," 9",9', "1,2", "red,x,9", "", "red,,9"]
    out, notes, _ = face(model, lines)
    said = out.splitlines()
    assert said[0] == said[2] == "label: yes"
    assert said[1].startswith("  probability: yes 0.")
    assert said[1] == said[3]
    assert said[4] == "no answer: a question is a line with 3 values, colour,weight,height; got '1,2'"
    assert said[5] == "no answer: column 'weight': 'x' is not a number"
    assert said[6].startswith("label: ")
    assert notes == ""


def test_the_answer_to_a_line_is_that_of_a_file(model):
    talk = Conversation(model)
    columns = {"height": [0.25, -0.5], "weight": [0.125, 0.5], "colour": ["red", "blue"]}
    expected = model.predict(columns)
    for row in range(2):
        answers = talk.ask([str(values[row]) for values in columns.values()])
        assert answers.table["label.probability.yes"][0] == expected["label.probability.yes"][row]


def test_at_a_terminal_each_value_is_asked_and_wrong_ones_again(model):
    out, _, left = face(model, ["tall", "9", "/help", "", "red", "9,9,red"], live=True)
    said = out.splitlines()
    assert said[0] == "no answer: column 'height': 'tall' is not a number"
    assert "one column after the other" in said[1]
    assert said[-4] == said[-2] == "label: yes"
    assert left == []


def test_words_and_cells_mean_what_they_meant_in_training(trained):
    model = dw.load(trained)
    model.reading = ReadOptions(missing=("-9",), delimiter=";")
    talk = Conversation(model)
    assert talk.cells("1;2;red") == ["1", "2", "red"]
    assert talk.header == "height;weight;colour"
    said = [talk.ask([height, "1", "red"])["label.probability.yes"][0] for height in ("-9", "", "-8")]
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize("line", ["NA", "?", "null", " None ", "-9"])
def test_a_question_that_is_one_text_is_never_missing(line):
    model = SimpleNamespace(
        task=SimpleNamespace(Request=Request, asks_rows=True, continues="", past_targets=False),
        schema=Schema((Field("text", "text"),)),
        reading=ReadOptions(missing=("-9",)),
    )
    talk = Conversation(model)
    assert talk._table(dict(zip(talk.names, talk.cells(line), strict=True)))["text"].tolist() == [line.strip()]
    assert talk._table({"text": "  "})["text"].tolist() == [None]


def test_python_asks_a_file_of_questions(trained, capsys):
    dw.try_(trained, questions=io.StringIO("9,9,red\n"), json=True)
    assert json.loads(capsys.readouterr().out)["label"] == "yes"
    with pytest.raises(ConfigError, match="there is no knob 'temperature'"):
        dw.try_(trained, questions=io.StringIO(""), temperature=1)
