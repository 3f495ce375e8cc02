"""Grams: a text as an input of the prediction family: its tokens, and which runs of words and of characters occur in it.

Unusual: the companions `words` (one and two words in a row) and `letters` (two to five characters in a row, spaces
included) are sets, each entry once, as indices into what training rows hold. A network gives each entry a vector and adds
them up (Joulin et al. 2017, arXiv 1607.01759), which on few rows is better than anything that reads tokens in order. Entries
are known by a hash of 32 bits, so a bundle holds four bytes for each and no word of the training rows.

A word is a run of letters, marks, digits and apostrophes in them, without regard to case; any other sign is one too, and so
is every character of a script that is written without spaces. As in the tokeniser, signs and spaces are fixed ranges of code
points, and so is what has a small letter, since Python's own tables change with its version. Of a long text head and tail are
read: SHARE of what is kept is from its beginning.
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import EncodedColumn, IntArray, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Field
from deepwell.core.table import Column
from deepwell.data.fields.kind import Kind, Parts, Problems, checked
from deepwell.data.fields.text import Text, text_of
from deepwell.data.fields.tokeniser import SIGN, SPACE

Hashes = NDArray[np.uint32]
Words = tuple[list[str], list[str]]
"""Of one text: those of the head and of the tail; all in the head where it is short."""

MOST_GRAMS = 1 << 16
"""Entries of each of the two vocabularies, at the most."""
MOST_TOKENS = 512
"""Tokens that are kept of a text."""
MOST_WORDS, MOST_LETTERS = 1024, 768
"""Words and characters of a text that its sets are made of."""
MOST_CHARACTERS = 1 << 14
"""Characters of a text that are looked at: more than so many tokens and words have, unless they are of 16 each on average."""
SHARE = 0.75
WORD_ORDERS, LETTER_ORDERS = (1, 2), (2, 3, 4, 5)
FEWEST_ROWS = 2
"""Training rows that hold an entry; one is enough for a single word."""
ROWS = 512
"""Rows that are worked on at a time."""
SAMPLE = 2048
"""Training rows whose tokens are counted, evenly spaced, at the most."""
FITTED_ROWS = 1 << 15
"""Training rows that the vocabularies are made of, evenly spaced, at the most."""
MOST_COUNTED, LEAST_WAITING = 1 << 22, 1 << 20
"""Hashes of one length that are counted at a time, and from how many new ones on these are put in order."""
STORED = 12_000
"""Hashes in one text of the bundle, which may not be longer than 64 KiB."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTERS = rf"[^{SPACE}{SIGN}{_UNSPACED}]+"
_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTERS}(?:['\u2019]{_LETTERS})*|[{SIGN}]")
# Latin, Greek, Cyrillic and Armenian, where no more letters with a small form will be added.
_CASED = (range(0x41, 0x557), range(0x1E00, 0x2000), range(0xFF21, 0xFF3B))
_SMALL = {c: ord(small) for cased in _CASED for c in cased if len(small := chr(c).lower()) == 1 and small != chr(c)}
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of splitmix64 (Steele et al. 2014)


class Grams(Kind):
    """A data.fields.text.Text with the companions `words` and `letters`. For inputs only.

    Args:
        text: of the tokens. most: entries of each vocabulary, at most MOST_GRAMS.
    Attributes:
        length_: tokens of a training text that are read, on average. cut_: share of training texts that have more.
        words_, letters_: the vocabularies: hashes, strictly ascending. Index 0 stands for no entry; entry i has index i + 1.
    """

    def __init__(self, text: Text | None = None, most: int = MOST_GRAMS) -> None:
        self.text = text or Text()
        self.most = most
        self.words_: Hashes = np.zeros(0, np.uint32)
        self.letters_: Hashes = np.zeros(0, np.uint32)
        self.length_, self.cut_ = 1, 0.0

    def fit(self, column: Column, field: Field, *, is_target: bool = False) -> Self:
        """See Kind."""
        self.text.fit(column, field, is_target=is_target)
        step = max(1, -(-len(column) // FITTED_ROWS))
        words, letters = _Counted(WORD_ORDERS), _Counted(LETTER_ORDERS)
        for texts in _pieces(column[::step]):
            words.add(*_word_codes(texts))
            letters.add(*_letter_codes(texts))
        self.words_ = words.most(self.most, alone=True)
        self.letters_ = letters.most(self.most, alone=False)
        some = self.text.encode(_shortened(column[:: max(1, -(-len(column) // SAMPLE))]))[0][""]
        if isinstance(some, Ragged) and len(some):
            self.length_ = max(1, math.ceil(_ends(some).lengths.mean()))
            self.cut_ = float(np.mean(some.lengths > MOST_TOKENS))
        return self

    def encode(self, column: Column) -> tuple[Parts, Problems]:
        """Padded tokens under "", and ragged int32 sets, ascending, under "words" and "letters"."""
        parts, problems = self.text.encode(_shortened(column))
        tokens = parts[""]
        if not isinstance(tokens, Ragged):
            raise TypeError("tokens are ragged")
        words, letters = [], []
        for texts in _pieces(column):
            words.append(_sets(*_word_codes(texts), WORD_ORDERS, self.words_, len(texts)))
            letters.append(_sets(*_letter_codes(texts), LETTER_ORDERS, self.letters_, len(texts)))
        return {"": _ends(tokens), "words": _joined(words), "letters": _joined(letters)}, problems

    def seconds(self, column: Column) -> float:
        """As a text, three times."""
        return 3 * self.text.seconds(column)

    def decode(self, array: EncodedColumn) -> Column:
        """The text of the tokens that are kept."""
        return self.text.decode(array)

    def sizes(self) -> tuple[int, ...]:
        """(tokens of the vocabulary, words + 1, letters + 1, tokens of a training text on average, rounded up)."""
        return (*self.text.sizes(), len(self.words_) + 1, len(self.letters_) + 1, self.length_)

    def state(self) -> dict[str, Any]:
        """See Kind."""
        return {"text": self.text.state(), "words": _stored(self.words_), "letters": _stored(self.letters_),
                "length": self.length_, "cut": self.cut_}  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> Self:
        """See Kind."""
        types = {"text": dict, "words": list, "letters": list, "length": int, "cut": float}
        values = checked(state, "a text field with grams", types)
        self.text.restore(values["text"])
        if not 1 <= values["length"] <= MOST_TOKENS:
            raise BundleError(f"the length of a text must be 1 to {MOST_TOKENS} tokens; got {values['length']}")
        if not 0 <= values["cut"] <= 1:
            raise BundleError(f"the share of long texts must be 0 to 1; got {values['cut']}")
        self.length_, self.cut_ = values["length"], values["cut"]
        self.words_, self.letters_ = _restored(values["words"]), _restored(values["letters"])
        return self


class _Counted:
    """How many rows hold each gram, by its hash."""

    def __init__(self, orders: Sequence[int]) -> None:
        self._orders = {order: _Tally() for order in orders}

    def add(self, codes: NDArray[np.uint64], row: IntArray) -> None:
        """The grams of some rows."""
        for order, tally in self._orders.items():
            hashes, of = _hashed(codes, row, order)
            once = _distinct(of << 32 | hashes.astype(np.int64))
            tally.add(*np.unique((once & 0xFFFFFFFF).astype(np.uint32), return_counts=True))

    def most(self, most: int, alone: bool) -> Hashes:
        """Those of most rows, of FEWEST_ROWS at least (alone: of those of one word, all), in ascending order."""
        hashes, counts = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
        for order, tally in self._orders.items():
            seen, count = tally.merged()
            kept = count >= (1 if alone and order == 1 else FEWEST_ROWS)
            hashes.append(seen[kept])
            counts.append(count[kept])
        every, rows = np.concatenate(hashes), np.concatenate(counts)
        first = np.lexsort((every, -rows))[:most]
        found: Hashes = np.unique(every[first])
        return found


class _Tally:
    """Hashes with their counts; pieces are merged when they are as many as what is known, so each is moved few times.

    Where more than MOST_COUNTED hashes are known, those of a single row are forgotten.
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[Hashes, IntArray]] = [(np.zeros(0, np.uint32), np.zeros(0, np.int64))]
        self._waiting = 0

    def add(self, hashes: Hashes, counts: IntArray) -> None:
        """Some more, each hash once."""
        self._pieces.append((hashes, counts))
        self._waiting += len(hashes)
        if self._waiting > max(LEAST_WAITING, len(self._pieces[0][0])):
            seen, total = self.merged()
            if len(seen) > MOST_COUNTED:
                seen, total = seen[total > 1], total[total > 1]
            self._pieces, self._waiting = [(seen, total)], 0

    def merged(self) -> tuple[Hashes, IntArray]:
        """All hashes, ascending, and their counts."""
        hashes = np.concatenate([piece for piece, _ in self._pieces])
        order = np.argsort(hashes, kind="stable")
        seen, first = np.unique(hashes[order], return_index=True)
        counts = np.concatenate([count for _, count in self._pieces])[order]
        return seen, np.add.reduceat(counts, first) if len(seen) else counts


def _read(cell: Any) -> str:
    """The text of one cell, as data/fields/text.py reads it; none where it is no text."""
    try:
        if isinstance(cell, list | tuple | np.ndarray):
            return " ".join(text for text in map(text_of, cell) if text)
        return text_of(cell)
    except DataError:
        return ""


def _shortened(column: Column) -> Column:
    """The same with the middle of very long texts left out, which is not read."""
    cells = np.empty(len(column), object)
    cells[:] = [_short(cell) if isinstance(cell, str) else cell for cell in column]
    return cells


def _short(text: str) -> str:
    head, tail = ends(len(text), MOST_CHARACTERS)
    return text[:head] + text[len(text) - tail :] if tail else text


def _pieces(column: Column) -> Iterator[list[Words]]:
    """The words of some rows at a time; none for what is no text, which `encode` of the tokens reports."""
    for start in range(0, len(column), ROWS):
        yield [_words(_short(_read(cell))) for cell in column[start : start + ROWS]]


def _words(text: str) -> Words:
    found = _WORD.findall(text.translate(_SMALL))
    head, tail = ends(len(found), MOST_WORDS)
    return found[:head], found[len(found) - tail :]


def ends(length: int, most: int) -> tuple[int, int]:
    """How many are kept of the head and of the tail of `length`."""
    if length <= most:
        return length, 0
    head = int(most * SHARE)
    return head, most - head


def _word_codes(texts: Sequence[Words]) -> tuple[NDArray[np.uint64], IntArray]:
    """(total,) a code of each word that is read, and (total,) its row. A gram does not reach from the head into the tail."""
    known: dict[str, int] = {}
    codes: list[int] = []
    lengths: list[int] = []
    for part in chain.from_iterable(texts):
        for word in part:
            code = known.get(word)
            if code is None:
                code = known[word] = zlib.crc32(word.encode("utf-8", "surrogatepass"))
            codes.append(code)
        lengths.append(len(part))
    return np.array(codes, np.uint64), np.repeat(np.arange(2 * len(texts)), lengths)


def _letter_codes(texts: Sequence[Words]) -> tuple[NDArray[np.uint64], IntArray]:
    """(total,) the code point of each character that is read, and (total,) its row, as above. Words stand between spaces."""
    parts: list[str] = []
    for before, after in texts:
        words = [*before, *after]
        text = f" {' '.join(words)} " if words else ""
        head, tail = ends(len(text), MOST_LETTERS)
        parts += [text[:head], text[len(text) - tail :]]
    codes = np.frombuffer("".join(parts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    return codes, np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _hashed(codes: NDArray[np.uint64], half: IntArray, order: int) -> tuple[Hashes, IntArray]:
    """The hashes of all runs of `order` codes within a half of a row, and the row of each."""
    count = max(0, len(codes) - order + 1)
    code = np.full(count, order, np.uint64)
    for ahead in range(order):
        code = (code ^ codes[ahead : ahead + count]) * _MIX[0]
        code ^= code >> np.uint64(29)
    code *= _MIX[1]
    whole = half[:count] == half[len(half) - count :]
    return (code[whole] >> np.uint64(32)).astype(np.uint32), half[:count][whole] // 2


def _sets(
    codes: NDArray[np.uint64], half: IntArray, orders: Sequence[int], vocabulary: Hashes, rows: int
) -> tuple[NDArray[np.int32], IntArray]:
    """The indices of what each row holds of a vocabulary, each once and ascending, and how many each of `rows` has."""
    found: list[IntArray] = [np.zeros(0, np.int64)]
    for order in orders:
        hashes, row = _hashed(codes, half, order)
        place = np.searchsorted(vocabulary, hashes)
        known = place < len(vocabulary)
        known[known] = vocabulary[place[known]] == hashes[known]
        found.append(row[known] << 32 | (place[known] + 1))
    once = _distinct(np.concatenate(found))
    return (once & 0xFFFFFFFF).astype(np.int32), np.bincount(once >> 32, minlength=rows)


def _distinct(values: IntArray) -> IntArray:
    """Each value once, ascending. numpy's own puts them into a hash table first, which takes five times as long here."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _joined(pieces: Sequence[tuple[NDArray[np.int32], IntArray]]) -> Ragged:
    """Sets of some rows after each other as one ragged column."""
    values = np.concatenate([np.zeros(0, np.int32), *(found for found, _ in pieces)])
    lengths = np.concatenate([np.zeros(0, np.int64), *(count for _, count in pieces)])
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _ends(tokens: Ragged) -> Ragged:
    """Head and tail of the rows of more than MOST_TOKENS tokens."""
    lengths = tokens.lengths
    if not (lengths > MOST_TOKENS).any():
        return tokens
    head, tail = ends(MOST_TOKENS + 1, MOST_TOKENS)
    place = np.arange(len(tokens.values)) - np.repeat(tokens.offsets[:-1], lengths)
    length = np.repeat(lengths, lengths)
    kept = (length <= MOST_TOKENS) | (place < head) | (place >= length - tail)
    offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, MOST_TOKENS))]).astype(np.int64)
    return Ragged(tokens.values[kept], offsets, tokens.padded)


def _stored(hashes: Hashes) -> list[str]:
    """Hashes as texts: little-endian, in base64."""
    plain = hashes.astype("<u4")
    return [base64.b64encode(plain[at : at + STORED].tobytes()).decode() for at in range(0, len(plain), STORED)]


def _restored(texts: Sequence[Any]) -> Hashes:
    """What `_stored` gave. Raises BundleError for anything else."""
    try:
        pieces = [base64.b64decode(text, validate=True) for text in texts if type(text) is str]
    except ValueError:
        raise BundleError("the grams of a text field are not base64") from None
    plain = b"".join(pieces)
    if len(pieces) != len(texts) or len(plain) % 4 or len(plain) > 4 * MOST_GRAMS:
        raise BundleError(f"the grams of a text field must be texts that hold at most {MOST_GRAMS:,} hashes")
    hashes = np.frombuffer(plain, "<u4").astype(np.uint32)
    if np.any(hashes[1:] <= hashes[:-1]):
        raise BundleError("the grams of a text field are not in ascending order")
    return hashes
