"""tags: every form in which people write several labels comes in, and goes out as it came."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import BundleError
from deepwell.core.fields import Field
from deepwell.data.fields.kind import find
from deepwell.data.fields.tags import MOST, Tags
from deepwell.runtime.answers import cell

FIELD = Field("y", "tags", "target")


def column(*cells):
    found = np.empty(len(cells), object)
    found[:] = cells
    return found


def fitted(*cells, target=True, **options):
    return Tags(**options).fit(column(*cells), FIELD, is_target=target)


def present(kind, *cells):
    parts, problems = kind.encode(column(*cells))
    return parts[""].tolist(), problems


def test_the_kind_is_found_by_its_name():
    assert find("tags") is Tags


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (("b|a", "c", "a,b|c"), "|"),
        (("b; a", "c"), ";"),
        (("b, a", "c"), ","),
        (("a b", "c"), "|"),
        (("a, b", "c, d", "e|f, g"), ","),
        ((["b", "a"], ("c",)), ""),
        (('["b", "a"]', "[]", "['c']"), ""),
    ],
)
def test_the_sign_between_tags_is_found_out(cells, sign):
    assert fitted(*cells).sign_ == sign


def test_each_tag_is_a_column_in_the_order_of_names():
    kind = fitted(["b", "a"], ["c", "c"], [])
    assert kind.classes_ == ["a", "b", "c"]
    assert kind.sizes() == (3,)
    assert present(kind, ["b", "a"], ["c", "c"], []) == ([[1, 1, 0], [0, 0, 1], [0, 0, 0]], {})


@pytest.mark.parametrize(
    "cell", ["a | c", ["c", "a"], ("a", "c"), np.array(["a", "c"], object), "['a', 'c']", '["c","a"]']
)
def test_every_way_to_write_two_tags_is_read(cell):
    assert present(fitted("a|b|c"), cell)[0] == [[1, 0, 1]]


def test_numbers_are_tags_too():
    kind = fitted([10, 9], [10.0])
    assert kind.classes_ == ["9", "10"]
    assert present(kind, ["10"], 9)[0] == [[0, 1], [1, 0]]


def test_an_unknown_tag_is_left_out_and_a_missing_target_is_a_problem():
    kind = fitted("a|b")
    found, problems = present(kind, "a|unheard-of", None, float("nan"), " ", "[]", [])
    assert found[0] == [1, 0]
    assert found[4:] == [[0, 0], [0, 0]]
    assert sorted(problems) == [1, 2, 3]
    assert "[] says that there are none" in problems[1]
    assert present(fitted("a|b", target=False), None)[1] == {}


def test_tags_that_training_lacks_are_counted_in_a_target_alone():
    cells = column("a|new|newer|new", "b", "[]")
    assert fitted("a|b").encode(cells)[0]["unknown"].tolist() == [2, 0, 0]
    assert fitted("a|b", "b", most=1).encode(cells)[0]["unknown"].tolist() == [3, 0, 0]
    assert list(fitted("a|b", target=False).encode(cells)[0]) == [""]


def test_the_tags_of_most_rows_stay():
    assert fitted("a|b", "b|c", "b|c|c", most=2).classes_ == ["b", "c"]


names = st.text(st.characters(codec="utf-8", exclude_characters="|;,[]'\""), min_size=1).map(str.strip).filter(bool)


@given(st.lists(st.lists(names, unique=True), min_size=1).filter(any))
def test_lists_come_back_as_sets_and_encode_to_the_same(cells):
    kind = fitted(*cells)
    encoded = kind.encode(column(*cells))[0][""]
    decoded = kind.decode(encoded)
    assert [set(cell) for cell in decoded] == [set(cell) for cell in cells]
    np.testing.assert_array_equal(kind.encode(decoded)[0][""], encoded)


written = st.text("abé,;'\"\\[]| ", min_size=1, max_size=6).map(str.strip).filter(bool)


@given(st.lists(written, unique=True, min_size=1))
def test_lists_are_read_from_what_answers_and_python_write(tags):
    kind = fitted(tags)
    for form in (cell, str):
        assert sorted(kind.split(form(tags))) == sorted(tags)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("['Sci-Fi', \"Children's, Family\"]", ["Sci-Fi", "Children's, Family"]),
        ("[O'Brien, van 't Hoff, 'x']", ["O'Brien", "van 't Hoff", "x"]),
        ("[]", []),
        ("[a,, ]", ["a"]),
        ("['a' 'b']", ["a' 'b"]),
        ("['", ["['"]),
        ("[" * 100_000 + "]", ["[" * 99_999]),
    ],
)
def test_lists_that_people_write(text, tags):
    assert fitted(["a"]).split(text) == tags


def test_joined_text_comes_back_joined():
    kind = fitted("b;a", "c")
    decoded = kind.decode(np.array([[1, 1, 0], [0, 0, 0]], np.uint8))
    assert decoded.tolist() == ["a;b", "[]"]
    assert present(kind, *decoded) == ([[1, 1, 0], [0, 0, 0]], {})


def test_a_restored_kind_is_the_same():
    kind = fitted("b;a", "c")
    copy = Tags().restore(json.loads(json.dumps(kind.state())))
    assert (copy.sign_, copy.classes_, copy.target_) == (";", ["a", "b", "c"], True)
    assert present(copy, "c;a") == present(kind, "c;a")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tags": ["a", "a"]}, "different texts"),
        ({"tags": [1]}, "different texts"),
        ({"tags": [str(i) for i in range(MOST + 1)]}, "at most 1,000"),
        ({"sign": "/"}, "sign between tags"),
        ({"more": 1}, "exactly the entries"),
    ],
)
def test_a_bad_state_is_refused(change, said):
    with pytest.raises(BundleError, match=said):
        Tags().restore(fitted("a|b").state() | change)
