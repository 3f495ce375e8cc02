"""n-grams on a real text, against compressors as independent judges. Only the first nine tenths of the text are read."""

import bz2
import lzma
import math
import os
from pathlib import Path

import numpy as np
import pytest

from deepwell.evaluation import ngrams

DATA = Path(os.environ.get("DEEPWELL_DATA", Path(__file__).parents[3] / "shared/data"))
PLAY = DATA / "text-generation/tinyshakespeare/input.txt"


@pytest.fixture(scope="module")
def halves() -> tuple[bytes, bytes]:
    """What is counted, and what is asked."""
    if not PLAY.exists():
        pytest.skip(f"tiny Shakespeare is not at {PLAY}; set DEEPWELL_DATA")
    text = PLAY.read_bytes()
    return text[:400_000], text[400_000:450_000]


def tokens(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8).astype(np.int64)


def test_counting_says_more_of_a_text_than_compressors_that_read_the_same(halves: tuple[bytes, bytes]) -> None:
    read, asked = halves
    model, _, _ = ngrams.fit(tokens(read), 256)
    bits = float(model.surprise(tokens(asked)[None]).mean()) / math.log(2)
    for compress in (bz2.compress, lzma.compress):
        primed = 8 * (len(compress(read + asked)) - len(compress(read))) / len(asked)
        assert bits < primed
    assert bits > 1.9  # no model of its kind does so well; one that saw the answers would
    assert 5 <= model.order <= 8


def test_what_is_left_out_costs_as_much_as_text_that_was_never_there(halves: tuple[bytes, bytes]) -> None:
    read, asked = halves
    order = 5
    share = np.concatenate([found[0] for _, found in ngrams.held_out(tokens(read), 256, order)])
    assert len(share) == len(read) - 1
    inside = float(-np.log(share).mean())
    outside = float(ngrams.count(tokens(read), 256, order).surprise(tokens(asked)[None]).mean())
    by_heart = float(ngrams.count(tokens(read), 256, order).surprise(tokens(read)[None, :50_000]).mean())
    assert inside == pytest.approx(outside, rel=0.05)
    assert by_heart < 0.9 * inside
