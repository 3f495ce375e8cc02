"""Writing: text is given out whole characters at a time, ends where it should, and goes on beyond the context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.keys import Key
from deepwell.core.runner import NumpyRunner
from deepwell.decoding.steps import ALL
from deepwell.decoding.writing import Manner, Writer, write

END = 256
PIECES = [*(bytes([b]) for b in range(256)), b""]
GREEDY = Manner(0.0, ALL, 1.0, END)


def say(text: bytes | list[int], **options) -> tuple[str, list[str], Writer]:
    """What a Writer gives out for one row of bytes."""
    heard: list[str] = []
    writer = Writer(1, PIECES, END, emit=heard.append, **options)
    for token in text:
        writer.add(np.array([token]))
    writer.close()
    return writer.texts[0], heard, writer


@given(st.text())
def test_pieces_are_whole_characters_and_together_the_text(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    given_out, heard, _ = say(text.encode())
    assert given_out == text == "".join(heard)
    assert "�" not in "".join(heard) or "�" in text


@given(st.text(alphabet="abc", max_size=30), st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3))
def test_a_text_ends_before_the_first_stop_text_and_gives_nothing_of_it_away(text: str, stops: list[str]) -> None:
    given_out, heard, writer = say(text.encode(), stops=stops)
    # The stop text whose last letter comes first ends the text.
    ends = [(text.find(s) + len(s), text.find(s)) for s in stops if s in text]
    expected = text
    if ends:
        done = min(end for end, _ in ends)
        expected = text[: min(start for end, start in ends if end == done)]
    assert given_out == expected == "".join(heard)
    assert writer.ended[0]


def test_broken_bytes_become_the_replacement_sign() -> None:
    assert say([0xC3])[0] == "�"  # half of a character at the very end
    assert say([0xFF, 0x61])[0] == "�a"
    assert say([*"ü".encode(), END, 0x61])[0] == "ü"  # behind the end nothing is heard


def test_only_the_first_row_is_heard_and_each_row_ends_by_itself() -> None:
    heard: list[str] = []
    writer = Writer(2, PIECES, END, emit=heard.append)
    for tokens in ([97, 98], [END, 99], [100, END]):
        writer.add(np.array(tokens))
    assert writer.texts == ["a", "bc"]
    assert heard == ["a"]
    assert writer.ended.all()


def alphabet(seen: list[int] | None = None) -> NumpyRunner:
    """Says the next letter of the alphabet, round and round; notes how many tokens it was given at once."""

    def step(arrays, state):
        token = arrays["token"].reshape(len(arrays["token"]), -1)
        length = token.shape[1] + (0 if state is None else state["length"][0])
        if seen is not None:
            seen.append(int(length))
        following = (token[:, -1] - 97 + 1) % 26 + 97
        return {"logits": 9.0 * np.eye(257, dtype=np.float32)[following]}, {"length": np.full(len(token), length)}

    return NumpyRunner({"step": step})


@pytest.mark.parametrize("steps", [0, 1, 7, 8, 9, 40])
def test_a_text_may_be_longer_than_the_context(steps: int) -> None:
    seen: list[int] = []
    writer = Writer(2, PIECES, END)
    tokens = write(alphabet(seen), np.array([97]), writer, GREEDY, steps, 8, Key(0))
    assert writer.texts == ["bcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"[:steps]] * 2
    assert tokens.shape == (2, steps)
    assert max(seen, default=0) <= 8  # never more than the context


def test_of_a_long_prompt_the_end_is_read() -> None:
    seen: list[int] = []
    writer = Writer(1, PIECES, END)
    write(alphabet(seen), np.arange(97, 123), writer, GREEDY, 3, 8, Key(0))
    assert writer.texts == ["abc"]
    assert seen[0] == 6


def test_writing_ends_when_all_rows_have_ended() -> None:
    writer = Writer(1, PIECES, END, ["e"])
    tokens = write(alphabet(), np.array([97]), writer, GREEDY, 50, 8, Key(0))
    assert writer.texts == ["bcd"]
    assert tokens.shape == (1, 4)


def test_what_may_not_be_written_and_what_was_written_are_passed_over() -> None:
    flat = NumpyRunner({"step": lambda arrays, state: ({"logits": np.zeros((len(arrays["token"]), 257))}, state)})
    never = tuple(t for t in range(257) if not 97 <= t < 101)
    writer = Writer(1, PIECES, END)
    write(flat, np.array([97]), writer, Manner(1.0, ALL, 1e9, END, never), 4, 8, Key(3))
    assert sorted(writer.texts[0]) == ["a", "b", "c", "d"]  # a huge penalty: each letter once


def test_rows_draw_differently_and_the_same_key_draws_the_same() -> None:
    flat = NumpyRunner({"step": lambda arrays, state: ({"logits": np.zeros((len(arrays["token"]), 257))}, state)})

    def texts(seed: int) -> list[str]:
        writer = Writer(3, PIECES, END)
        write(flat, np.array([97]), writer, Manner(1.0, ALL, 1.0, END, (END,)), 20, 8, Key(seed))
        return writer.texts

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) == 3


def test_a_prompt_is_run_once_for_all_rows() -> None:
    rows: list[tuple[int, int]] = []
    inner = alphabet()

    def step(arrays, state):
        rows.append(arrays["token"].reshape(len(arrays["token"]), -1).shape)
        return inner.run("step", arrays, state)

    writer = Writer(3, PIECES, END)
    write(NumpyRunner({"step": step}), np.array([97, 98]), writer, GREEDY, 3, 8, Key(0))
    assert writer.texts == ["cde"] * 3
    assert rows == [(1, 2), (3, 1), (3, 1)]


@pytest.mark.parametrize("steps", [5, 20])
def test_texts_do_not_depend_on_how_many_are_written_side_by_side(steps: int) -> None:
    flat = NumpyRunner({"step": lambda arrays, state: ({"logits": np.zeros((len(arrays["token"]), 257))}, state)})

    def texts(rows: int, first: int) -> list[str]:
        writer = Writer(rows, PIECES, END)
        write(flat, np.array([97, 98]), writer, Manner(1.0, ALL, 1.0, END, (END,)), steps, 8, Key(1), first)
        return writer.texts

    assert texts(3, 0) + texts(1, 3) + texts(2, 4) == texts(6, 0)
