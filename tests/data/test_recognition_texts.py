"""Columns of language: what is read as text, what is set aside as names, lists, and which of several texts is the target."""

import random

import numpy as np
import pytest

from deepwell.core.errors import DataError
from deepwell.core.table import ImageFile, Origin, Table
from deepwell.data.recognition import Edits, describe, recognise

WORDS = "the film never ends and has no plot but many birds of every colour sing in trees".split()


def objects(values):
    column = np.empty(len(values), object)
    for index, value in enumerate(values):
        column[index] = value
    return column


def texts(rows, words=9, seed=0):
    """Texts of about so many words, another one in each row."""
    draw = random.Random(seed)
    return objects(
        [f"{' '.join(draw.choices(WORDS, k=max(1, words + draw.randint(-2, 2))))} no{i}" for i in range(rows)]
    )


def kinds(schema):
    """column -> kind and role."""
    return {f.name: (f.kind, f.role) for f in schema.fields}


LABEL = objects(["good", "bad"] * 50)
NAMES = objects([f"Braund, Mr. {name} Harris" for name in (f"O{i}" for i in range(100))])


def test_reviews_with_a_label():
    schema = recognise(Table({"review": texts(100), "label": LABEL}))
    assert kinds(schema) == {"review": ("text", "input"), "label": ("category", "target")}
    assert "free text, 9.8 words a value, 100 different values" in schema["review"].reason


def test_names_beside_numbers_are_set_aside_and_can_be_asked_for():
    table = Table({"Name": NAMES, "Age": np.arange(100) % 7 / 2, "Survived": np.arange(100) % 2})
    schema = recognise(table, Edits(target=("Survived",)))
    assert kinds(schema)["Name"] == ("text", "ignore")
    assert "short and another one in nearly every row (100 in 100); --kind Name=text reads it" in schema["Name"].reason
    forced = recognise(table, Edits(target=("Survived",), kinds={"Name": "text"}))
    assert kinds(forced)["Name"] == ("text", "input")
    assert kinds(recognise(table, Edits(target=("Survived",), roles={"Name": "input"})))["Name"] == ("text", "input")


def test_long_text_beside_numbers_is_read():
    schema = recognise(Table({"review": texts(100), "stars": np.arange(100) % 7 / 2, "label": LABEL}))
    assert {f.name for f in schema.inputs} == {"review", "stars"}


@pytest.mark.parametrize("column", [NAMES, objects([f"user{i}" for i in range(100)])], ids=["names", "words"])
def test_where_nothing_else_is_left_any_text_is_read(column):
    schema = recognise(Table({"who": column, "label": LABEL}))
    assert kinds(schema)["who"] == ("text", "input")
    assert kinds(recognise(Table({"user_id": column, "label": LABEL})))["user_id"][0] in ("text", "id")


def test_identifiers_stay_identifiers():
    schema = recognise(Table({"user_id": objects([f"u{i}" for i in range(100)]), "label": LABEL}))
    assert kinds(schema)["user_id"] == ("id", "id")


def test_text_beside_pictures_is_set_aside():
    pictures = objects([ImageFile(f"{i}.jpg") for i in range(100)])
    schema = recognise(Table({"image": pictures, "caption": texts(100), "label": LABEL}))
    assert kinds(schema)["caption"] == ("text", "ignore")
    assert "text beside pictures is not read" in schema["caption"].reason


@pytest.mark.parametrize(
    "script",
    [
        "这部电影真的非常好看我很喜欢",
        "この映画はとても面白かったです",
        "ภาพยนตร์เรื่องนี้สนุกมาก",
        "இந்த படம் மிகவும் நன்றாக உள்ளது",
    ],
)
def test_scripts_without_spaces_are_text(script):
    column = objects([f"{script}{i}" for i in range(100)])
    table = Table({"text": column, "label": LABEL, "n": np.arange(100) % 7 / 2})
    if " " in script:
        table = Table({"text": column, "label": LABEL})
    assert kinds(recognise(table))["text"] == ("text", "input")


@pytest.mark.parametrize("rows", [1, 3])
def test_documents_are_text_however_few(rows):
    column = objects(["A long story. " * 40 + str(i % 2) for i in range(rows)])
    schema = recognise(Table({"text": column}))
    assert kinds(schema) == {"text": ("text", "input")}
    assert "documents of 561 characters" in schema["text"].reason


