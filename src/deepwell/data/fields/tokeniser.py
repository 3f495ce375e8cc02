"""Tokeniser: text as whole numbers and back, exact for any Unicode string, in any script.

Ids: 0 END (also padding), 1 BEGIN, 2 to 7 the speakers of a dialogue, 8 to 263 the 256 bytes of UTF-8, from 264 on the
merges: each is two earlier tokens side by side (byte-pair encoding: Sennrich et al. 2016, arXiv 1508.07909; over bytes:
Radford et al. 2019). So nothing is ever unknown, and text can never write one of the special tokens.

Unusual:
- There is one encoder; the level of a vocabulary only says which merges there are (see tokeniser_learning.py).
- Merges that build single characters come before all others. So a piece is encoded character by character, from a table,
  and only then are characters merged, which gives exactly what merging its bytes by rank gives, in a third of the time
  where characters have three bytes.
- Text is cut into pieces before merging, by a rule that stands here and not in the bundle (RULE names it), and that uses
  fixed ranges of code points: what a text is encoded to does not depend on the Unicode version of the Python at hand.
Half a surrogate pair is no character: it is encoded to its three bytes, which come back as replacement signs.
"""

from __future__ import annotations

import array
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import Ragged
from deepwell.core.errors import BundleError
from deepwell.data.fields.kind import checked

END, BEGIN = 0, 1
ROLES = range(2, 8)
"""The tokens that say who speaks."""
SPECIALS = 8
FIRST_MERGE = SPECIALS + 256
MOST_MERGES = 1 << 15
RUN = 64
"""Most characters of one run, so that scripts without spaces have pieces too."""
LONGEST = 4 * (RUN + 1)
"""Most bytes of one token: those of the longest piece."""
RULE = "words-1"
BLOCK = 1 << 18
"""Characters that are cut at a time."""
_MOST_PIECES = 1 << 17

SPACE = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DIGIT = r"0-9\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\uff10-\uff19"
SIGN = (
    r"\x00-\x08\x0e-\x1b!-/:-@\[-`{-\x84\x86-\x9f\xa1-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7"  # Latin
    r"\u037e\u0387\u055a-\u055f\u0589\u05be\u05c0\u05c3\u05f3\u05f4\u060c\u061b\u061f\u066a-\u066d\u06d4"  # to Arabic
    r"\u0964\u0965\u0e3f\u0e4f\u0e5a\u0e5b\u0f08-\u0f14\u104a-\u104f\u1361-\u1368\u17d4-\u17da"  # India to Cambodia
    r"\u200b\u200e-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2bff\u2e00-\u2e7f"  # punctuation, currencies, symbols
    r"\u3001-\u3004\u3008-\u3020\u3030\u303d-\u303f\u30fb\ufe00-\ufe1f\ufe30-\ufe6f\uff01-\uff0f\uff1a-\uff20"  # East Asia
    r"\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff\U0001f000-\U0001fbff"  # and pictographs
)
_LETTER = rf"[^{SPACE}{_DIGIT}{SIGN}]"  # and marks, which belong to the letters before them
# What follows an apostrophe as in don't and it's; letters; digits; signs, each with the space before it; white space
# without the space that belongs to what follows; white space.
_PIECE = re.compile(
    rf"['\u2019]{_LETTER}{{1,2}}(?!{_LETTER})| ?{_LETTER}{{1,{RUN}}}| ?[{_DIGIT}]{{1,{RUN}}}| ?[{SIGN}]{{1,{RUN}}}"
    rf"|[{SPACE}]{{1,{RUN}}}(?![^{SPACE}])|[{SPACE}]{{1,{RUN}}}"
)

Tokens = NDArray[np.int32]
Merge = tuple[int, int]


def pieces(text: str) -> Iterator[list[str]]:
    """The pieces of a text, in lists of many; side by side they are the text. How long the text is does not matter."""
    start = 0
    while start < len(text):
        stop = min(start + BLOCK, len(text))
        found: list[str] = _PIECE.findall(text, start, stop)
        if stop < len(text):
            stop -= len(found.pop())  # the end of the block may have cut it short
        start = stop
        yield found


