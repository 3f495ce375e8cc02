"""Keyed draws: pure, apart from each other, the same everywhere."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepwell.core.keys import Key, permutation

PARTS = st.lists(st.one_of(st.integers(-(2**40), 2**40), st.text(max_size=8)), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_equal_names_give_equal_keys_and_others_do_not(a: list[str | int], b: list[str | int]) -> None:
    assert (Key(1).fold(*a) == Key(1).fold(*b)) == (a == b and list(map(type, a)) == list(map(type, b)))


def test_numbers_and_texts_differ() -> None:
    assert Key(0).fold(1) != Key(0).fold("1")
    assert Key(0).fold("ab", "c") != Key(0).fold("a", "bc")
    assert Key(0).fold("a").fold("b") != Key(0).fold("b").fold("a")


def test_values_are_pinned_for_ever() -> None:
    """The same seed must give the same run in later versions. The value: BLAKE2b of the text that the first line hashes."""
    digest = hashlib.blake2b(b"0\x1fstr:epoch\x1fint:3", digest_size=8).digest()
    assert Key(0).fold("epoch", 3).value == int.from_bytes(digest, "little") == 14007298887592112946
    assert 0 <= Key(2**64 - 1).seed < 2**63


@given(st.integers(0, 300), st.integers(0, 2**64 - 1))
def test_a_permutation_holds_everything_once(count: int, seed: int) -> None:
    order = permutation(count, Key(seed))
    assert sorted(order.tolist()) == list(range(count))
    np.testing.assert_array_equal(order, permutation(count, Key(seed)))
