"""Pairs of texts: one or several source texts and a target text, as the arrays of an encoder-decoder.

What a pipeline of pairs learns beside its fields, all from training rows: whether both sides share one vocabulary (where
most of their letters are the same), how long answers get for how long a source, and what the targets are like, which says how
answers are measured.

    arrays   source (n, S)           the source tokens, then END. Several source fields: each behind a token of its own
             target (n, T + 1)       BEGIN, the target tokens, END
             references (n, R)       the right answers beside the target, END between them; none where there is one
             each padded, with `.length` (n,)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray, Ragged
from deepwell.core.errors import BundleError, DataError
from deepwell.core.fields import Schema
from deepwell.core.runner import Arrays
from deepwell.core.table import Table
from deepwell.core.task import Pipeline
from deepwell.data.cache import Columns
from deepwell.data.fields.kind import checked
from deepwell.data.fields.text import Text
from deepwell.data.fields.tokeniser import BEGIN, END, ROLES, SPECIALS
from deepwell.data.pipeline import FieldPipeline
from deepwell.metrics import summaries, texts

FACTS = ""
"""Where the facts stand among the stored transforms; no column has an empty name."""
LONGEST = 512
"""Tokens of a source, the end included, at the most."""
SAMPLE = 2_000
"""Training rows that scripts and words are looked up in."""
MEASURED = 20_000
"""Training rows whose tokens are counted."""
SAME_LETTERS = 0.5
"""The sides share a vocabulary where so much of their letters is the same."""
SAME_TEXTS = 0.95
"""More rows with equal sides than this are no task but a mistake."""
VOCABULARY = ((2_000_000, 8_192), (500_000, 4_096), (0, 2_048))
"""Characters of both sides from which on a vocabulary has at most so many tokens."""
SLACK = 5
"""Tokens that an answer may have beyond the longest that training had for such a source."""
LONGER = 1.5
"""Answers have at most so many times the tokens of the longest training target, whatever their source."""
ONE_IN = 1_000
"""One training row in so many may have had a longer target for its source than answers may get."""


@dataclass(frozen=True)
class PairFacts:
    """What was learnt of the training rows.

    shared: both sides have one vocabulary. unspaced: targets are in a script without spaces. source_words, target_words,
    source_tokens, target_tokens: of a row on average. ratio: target tokens for a source token at the most, see limits.
    longest: tokens of the longest target.
    """

    shared: bool = True
    unspaced: bool = False
    source_words: float = 0.0
    target_words: float = 0.0
    source_tokens: float = 0.0
    target_tokens: float = 0.0
    ratio: float = 1.0
    longest: int = 1

    @property
    def style(self) -> str:
        """What the targets are like, one of metrics.texts.STYLES."""
        return texts.style(self.source_words, self.target_words)

    def limits(self, lengths: IntArray) -> IntArray:
        """Tokens of an answer at the most, the end included, for sources of so many: in proportion, as in training."""
        bound = np.ceil(self.ratio * (lengths + 1)) + SLACK
        return np.asarray(np.minimum(bound, LONGER * self.longest + SLACK), np.int64)


class PairPipeline(FieldPipeline):
    """See the top of this file.

    Args:
        schema: inputs and one target of kind text. level: of the vocabularies, see Text. most: tokens of each; 0: by rule.
        vocabulary: auto, shared or separate. longest: tokens of a source, whose rest is cut (see Joining).
    Attributes:
        facts_: what was learnt beside the fields.
    """

    def __init__(
        self, schema: Schema, level: str = "bpe", most: int = 0, vocabulary: str = "auto", longest: int = LONGEST
    ) -> None:
        self.inputs = tuple(f.name for f in schema.inputs)
        self.target = schema.targets[0].name
        self.level, self.most, self.vocabulary, self.longest = level, most, vocabulary, longest
        self.facts_ = PairFacts()
        super().__init__(schema, {name: Text(level) for name in (*self.inputs, self.target)})

    def fit(self, table: Table) -> PairPipeline:
        """Learn the vocabularies and the facts. Raises DataError where both sides of nearly all rows are the same text."""
        some = _spread(table, SAMPLE)
        sources, targets = self._texts(some, self.inputs), self._texts(some, [self.target])
        self._refuse_equal(sources, targets)
        alike = same_letters(sources, targets)
        shared = alike >= SAME_LETTERS if self.vocabulary == "auto" else self.vocabulary == "shared"
        characters = sum(map(len, [*sources, *targets])) * len(table) / max(1, len(some))
        most = self.most or next(size for least, size in VOCABULARY if characters >= least)
        first = Text(self.level, most)
        self.kinds_ = {name: Text(self.level, most, first) for name in self.inputs[1:]}
        last = Text(self.level, most, first if shared else None)
        self.kinds_ = {self.inputs[0]: first, **self.kinds_, self.target: last}
        super().fit(table)
        self.facts_ = self._learnt(_spread(table, MEASURED), shared, sources, targets)
        return self

    def _texts(self, table: Table, names: Sequence[str]) -> list[str]:
        """The texts of some columns, joined by spaces, as bytes carry them; nothing for cells that cannot be used."""
        found = [""] * len(table)
        for name in names:
            plain = Text("byte")
            plain.target_ = name == self.target
            decoded = plain.decode(plain.encode(table[name])[0][""])
            found = [f"{before} {text}".strip() for before, text in zip(found, decoded, strict=True)]
        return found

    def _refuse_equal(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        equal = sum(s == t and s != "" for s, t in zip(sources, targets, strict=True))
        if len(sources) > 1 and equal > SAME_TEXTS * len(sources):
            raise DataError(
                f"in {equal:,} of {len(sources):,} rows the target {self.target!r} is the same text as the source: there is "
                "nothing to learn",
                repair="name another target with --target",
            )

    def _learnt(self, table: Table, shared: bool, sources: Sequence[str], targets: Sequence[str]) -> PairFacts:
        arrays, _ = self._columns(table, list(self.kinds_), 0, len(table))  # not kept, so no storage is asked
        whole = np.sum([_lengths(arrays[name]) for name in self.inputs], axis=0)
        source = np.minimum(whole, self.longest - 1)  # as it is read, for which `limits` is asked
        target = _lengths(arrays[self.target])
        each = np.sort((target + 1) / (source + 1))
        signs = [sign for text in targets for sign in text if not sign.isspace()]
        return PairFacts(
            shared=bool(shared),
            unspaced=sum(map(summaries.unspaced, signs)) > len(signs) / 2,
            source_words=_mean(len(summaries.words(text)) for text in sources),
            target_words=_mean(len(summaries.words(text)) for text in targets),
            source_tokens=_mean(source),
            target_tokens=_mean(target),
            ratio=float(each[len(each) - 1 - len(each) // ONE_IN]) if len(each) else 1.0,
            longest=int(target.max(initial=1)),
        )

    def sizes(self) -> Mapping[str, tuple[int, ...]]:
        """Field -> (tokens of its vocabulary, tokens of a row on average, 1 if source and target share a vocabulary)."""
        facts = self.facts_
        found = {
            name: (size, round(facts.source_tokens), int(facts.shared)) for name, (size,) in super().sizes().items()
        }
        return {**found, self.target: (found[self.target][0], round(facts.target_tokens), int(facts.shared))}

    def state(self) -> dict[str, Any]:
        """The fitted transforms, and the facts, as JSON values."""
        return {**super().state(), FACTS: asdict(self.facts_)}

    def restore(self, state: Mapping[str, Any]) -> PairPipeline:
        """See FieldPipeline."""
        if not isinstance(state, Mapping) or FACTS not in state:
            raise BundleError("the stored transforms of pairs of texts have no facts")
        super().restore({name: stored for name, stored in state.items() if name != FACTS})
        types = {f.name: type(f.default) for f in fields(PairFacts)}
        values = checked(state[FACTS], "the facts of pairs of texts", types)
        if any(value < 0 for value in values.values()):
            raise BundleError("the facts of pairs of texts are not all positive")
        self.facts_ = PairFacts(**values)
        if self.facts_.shared and len({kind.sizes() for kind in self.kinds_.values()}) > 1:
            raise BundleError("a vocabulary that source and target share has one size")
        return self

    @property
    def several(self) -> bool:
        """Whether training rows have several right answers."""
        return self.text(self.target).several_

    def note(self, text: str) -> None:
        """Something that a user of this training should know; nothing is noted where there is none."""
        if self.storage is not None:
            self.storage.notes.append(text)

    def text(self, name: str) -> Text:
        """The transform of a field."""
        kind = self._kind(name)
        if not isinstance(kind, Text):
            raise TypeError(f"the column {name!r} is not text")
        return kind


@dataclass(frozen=True)
class Joining:
    """A data.pipeline.Reshape: the arrays at the top of this file. longest: tokens of a source, the end included."""

    inputs: tuple[str, ...]
    target: str
    longest: int

    def key(self) -> str:
        """See Reshape."""
        return repr(self)

    def __call__(self, columns: Columns) -> Columns:
        """See Reshape. A source that is too long loses the ends of its longest fields."""
        parts = [_ragged(columns[name]) for name in self.inputs]
        heads = [[ROLES[i % len(ROLES)]] for i in range(len(parts))] if len(parts) > 1 else [[]]
        kept = cut(np.stack([part.lengths for part in parts]), self.longest - 1 - sum(map(len, heads)))
        found: dict[str, Any] = {"source": _joined(parts, heads, kept, [END])}
        if self.target in columns:
            target = _ragged(columns[self.target])
            found["target"] = _joined([target], [[BEGIN]], target.lengths[None], [END])
        if f"{self.target}.references" in columns:
            found["references"] = columns[f"{self.target}.references"]
        return found


@dataclass(frozen=True)
class PairReader:
    """Texts of batches, and tokens of texts: an evaluation.dictionary.Reader."""

    pipeline: PairPipeline

    @staticmethod
    def of(pipeline: Pipeline) -> PairReader:
        """Of a pipeline of pairs. Raises TypeError for another."""
        return PairReader(pairs(pipeline))

    @property
    def size(self) -> int:
        """Of the target's vocabulary."""
        return self.pipeline.text(self.pipeline.target).tokeniser_.size

    def sources(self, arrays: Arrays) -> list[str]:
        """The source texts of a batch; of several fields one after the other, with spaces between."""
        tokeniser = self.pipeline.text(self.pipeline.inputs[0]).tokeniser_
        texts = []
        for row in rows_of(arrays, "source"):
            pieces = np.split(row, np.flatnonzero(row < SPECIALS))
            texts.append(" ".join(text for text in map(tokeniser.decode, pieces) if text))
        return texts

    def targets(self, arrays: Arrays) -> list[str]:
        """The target texts of a batch."""
        tokeniser = self.pipeline.text(self.pipeline.target).tokeniser_
        return [tokeniser.decode(row) for row in rows_of(arrays, "target")]

    def references(self, arrays: Arrays) -> list[list[str]]:
        """All right answers of each row of a batch, the target first; the target alone in parts that are learnt from."""
        first = self.targets(arrays)
        if "references" not in arrays:
            return [[text] for text in first]
        others = self.pipeline.text(self.pipeline.target).references(_packed(rows_of(arrays, "references")))
        return [[text, *more] for text, more in zip(first, others, strict=True)]

    def tokens(self, texts: Sequence[str]) -> Ragged:
        """Target tokens of texts, without beginning and end."""
        return self.pipeline.text(self.pipeline.target).tokeniser_.encode_all(texts)

    def text(self, tokens: NDArray[Any]) -> str:
        """The text of target tokens, up to the first END."""
        ends = np.flatnonzero(tokens == END)
        stop = int(ends[0]) if len(ends) else len(tokens)
        return self.pipeline.text(self.pipeline.target).tokeniser_.decode(tokens[:stop])