def utf8(text: str) -> bytes:
    """The bytes of a text; see the top of this file for half a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")


class _Known(dict[str, tuple[int, ...]]):
    """What was encoded before, up to a number of entries."""

    def __init__(self, encode: Callable[[str], tuple[int, ...]]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, text: str) -> tuple[int, ...]:
        if len(self) >= _MOST_PIECES:
            self.clear()
        made = self[text] = self._encode(text)
        return made


class Tokeniser:
    """See the top of this file.

    Args:
        merges: pairs of ids; the i-th makes the token FIRST_MERGE + i. Trusted: `restore` checks foreign ones.
    """

    def __init__(self, merges: Sequence[Merge] = ()) -> None:
        self.merges = tuple(merges)
        self._bytes = token_bytes(self.merges)
        self._ranks = {pair: FIRST_MERGE + index for index, pair in enumerate(self.merges)}
        building = _building(self._bytes[FIRST_MERGE:])
        self._builders = {pair: FIRST_MERGE + index for index, pair in enumerate(self.merges[:building])}
        self._characters = _Known(lambda c: _merged([SPECIALS + byte for byte in utf8(c)], self._builders))
        self._pieces = _Known(self._piece)

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return len(self._bytes)

    def encode(self, text: str) -> Tokens:
        """(tokens,) int32 of one text, without BEGIN and END."""
        return self.encode_all([text]).values

    def encode_all(self, texts: Iterable[str]) -> Ragged:
        """One row of int32 tokens for each text, to be padded in batches; without BEGIN and END."""
        flat, offsets = array.array("i"), array.array("q", [0])
        for text in texts:
            for found in pieces(text):
                flat.extend(chain.from_iterable(map(self._pieces.__getitem__, found)))
            offsets.append(len(flat))
        return Ragged(np.array(flat, np.int32), np.array(offsets, np.int64), padded=True)

    def _piece(self, piece: str) -> tuple[int, ...]:
        return _merged(list(chain.from_iterable(map(self._characters.__getitem__, piece))), self._ranks)

    def decode(self, tokens: Iterable[int] | NDArray[np.integer[Any]]) -> str:
        """The text of tokens (0 <= token < size); special ones are left out, bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", "replace")

    def decode_bytes(self, tokens: Iterable[int] | NDArray[np.integer[Any]]) -> bytes:
        """The bytes of tokens, for streams: a character may not be complete at their end."""
        ids = tokens.tolist() if isinstance(tokens, np.ndarray) else tokens
        return b"".join([self._bytes[token] for token in ids])

    @functools.cached_property
    def byte_counts(self) -> NDArray[np.int64]:
        """(size,): the bytes of each token; 0 for special ones. Summed over tokens: the bytes of the text."""
        return np.array([len(token) for token in self._bytes], np.int64)

    @functools.cached_property
    def character_counts(self) -> NDArray[np.int64]:
        """(size,): how many characters begin in each token. Summed over the tokens of a text: its length."""
        return np.array([sum(byte & 0xC0 != 0x80 for byte in token) for token in self._bytes], np.int64)

    def state(self) -> dict[str, Any]:
        """As JSON values: the name of the rule, and each merge as left * 65536 + right."""
        return {"rule": RULE, "merges": [left << 16 | right for left, right in self.merges]}

    @staticmethod
    def restore(state: Any) -> Tokeniser:
        """The tokeniser whose `state` this is. Raises BundleError for anything unexpected."""
        values = checked(state, "a tokeniser", {"rule": str, "merges": list})
        if values["rule"] != RULE:
            raise BundleError(
                f"text was cut by the rule {values['rule'][:40]!r}, which is not known here; this version knows {RULE!r}"
            )
        merges = values["merges"]
        if len(merges) > MOST_MERGES:
            raise BundleError(f"a tokeniser has {len(merges):,} merges; at most {MOST_MERGES:,} are allowed")
        return Tokeniser(_checked_merges(merges))


def token_bytes(merges: Iterable[Merge]) -> list[bytes]:
    """The bytes of every token; none for special ones."""
    made = [b""] * SPECIALS + [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        made.append(made[left] + made[right])
    return made


def _checked_merges(numbers: list[Any]) -> list[Merge]:
    """Merges of bytes and of earlier merges that make tokens of bounded length, each another one. Raises BundleError."""
    merges: list[Merge] = []
    made = token_bytes(())
    different = set(made)
    for index, number in enumerate(numbers):
        if type(number) is not int or not 0 <= number < 1 << 32:
            raise BundleError(f"merge {index} of a tokeniser must be a whole number below 2^32; got {number!r:.40}")
        left, right = number >> 16, number & 0xFFFF
        if not SPECIALS <= min(left, right) <= max(left, right) < len(made):
            raise BundleError(f"merge {index} of a tokeniser joins {left} and {right}, which are no earlier tokens")
        token = made[left] + made[right]
        if len(token) > LONGEST:
            raise BundleError(f"merge {index} of a tokeniser makes a token of more than {LONGEST} bytes")
        if token in different:
            raise BundleError(f"merge {index} of a tokeniser makes a token that there is already: {token!r:.40}")
        merges.append((left, right))
        made.append(token)
        different.add(token)
    return merges


def _building(tokens: Iterable[bytes]) -> int:
    """How many of the tokens, from the first on, are characters of several bytes or beginnings of such."""
    count = 0
    for token in tokens:
        expected = 4 if token[0] >= 0xF0 else 3 if token[0] >= 0xE0 else 2 if token[0] >= 0xC0 else 0
        if len(token) > expected or any(byte & 0xC0 != 0x80 for byte in token[1:]):
            break
        count += 1
    return count


def _merged(ids: list[int], ranks: Mapping[Merge, int]) -> tuple[int, ...]:
    """The ids after all merges, the earliest one first, and from left to right where there are several places."""
    never = FIRST_MERGE + MOST_MERGES
    found = [ranks.get(pair, never) for pair in pairwise(ids)]
    while found and (best := min(found)) < never:
        at = found.index(best)
        ids[at : at + 2] = [best]
        del found[at]
        if at:
            found[at - 1] = ranks.get((ids[at - 1], best), never)
        if at < len(found):
            found[at] = ranks.get((best, ids[at + 1]), never)
    return tuple(ids)
