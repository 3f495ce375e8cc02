"""Measures of a language model, all of them one figure in other units: how surprised it is by a text it has not seen.

Read from the measured columns, one line per window of text:
    nats         (n,) surprise of the network at what came, natural logarithm, summed over the line
    tokens       (n,) how many tokens that was
    characters   (n,) how many characters of text, bytes (n,) how many bytes of UTF-8
Unusual: signs that are no text (the end of a document, the name of a speaker) count as one character and one byte each, as a
line break in their place would; so the sums do not depend on the tokeniser, and neither does what is divided by them.
Nats per character is the one to compare by: perplexity is per token, so models with other tokens cannot be compared by it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from deepwell.core.scores import Columns, Metric


def nats_per_character() -> Metric:
    """Surprise per character: the same for every tokeniser, and for every script a character counts once."""
    return Metric(
        "nats_per_character", "nats", "lower", lambda columns, weights: _ratio(columns, weights, "characters")
    )


def bits_per_byte() -> Metric:
    """Surprise per byte of UTF-8 in bits: what a compressor that asks this model would need."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _ratio(columns, weights, "bytes") / math.log(2)

    return Metric("bits_per_byte", "bits", "lower", finish)


def nats_per_token() -> Metric:
    """Surprise per token, which training makes small."""
    return Metric("nats_per_token", "nats", "lower", lambda columns, weights: _ratio(columns, weights, "tokens"))


def perplexity() -> Metric:
    """exp of the surprise per token: among so many equally likely tokens the model chooses (Jelinek et al. 1977)."""

    def finish(columns: Columns, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = np.exp(_ratio(columns, weights, "tokens"))
        return result

    return Metric("perplexity", "tokens", "lower", finish)


def _ratio(columns: Columns, weights: NDArray[np.float64], per: str) -> NDArray[np.float64]:
    """(resamples,): the weighted sum of nats over that of `per`; NaN where the latter is 0."""
    over = weights @ columns[per].astype(np.float64)
    total = weights @ columns["nats"].astype(np.float64)
    return np.asarray(np.divide(total, over, out=np.full(len(over), np.nan), where=over > 0), np.float64)
