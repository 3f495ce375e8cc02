"""The strict JSON reader: what it refuses, at which limit, and that it agrees with the standard parser on the rest."""

import json as standard
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import BundleError, DataError, RunError
from deepwell.store import json

# Integers up to 2^53, finite floats, no lone surrogates: what JSON carries between machines unharmed.
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4), max_leaves=20
)


@given(values)
def test_round_trip(value: Any) -> None:
    assert json.read(json.write(value), "x") == value
    assert json.read(json.write(value, indent=1), "x") == value


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0d8e1-. tf', max_size=60).map(str.encode))
def test_any_bytes_give_the_standard_value_or_bundle_error(data: bytes) -> None:
    try:
        value = json.read(data, "x")
    except BundleError:
        return
    assert standard.loads(data) == value


REFUSED = {
    "nothing": (b"", "is not JSON"),
    "cut short": (b'{"a": [1, 2', "is not JSON"),
    "trailing text": (b"{} x", "Extra data"),
    "duplicate key": (b'{"a":1,"b":2,"a":3}', "the key 'a' twice"),
    "NaN": (b"[NaN]", "holds NaN"),
    "Infinity": (b"[-Infinity]", "holds -Infinity"),
    "overflowing float": (b"[1e999]", "too large"),
    "million digits": (b"[" + b"9" * 1_000_000 + b"]", "at most 2^53"),
    "long float": (b"[0." + b"1" * 100 + b"]", "too long"),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "not UTF-8": (b'["\xff"]', "not UTF-8 at byte 2"),
    "encoded surrogate": (b'["\xed\xa0\x80"]', "not UTF-8"),
    "lone surrogate": (rb'["\ud800"]', "half a surrogate pair"),
    "lone surrogate as key": (rb'{"\udc00":1}', "half a surrogate pair"),
    "raw control character": (b'["\x1b[2J"]', "Invalid control character"),
    "deep array": (b"[" * 50_000, "nested deeper"),
    "deep objects": (b'{"a":' * 40_000, "nested deeper"),
    "closing first": (b"]" * 50_000 + b"[" * 50_000, "is not JSON"),
    "unterminated with escapes": (b'["' + rb"\"" * 400_000, "a text of more than"),
    "quotes and backslashes": (rb'"\\' * 200_000 + b"\\", "is not JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, says = REFUSED[name]
    with pytest.raises(BundleError) as found:
        json.read(data, "schema.json")
    assert says in str(found.value)
    assert str(found.value).startswith("schema.json: ")
    assert len(str(found.value)) < 300


def test_limits_at_the_edge() -> None:
    limit = json.Limit(bytes=200_000, values=10)
    edges = [
        (b"[" * 32 + b"]" * 32, b"[" * 33 + b"]" * 33),
        (b'"' + b"x" * 65536 + b'"', b'"' + b"x" * 65537 + b'"'),
        (b"9007199254740992", b"9007199254740993"),
        (b"-9007199254740992", b"-9007199254740993"),
        (b"1" + b" " * 199_999, b"1" + b" " * 200_000),
        (b"[1,2,3,4,5,6,7,8,9]", b"[1,2,3,4,5,6,7,8,9,0]"),
        (b'["a","b","c","d","e","f","g","h","i"]', b'["a","b","c","d","e","f","g","h","i","j"]'),
        (b'{"a":1,"b":2,"c":3,"d":4}', b'{"a":1,"b":2,"c":3,"d":4,"e":5}'),
    ]
    for inside, outside in edges:
        big = json.Limit(bytes=200_000) if b"[[" in inside else limit
        json.read(inside, "x", limit=big)
        with pytest.raises(BundleError):
            json.read(outside, "x", limit=big)


def test_paired_surrogates_and_escaped_backslashes_are_texts() -> None:
    assert json.read(rb'["\ud83d\ude00", "\\ud800"]', "x") == ["😀", "\\ud800"]


def test_brackets_inside_texts_do_not_count() -> None:
    assert json.read(b'["' + b"[{" * 100 + b'"]', "x") == ["[{" * 100]


def test_the_caller_chooses_the_error() -> None:
    with pytest.raises(DataError, match=r"my\.json: is not JSON: Expecting value \(line 2, column 7\)"):
        json.read(b'{\n "a": x}', "my.json", DataError)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"scores": [{"low": math.nan}]}, "value.scores[0].low is nan"),
        ([math.inf], "value[0] is inf"),
        ({1: 2}, "value has the key 1"),
        ([2**53 + 1], "2^53"),
        ([{1, 2}], "value[0] is a set"),
        (["\ud800"], "half a surrogate pair"),
    ],
)
def test_write_refuses_what_would_not_come_back(value: Any, says: str) -> None:
    with pytest.raises(RunError) as found:
        json.write(value)
    assert says in str(found.value)


def test_write_refuses_values_that_contain_themselves() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(RunError, match="nested deeper"):
        json.write(loop)


def test_bytes_are_compact_and_keep_the_order_of_keys() -> None:
    assert json.write({"b": 1, "a": ["ü", 0.1, True, None]}) == '{"b":1,"a":["ü",0.1,true,null]}'.encode()
