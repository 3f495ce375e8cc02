"""Step-by-step generation: greedy or sampled, over any Runner and whatever cache it keeps.

Unusual: the loop never sees the cache. A call reads `token` (n,) int64 (with whatever else the network wants) and gives
`logits` (n, V), the scores of the next token; its state goes back in untouched. A row draws from its own key, so its tokens
do not depend on its neighbours in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepwell.core.batch import IntArray
from deepwell.core.keys import Key
from deepwell.core.runner import Arrays, Runner, State

Choose = Callable[[NDArray[Any], int], IntArray]


def generate(
    runner: Runner,
    call: str,
    arrays: Arrays,
    state: State,
    steps: int,
    choose: Choose,
    stop: int | None = None,
    copies: int = 1,
) -> IntArray:
    """Tokens, one a step, until every row has said `stop` or `steps` are done.

    Args:
        arrays: what the first call gets: `token` (n,), the last token of the prompt, and any others, which every call gets.
        state: the cache after the prompt, as an earlier call of the runner gave it; None: nothing yet.
        choose: (logits (n, V), step) -> (n,) tokens: `greedy`, or a draw with `sample`.
        stop: the token that ends a row; None: rows end with the last step.
        copies: rows that go on from each row of `arrays`, side by side, so that what is the same is run once.
    Returns:
        (n * copies, done) int64, done <= steps; what follows a row's stop is stop.
    """
    rows = len(arrays["token"]) * copies
    ended = np.zeros(rows, bool)
    tokens: list[IntArray] = []
    for step in range(steps):
        outputs, state = runner.run(call, arrays, state)
        logits = outputs["logits"]
        if step == 0 and copies > 1:
            copied = np.repeat(np.arange(len(logits)), copies)
            logits, state = logits[copied], runner.pick(state, copied)
            arrays = {name: array[copied] for name, array in arrays.items()}
        token = np.asarray(choose(logits, step), np.int64)
        if stop is not None:
            token = np.where(ended, stop, token)
            ended |= token == stop
        tokens.append(token)
        if ended.all():
            break
        arrays = {**arrays, "token": token}
    return np.stack(tokens, axis=1) if tokens else np.zeros((rows, 0), np.int64)


def greedy(logits: NDArray[Any], step: int = 0) -> IntArray:
    """The most likely token of each row: (n, V) -> (n,); the first of equals."""
    return np.asarray(np.argmax(logits, axis=-1), np.int64)


@dataclass(frozen=True)
class Cut:
    """Which tokens a draw may take, the most likely first; equals are cut by position.

    top_k: only the k most likely (Fan et al. 2018, arXiv:1805.04833); 0: all. top_p: only the fewest that together reach this
    probability (Holtzman et al. 2020, arXiv:1904.09751), taken after top_k; 1: all. min_p: only those at least so likely as
    this share of the most likely one (Nguyen et al. 2024, arXiv:2407.01082); 0: all. One token is always left.
    """

    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weights of tokens, (n, V) descending with 1 first, with those that may not be drawn set to 0."""
        weights = weights.copy()
        if self.top_k:
            weights[:, self.top_k :] = 0
        if self.top_p < 1:
            reached = np.cumsum(weights, axis=1)
            # Kept: the token that passes the mark, and all before.
            weights[reached - weights >= self.top_p * reached[:, -1:]] = 0
        if self.min_p:
            weights[weights < self.min_p] = 0
        weights[:, 0] = 1
        return weights


ALL = Cut()


def sample(
    logits: NDArray[Any], key: Key, temperature: float = 1.0, cut: Cut = ALL, rows: IntArray | None = None
) -> IntArray:
    """One token per row drawn from softmax(logits / temperature), cut to the most likely ones.

    Args:
        logits: (n, V); -inf forbids a token. temperature: above 0; 0 is greedy.
        rows: (n,) name of each row's stream, e.g. its row in the Table; default 0..n-1. Fold the step into `key`.
    Returns:
        (n,) int64.
    """
    if temperature == 0:
        return greedy(logits)
    scaled = logits.astype(np.float64) / temperature
    order = np.argsort(-scaled, axis=1, kind="stable")
    ranked = np.take_along_axis(scaled, order, axis=1)
    weights = cut(np.exp(ranked - ranked[:, :1]))
    reached = np.cumsum(weights, axis=1)
    names = range(len(logits)) if rows is None else rows
    draws = np.array([key.fold("row", int(name)).numpy().random() for name in names])
    place = (reached <= draws[:, None] * reached[:, -1:]).sum(axis=1)
    place = np.minimum(place, (weights > 0).sum(axis=1) - 1)  # a draw next to 1 may round up to 1
    return np.asarray(order[np.arange(len(order)), place], np.int64)


def repelled(logits: NDArray[Any], seen: NDArray[np.bool_], strength: float) -> NDArray[np.float64]:
    """The logits (n, V) with the odds of `seen` tokens (n, V) divided by `strength`; 1 changes nothing.

    The penalty of Keskar et al. 2019 (arXiv:1909.05858, section 4.1) scales the scores themselves, so it depends on a
    constant that softmax takes out again; this one does not.
    """
    return np.asarray(logits - math.log(strength) * seen, np.float64)