def pairs(pipeline: Pipeline) -> PairPipeline:
    """The pipeline as one of pairs. Raises TypeError for another."""
    if not isinstance(pipeline, PairPipeline):
        raise TypeError(f"this is no pipeline of pairs of texts but a {type(pipeline).__name__}")
    return pipeline


def rows_of(arrays: Arrays, name: str) -> list[NDArray[Any]]:
    """The rows of a padded array without their padding."""
    return [row[:length] for row, length in zip(arrays[name], arrays[f"{name}.length"].tolist(), strict=True)]


def same_letters(first: Iterable[str], second: Iterable[str]) -> float:
    """How much of their letters two sets of texts share, from 0 to 1; 1 where a side has none.

    1 - half the sum of the differences of their shares, without regard to case.
    """
    one, two = (Counter(sign for text in texts for sign in text.lower() if sign.isalpha()) for texts in (first, second))
    if not one or not two:
        return 1.0
    return sum(min(one[s] / one.total(), two[s] / two.total()) for s in one.keys() & two.keys())


def cut(lengths: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """(fields, rows) lengths -> the same, cut so that each row's sum is at most `most`: the longest fields give way.

    All fields longer than a row's common bound are cut to it; what rounding leaves over is given to no one.
    """
    kept = lengths.copy()
    for row in np.flatnonzero(lengths.sum(axis=0) > most):
        room, open_ = max(0, most), np.sort(lengths[:, row])
        for index, length in enumerate(open_):
            bound = room // (len(open_) - index)
            if length > bound:
                kept[:, row] = np.minimum(lengths[:, row], bound)
                break
            room -= int(length)
    return kept


def _joined(
    parts: Sequence[Ragged], heads: Sequence[Sequence[int]], kept: NDArray[np.int64], tail: Sequence[int]
) -> Ragged:
    """Rows side by side: the first kept[i] values of each part behind its head, and the tail."""
    count = len(parts[0])
    lengths = kept.sum(axis=0) + sum(map(len, heads)) + len(tail)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.empty(int(offsets[-1]), np.int32)
    place = offsets[:-1].copy()
    for part, head, length in zip(parts, heads, kept, strict=True):
        for token in head:
            values[place] = token
            place += 1
        inside = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
        values[np.repeat(place, length) + inside] = part.values[np.repeat(part.offsets[:-1], length) + inside]
        place += length
    for token in tail:
        values[place] = token
        place += 1
    return Ragged(values, offsets, padded=True) if count else Ragged(values[:0], np.zeros(1, np.int64), padded=True)


def _spread(table: Table, most: int) -> Table:
    """At most so many rows of a table, evenly spread; the table itself where it has no more."""
    if len(table) <= most:
        return table
    return table.take(np.linspace(0, len(table) - 1, most).astype(np.int64))


def _packed(rows: Sequence[NDArray[Any]]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Ragged(np.concatenate([np.zeros(0, np.int32), *rows]), offsets, padded=True)


def _ragged(column: Any) -> Ragged:
    if not isinstance(column, Ragged):
        raise TypeError("text is always ragged")
    return column


def _lengths(column: Any) -> IntArray:
    return _ragged(column).lengths


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else 0.0
