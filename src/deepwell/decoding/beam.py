"""Batched beam search over any Runner that can pick rows of its cache.

Unusual: a beam that has ended stays among the others and competes with them, so the search needs no second list and gives
the exact best sequences whenever the width covers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.runner import Arrays, Runner, State


@dataclass(frozen=True)
class Beams:
    """The best sequences of each row, best first.

    tokens: (n, width, steps) int64, filled with the stop token behind the end. lengths: (n, width), the stop counted.
    scores: (n, width): log probability / penalty(length); -inf where there are fewer sequences than beams.
    """

    tokens: IntArray
    lengths: IntArray
    scores: NDArray[np.float64]


def beam_search(
    runner: Runner,
    call: str,
    arrays: Arrays,
    state: State,
    steps: int,
    stop: int,
    width: int,
    length_penalty: float = 0.0,
) -> Beams:
    """The `width` most likely sequences of each row that the beam finds.

    Calls, arrays (`token` (n,) and others), state and `logits` as in `generate`. length_penalty a divides a sequence's log
    probability by ((5 + length) / 6)^a (Wu et al. 2016, equation 14); 0: none, above 0 favours longer ones.
    """
    n = len(arrays["token"])
    every = np.repeat(np.arange(n), width)
    state = state if state is None else runner.pick(state, every)
    arrays = {name: array[every] for name, array in arrays.items()}
    total = np.full((n, width), -np.inf)
    total[:, 0] = 0.0  # all beams begin alike: only one may branch
    lengths, ended = np.zeros((n, width), np.int64), np.zeros((n, width), bool)
    tokens = np.full((n, width, steps), stop, np.int64)
    for step in range(steps):
        outputs, state = runner.run(call, arrays, state)
        gain = _log_softmax(outputs["logits"]).reshape(n, width, -1)
        vocabulary = gain.shape[-1]
        gain[ended] = -np.inf
        gain[ended, stop] = 0.0
        candidates = total[..., None] + gain
        longer = lengths + ~ended
        ranked = (candidates / _penalty(longer, length_penalty)[..., None]).reshape(n, -1)
        best = np.argsort(-ranked, axis=1, kind="stable")[:, :width]
        beam, token = np.divmod(best, vocabulary)
        total = np.take_along_axis(candidates.reshape(n, -1), best, axis=1)
        lengths = np.take_along_axis(longer, beam, axis=1)
        tokens = np.take_along_axis(tokens, beam[..., None], axis=1)
        tokens[..., step] = token
        ended = np.take_along_axis(ended, beam, axis=1) | (token == stop)
        if ended[np.isfinite(total)].all():
            break
        state = runner.pick(state, (np.arange(n)[:, None] * width + beam).ravel())
        arrays = {**arrays, "token": token.ravel()}
    return Beams(tokens, lengths, total / _penalty(np.maximum(lengths, 1), length_penalty))


def _penalty(lengths: IntArray, strength: float) -> NDArray[np.float64]:
    """((5 + length) / 6)^strength."""
    return np.asarray(np.power((5.0 + lengths) / 6.0, strength), np.float64)


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Log probabilities over the last axis; -inf stays -inf."""
    shifted = np.subtract(logits, logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float64)
