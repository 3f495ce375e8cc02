"""The error tree's texts and the nearest name."""

import pytest

from deepwell.core.errors import ConfigError, DataError, DeepwellError, MissingExtra, UsageError, closest, nearest


def test_a_text_says_where_what_and_the_repair() -> None:
    error = DataError("it has no rows", where="a.csv, line 3", repair="add rows")
    assert str(error) == "a.csv, line 3: it has no rows\n  repair: add rows"
    assert str(DataError("it has no rows")) == "it has no rows"


def test_wrong_use_is_a_value_error_for_code_written_for_scikit_learn() -> None:
    assert issubclass(ConfigError, UsageError)
    assert issubclass(UsageError, ValueError)
    assert not issubclass(DeepwellError, ValueError)


def test_a_missing_library_names_its_extra() -> None:
    assert 'repair: pip install "deepwell[audio]"' in str(MissingExtra("soundfile", "audio", "reading sound"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lable", "label"),
        ("lr", "learning_rate"),
        ("wd", "weight_decay"),
        ("LEARN", "learning_rate"),
        ("lab", "label"),
        ("zzz", None),
        ("", None),
    ],
)
def test_closest(name: str, meant: str | None) -> None:
    known = ["label", "learning_rate", "l1", "weight_decay"]
    assert closest(name, known) == meant
    if meant:
        assert nearest(name, known) == f"; did you mean {meant!r}?"


def test_without_a_near_name_the_known_ones_are_listed() -> None:
    assert nearest("zzz", ["b", "a"]) == "; known: 'a', 'b'"
    assert nearest("zzz", [f"{i:02d}" for i in range(20)]).endswith("'11', ...")
    assert nearest("zzz", []) == ""
