"""The merges of a Tokeniser, learnt from text. Three levels:

- byte: none.
- character: those that build each character of several bytes that was seen often enough, from its bytes.
- bpe: the same for the most frequent characters, COVERED of all (as SentencePiece does: Kudo and Richardson 2018, arXiv
  1808.06226), the others staying bytes; then byte-pair merges of characters within pieces, which the library `tokenizers`
  finds. So a token is a part of one character or whole characters.

Unusual: the library never sees text. It gets our pieces as words over an alphabet of signs that stand for tokens, so that
there is one rule for cutting text, in training and in serving. A merge seen fewer than LEAST times is not learnt. Of more than
READ characters, or DIFFERENT in different pieces, stretches spread evenly over all texts are read until there are so many.
"""

from __future__ import annotations

import importlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from types import ModuleType

import numpy as np

from deepwell.core.errors import ConfigError, MissingExtra, nearest
from deepwell.data.fields.tokeniser import FIRST_MERGE, MOST_MERGES, SPECIALS, Merge, Tokeniser, pieces, utf8

LEVELS = ("byte", "character", "bpe")
LEAST = 2
COVERED = 0.9995
READ = 50_000_000
DIFFERENT = 1_000_000
STRETCH = 1 << 16
"""Characters that are read at a time where not all are read."""
FED = 1 << 16
"""Characters that the library is given at a time."""
_SIGNS = 0x3400
"""The sign that stands for token t is chr(_SIGNS + t): letters and syllables only, up to U+D7FF, and no white space."""


def learn(texts: Sequence[str], level: str, most: int) -> Tokeniser:
    """A tokeniser with at most `most` tokens (>= 264), fewer where the texts do not repeat enough. Deterministic.

    level: one of LEVELS. Raises ConfigError for another level or a size out of range, MissingExtra where `tokenizers` is
    needed and not installed.
    """
    if level not in LEVELS:
        raise ConfigError(f"text is never cut by {level!r}{nearest(level, LEVELS)}")
    if not FIRST_MERGE <= most <= FIRST_MERGE + MOST_MERGES:
        limit = f"{FIRST_MERGE} to {FIRST_MERGE + MOST_MERGES:,} tokens"
        raise ConfigError(f"a vocabulary has {limit}; got {most:,}")
    if level == "byte":
        return Tokeniser()
    found = count_pieces(texts)
    characters = _count_characters(found)
    if level == "character":
        return Tokeniser(_character_merges(characters, most - FIRST_MERGE))
    built = Tokeniser(_character_merges(_covering(characters), most - FIRST_MERGE))
    return Tokeniser([*built.merges, *_pair_merges(found, built, most - built.size)])


def count_pieces(texts: Sequence[str]) -> Counter[str]:
    """Piece -> how often it was seen in what was read."""
    counts: Counter[str] = Counter()
    read = different = 0
    for stretch in _stretches(texts):
        for found in pieces(stretch):
            before = len(counts)
            counts.update(found)
            if len(counts) > before:
                different += _characters_after(counts, before)
        read += len(stretch)
        if read >= READ or different >= DIFFERENT:
            break
    return counts


def _characters_after(counts: Counter[str], before: int) -> int:
    """The characters of the pieces that were seen for the first time after there were `before`."""
    new = len(counts) - before
    return sum(len(piece) for piece, _ in zip(reversed(counts), range(new), strict=False))


