"""Strings from files must not act on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.text import escape_terminal, quote


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("straße 東京", "straße 東京"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb", "a\\rb"),
        ("gnp\u202eexe", "gnp\\u202eexe"),
        ("half \ud800", "half \\ud800"),
        ("two\nlines", "two\\nlines"),
        ("no\xa0break", "no\xa0break"),
    ],
)
def test_what_would_act_on_a_terminal_is_shown(text: str, shown: str) -> None:
    assert escape_terminal(text) == shown


def test_texts_of_several_lines_keep_them() -> None:
    assert escape_terminal("a\n\tb\x07", lines=True) == "a\n\tb\\x07"


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    shown = escape_terminal(text)
    assert all(ord(c) >= 32 and c not in "\x7f\u2028\u2029" and not 0x80 <= ord(c) < 0xA0 for c in shown)
    shown.encode()


def test_quote_cuts_long_texts() -> None:
    assert quote("x" * 100, 5) == "'xxxxx...'"
