"""Batched beam search over any Runner that can pick rows of its cache.

Unusual: a beam that has ended stays among the others and competes with them, so the search needs no second list and gives
the exact best sequences whenever the width covers them. But only beams that go on are asked for their next tokens, and a row
leaves the batch as soon as nothing can change its answer any more, so short answers do not wait for long ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.runner import Arrays, Runner, State

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Search:
    """How to search.

    width: beams of a row. length_penalty: a divides a sequence's log probability by ((5 + length) / 6)^a (Wu et al. 2016,
    arXiv:1609.08144, equation 14); 0: none, above 0 favours longer ones. wanted: sequences of a row that are asked for, at
    most width; None: width.
    """

    width: int = 5
    length_penalty: float = 0.0
    wanted: int | None = None

    @property
    def answers(self) -> int:
        """How many sequences each row gets."""
        return self.width if self.wanted is None else min(self.wanted, self.width)

    def rank(self, total: Floats, lengths: IntArray) -> Floats:
        """Log probabilities as they compete: divided by the penalty of their lengths."""
        return np.asarray(total / np.power((5.0 + lengths) / 6.0, self.length_penalty), np.float64)


@dataclass(frozen=True)
class Beams:
    """The best sequences of each row, best first.

    tokens: (n, answers, steps) int64, filled with the stop token behind the end. lengths: (n, answers), the stop counted.
    scores: (n, answers): log probability / penalty(length); -inf where there are fewer sequences than answers.
    """

    tokens: IntArray
    lengths: IntArray
    scores: Floats


@dataclass(frozen=True)
class _Live:
    """The rows that are still searched: r rows of b beams, best first.

    rows: (r,) which of all rows. tokens: (r, b, steps). total: (r, b) log probabilities. lengths, ended: (r, b).
    """

    rows: IntArray
    tokens: IntArray
    total: Floats
    lengths: IntArray
    ended: NDArray[np.bool_]

    @property
    def going(self) -> NDArray[np.bool_]:
        """(r, b): which beams are possible and have not ended; only these are asked for their next tokens."""
        return np.asarray(~self.ended & np.isfinite(self.total), np.bool_)

    def take(self, kept: NDArray[np.bool_]) -> _Live:
        """Some of the rows."""
        return _Live(self.rows[kept], self.tokens[kept], self.total[kept], self.lengths[kept], self.ended[kept])


def beam_search(
    runner: Runner, call: str, arrays: Arrays, state: State, steps: int | IntArray, stop: int, search: Search
) -> Beams:
    """The most likely sequences of each row that the beam finds.

    Args:
        call, arrays, state: as in `generate`: `token` (n,) and others, which every call gets; `logits` (n, V) come back.
        steps: tokens of an answer at the most, for all rows or for each (n,); a sequence may end there without a stop.
        stop: the token that ends a sequence.
    """
    n = len(arrays["token"])
    limits = np.maximum(np.broadcast_to(np.asarray(steps, np.int64), (n,)), 1)
    most = int(limits.max(initial=1))
    found = Beams(
        np.full((n, search.answers, most), stop, np.int64),
        np.zeros((n, search.answers), np.int64),
        np.full((n, search.answers), -np.inf),
    )
    # All beams begin alike, so there is one at first; each step makes as many as there are candidates, up to the width.
    live = _Live(
        np.arange(n), np.full((n, 1, most), stop, np.int64), np.zeros((n, 1)), np.zeros((n, 1), np.int64),
        np.zeros((n, 1), np.bool_),
    )  # fmt: skip
    token = np.asarray(arrays["token"])
    for step in range(most if n else 0):
        going = live.going
        each = np.broadcast_to(live.rows[:, None], going.shape)[going]
        given = {name: array[each] for name, array in arrays.items()}
        outputs, state = runner.run(call, {**given, "token": token}, state)
        live, beam = _advance(live, outputs["logits"], step, stop, search)
        done = _done(live, limits[live.rows], step, search)
        _keep(found, live.take(done), search)
        if done.all():
            break
        place = np.zeros(going.shape, np.int64)
        place[going] = np.arange(len(each))  # of each beam in the state, which holds only those that go on
        origin, live = np.take_along_axis(place, beam, axis=1)[~done], live.take(~done)
        picked = origin[live.going]
        if not np.array_equal(picked, np.arange(len(each))):
            state = runner.pick(state, picked)
        token = live.tokens[:, :, step][live.going]
    return found


def _advance(live: _Live, logits: NDArray[Any], step: int, stop: int, search: Search) -> tuple[_Live, IntArray]:
    """The beams of each row one token on, and the beam (r, b) that each came from. logits: of the beams that go on."""
    count = len(live.rows)
    tops, chances = most_likely(logits, search.width)
    shape = (*live.total.shape, tops.shape[1])
    token, gain = np.full(shape, stop, np.int64), np.full(shape, -np.inf)
    token[live.going], gain[live.going] = tops, chances
    gain[live.ended, 0] = 0.0  # an ended beam goes on as it is
    candidates = live.total[..., None] + gain
    longer = live.lengths + ~live.ended
    ranked = search.rank(candidates, longer[..., None]).reshape(count, -1)
    best = np.argsort(-ranked, axis=1, kind="stable")[:, : search.width]
    possible = np.isfinite(np.take_along_axis(ranked, best, axis=1)).any(axis=0)  # best first, so these come first
    best = best[:, : max(1, np.count_nonzero(possible))]
    beam = best // gain.shape[2]
    tokens = np.take_along_axis(live.tokens, beam[..., None], axis=1)
    tokens[..., step] = np.take_along_axis(token.reshape(count, -1), best, axis=1)
    ended = np.take_along_axis(live.ended, beam, axis=1) | (tokens[..., step] == stop)
    total = np.take_along_axis(candidates.reshape(count, -1), best, axis=1)
    return _Live(live.rows, tokens, total, np.take_along_axis(longer, beam, axis=1), ended), beam


def _done(live: _Live, limits: IntArray, step: int, search: Search) -> NDArray[np.bool_]:
    """(r,): whether a row's answers are final: they have ended, and nothing that goes on can still overtake them.

    A log probability only falls, so what a beam can reach at best is its own of now over the penalty of the longest answer.
    """
    over = ~live.going
    first = min(search.answers, live.total.shape[1])
    reachable = np.where(over, -np.inf, live.total)
    lengths = limits[:, None] if search.length_penalty > 0 else live.lengths + 1
    reachable = search.rank(reachable, lengths).max(axis=1)
    last = search.rank(live.total, live.lengths)[:, first - 1]
    settled = over[:, :first].all(axis=1) & (last >= reachable)
    return np.asarray(settled | over.all(axis=1) | (step + 1 >= limits), np.bool_)


def _keep(found: Beams, done: _Live, search: Search) -> None:
    """Write the rows that are done into what was found."""
    first = min(search.answers, done.total.shape[1])
    found.tokens[done.rows, :first] = done.tokens[:, :first]
    found.lengths[done.rows, :first] = done.lengths[:, :first]
    found.scores[done.rows, :first] = search.rank(done.total, done.lengths)[:, :first]


def most_likely(logits: NDArray[Any], count: int) -> tuple[IntArray, Floats]:
    """The `count` most likely tokens of each row and their log probabilities, in no order; fewer where V is smaller.

    logits: (n, V), -inf forbids a token. Returns (n, k) int64 and (n, k) float64.
    """
    peak = logits.max(axis=1, keepdims=True)
    mass = logits - peak
    mass = np.exp(mass, out=mass).sum(axis=1, keepdims=True)
    rest = logits.shape[1] - count
    if count == 1:
        top = logits.argmax(axis=1)[:, None]
    else:
        top = np.argpartition(logits, rest, axis=1)[:, rest:] if rest > 0 else np.argsort(logits, axis=1)
    values = np.take_along_axis(logits, top, axis=1).astype(np.float64)
    return np.asarray(top, np.int64), values - peak - np.log(mass.astype(np.float64))