def test_a_document_of_fifty_megabytes():
    table = Table({"text": objects(["to be or not to be\n" * (50 * 2**20 // 19)])})
    schema = recognise(table)
    assert kinds(schema) == {"text": ("text", "input")}
    assert describe(table, schema)[0]["stats"]["longest"] == 50 * 2**20 // 19 * 19


def test_figures_of_a_text_column():
    table = Table({"text": objects(["ab" * 150, "ab" * 150, "c" * 300, None]), "label": objects(["x", "y", "x", "y"])})
    found = describe(table, recognise(table))[0]
    assert found["missing"] == 1
    assert found["stats"] == {"rows": 4, "distinct": 2, "characters": 300.0, "longest": 300}


TURNS = [{"role": "user", "text": "Hi"}, {"role": "assistant", "text": "Ho"}]
SHARE_GPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]


@pytest.mark.parametrize(
    ("name", "cell", "kind", "role"),
    [
        ("messages", TURNS, "dialogue", "input"),
        ("conversations", SHARE_GPT, "dialogue", "input"),
        ("anything", TURNS, "dialogue", "input"),
        ("dialog", ["Hi", "Ho"], "dialogue", "input"),
        ("source", ["A first sentence of many words.", "A second one of as many words."], "text", "input"),
        ("x", [{"a": 1}], "series", "ignore"),
        ("x", [1, 2, 3], "series", "ignore"),
        ("x", ["a", 1], "series", "ignore"),
        ("x", {"a": 1}, "series", "ignore"),
    ],
)
def test_lists(name, cell, kind, role):
    schema = recognise(Table({name: objects([cell, cell, None, cell])}))
    assert kinds(schema) == {name: (kind, role)}
    if role == "input":
        assert "1 missing (25.0%)" in schema[name].reason


def test_lists_of_few_short_words_are_tags():
    cells = objects([["sad", "slow"], ["sad"], [], ["happy"]] * 10)
    assert recognise(Table({"text": texts(40), "moods": cells}), Edits(target=("moods",)))["moods"].kind == "tags"


def test_of_two_texts_the_second_is_the_target_unless_told():
    table = Table({"de": texts(100, seed=1), "en": texts(100, seed=2)})
    schema = recognise(table)
    assert kinds(schema) == {"de": ("text", "input"), "en": ("text", "target")}
    assert "the second of two texts, learnt from 'de'; --target de turns that round" in schema["en"].reason
    turned = recognise(table, Edits(target=("de",)))
    assert kinds(turned) == {"de": ("text", "target"), "en": ("text", "input")}
    assert "--kind de=category makes classes of them" in turned["de"].reason
    kept = recognise(table, Edits(roles={"en": "input"}))
    assert kept.targets == ()


def test_single_words_in_two_columns_are_a_dictionary():
    one, other = (objects([f"{side}{i}" for i in range(100)]) for side in "ab")
    schema = recognise(Table({"word": one, "meaning": other}))
    assert kinds(schema) == {"word": ("text", "input"), "meaning": ("text", "target")}


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (("context", "question", "answer"), "answer"),
        (("summary", "article"), "summary"),
        (("instruction", "input", "output"), "output"),
        (("one", "two", "three"), None),
    ],
)
def test_a_text_that_is_named_like_an_answer_is_the_target(names, target):
    schema = recognise(Table({name: texts(100, seed=seed) for seed, name in enumerate(names)}))
    assert [f.name for f in schema.targets] == ([target] if target else [])


def test_classes_stay_classes_beside_text():
    table = Table({"text": texts(100), "topic": objects([f"topic of many words {i % 12}" for i in range(100)])})
    assert recognise(table, Edits(target=("topic",)))["topic"].kind == "category"


def test_the_same_language_twice_is_refused():
    column = texts(100)
    other = objects([text if i % 50 else text + " indeed" for i, text in enumerate(column)])
    with pytest.raises(DataError, match=r"row 1: the target 'b' is the same text as the input 'a' in 98 of 100 rows"):
        recognise(Table({"a": column, "b": other}))


@pytest.mark.parametrize("rows", [100, 10_000])
def test_corrections_leave_most_texts_as_they_are(rows):
    column = texts(rows)
    corrected = objects([text if i % 10 < 6 else text.replace("o", "0") for i, text in enumerate(column)])
    schema = recognise(Table({"written": column, "corrected": corrected}))
    assert kinds(schema) == {"written": ("text", "input"), "corrected": ("text", "target")}


def test_a_column_named_like_another_s_group_is_one():
    shared = objects([f"p{i // 4}" for i in range(100)])
    table = Table({"text": texts(100), "text.group": shared, "other.group": shared, "label": LABEL})
    found = kinds(recognise(table))
    assert (found["text.group"], found["other.group"]) == (("category", "group"), ("category", "input"))


def test_labels_from_the_names_of_files_say_so():
    file = np.arange(100, dtype=np.int32) % 2
    line = np.arange(100, dtype=np.int64) // 2 + 1
    folders = Origin(tuple(f"data/{name}/{i}.txt" for i, name in enumerate(["good", "bad"])), file, line)
    schema = recognise(Table({"text": texts(100), "label": LABEL}, folders))
    assert "each is the name of the folder that its file lies in" in schema["label"].reason
    names = Origin(("polarity.good", "polarity.bad"), file, line)
    schema = recognise(Table({"text": texts(100), "label": LABEL}, names))
    assert "each is in the name of the file that its rows come from" in schema["label"].reason
    one = Origin(("table.csv",), np.zeros(100, np.int32), line)
    assert "each" not in recognise(Table({"text": texts(100), "label": LABEL}, one))["label"].reason
