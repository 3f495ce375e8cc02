"""What a user can ask of a training: every type, as text and as values."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.errors import ConfigError
from deepwell.runs.options import SchemaAsked, TrainOptions, parse, seconds


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
