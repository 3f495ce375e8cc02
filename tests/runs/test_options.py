"""What a user can ask of a training: every type, as text and as values."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError
from deepwell.runs.options import SchemaAsked, TrainOptions, amount, parse, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        (90, 90),
        (1.5, 1.5),
        ("90s", 90),
        ("5m", 300),
        ("5 min", 300),
        ("1.5h", 5400),
        (".5h", 1800),
        ("2H", 7200),
    ],
)
def test_durations(text: object, expected: float) -> None:
    assert seconds("time", text) == expected


@pytest.mark.parametrize("text", ["", "abc", "5d", "-5s", "0", "1e400", "5 5", "inf", None, "s"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ConfigError, match=r"time must be a duration such as 60s, 5m or 1h; got "):
        seconds("time", text)


@given(st.floats(1e-3, 1e6))
def test_a_number_of_seconds_is_itself(value: float) -> None:
    assert seconds("time", f"{value:f}") == pytest.approx(value, abs=1e-6)


def test_text_and_values_mean_the_same() -> None:
    text = {
        "target": "y", "role": ["a=group", "b = id"], "map": ["x y -> z"], "header": "no", "epochs": "2.5", "steps": "3",
        "set": ["dropout=0.2"], "time": "1m", "demo": True,
    }  # fmt: skip
    values = {
        "target": ("y",), "role": {"a": "group", "b": "id"}, "map": {"x y": "z"}, "header": False, "epochs": 2.5, "steps": 3,
        "set": {"dropout": 0.2}, "time": 60, "demo": True,
    }  # fmt: skip
    assert parse(TrainOptions, text) == parse(TrainOptions, values)


def test_what_was_not_given_is_the_default() -> None:
    assert parse(TrainOptions, {}) == TrainOptions()
    assert parse(TrainOptions, {"epochs": None, "time": None}).epochs is None


def test_test_rows_may_be_anything_that_can_be_read() -> None:
    frame = {"x": [1, 2]}
    assert parse(TrainOptions, {"test": frame}).test is frame
    assert parse(TrainOptions, {"test": Path("a.csv")}).test == Path("a.csv")


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"there is no option 'epoch'; did you mean 'epochs'?"):
        parse(TrainOptions, {"epoch": 3})
    with pytest.raises(ConfigError, match="there is no option 'seed'"):
        parse(SchemaAsked, {"seed": 3})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000", 1000),
        (4096, 4096),
        ("500m", 500 << 20),
        ("2g", 2 << 30),
        ("1.5 GB", 3 << 29),
        ("64MiB", 64 << 20),
        ("1t", 1 << 40),
    ],
)
def test_amounts_of_memory(text: object, expected: int) -> None:
    assert amount("memory", text) == expected
    assert parse(TrainOptions, {"memory": text}).memory == expected


@pytest.mark.parametrize("text", ["", "g", "-1g", "0", "2x", "1e9", "nan", True, None, "99999999999t"])
def test_what_is_no_amount_of_memory(text: object) -> None:
    with pytest.raises(ConfigError, match=r"memory must be an amount of memory such as 500m or 2g; got "):
        amount("memory", text)
