"""Dialogues in YAML, text and JSON, and questions about texts."""

import importlib
import json

import pytest

from deepwell.core.errors import DataError, MissingExtra
from deepwell.core.keys import Key
from deepwell.core.task import SplitRule
from deepwell.data.recognition import recognise
from deepwell.data.sources import read
from deepwell.data.splits import split

CORPUS = """categories:
- AI
conversations:
- - What is AI?
  - "A: a field."
- - Are you sentient?
  - Yes
  - 1.50
- - code
  - |
    def f():
        return 1
"""


def said(cell):
    """The texts of a dialogue."""
    return [turn["text"] for turn in cell]


def test_yaml_conversations(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / "corpus" / "english").mkdir(parents=True, exist_ok=True)
        (tmp_path / "corpus" / "english" / f"{folder}.yml").write_text(CORPUS)
    (tmp_path / "corpus" / "README.md").write_text("about")
    found = read(tmp_path / "corpus")
    assert found.names == ["dialogue"]
    assert len(found) == 6
    assert said(found["dialogue"][1]) == ["Are you sentient?", "Yes", "1.50"]
    assert said(found["dialogue"][2]) == ["code", "def f():\n    return 1\n"]
    assert [turn["role"] for turn in found["dialogue"][1]] == ["user", "assistant", "user"]
    assert found.where(1).endswith("a.yml, dialogue 2")


def test_conversations_that_are_none_are_rejected(tmp_path):
    (tmp_path / "a.yml").write_text("conversations:\n- - Hi\n  - Ho\n- just text\n- - - nested\n- []\n")
    found = read(tmp_path / "a.yml")
    assert len(found) == 1
    assert [r.where.rsplit(", ")[-1] for r in found.rejected] == ["dialogue 2", "dialogue 3", "dialogue 4"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("conversations: [\n", "this cannot be read as YAML in line"),
        ("conversations: hello\n", "this YAML has no list `conversations`"),
        ("a: 1\nconversations:\n- x\n", "there is no usable dialogue"),
        ("conversations:\n" + "- " * 3000 + "x\n", "RecursionError"),
        ('conversations: !!python/object/apply:os.system ["true"]\n', "there is no usable dialogue"),
        ("conversations:\n- &a\n  - Hi\n  - Ho\n- *a\n", "in line 5: it has an alias"),
        ("a: &a [x, x]\nconversations: [[*a, *a], [*a, *a]]\n", "in line 2: it has an alias"),
    ],
)
def test_yaml_that_cannot_be_used(tmp_path, content, text):
    (tmp_path / "a.yml").write_text(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.yml")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "tagged", ["!!int abc", "!!float x", "!!timestamp x", "!!bool perhaps", "!!binary '%'", "!!null x", "!own x"]
)
def test_whatever_type_yaml_names_a_turn_is_text(tmp_path, tagged):
    (tmp_path / "a.yml").write_text(f"conversations:\n- - Hi\n  - {tagged}\n")
    assert said(read(tmp_path / "a.yml")["dialogue"][0]) == ["Hi", tagged.split()[1].strip("'")]


def test_without_pyyaml_the_install_line_is_said(tmp_path, monkeypatch):
    real = importlib.import_module

    def without(name, *rest):
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest)

    (tmp_path / "a.yml").write_text(CORPUS)
    read(tmp_path / "a.yml")  # all forms are imported by now
    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtra, match=r'pip install "deepwell\[text\]"'):
        read(tmp_path / "a.yml")


def test_turns_marked_in_text(tmp_path):
    (tmp_path / "dialogues.txt").write_text("Hi . __eou__ Ho ! __eou__\n\nA __eou__ B __eou__ C __eou__\n __eou__ \n")
    (tmp_path / "dialogues_topic.txt").write_text("1\n2\n")
    found = read(tmp_path)
    assert [said(cell) for cell in found["dialogue"]] == [["Hi .", "Ho !"], ["A", "B", "C"]]
    assert found.where(1).endswith("line 3")
    assert [r.reason for r in found.rejected] == ["a dialogue has no turns", "the file holds no dialogue"]


def test_dialogues_in_parts(tmp_path):
    for part in ("train", "test"):
        (tmp_path / f"dialogues_{part}.txt").write_text("Hi . __eou__ Ho ! __eou__\n" * 3)
    assert read(tmp_path)["split"].tolist() == ["train"] * 3 + ["test"] * 3


SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "x",
            "paragraphs": [
                {
                    "context": "Ann has two cats.",
                    "qas": [
                        {"id": "1", "question": "How many cats? ", "answers": [{"text": "two", "answer_start": 8}]},
                        {"id": "2", "question": "Who?", "answers": [{"text": "Ann"}, {"text": "Ann"}]},
                        {"id": "3", "question": "Why?", "is_impossible": True, "answers": []},
                        {"id": "4"},
                    ],
                }
            ],
        }
    ],
}


def test_questions_about_texts(tmp_path):
    (tmp_path / "dev.json").write_text(json.dumps(SQUAD))
    (tmp_path / "README.md").write_text("about")
    found = read(tmp_path)
    assert found.names == ["context", "question", "answer", "context.group"]
    assert found["question"].tolist() == ["How many cats?", "Who?", "Why?"]
    assert found["answer"].tolist() == ["two", "Ann", None]
    assert [r.where.rsplit(", ")[-1] for r in found.rejected] == ["question 4"]


def test_questions_about_one_text_stay_in_one_part(tmp_path):
    paragraphs = [
        {
            "context": f"Text {i}. {'It goes on and on. ' * 12}",
            "qas": [
                {"question": f"What is {n} in text {i}?", "answers": [{"text": f"the {n} of {i}"}]} for n in range(4)
            ],
        }
        for i in range(40)
    ]
    (tmp_path / "all.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    table = read(tmp_path / "all.json")
    schema = recognise(table)
    assert schema["context.group"].role == "group"
    assert "rows of one 'context' stay in one part: 40 groups" in schema["context.group"].reason
    assert [f.name for f in schema.inputs] == ["context", "question"]
    parts = split(table, schema, SplitRule("random"), Key(0))
    seen = [set(part.rows["context"]) for part in (parts.train, parts.select, parts.calibrate, parts.test)]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 40
    assert len(seen[3]) > 1


def test_several_answers_are_a_list(tmp_path):
    several = json.loads(json.dumps(SQUAD))
    several["data"][0]["paragraphs"][0]["qas"][1]["answers"][1]["text"] = "Ann Lee"
    (tmp_path / "dev.json").write_text(json.dumps(several))
    assert read(tmp_path / "dev.json")["answer"].tolist() == [["two"], ["Ann", "Ann Lee"], None]


@pytest.mark.parametrize(
    "content",
    [
        '{"data": [{"paragraphs": [{}]}]}',
        '{"data": "paragraphs", "paragraphs": 1}',
        '{"data": "paragraphs", "paragraphs"',
    ],
)
def test_what_only_looks_like_questions_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"there is no usable question|this is not JSON"):
        read(tmp_path / "a.json")
