"""Writing: tokens become text while they are chosen, for as long as is asked, over any Runner with a cache.

Unusual: a piece of text is given out only when it is final. Bytes that do not make a whole character yet are held back, and
so is what may be the beginning of a stop text. A network knows a limited context: when it is full, the cache is dropped and
made again from its last half, so a text may be longer than any context.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.keys import Key
from deepwell.core.runner import Runner
from deepwell.decoding.steps import Cut, generate, repelled, sample


@dataclass(frozen=True)
class Manner:
    """How tokens are drawn. temperature, cut: see steps.sample. repetition: what the odds of tokens already written are
    divided by; 1: nothing. end: the token that ends a text. never: tokens that are not to be written."""

    temperature: float
    cut: Cut
    repetition: float
    end: int
    never: tuple[int, ...] = ()


class Writer:
    """The texts of n rows that are being written.

    pieces: the bytes of each token. end: the token that ends a row. stops: texts before which a row ends. emit: gets the
    final pieces of the first row as they are made; None: nobody listens.

    Attributes:
        ended: (n,) bool.
    """

    def __init__(
        self,
        rows: int,
        pieces: Sequence[bytes],
        end: int,
        stops: Sequence[str] = (),
        emit: Callable[[str], None] | None = None,
    ) -> None:
        self.ended = np.zeros(rows, np.bool_)
        self._pieces, self._end, self._emit = pieces, end, emit
        self._stops = [stop for stop in stops if stop]
        self._decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(rows)]
        self._given = ["" for _ in range(rows)]  # final
        self._held = ["" for _ in range(rows)]  # may be the beginning of a stop text

    @property
    def texts(self) -> list[str]:
        """What was written so far, row by row."""
        return [given + held for given, held in zip(self._given, self._held, strict=True)]

    def add(self, tokens: IntArray) -> None:
        """One more token of each row, (n,); those of rows that have ended say nothing."""
        for row in np.flatnonzero(~self.ended):
            token = int(tokens[row])
            if token == self._end:
                self._close(int(row))
            else:
                self._write(int(row), self._decoders[row].decode(self._pieces[token]))

    def close(self) -> None:
        """No more tokens: what is held back is given out, bytes that make no character as the replacement sign."""
        for row in np.flatnonzero(~self.ended):
            self._close(int(row))

    def _close(self, row: int) -> None:
        self._write(row, self._decoders[row].decode(b"", final=True))
        if not self.ended[row]:
            self._give(row, self._held[row])
            self._held[row] = ""
        self.ended[row] = True

    def _write(self, row: int, text: str) -> None:
        """Text after what is held back; up to the first stop text, if one is there now."""
        held = self._held[row] + text
        found = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if found:
            self._give(row, held[: min(found)])
            self._held[row] = ""
            self.ended[row] = True
            return
        kept = max((n for stop in self._stops for n in range(1, len(stop)) if held.endswith(stop[:n])), default=0)
        self._give(row, held[: len(held) - kept])
        self._held[row] = held[len(held) - kept :]

    def _give(self, row: int, text: str) -> None:
        self._given[row] += text
        if row == 0 and text and self._emit is not None:
            self._emit(text)


def write(
    runner: Runner,
    prompt: IntArray,
    writer: Writer,
    manner: Manner,
    steps: int,
    context: int,
    key: Key,
    first: int = 0,
) -> IntArray:
    """Continue a prompt in every row of the writer, at most `steps` tokens, until all rows have ended.

    Args:
        runner: has the call `step`: `token` (n, t) or (n,) -> `logits` (n, V). prompt: (t,) tokens, t >= 1; of a long one the
            last `context` - `context` // 4 are read. context: tokens that the network may see at once, at least 4.
        key: rows draw from their own streams under it. first: the number of the first row's stream.
    Returns:
        (n, done) the tokens, `manner.end` behind the end of a row.
    """
    rows = len(writer.ended)
    written: IntArray = np.zeros((rows, 0), np.int64)
    shown = prompt[None, -(context - context // 4) :].astype(np.int64)  # by one row for all
    seen: NDArray[np.bool_] | None = None
    while written.shape[1] < steps and not writer.ended.all():
        done = written.shape[1]

        def choose(logits: NDArray[np.float32], step: int, done: int = done) -> IntArray:
            nonlocal seen
            if seen is None:
                seen = np.zeros(logits.shape, np.bool_)
            scores = repelled(logits, seen, manner.repetition)
            scores[:, manner.never] = -np.inf
            token = sample(
                scores, key.fold("step", done + step), manner.temperature, manner.cut, first + np.arange(rows)
            )
            token[writer.ended] = manner.end
            writer.add(token)
            token[writer.ended] = manner.end
            seen[np.arange(rows), token] = True
            return token

        room = min(steps - done, context - shown.shape[1] + 1)
        new = generate(runner, "step", {"token": shown}, None, room, choose, manner.end, rows // len(shown))
        written = np.concatenate([written, new], axis=1)
        shown = np.concatenate([np.broadcast_to(shown, (rows, shown.shape[1])), new], axis=1)[:, -(context // 2) :]
    writer.close()
    return written
