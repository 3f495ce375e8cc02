"""Measures of language models: by hand, and in the relations that define them."""

import math

import numpy as np
import pytest

from deepwell.metrics import language

COLUMNS = {
    "nats": np.array([3.0, 5.0]),
    "tokens": np.array([2, 2]),
    "characters": np.array([4, 6]),
    "bytes": np.array([5, 11]),
}


@pytest.mark.parametrize(
    ("metric", "value"),
    [(language.nats_per_character(), 0.8), (language.bits_per_byte(), 0.5 / math.log(2)),
     (language.nats_per_token(), 2.0), (language.perplexity(), math.e**2)],
)  # fmt: skip
def test_by_hand(metric, value) -> None:
    assert metric.value(COLUMNS) == pytest.approx(value)
    assert metric.direction == "lower"


def test_a_model_that_knows_nothing_needs_eight_bits_a_byte() -> None:
    columns = {
        "nats": np.array([10 * math.log(256)]),
        **dict.fromkeys(("tokens", "characters", "bytes"), np.array([10])),
    }
    assert language.bits_per_byte().value(columns) == pytest.approx(8.0)
    assert language.perplexity().value(columns) == pytest.approx(256.0)


def test_lines_count_by_their_weights() -> None:
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    found = language.nats_per_character().finish(COLUMNS, weights)
    np.testing.assert_allclose(found, [0.8, 0.75, np.nan])