def _stretches(texts: Sequence[str]) -> Iterator[str]:
    """All texts in their order; where they may be more than is read, stretches of them in an order that spreads evenly.

    A stretch may cut a piece in two: one in 65,536 characters does not count.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if lengths.sum() <= DIFFERENT:
        yield from texts
        return
    ends = np.cumsum(-(-lengths // STRETCH))
    count = int(ends[-1])
    stride = max(1, round(count * (math.sqrt(5) - 1) / 2))  # steps of the golden ratio leave no large gaps
    while math.gcd(stride, count) > 1:
        stride += 1
    for step in range(count):
        place = step * stride % count
        text = int(np.searchsorted(ends, place, side="right"))
        first = place - int(ends[text - 1] if text else 0)
        yield texts[text][first * STRETCH : (first + 1) * STRETCH]


def _count_characters(found: Mapping[str, int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for piece, count in found.items():
        if count == 1:
            counts.update(piece)
        else:
            for character in piece:
                counts[character] += count
    return counts


def _covering(counts: Counter[str]) -> Counter[str]:
    """The most frequent characters, together COVERED of all."""
    wanted, behind = COVERED * counts.total(), 0
    kept: Counter[str] = Counter()
    for character, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        if behind >= wanted:
            break
        kept[character] = count
        behind += count
    return kept


def _character_merges(counts: Mapping[str, int], most: int) -> list[Merge]:
    """Merges that build characters from their bytes, the most frequent ones first; beginnings of bytes are shared."""
    merges: list[Merge] = []
    known: dict[bytes, int] = {}
    several = [(c, n) for c, n in counts.items() if n >= LEAST and not c.isascii() and not "\ud800" <= c <= "\udfff"]
    for character, _ in sorted(several, key=lambda pair: (-pair[1], pair[0])):
        data = utf8(character)
        missing = [stop for stop in range(2, len(data) + 1) if data[:stop] not in known]
        if len(merges) + len(missing) > most:
            break
        for stop in missing:
            left = known[data[: stop - 1]] if stop > 2 else SPECIALS + data[0]
            known[data[:stop]] = FIRST_MERGE + len(merges)
            merges.append((left, SPECIALS + data[stop - 1]))
    return merges


def _pair_merges(found: Mapping[str, int], built: Tokeniser, most: int) -> list[Merge]:
    """At most `most` merges of tokens of `built`, within pieces; a character that has no token parts its piece in two."""
    if most <= 0 or not found:
        return []
    library = _library()
    signs = [chr(_SIGNS + t) if _whole(built.decode_bytes([t])) else " " for t in range(built.size)]
    words: Counter[str] = Counter()
    encoded = built.encode_all(found)
    ids, starts = encoded.values.tolist(), encoded.offsets.tolist()
    for (start, stop), count in zip(pairwise(starts), found.values(), strict=True):
        words["".join([signs[token] for token in ids[start:stop]])] += count
    alphabet = set(chain.from_iterable(words)) - {" "}
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    trainer = library.trainers.BpeTrainer(
        vocab_size=len(alphabet) + most, min_frequency=LEAST, show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(_repeated(words), trainer)
    return _as_merges(json.loads(tokenizer.to_str())["model"]["merges"], built.size)


def _whole(token: bytes) -> bool:
    """Whether the bytes of a token are whole characters."""
    return bool(token) and token.decode("utf-8", "ignore").encode() == token


def _library() -> ModuleType:
    try:
        return importlib.import_module("tokenizers")
    except ImportError:
        raise MissingExtra("tokenizers", "text", "learning a vocabulary of byte pairs") from None


def _repeated(words: Mapping[str, int]) -> Iterator[str]:
    """Each word as often as it was seen, with spaces between, in texts of bounded length."""
    text: list[str] = []
    length = 0
    for word, count in words.items():
        left = count
        while left:
            some = min(left, 1 + (FED - length) // (len(word) + 1))
            text.append(" ".join([word] * some))
            length += some * (len(word) + 1)
            left -= some
            if length >= FED:
                yield " ".join(text)
                text, length = [], 0
    yield " ".join(text)


def _as_merges(pairs: Iterable[Sequence[str]], size: int) -> list[Merge]:
    """The library's pairs of sign texts as pairs of tokens, the first made one being `size`.

    What two pairs would both make is made by the first only.
    """
    merges: list[Merge] = []
    tokens: dict[str, int] = {}
    for left, right in pairs:
        made = left + right
        sides = [ord(side) - _SIGNS if len(side) == 1 else tokens.get(side) for side in (left, right)]
        if made in tokens or sides[0] is None or sides[1] is None:
            continue
        tokens[made] = size + len(merges)
        merges.append((sides[0], sides[1]))
    return merges
